//! Where two objects differ, as paths that a person can read and a program can follow.
//!
//! A list of keyed items is compared by key, never by position: `expenses[4056343049275634494].amount`,
//! `tags[Department].tags[Ops].glCode`. An item that came or went is one path (`expenses[40…]`), its value the whole item or
//! `null`. A list without keys is one value. `null` and a missing key are the same: the upstream writes either for blank.
//!
//! Not every difference is a change. `delta` tells three kinds apart:
//!
//! - *told*: something changed; it makes an event and stands in `changed`;
//! - *rebased*: we see more than before, nothing changed: a key that the software that wrote the old object did not know, a
//!   path that this scope shows for the first time ([`Paths::new`]), a day that became a moment of that day. Alone it makes a
//!   snapshot, so that the log stays the truth; beside a change it goes along unmentioned;
//! - *silent*: what the object only carries for another entity ([`CARRIED_KEYS`]), a report's history (its own steps are told
//!   as events), and what moves without meaning ([`Paths::set_aside`]). Alone it makes no event; the next event carries it.
//!
//! The names in [`Paths`] are *normalised*: without the keys of items, as in `expenses[].amount`.

pub mod columns;
mod dates;
mod keys;
#[cfg(test)]
mod tests;
pub mod volatile;

use std::collections::{BTreeMap, BTreeSet};

use event_model::{EntityKind, entity::CARRIED_KEYS};
use serde_json::{Map, Value};

pub(crate) use dates::{agrees, keep_moments};
use keys::by_key;
pub(crate) use keys::normalised;

/// What is known of the paths of a scope, in normalised spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// They move without meaning ([`volatile`]).
    pub set_aside: BTreeSet<String>,
    /// The upstream begins to tell them with this read, or ceases to ([`columns`]).
    pub new: BTreeSet<String>,
}

/// The key of a report under which its history stands.
pub(crate) const HISTORY: &str = "history";
/// The report's key that says that the history has yet to tell of a step that was told: see [`crate::lifecycle::history`].
pub(crate) const HISTORY_BEHIND: &str = "historyBehind";

/// How two objects differ: paths with the value before (`null` where there was none).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Delta {
    /// What changed.
    pub(crate) told: BTreeMap<String, Value>,
    /// What is only seen better than before.
    pub(crate) rebased: BTreeMap<String, Value>,
}

/// How `after` differs from `before`, both objects of an entity of `kind`.
pub(crate) fn delta(kind: EntityKind, before: &Map<String, Value>, after: &Map<String, Value>, paths: &Paths) -> Delta {
    let mut found = Delta::default();
    for (path, Difference { before, gained }) in differences(before, after) {
        let plain = normalised(&path);
        let history = kind == EntityKind::Report && plain == HISTORY;
        let gained = match gained {
            Gain::Nothing => false,
            Gain::Precision => true,
            Gain::Key => columns::of_model(kind).contains(&plain),
        };
        if history || paths.set_aside.contains(&plain) {
            continue;
        }
        let kept = if gained || paths.new.contains(&plain) { &mut found.rebased } else { &mut found.told };
        kept.insert(path, before);
    }
    found
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// The value before.
    pub(crate) before: Value,
    /// What the new object has that the old one could not have had.
    pub(crate) gained: Gain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gain {
    /// A day became a moment of that day.
    Precision,
    /// The key as such.
    Key,
    Nothing,
}

/// Every path at which `after` differs from `before`. Empty when the two say the same.
pub(crate) fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> BTreeMap<String, Difference> {
    let mut found = BTreeMap::new();
    compare_objects("", before, after, &mut found);
    found
}

type Found = BTreeMap<String, Difference>;

fn compare_objects(prefix: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Found) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names.into_iter().filter(|name| !CARRIED_KEYS.contains(&name.as_str())) {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let new = after.get(name).unwrap_or(&Value::Null);
        match before.get(name) {
            Some(old) => compare(&path, name, old, new, found),
            None if new.is_null() => {}
            None => insert(&path, &Value::Null, Gain::Key, found),
        }
    }
}

fn compare(path: &str, name: &str, before: &Value, after: &Value, found: &mut Found) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => compare_objects(path, before, after, found),
        (Value::Array(old), Value::Array(new)) => match (by_key(name, old), by_key(name, new)) {
            (Some(old), Some(new)) => compare_items(path, &old, &new, found),
            _ => insert(path, before, Gain::Nothing, found),
        },
        _ if dates::is_sharper(name, before, after) => insert(path, before, Gain::Precision, found),
        _ => insert(path, before, Gain::Nothing, found),
    }
}

fn compare_items(path: &str, before: &BTreeMap<String, &Value>, after: &BTreeMap<String, &Value>, found: &mut Found) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let path = format!("{path}[{key}]");
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => compare(&path, "", old, new, found),
            (Some(old), None) => insert(&path, old, Gain::Nothing, found),
            (None, _) => insert(&path, &Value::Null, Gain::Nothing, found),
        }
    }
}

fn insert(path: &str, before: &Value, gained: Gain, found: &mut Found) {
    found.insert(path.to_owned(), Difference { before: before.clone(), gained });
}
