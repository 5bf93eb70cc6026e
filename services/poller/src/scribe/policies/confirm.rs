//! Policies that a list did not show, read by their ids.
//!
//! What is refused with 403, or listed in a lower role, is out of sight. But "not found" is what the upstream answers to a policy
//! that does not exist **or** is not visible (reference section 2.8), and leaving it out says no more. The reports tell: a policy
//! with reports that we have seen and that are not gone is out of sight, too, for as long as a person does not say otherwise
//! ([`Scribe::release`]). One without any is held to be gone; if it was a role that went, it is created again when that is back.

use std::collections::{BTreeMap, BTreeSet};

use event_model::{EntityKind, LossReason, LostScope};
use event_store::{Durability, StoreError};
use expensify_client::{PolicyOutcome, PolicySummary};
use jiff::Timestamp;

use crate::scribe::{Ingested, Scribe, watch::POLICIES};

/// The role in which a policy can be read.
const ADMIN: &str = "admin";
/// Most policies of one confirmation: one request, as long as none of them is refused.
const MAX_CONFIRMED: usize = 100;

/// A read of policies that a list did not show.
#[derive(Clone, Debug)]
pub struct PoliciesConfirmed {
    /// When the list was asked for.
    pub started_at: Timestamp,
    /// When the last answer was there.
    pub observed_at: Timestamp,
    /// Which were looked for.
    pub asked: Vec<String>,
    /// Every policy that the credential sees, in whatever role.
    pub listed: Vec<PolicySummary>,
    /// What came of asking for each by its id.
    pub outcomes: BTreeMap<String, PolicyOutcome>,
}

/// What a confirmation says of one policy.
enum Finding {
    Shown,
    Denied,
    Absent,
    /// Nothing: it was not asked for, or the answer made no sense.
    Unknown,
}

impl Scribe {
    /// The policies to read by id at `now`.
    pub(in crate::scribe) fn to_confirm(&self, now: Timestamp) -> Vec<String> {
        let record = self.records.get(POLICIES);
        record.map(|record| record.absences.to_confirm(now, MAX_CONFIRMED)).unwrap_or_default()
    }

    /// Whether reports of the policy are known that are not gone.
    fn has_reports(&self, policy: &str) -> bool {
        self.index.iter().any(|view| view.policy() == Some(policy))
    }

    /// Takes in a read by id of policies that a list did not show.
    pub async fn confirm_policies(&mut self, seen: PoliciesConfirmed) -> Result<Ingested, StoreError> {
        let (mut votes, mut shown, mut denied) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for id in &seen.asked {
            match finding(id, &seen) {
                Finding::Shown => drop((votes.insert(id.clone()), shown.insert(id.clone()))),
                Finding::Absent => drop(votes.insert(id.clone())),
                Finding::Denied => drop(denied.insert(id.clone())),
                Finding::Unknown => {}
            }
        }
        let gone = self.record(POLICIES).absences.after_id_read(&votes, &shown, seen.started_at);
        let (lost, gone): (Vec<String>, Vec<String>) = gone.into_iter().partition(|id| self.has_reports(id));
        self.tell_removed(EntityKind::Policy, POLICIES, &gone, seen.observed_at).await?;
        for id in &gone {
            self.sight.gaps.remove(id);
            self.sight.undetailed.remove(id);
        }
        for id in denied.into_iter().chain(lost) {
            let record = self.record(POLICIES);
            record.absences.shown(&id);
            let since = record.missing.remove(&id).map_or(seen.started_at, |missing| missing.since);
            let (scope, reason) = (format!("policy/{id}"), LossReason::Role);
            self.lose(LostScope { scope, reason, since, missing: None, of: None }, seen.observed_at).await?;
        }
        self.save_record(POLICIES).await?;
        self.tables.policies.put(&self.key("policies/all"), &self.sight, Durability::Relaxed).await?;
        self.note_withheld(POLICIES, seen.observed_at).await?;
        let entities = seen.asked.len() as u64;
        Ok(Ingested { entities, changes: gone.len() as u64, ..Ingested::default() })
    }
}

fn finding(id: &str, seen: &PoliciesConfirmed) -> Finding {
    let listed = seen.listed.iter().find(|summary| summary.policy_id == id);
    match (listed.map(|summary| summary.role.as_deref()), seen.outcomes.get(id)) {
        (Some(Some(role)), _) if role != ADMIN => Finding::Denied,
        (_, Some(PolicyOutcome::Details(_))) => Finding::Shown,
        (Some(_), _) => Finding::Shown,
        (None, Some(PolicyOutcome::Denied)) => Finding::Denied,
        (None, Some(PolicyOutcome::Absent)) => Finding::Absent,
        (None, Some(PolicyOutcome::Unreadable(_) | PolicyOutcome::NotRead) | None) => Finding::Unknown,
    }
}
