//! Dates of different precision: a day and a moment of that day say the same, the moment says it better.

use event_model::UpstreamDate;
use serde_json::{Map, Value};

use super::keys::{is_keyed, spelled};

/// The keys whose values are dates of the upstream. In any other key a text that looks like one is a person's text.
const DATE_KEYS: [&str; 8] =
    ["approved", "created", "date", "inserted", "modifiedCreated", "reimbursed", "scrapeMinDate", "submitted"];

/// Whether the two may be the same moment: they are equal, or one is only a day and the other lies in it.
pub(crate) fn agrees(one: UpstreamDate, other: UpstreamDate) -> bool {
    let only_a_day = one.moment().is_none() || other.moment().is_none();
    one == other || (only_a_day && one.day() == other.day())
}

/// `after` is a moment of the day that `before` only names.
pub(super) fn is_sharper(name: &str, before: &Value, after: &Value) -> bool {
    match (date(name, before), date(name, after)) {
        (Some(before @ UpstreamDate::Day(_)), Some(after @ UpstreamDate::Moment(_))) => agrees(before, after),
        _ => false,
    }
}

/// Puts back the moments that `before` knows and of which `after` tells only the day: whoever reads both forms in turn loses
/// nothing, and there is nothing to tell.
pub(crate) fn keep_moments(before: &Map<String, Value>, after: &mut Map<String, Value>) {
    for (name, new) in after {
        let Some(old) = before.get(name) else { continue };
        if is_sharper(name, new, old) {
            *new = old.clone();
        } else {
            keep_below(name, old, new);
        }
    }
}

fn keep_below(name: &str, before: &Value, after: &mut Value) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => keep_moments(before, after),
        (Value::Array(before), Value::Array(after)) if is_keyed(name) => keep_in_items(name, before, after),
        _ => {}
    }
}

fn keep_in_items(name: &str, before: &[Value], after: &mut [Value]) {
    let (Some(old_keys), Some(new_keys)) = (spelled(name, before), spelled(name, after)) else { return };
    let old: std::collections::BTreeMap<String, &Value> = old_keys.into_iter().zip(before).collect();
    for (key, new) in new_keys.iter().zip(after) {
        if let Some(old) = old.get(key) {
            keep_below("", old, new);
        }
    }
}

fn date(name: &str, value: &Value) -> Option<UpstreamDate> {
    let text = value.as_str().filter(|_| DATE_KEYS.contains(&name))?;
    UpstreamDate::parse_blank(text).ok().flatten()
}
