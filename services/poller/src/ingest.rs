//! From an observation to the log.
//!
//! Everything is compared with the log's own state, so doing it again, after a crash or a conflict, says only what is
//! missing. Crash cases, in the order of the writes:
//!
//! - *Between two appends.* What was appended is known when the scope is read again; the rest follows then. During a first
//!   sight the scope's own event is not yet there, so the rest are snapshots still.
//! - *Between the last append and the record.* The record is that of the read before: the next `not_before` is a little too
//!   early, and a removal needs one more read.

use std::collections::{BTreeSet, HashMap};

use change_engine::{Known, Seen, Verdict, removal_draft, scope_snapshot_draft};
use event_model::{EntityState, Event, EventDraft, Subject, entity::fingerprint};
use event_store::{Durability, StoreError};
use jiff::Timestamp;
use tracing::{info, warn};

use crate::{
    account::Account,
    observation::Observation,
    watch::{Watch, WatchRecord},
};

/// Drafts in one append. A first sight of thousands is cut into several, so that neither memory nor the pause of other
/// appends grows with it.
const BATCH_EVENTS: usize = 512;
/// Bytes of objects in one append: well under what the store takes at once, whatever the size of the entities.
const BATCH_BYTES: usize = 4 << 20;
/// So often an observation is compared again when something else changed its entities meanwhile.
const MAX_ATTEMPTS: u32 = 3;
/// Entities compared before other tasks get a turn: some milliseconds of work.
const YIELD_EVERY: usize = 64;

/// What became of an observation.
#[derive(Debug)]
pub(crate) struct Ingested {
    pub(crate) entities: u64,
    pub(crate) events: usize,
    /// So much was missing that nothing was said about it.
    pub(crate) withheld: bool,
}

/// Appends what `observation` says that the log does not, then records the read.
pub(crate) async fn ingest(
    account: &Account,
    watch: &Watch,
    observation: &Observation,
) -> Result<Ingested, StoreError> {
    let mut attempt = 1;
    loop {
        match Ingest::begin(account, watch, observation).await?.run().await {
            Err(StoreError::RevisionConflict { subject, expected, found }) if attempt < MAX_ATTEMPTS => {
                let (expected, found) = (expected.0, found.0);
                warn!(account = %account.name(), %subject, expected, found, "the log moved meanwhile: comparing again");
                attempt += 1;
            }
            done => return done,
        }
    }
}

struct Ingest<'a> {
    account: &'a Account,
    watch: &'a Watch,
    observation: &'a Observation,
    record: WatchRecord,
    known: HashMap<String, EntityState>,
    first_sight: bool,
    baselined: bool,
    batch: Vec<EventDraft>,
    batch_bytes: usize,
    events: usize,
}

impl<'a> Ingest<'a> {
    async fn begin(account: &'a Account, watch: &'a Watch, observation: &'a Observation) -> Result<Self, StoreError> {
        let stored = account.records.get(&account.record_key(watch)).await?;
        let reach = watch.reach(&account.config);
        let widened = stored.as_ref().is_some_and(|record| record.reach != reach);
        let first_sight = !account.is_baselined(watch).await?;
        let known = account.store.entities(account.name(), watch.kind()).await?;
        Ok(Self {
            account,
            watch,
            observation,
            record: WatchRecord { reach, ..stored.unwrap_or_default() },
            known: known.into_iter().collect(),
            first_sight,
            baselined: !first_sight && !widened,
            batch: Vec::new(),
            batch_bytes: 0,
            events: 0,
        })
    }

    async fn run(mut self) -> Result<Ingested, StoreError> {
        self.changes().await?;
        let withheld = self.removals().await?;
        let entities = self.observation.entities.len() as u64;
        if self.first_sight {
            self.batch.push(scope_snapshot_draft(&self.seen(), &self.watch.name(), entities));
        }
        self.append().await?;
        self.record.fresh_as_of = Some(self.observation.started_at);
        self.record.entities = Some(entities);
        self.record.unread = self.still_unread();
        // Relaxed: the log stands, and what is lost with this only delays (see above).
        let key = self.account.record_key(self.watch);
        self.account.records.put(&key, &self.record, Durability::Relaxed).await?;
        if self.first_sight {
            info!(account = %self.account.name(), watch = self.watch.name(), entities, "first sight complete");
        }
        Ok(Ingested { entities, events: self.events, withheld })
    }

