//! From two observations to the events that lie between them.
//!
//! An event carries the whole object after it, and the paths that it changed with their values before. When one look
//! reveals several changes of an entity, they become several events whose objects form a chain: the first starts from the
//! object in the log, each next from the one before, the last equals the observation. So folding the events gives
//! what was seen, and a consumer that knows only some types still sees each of its own.
//!
//! "Equals the observation" has two exceptions, both so that a poorer look does not undo a better one: of a date that is told
//! only as a day now the known moment of that day is kept, and entries of a report's history that are not told any more stay.
//!
//! Which differences are changes is decided in [`paths`](crate::paths); what is only seen better than before is told as a
//! snapshot of the entity, which subscribers skip unless they ask.

mod card;
mod chain;
mod expense;
mod feed;
mod policy;
mod report;
mod steps;
#[cfg(test)]
mod tests;

use event_model::{
    AccountName, Data, Detection, EntityKind, EventDraft, EventType, Revision, Subject, TimestampSource,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::paths::Paths;
pub use card::{card_drafts, feed_failed};
use chain::{Chain, Happening};
pub use expense::{lines_of, touched_expenses};
pub use feed::feed_drafts;
pub use policy::policy_drafts;
pub use report::{report_drafts, report_removed};
pub use steps::STEP_FIELDS;

/// The circumstances of an observation.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The account it was made through.
    pub account: &'a AccountName,
    /// When the answer was there: what it shows happened before.
    pub observed_at: Timestamp,
    /// Start of the last read that ought to have shown it: what that did not show happened after. `None` before the first.
    pub not_before: Option<Timestamp>,
    /// On the upstream's clock: what a report's history did not tell by then was told by its state alone. See
    /// [`Window::told_until`](crate::lifecycle::history::Window).
    pub told_until: Option<Timestamp>,
    /// The first sight of the scope is complete: what is new now came into being, it was not only unknown.
    pub baselined: bool,
    /// What is known of the paths of the scope.
    pub paths: &'a Paths,
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

/// The event that says that a policy or a card is gone, with the object as last known; `None` when it is already, or when
/// entities of its kind are not removed by themselves. Of reports see [`report_removed`].
pub fn removal_draft(seen: &Seen<'_>, subject: &Subject, known: &Known) -> Option<EventDraft> {
    let event_type = match subject.kind {
        EntityKind::Policy => EventType::PolicyRemoved,
        EntityKind::Card => EventType::CardRemoved,
        EntityKind::Report
        | EntityKind::Expense
        | EntityKind::Feed
        | EntityKind::Scope
        | EntityKind::Account
        | EntityKind::Subscription => return None,
    };
    if known.removed {
        return None;
    }
    let mut chain = Chain::after(seen, subject.clone(), Some(known));
    chain.push(Happening::observed(seen, event_type), as_map(known.object.clone()));
    chain.take().pop()
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
        actor: None,
        data: Data { object: json!({ "scope": scope, "entities": entities }), ..Data::default() },
        detection: Detection {
            observed_at: seen.observed_at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

/// One event of `entity`, from what is known of it to what it is now.
pub(crate) fn one_draft(
    seen: &Seen<'_>,
    subject: Subject,
    known: Option<&Known>,
    event_type: EventType,
    entity: &impl Serialize,
) -> EventDraft {
    let mut chain = Chain::after(seen, subject, known);
    chain.push(Happening::observed(seen, event_type), object_of(entity));
    chain.take().pop().expect("one was pushed")
}

/// Events of an entity without a lifecycle: `[snapshot, created, changed]`.
fn plain_drafts(
    seen: &Seen<'_>,
    known: Option<&Known>,
    subject: Subject,
    object: Map<String, Value>,
    [snapshot, created, changed]: [EventType; 3],
) -> Vec<EventDraft> {
    let mut chain = Chain::after(seen, subject, known);
    match known {
        None if !seen.baselined => chain.snapshot(snapshot, object),
        Some(known) if !known.removed => chain.settle(changed, snapshot, object),
        _ => chain.push(Happening::observed(seen, created), object),
    }
    chain.take()
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
