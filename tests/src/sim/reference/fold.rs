//! What holds of every event, whatever it is about: order, ids, revisions, and a before and after that fit together.

use std::collections::{BTreeMap, HashSet};

use event_model::{Event, EventId, EventType};
use serde_json::Value;

use super::{
    broken::{Broken, Check, broken, hold, line},
    paths::{differ_in_precision, differences},
};

/// Keys that appear on every card or policy in the middle of a run: they are told once, quietly.
pub const NEW_FIELDS: [&str; 3] = ["approvalMode", "lastSync", "limitType"];

/// What the log says of one entity so far.
#[derive(Clone, Debug)]
pub struct Told {
    /// Of its last event.
    pub revision: u64,
    /// It is gone.
    pub removed: bool,
    /// As last told.
    pub object: Value,
}

/// The log, folded here and by nobody else.
#[derive(Default)]
pub struct Fold {
    /// The last sequence.
    pub last: u64,
    /// Every entity by its subject.
    pub told: BTreeMap<String, Told>,
    ids: HashSet<EventId>,
}

impl Fold {
    /// What is told of `subject`, and of one that is not gone.
    pub fn live(&self, subject: &str) -> Option<&Told> {
        self.told.get(subject).filter(|told| !told.removed)
    }

    /// The next event; what was told of its entity before it.
    pub fn take(&mut self, event: &Event, ticking: &[&str]) -> Result<Option<Told>, Broken> {
        let said = || line(event);
        hold(event.sequence.0 == self.last + 1, "sequences are dense", self.last + 1, said())?;
        self.last += 1;
        hold(self.ids.insert(event.id.clone()), "an id is used once", "a new id", said())?;
        let subject = event.subject.to_string();
        let before = self.told.get(&subject).cloned();
        let revision = before.as_ref().map_or(0, |told| told.revision) + 1;
        hold(event.revision.0 == revision, "revisions are dense", revision, said())?;
        check_detection(event)?;
        check_data(event, before.as_ref(), ticking)?;
        let removed = event.event_type.removes();
        self.told.insert(subject, Told { revision, removed, object: event.data.object.clone() });
        Ok(before)
    }
}

fn check_detection(event: &Event) -> Check {
    let seen = &event.detection;
    let ordered = seen.not_before.is_none_or(|at| at <= seen.observed_at);
    hold(ordered, "not_before is before observed_at", "in order", line(event))
}

fn check_data(event: &Event, before: Option<&Told>, ticking: &[&str]) -> Check {
    let data = &event.data;
    let listed: Vec<&String> = data.previous.keys().collect();
    let mut changed: Vec<&String> = data.changed.iter().collect();
    hold(changed.is_sorted(), "changed is sorted", "sorted", line(event))?;
    changed.sort();
    hold(listed == changed, "previous has a value for each path in changed", changed, line(event))?;
    let Some(before) = before.filter(|told| !told.removed) else { return Ok(()) };
    if event.event_type.removes() {
        let same = differences(&before.object, &data.object);
        return hold(same.is_empty(), "a removal carries the object as last known", same, line(event));
    }
    if event.event_type.is_snapshot() || event.event_type == EventType::ExpenseAdded {
        return Ok(());
    }
    let found = differences(&before.object, &data.object);
    for (path, was) in &data.previous {
        let expected = found.get(path);
        hold(expected == Some(was), "previous is what was told before", (path, expected), line(event))?;
    }
    for (path, was) in found.iter().filter(|(path, _)| !data.previous.contains_key(*path)) {
        let now = super::paths::value_at(&data.object, path);
        let new = was.is_null() && NEW_FIELDS.contains(&path.as_str());
        let quiet = new || differ_in_precision(was, now) || ticking.iter().any(|name| path.contains(name));
        if !quiet {
            return Err(broken("changed names every path that differs", (path, was, now), line(event)));
        }
    }
    Ok(())
}