    fn seen(&self) -> Seen<'a> {
        Seen {
            account: self.account.name(),
            observed_at: self.observation.observed_at,
            not_before: self.record.fresh_as_of,
            baselined: self.baselined,
        }
    }

    async fn changes(&mut self) -> Result<(), StoreError> {
        for (done, (id, entity)) in self.observation.entities.iter().enumerate() {
            if done % YIELD_EVERY == YIELD_EVERY - 1 {
                tokio::task::yield_now().await;
            }
            let object = entity.object();
            let state = self.known.get(id);
            if self.belongs_elsewhere(id, state).await? {
                continue;
            }
            if state.is_some_and(|state| !state.removed && state.fingerprint == fingerprint(&object)) {
                continue;
            }
            let known = match state {
                Some(state) => Some(load(self.account, state).await?),
                None => None,
            };
            let first_sight = self.record.unread.contains(id);
            let seen = Seen { baselined: self.baselined && !first_sight, ..self.seen() };
            let drafts = entity.drafts(&seen, known.as_ref());
            self.push(drafts).await?;
        }
        Ok(())
    }

    /// Whether another watch of the account answers for this entity: a card that the log has in another watched domain.
    async fn belongs_elsewhere(&self, id: &str, state: Option<&EntityState>) -> Result<bool, StoreError> {
        let Watch::Cards(domain) = self.watch else { return Ok(false) };
        let Some(state) = state.filter(|state| !state.removed) else { return Ok(false) };
        let held_by = self.account.card_domain(id, state).await?;
        Ok(held_by.is_some_and(|other| other != *domain && self.account.config.domains.contains(&other)))
    }

    /// What is listed and was never read, by this read or any before it.
    fn still_unread(&self) -> BTreeSet<String> {
        let never_read = |id: &&String| !self.known.contains_key(*id) && !self.observation.entities.contains_key(*id);
        self.observation.present.iter().flatten().filter(never_read).cloned().collect()
    }

    /// Whether absences were withheld.
    async fn removals(&mut self) -> Result<bool, StoreError> {
        let Some(present) = &self.observation.present else { return Ok(false) };
        let live = self.live().await?;
        let verdict = self.record.absences.after_complete_read(&live, present, self.observation.started_at);
        let removed = match verdict {
            Verdict::Withheld { missing, of } => {
                let watch = self.watch.name();
                warn!(account = %self.account.name(), watch, missing, of, "too much is missing at once: nothing is removed");
                return Ok(true);
            }
            Verdict::Removed(removed) => removed,
        };
        // The read before did not show it either: it was last seen when nothing was missing, or later.
        let seen = Seen { not_before: self.record.whole_as_of, ..self.seen() };
        if self.record.absences.is_empty() {
            self.record.whole_as_of = Some(self.observation.started_at);
        }
        for id in removed {
            let Some(state) = self.known.get(&id) else { continue };
            let known = load(self.account, state).await?;
            let subject = Subject::new(self.watch.kind(), id);
            let draft = removal_draft(&seen, &subject, &known);
            self.push(draft.into_iter().collect()).await?;
        }
        Ok(false)
    }

    /// The entities in the log that a complete read of this watch must show.
    async fn live(&self) -> Result<BTreeSet<String>, StoreError> {
        let states = self.known.iter().filter(|(_, state)| !state.removed);
        match self.watch {
            Watch::Reports => Ok(BTreeSet::new()),
            Watch::Policies => {
                let wanted = &self.account.config.policies;
                let in_reach = |id: &String| wanted.is_empty() || wanted.contains(id);
                Ok(states.map(|(id, _)| id.clone()).filter(in_reach).collect())
            }
            Watch::Cards(domain) => {
                let mut live = BTreeSet::new();
                for (id, state) in states {
                    if self.account.card_domain(id, state).await?.as_deref() == Some(domain) {
                        live.insert(id.clone());
                    }
                }
                Ok(live)
            }
        }
    }

    async fn push(&mut self, drafts: Vec<EventDraft>) -> Result<(), StoreError> {
        let bytes: usize = drafts.iter().map(|draft| draft.data.object.to_string().len()).sum();
        if self.batch.len() + drafts.len() > BATCH_EVENTS || self.batch_bytes + bytes > BATCH_BYTES {
            self.append().await?;
        }
        self.batch.extend(drafts);
        self.batch_bytes += bytes;
        Ok(())
    }

    async fn append(&mut self) -> Result<(), StoreError> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let stored = self.account.store.append(batch).await?;
        let now = Timestamp::now();
        for event in &stored {
            let head = &event.head;
            self.account.metrics.appended(
                self.account.name(),
                head.event_type,
                head.timestamp,
                head.observed_at(),
                now,
            );
        }
        self.events += stored.len();
        Ok(())
    }
}

/// What the log says of an entity, object included.
pub(crate) async fn load(account: &Account, state: &EntityState) -> Result<Known, StoreError> {
    let corrupt = || StoreError::Corrupt { sequence: state.sequence };
    let stored = account.store.event(state.sequence).await?.ok_or_else(corrupt)?;
    let event: Event = serde_json::from_slice(&stored.body).map_err(|_| corrupt())?;
    Ok(Known { revision: state.revision, removed: state.removed, object: event.data.object })
}
