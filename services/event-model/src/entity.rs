//! What an event is about: the entity, and what the log says of it so far.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    id::{Revision, Sequence},
};

/// The kinds of entity that events are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// An expense report.
    Report,
    /// A line of a report.
    Expense,
    /// A policy (workspace) with its members, categories, tags, fields and tax.
    Policy,
    /// A card of a domain.
    Card,
    /// A set of entities that is read whole; its only event says that its first sight is complete.
    Scope,
    /// One credential pair.
    Account,
    /// A subscription of ours.
    Subscription,
}

impl EntityKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 7] =
        [Self::Report, Self::Expense, Self::Policy, Self::Card, Self::Scope, Self::Account, Self::Subscription];

    /// The first half of a subject: `report`, `policy`, ...
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Expense => "expense",
            Self::Policy => "policy",
            Self::Card => "card",
            Self::Scope => "scope",
            Self::Account => "account",
            Self::Subscription => "subscription",
        }
    }
}

/// Kind and id of an entity within its account, written `report/R00AbCdEf123`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Subject {
    /// The kind.
    pub kind: EntityKind,
    /// The upstream's id, in canonical spelling; never empty. Ids that differ only in case are different.
    pub id: String,
}

/// A text that is no subject.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a subject: a kind (report, expense, policy, card, scope, account, subscription), '/', an id")]
pub struct InvalidSubject(String);

impl Subject {
    /// The subject of `kind` with `id`.
    pub fn new(kind: EntityKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSubject(text.to_owned());
        let (kind, id) = text.split_once('/').ok_or_else(invalid)?;
        let kind = EntityKind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(invalid)?;
        if id.is_empty() {
            return Err(invalid());
        }
        Ok(Self::new(kind, id))
    }
}

impl TryFrom<String> for Subject {
    type Error = InvalidSubject;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.id)
    }
}

/// What the log says of one entity up to some sequence. It is a fold: [`EntityState::after`] over the entity's
/// events, from the first to the last, and nothing else. The object itself is in the event at [`Self::sequence`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityState {
    /// Revision of the last event about it.
    pub revision: Revision,
    /// Sequence of that event; its `data.object` is the entity as last known.
    pub sequence: Sequence,
    /// Hex BLAKE3 of that object as canonical JSON; equal fingerprints mean nothing to say.
    pub fingerprint: String,
    /// The last event said that the entity is gone.
    pub removed: bool,
}

impl EntityState {
    /// The state after `event`, whatever it was before: an event carries the whole object.
    pub fn after(event: &Event) -> Self {
        Self {
            revision: event.revision,
            sequence: event.sequence,
            fingerprint: fingerprint(&event.data.object),
            removed: event.event_type.removes(),
        }
    }
}

/// Hex BLAKE3 of `object` as compact JSON. Objects of this crate serialise with sorted keys and sorted lists, so equal
/// entities have equal fingerprints.
pub fn fingerprint(object: &serde_json::Value) -> String {
    blake3::hash(object.to_string().as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back_as_written_and_keeps_case_and_slashes() {
        for text in ["report/R00AbCdEf123", "scope/cards:acme.example", "card/a/b"] {
            assert_eq!(text.parse::<Subject>().expect(text).to_string(), text);
        }
        for bad in ["report", "report/", "thing/1", "/1", ""] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_does_not_depend_on_the_order_of_keys() {
        let a: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":2}"#).expect("json");
        let b: serde_json::Value = serde_json::from_str(r#"{"b":2,"a":1}"#).expect("json");
        assert_eq!(fingerprint(&a), fingerprint(&b));
    }
}
