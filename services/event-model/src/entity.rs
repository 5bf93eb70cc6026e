//! What an event is about: the entity, and what the log says of it so far.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    event::Event,
    event_type::EventType,
    id::{Revision, Sequence},
    whereabouts::Whereabouts,
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
    /// The feed through which a bank tells the expenses of its cards, `<domain>:<bank>`.
    Feed,
    /// A set of entities that is read whole; its only event says that its first sight is complete.
    Scope,
    /// One credential pair.
    Account,
    /// A subscription of ours.
    Subscription,
}

impl EntityKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Report,
        Self::Expense,
        Self::Policy,
        Self::Card,
        Self::Feed,
        Self::Scope,
        Self::Account,
        Self::Subscription,
    ];

    /// The first half of a subject: `report`, `policy`, ...
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Expense => "expense",
            Self::Policy => "policy",
            Self::Card => "card",
            Self::Feed => "feed",
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
#[error(
    "{0:?} is not a subject: a kind (report, expense, policy, card, feed, scope, account, subscription), '/', an id"
)]
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
    /// What decides which reads have to show it.
    #[serde(default, skip_serializing_if = "Whereabouts::is_unknown")]
    pub whereabouts: Whereabouts,
}

impl EntityState {
    /// The state after `event`, whatever it was before: an event carries the whole object.
    pub fn after(event: &Event) -> Self {
        let Event { revision, sequence, event_type, .. } = event;
        Self::of(*revision, *sequence, *event_type, event.subject.kind, &event.data.object)
    }

    /// The same from the parts of the event that it depends on, for whoever folds many and reads no more of each.
    pub fn of(revision: Revision, sequence: Sequence, event_type: EventType, kind: EntityKind, object: &Value) -> Self {
        let (fingerprint, removed) = (fingerprint(object), event_type.removes());
        Self { revision, sequence, fingerprint, removed, whereabouts: Whereabouts::of(kind, object) }
    }
}

/// Keys that an object carries for its reader but that belong to another entity: a policy's name on a report, the ledger
/// code of a category or tag on an expense, the last run of a feed on a card; or that are our own remark on what was told, or
/// another spelling of the entity's own id. The upstream looks the first up when it
/// renders, so one edit of a policy moves them on every report that it ever had. That edit is told once, as
/// `policy.changed`; these keys alone never make an event.
pub const CARRIED_KEYS: [&str; 6] =
    ["categoryGlCode", "historyBehind", "lastImportResult", "oldReportID", "policyName", "tagGlCode"];

/// Hex BLAKE3 of `object` as compact JSON without its [`CARRIED_KEYS`]. Objects of this crate serialise with sorted keys and
/// sorted lists, so equal entities have equal fingerprints.
pub fn fingerprint(object: &Value) -> String {
    if !carries(object) {
        return hash(object);
    }
    let mut own = object.clone();
    drop_carried(&mut own);
    hash(&own)
}

fn hash(own: &Value) -> String {
    // The text that displaying it gives, at half the cost.
    let text = serde_json::to_vec(own).expect("its keys are texts");
    blake3::hash(&text).to_hex().to_string()
}

fn carries(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| CARRIED_KEYS.contains(&key.as_str()) || carries(value)),
        Value::Array(items) => items.iter().any(carries),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn drop_carried(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !CARRIED_KEYS.contains(&key.as_str()));
            map.values_mut().for_each(drop_carried);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_carried),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
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
    fn what_an_object_only_carries_does_not_move_its_fingerprint() {
        let object = |name, code, amount| serde_json::json!({"policyName": name, "expenses": [{"categoryGlCode": code, "amount": amount}]});
        assert_eq!(fingerprint(&object("A", "1", 5)), fingerprint(&object("B", "2", 5)));
        assert_ne!(fingerprint(&object("A", "1", 5)), fingerprint(&object("A", "1", 6)));
    }

    #[test]
    fn a_fingerprint_does_not_depend_on_the_order_of_keys() {
        let a: Value = serde_json::from_str(r#"{"a":1,"b":2}"#).expect("json");
        let b: Value = serde_json::from_str(r#"{"b":2,"a":1}"#).expect("json");
        assert_eq!(fingerprint(&a), fingerprint(&b));
    }
}
