//! What the lists have in common: policies and the cards of a domain.

use change_engine::{Seen, paths::Paths, removal_draft, scope_snapshot_draft};
use event_model::{EntityKind, Subject};
use event_store::{Durability, StoreError};
use jiff::Timestamp;
use tracing::info;

use super::{Scribe, record::WatchRecord, watch::POLICIES};

impl Scribe {
    /// The first sight of a list is complete, and what came into reach with another configuration was seen since.
    pub(super) fn is_baselined(&self, name: &str, before: &WatchRecord) -> bool {
        let reach = if name == POLICIES { self.config.policies.join(",") } else { String::new() };
        self.baselined.contains(name) && before.reach == reach
    }

    /// Ends a complete read of a list: its record, then the event of a first sight. In this order when that event, or what
    /// came into reach, hangs on the record: see the head of [`record`](super::record).
    pub(super) async fn end_list(
        &mut self,
        name: &str,
        before: &WatchRecord,
        at: Timestamp,
        entities: u64,
    ) -> Result<(), StoreError> {
        let first_sight = !self.baselined.contains(name);
        let record = &self.records[name];
        let matters = first_sight || before.reach != record.reach || before.unread != record.unread;
        let durability = if matters { Durability::Durable } else { Durability::Relaxed };
        self.tables.watches.put(&self.key(name), record, durability).await?;
        if !first_sight {
            return Ok(());
        }
        let (account, paths) = (&self.config.account, Paths::default());
        let seen =
            Seen { account, observed_at: at, not_before: None, told_until: None, baselined: false, paths: &paths };
        self.append(vec![scope_snapshot_draft(&seen, name, entities)]).await?;
        info!(account = %self.config.account, watch = name, entities, "first sight complete");
        Ok(())
    }

    /// Tells that policies or cards are gone.
    pub(super) async fn tell_removed(
        &mut self,
        kind: EntityKind,
        name: &str,
        gone: &[String],
        observed_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut drafts = Vec::new();
        for id in gone {
            let states = if kind == EntityKind::Policy { &self.policies } else { &self.cards };
            let Some(known) = self.known(states.get(id)).await? else { continue };
            let record = &self.records[name];
            let last_shown = record.missing.get(id).map_or(record.fresh_as_of, |missing| missing.last_shown);
            let (account, paths) = (&self.config.account, Paths::default());
            let not_before = last_shown.filter(|at| *at < observed_at);
            let seen = Seen { account, observed_at, not_before, told_until: None, baselined: true, paths: &paths };
            drafts.extend(removal_draft(&seen, &Subject::new(kind, id), &known));
        }
        self.tell(drafts).await?;
        let record = self.record(name);
        record.missing.retain(|id, _| !gone.contains(id));
        Ok(())
    }
}
