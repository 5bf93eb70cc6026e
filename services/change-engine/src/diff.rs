//! From two observations to the events that lie between them.
//!
//! An event carries the whole object after it, and the paths that it changed with their values before. When one look
//! reveals several changes of a report, they become several events whose objects form a chain: the first starts from the
//! object in the log, each next from the one before, the last equals the observation exactly. So folding the events gives
//! what was seen, and a consumer that knows only some types still sees each of its own.
//!
//! Edits come before lifecycle steps: an approver approves what stands there. Fields that a step itself moves
//! ([`STEP_FIELDS`]) go with the steps.

mod report;
#[cfg(test)]
mod tests;

use event_model::{
    AccountName, Card, Data, Detection, EntityKind, EventDraft, EventType, Policy, Revision, Subject,
    policy::POLICY_SECTIONS,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::paths::differences;
pub use report::{STEP_FIELDS, report_drafts};

/// The circumstances of an observation.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The account it was made through.
    pub account: &'a AccountName,
    /// When the answer was there: what it shows happened before.
    pub observed_at: Timestamp,
    /// Start of the last complete read of the same scope: what that did not show happened after. `None` before the first.
    pub not_before: Option<Timestamp>,
    /// The first sight of the scope is complete: what is new now came into being, it was not only unknown.
    pub baselined: bool,
}

/// What the log says of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its revision.
    pub revision: Revision,
    /// Whether it is removed.
    pub removed: bool,
    /// The object as last told.
    pub object: Value,
}

/// The events that lead from `known` to `policy`; none when nothing changed.
pub fn policy_drafts(seen: &Seen<'_>, known: Option<&Known>, policy: &Policy) -> Vec<EventDraft> {
    let types = [EventType::PolicySnapshot, EventType::PolicyCreated, EventType::PolicyChanged];
    let mut object = object_of(policy);
    if let Some(known) = known.filter(|known| !known.removed) {
        keep_untold(&mut object, &known.object);
    }
    plain_drafts(seen, known, &Subject::new(EntityKind::Policy, &policy.policy_id), object, types)
}

/// Puts the sections that this read did not tell as they are known: silence is not an empty section.
fn keep_untold(object: &mut Map<String, Value>, known: &Value) {
    for section in POLICY_SECTIONS {
        if object.get(section).is_none_or(Value::is_null) {
            object.insert(section.to_owned(), known[section].clone());
        }
    }
}

/// The events that lead from `known` to `card`; none when nothing changed.
pub fn card_drafts(seen: &Seen<'_>, known: Option<&Known>, card: &Card) -> Vec<EventDraft> {
    let types = [EventType::CardSnapshot, EventType::CardAdded, EventType::CardChanged];
    plain_drafts(seen, known, &Subject::new(EntityKind::Card, &card.card_id), object_of(card), types)
}

/// The event that says that `subject` is gone, with the object as last known; `None` when it is already, or when entities
/// of its kind are never removed.
pub fn removal_draft(seen: &Seen<'_>, subject: &Subject, known: &Known) -> Option<EventDraft> {
    let event_type = match subject.kind {
        EntityKind::Policy => EventType::PolicyRemoved,
        EntityKind::Card => EventType::CardRemoved,
        EntityKind::Report
        | EntityKind::Expense
        | EntityKind::Scope
        | EntityKind::Account
        | EntityKind::Subscription => return None,
    };
    if known.removed {
        return None;
    }
    let mut chain = Chain::after(seen, subject, Some(known));
    chain.push(event_type, seen.observed_at, false, as_map(known.object.clone()));
    chain.drafts.pop()
}

/// The event that ends the first sight of `scope`, in which `entities` were found. It goes last in the append of the
/// snapshots, so that a crash before it leaves a first sight that simply goes on.
pub fn scope_snapshot_draft(seen: &Seen<'_>, scope: &str, entities: u64) -> EventDraft {
    EventDraft {
        event_type: EventType::ScopeSnapshot,
        timestamp: seen.observed_at,
        account: seen.account.clone(),
        subject: Subject::new(EntityKind::Scope, scope),
        revision: Revision(1),
        data: Data { object: json!({ "scope": scope, "entities": entities }), ..Data::default() },
        detection: Detection { observed_at: seen.observed_at, not_before: None, inferred: false },
    }
}

/// Events of an entity without a lifecycle: `[snapshot, created, changed]`.
fn plain_drafts(
    seen: &Seen<'_>,
    known: Option<&Known>,
    subject: &Subject,
    object: Map<String, Value>,
    [snapshot, created, changed]: [EventType; 3],
) -> Vec<EventDraft> {
    let mut chain = Chain::after(seen, subject, known);
    match known.filter(|known| !known.removed) {
        None if known.is_none() && !seen.baselined => chain.push_snapshot(snapshot, object),
        None => chain.push(created, seen.observed_at, false, object),
        Some(_) => chain.push_if_changed(changed, object),
    }
    chain.drafts
}

/// Drafts about one entity, each starting from the object that the one before left.
struct Chain<'a> {
    seen: &'a Seen<'a>,
    subject: &'a Subject,
    revision: Revision,
    /// The object so far; `None` before there is one, or after a removal.
    object: Option<Map<String, Value>>,
    drafts: Vec<EventDraft>,
}

impl<'a> Chain<'a> {
    fn after(seen: &'a Seen<'a>, subject: &'a Subject, known: Option<&Known>) -> Self {
        let revision = known.map_or(Revision(0), |known| known.revision);
        let object = known.filter(|known| !known.removed).map(|known| as_map(known.object.clone()));
        Self { seen, subject, revision, object, drafts: Vec::new() }
    }

    /// A first sight: no before, and nothing to date it by.
    fn push_snapshot(&mut self, event_type: EventType, object: Map<String, Value>) {
        self.push(event_type, self.seen.observed_at, false, object);
        if let Some(last) = self.drafts.last_mut() {
            last.detection.not_before = None;
        }
    }

    fn push_if_changed(&mut self, event_type: EventType, object: Map<String, Value>) {
        let before = self.object.clone().unwrap_or_default();
        if !differences(&before, &object).is_empty() {
            self.push(event_type, self.seen.observed_at, false, object);
        }
    }

    fn push(&mut self, event_type: EventType, timestamp: Timestamp, inferred: bool, object: Map<String, Value>) {
        let previous = self.object.as_ref().map(|before| differences(before, &object)).unwrap_or_default();
        self.revision = self.revision.next();
        self.drafts.push(EventDraft {
            event_type,
            timestamp,
            account: self.seen.account.clone(),
            subject: self.subject.clone(),
            revision: self.revision,
            data: Data {
                object: Value::Object(object.clone()),
                changed: previous.keys().cloned().collect(),
                previous: previous.into_iter().collect(),
            },
            detection: Detection { observed_at: self.seen.observed_at, not_before: self.seen.not_before, inferred },
        });
        self.object = Some(object);
    }
}

fn object_of(entity: &impl Serialize) -> Map<String, Value> {
    as_map(serde_json::to_value(entity).expect("entities have text keys and serialise"))
}

fn as_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
