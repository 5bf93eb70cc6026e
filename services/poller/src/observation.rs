//! What one complete read showed, whatever the kind of its entities.

use std::collections::{BTreeMap, BTreeSet};

use change_engine::{Known, Seen, card_drafts, policy_drafts, report_drafts};
use event_model::{Card, EventDraft, Policy, Report};
use jiff::Timestamp;
use serde_json::Value;

/// A complete read of a watch.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// When it began: what happened before is in it.
    pub(crate) started_at: Timestamp,
    /// When the answer was there: what it shows happened before.
    pub(crate) observed_at: Timestamp,
    /// What it showed, by id.
    pub(crate) entities: BTreeMap<String, Entity>,
    /// Everything that there is in the scope, shown or only listed; `None` when absence proves nothing.
    pub(crate) present: Option<BTreeSet<String>>,
    /// Requests that it took.
    pub(crate) requests: u32,
}

/// An entity in canonical form.
#[derive(Clone, Debug)]
pub(crate) enum Entity {
    Report(Box<Report>),
    Policy(Box<Policy>),
    Card(Box<Card>),
}

impl Entity {
    /// The object as events carry it.
    pub(crate) fn object(&self) -> Value {
        let object = match self {
            Self::Report(report) => serde_json::to_value(report),
            Self::Policy(policy) => serde_json::to_value(policy),
            Self::Card(card) => serde_json::to_value(card),
        };
        object.expect("entities have text keys and serialise")
    }

    /// The events that lead here from what is known.
    pub(crate) fn drafts(&self, seen: &Seen<'_>, known: Option<&Known>) -> Vec<EventDraft> {
        match self {
            Self::Report(report) => report_drafts(seen, known, report),
            Self::Policy(policy) => policy_drafts(seen, known, policy),
            Self::Card(card) => card_drafts(seen, known, card),
        }
    }
}
