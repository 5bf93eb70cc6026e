//! What was removed, kept so that it can come back as it was.

use std::collections::HashMap;
use std::sync::Arc;

use crate::tenant::card::Card;
use crate::tenant::policy::Policy;
use crate::tenant::report::Report;

/// Entities of a kind kept; what is removed beyond stays gone. A test brings back what it has just removed.
const MAX_KEPT: usize = 10_000;

/// Removed reports, policies and cards.
#[derive(Debug, Default)]
pub(super) struct Graves {
    pub(super) reports: HashMap<u64, Arc<Report>>,
    pub(super) policies: HashMap<String, Policy>,
    pub(super) cards: HashMap<u64, Card>,
}

impl Graves {
    pub(super) fn report(&mut self, report: Arc<Report>) {
        keep(&mut self.reports, report.number, report);
    }

    pub(super) fn policy(&mut self, policy: Policy) {
        keep(&mut self.policies, policy.id.clone(), policy);
    }

    pub(super) fn card(&mut self, card: Card) {
        keep(&mut self.cards, card.id, card);
    }
}

fn keep<K: std::hash::Hash + Eq, V>(kept: &mut HashMap<K, V>, key: K, value: V) {
    if kept.len() < MAX_KEPT || kept.contains_key(&key) {
        kept.insert(key, value);
    }
}
