//! What reads of policies mean for the log.
//!
//! The list says which policies the credential administers; it is the scope. A policy that it does not show is read by its id
//! together with the list of all that the credential sees: listed in a lower role, or not permitted (403), access to it is
//! lost; neither listed nor found, twice, it is removed, unless there are reports on it ([`confirm`]). Only what is listed is in sight, so of what is not, no report is
//! missing.

mod confirm;

use std::collections::{BTreeMap, BTreeSet};

use change_engine::{
    Seen,
    absence::Confirmation,
    access::is_lost,
    paths::{Paths, columns::Shown, volatile::Tally},
    policy_drafts,
};
use event_model::{EntityKind, EventDraft, Policy, entity::fingerprint};
use event_store::{Durability, StoreError};
use expensify_client::{PolicyOutcome, PolicySummary};
use jiff::{Timestamp, civil::Date};
use serde_json::Value;

pub use confirm::PoliciesConfirmed;

use super::{
    Ingested, Scribe,
    compare::object_of,
    record::{Gap, WatchRecord, note_missing},
    watch::{POLICIES, Watch},
};

/// So often a read is compared again when something else changed its entities meanwhile.
const MAX_ATTEMPTS: u32 = 3;

/// A read of the policies.
#[derive(Clone, Debug)]
pub struct PoliciesSeen {
    /// When the list was asked for.
    pub started_at: Timestamp,
    /// When the last answer was there.
    pub observed_at: Timestamp,
    /// The policies that the credential administers.
    pub listed: Vec<PolicySummary>,
    /// Their details, of those that were asked for.
    pub outcomes: BTreeMap<String, PolicyOutcome>,
}

impl Scribe {
    /// Takes in a read of the policies.
    pub async fn policies(&mut self, seen: PoliciesSeen) -> Result<Ingested, StoreError> {
        self.policies_hurried = false;
        self.notice_clock(seen.observed_at);
        for _ in 1..MAX_ATTEMPTS {
            match self.take_policies(&seen).await {
                Err(StoreError::RevisionConflict { .. }) => self.reload_states(EntityKind::Policy).await?,
                done => return self.after_list(done?, seen.observed_at).await,
            }
        }
        let ingested = self.take_policies(&seen).await?;
        self.after_list(ingested, seen.observed_at).await
    }

    /// What waited for the list can be said now.
    async fn after_list(&mut self, ingested: Ingested, now: Timestamp) -> Result<Ingested, StoreError> {
        self.count_unshown(now).await?;
        Ok(ingested)
    }

    async fn take_policies(&mut self, seen: &PoliciesSeen) -> Result<Ingested, StoreError> {
        let ids = seen.listed.iter().map(|summary| &summary.policy_id);
        let listed: BTreeSet<String> = ids.filter(|id| self.is_watched(Some(id.as_str()))).cloned().collect();
        let back: Vec<String> = listed.iter().map(|id| format!("policy/{id}")).collect();
        let told: Vec<(&String, &Policy, Value)> = details(seen, &listed).collect();
        let unknown = Shown::beside_model(EntityKind::Policy, told.iter().map(|(_, _, object)| object));

        let before = self.record(POLICIES).clone();
        let paths = Paths { set_aside: before.set_aside(), new: before.columns.new_in(&unknown) };
        let (mut drafts, mut tally, mut changes) = (Vec::new(), Tally::default(), 0);
        for (id, policy, object) in &told {
            let of_policy = self.policy_drafts(id, policy, object, seen, &before, &paths).await?;
            tally.count(&of_policy);
            changes += u64::from(of_policy.iter().any(|draft| !draft.event_type.is_snapshot()));
            drafts.extend(of_policy);
        }
        self.note_unknown(&Watch::Policies, &unknown, seen.observed_at);
        self.tell(drafts).await?;
        for scope in back.iter().filter(|scope| is_lost(&self.access, scope)).cloned().collect::<Vec<_>>() {
            self.regain(&scope, seen.observed_at).await?;
        }
        self.note_undetailed(seen, &listed, &before);
        self.look_over(&listed, seen.started_at, before.fresh_as_of);
        self.note_absent_policies(&listed, seen.started_at);

        let unread = listed.iter().filter(|id| !self.policies.contains_key(*id)).cloned().collect();
        let reach = self.config.policies.join(",");
        let record = self.record(POLICIES);
        let mut set_aside = record.columns.take_in(unknown, seen.started_at);
        set_aside.extend(record.volatility.after_read(tally, told.len() as u64));
        (record.fresh_as_of, record.entities) = (Some(seen.started_at), Some(listed.len() as u64));
        (record.unread, record.reach, record.refused_since) = (unread, reach, None);
        let withheld = record.absences.withheld().is_some();
        self.note_set_aside(&Watch::Policies, &set_aside, seen.observed_at);
        self.end_list(POLICIES, &before, seen.observed_at, listed.len() as u64).await?;
        self.tables.policies.put(&self.key("policies/all"), &self.sight, Durability::Relaxed).await?;
        self.regain_refused(POLICIES, seen.observed_at).await?;
        self.note_withheld(POLICIES, seen.observed_at).await?;
        Ok(Ingested { entities: listed.len() as u64, changes, withheld, ..Ingested::default() })
    }

