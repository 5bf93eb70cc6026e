//! Events of a policy.

use event_model::{EntityKind, EventDraft, EventType, Policy, Subject, policy::POLICY_SECTIONS};
use serde_json::{Map, Value};

use super::{Known, Seen, as_map, object_of, plain_drafts};
use crate::paths::keep_moments;

/// The events that lead from `known` to `policy`; none when nothing changed.
pub fn policy_drafts(seen: &Seen<'_>, known: Option<&Known>, policy: &Policy) -> Vec<EventDraft> {
    let types = [EventType::PolicySnapshot, EventType::PolicyCreated, EventType::PolicyChanged];
    let mut object = object_of(policy);
    if let Some(known) = known.filter(|known| !known.removed) {
        keep_untold(&mut object, &known.object);
        keep_moments(&as_map(known.object.clone()), &mut object);
    }
    plain_drafts(seen, known, Subject::new(EntityKind::Policy, &policy.policy_id), object, types)
}

/// Puts the sections that this read did not tell as they are known: silence is not an empty section.
fn keep_untold(object: &mut Map<String, Value>, known: &Value) {
    for section in POLICY_SECTIONS {
        if object.get(section).is_none_or(Value::is_null) {
            object.insert(section.to_owned(), known[section].clone());
        }
    }
}