    async fn policy_drafts(
        &self,
        id: &str,
        policy: &Policy,
        object: &Value,
        read: &PoliciesSeen,
        before: &WatchRecord,
        paths: &Paths,
    ) -> Result<Vec<EventDraft>, StoreError> {
        let state = self.policies.get(id);
        if state.is_some_and(|state| !state.removed && state.fingerprint == fingerprint(object)) {
            return Ok(Vec::new());
        }
        let known = self.known(state).await?;
        let last_shown = self.last_shown(id, before);
        let seen = Seen {
            account: &self.config.account,
            observed_at: read.observed_at,
            not_before: last_shown.unwrap_or(before.fresh_as_of).filter(|at| *at < read.observed_at),
            told_until: None,
            baselined: self.is_baselined(POLICIES, before) && !before.unread.contains(id),
            paths: &before.paths_for(last_shown, paths),
        };
        Ok(policy_drafts(&seen, known.as_ref(), policy))
    }

    /// Of a policy whose details the last complete read did not give: the start of the last that did, as far as that is known.
    fn last_shown(&self, id: &str, before: &WatchRecord) -> Option<Option<Timestamp>> {
        let undetailed = self.sight.undetailed.get(id).copied();
        let missing = || before.missing.get(id).map(|missing| missing.last_shown);
        let gap = || self.sight.gaps.get(id).filter(|gap| gap.until.is_none()).map(|gap| gap.from);
        undetailed.or_else(missing).or_else(gap)
    }

    /// Notes of which policies this read gave no details although they are listed.
    fn note_undetailed(&mut self, seen: &PoliciesSeen, listed: &BTreeSet<String>, before: &WatchRecord) {
        let told = |id: &String| matches!(seen.outcomes.get(id), Some(PolicyOutcome::Details(_)));
        let known = |id: &&String| self.policies.contains_key(*id);
        for id in listed.iter().filter(known).filter(|id| !told(id)).cloned().collect::<Vec<_>>() {
            let last_shown = self.last_shown(&id, before).unwrap_or(before.fresh_as_of);
            self.sight.undetailed.insert(id, last_shown);
        }
        self.sight.undetailed.retain(|id, _| !told(id));
    }

    /// Notes which policies are in sight, and since when others are not.
    fn look_over(&mut self, listed: &BTreeSet<String>, started_at: Timestamp, last: Option<Timestamp>) {
        let exports_as_of = self.exports_as_of(self.today(started_at));
        let sight = &mut self.sight;
        let reports_from = std::mem::replace(&mut sight.exports_as_of, exports_as_of);
        // One that was listed and could never be read may have gone for good: nobody would be told.
        let known = |id: &str| self.policies.get(id).is_some_and(|state| !state.removed);
        for id in sight.visible.difference(listed).filter(|id| known(id)) {
            // Lost again before every export was read: some of its reports were last seen before it was lost the first time.
            let unread = |gap: &&Gap| gap.until.is_none_or(|until| reports_from.is_none_or(|from| from < until));
            let reports_from = sight.gaps.get(id).filter(unread).map_or(reports_from, |gap| gap.reports_from);
            sight.gaps.insert(id.clone(), Gap { from: last, reports_from, until: None });
        }
        let mut back = BTreeSet::new();
        for id in listed {
            if let Some(gap) = sight.gaps.get_mut(id).filter(|gap| gap.until.is_none()) {
                gap.until = Some(started_at);
                back.insert(id.clone());
            }
        }
        let same = sight.visible == *listed;
        sight.visible.clone_from(listed);
        if !same {
            self.look_for_aged_again();
        }
        self.ask_anew(&back);
    }

    /// Start of the oldest of the last complete reads of all exports; `None` before each was read.
    fn exports_as_of(&self, today: Date) -> Option<Timestamp> {
        let scopes = self.reports.shape.scopes(today);
        let fresh = scopes.iter().map(|scope| self.records.get(&scope.name()).and_then(|record| record.fresh_as_of));
        fresh.min().flatten()
    }

    /// Forgets the gaps after which every export has been read whole.
    pub(super) fn forget_gaps(&mut self, today: Date) {
        let oldest = self.exports_as_of(today);
        self.sight.gaps.retain(|_, gap| gap.until.is_none() || oldest.is_none_or(|oldest| Some(oldest) < gap.until));
    }

    fn note_absent_policies(&mut self, listed: &BTreeSet<String>, started_at: Timestamp) {
        let in_sight =
            |id: &&String| self.is_watched(Some(id.as_str())) && !is_lost(&self.access, &format!("policy/{id}"));
        let live = self.policies.iter().filter(|(_, state)| !state.removed).map(|(id, _)| id);
        let live: BTreeSet<String> = live.filter(in_sight).cloned().collect();
        let missed: BTreeSet<String> = live.difference(listed).cloned().collect();
        let record = self.record(POLICIES);
        record.missing.retain(|id, _| missed.contains(id));
        for id in &missed {
            note_missing(&mut record.missing, id, started_at, record.fresh_as_of, false);
        }
        let of = live.len() as u64;
        // Nothing is removed by a list; what is withheld is told with the access.
        let _ = record.absences.after_scope_read(Confirmation::ById, started_at, missed, of);
    }
}

/// The details of those that are in reach, with their objects.
fn details<'a>(
    seen: &'a PoliciesSeen,
    listed: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a String, &'a Policy, Value)> {
    let told = seen.outcomes.iter().filter_map(|(id, outcome)| match outcome {
        PolicyOutcome::Details(policy) => Some((id, &**policy)),
        _ => None,
    });
    told.filter(|(id, _)| listed.contains(*id)).map(|(id, policy)| (id, policy, object_of(policy)))
}
