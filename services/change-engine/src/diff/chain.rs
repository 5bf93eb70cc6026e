//! Drafts about one entity, each starting from the object that the one before left.

use std::collections::BTreeMap;

use event_model::{Data, Detection, EventDraft, EventType, Revision, Subject, TimestampSource};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Known, Seen, as_map};
use crate::paths::{Delta, delta};

/// What an event says beside the object.
#[derive(Clone, Debug)]
pub(super) struct Happening {
    pub(super) event_type: EventType,
    pub(super) timestamp: Timestamp,
    pub(super) source: TimestampSource,
    pub(super) inferred: bool,
    pub(super) actor: Option<String>,
}

impl Happening {
    /// Nothing is known but that it was seen.
    pub(super) fn observed(seen: &Seen<'_>, event_type: EventType) -> Self {
        let source = TimestampSource::Observation;
        Self { event_type, timestamp: seen.observed_at, source, inferred: false, actor: None }
    }
}

pub(super) struct Chain<'a> {
    pub(super) seen: &'a Seen<'a>,
    subject: Subject,
    revision: Revision,
    /// The object so far; `None` before there is one, or after a removal.
    object: Option<Map<String, Value>>,
    drafts: Vec<EventDraft>,
}

impl<'a> Chain<'a> {
    pub(super) fn after(seen: &'a Seen<'a>, subject: Subject, known: Option<&Known>) -> Self {
        let revision = known.map_or(Revision(0), |known| known.revision);
        let object = known.filter(|known| !known.removed).map(|known| as_map(known.object.clone()));
        Self { seen, subject, revision, object, drafts: Vec::new() }
    }

    /// A first sight: no before, and nothing to date it by.
    pub(super) fn snapshot(&mut self, event_type: EventType, object: Map<String, Value>) {
        self.append(Happening::observed(self.seen, event_type), BTreeMap::new(), object);
        self.undate_last();
    }

    /// What happened, and the object after it.
    pub(super) fn push(&mut self, what: Happening, object: Map<String, Value>) {
        let told = self.delta(&object).told;
        self.append(what, told, object);
    }

    /// The same, if it changed anything; whether it did.
    pub(super) fn push_change(&mut self, event_type: EventType, object: &Map<String, Value>) -> bool {
        let told = self.delta(object).told;
        let changed = !told.is_empty();
        if changed {
            self.append(Happening::observed(self.seen, event_type), told, object.clone());
        }
        changed
    }

    /// An event when something changed; a snapshot when we only see more than before; else nothing.
    pub(super) fn settle(&mut self, changed: EventType, snapshot: EventType, object: Map<String, Value>) {
        let Delta { told, rebased } = self.delta(&object);
        if !told.is_empty() {
            self.append(Happening::observed(self.seen, changed), told, object);
        } else if !rebased.is_empty() {
            self.append(Happening::observed(self.seen, snapshot), rebased, object);
            self.undate_last();
        }
    }

    /// Takes out the drafts so far; those that come after continue from them.
    pub(super) fn take(&mut self) -> Vec<EventDraft> {
        std::mem::take(&mut self.drafts)
    }

    fn delta(&self, object: &Map<String, Value>) -> Delta {
        let before = self.object.as_ref();
        before.map(|before| delta(self.subject.kind, before, object, self.seen.paths)).unwrap_or_default()
    }

    fn undate_last(&mut self) {
        if let Some(last) = self.drafts.last_mut() {
            last.detection.not_before = None;
        }
    }

    fn append(&mut self, what: Happening, previous: BTreeMap<String, Value>, object: Map<String, Value>) {
        self.revision = self.revision.next();
        self.drafts.push(EventDraft {
            event_type: what.event_type,
            timestamp: what.timestamp,
            account: self.seen.account.clone(),
            subject: self.subject.clone(),
            revision: self.revision,
            actor: what.actor,
            data: Data {
                object: Value::Object(object.clone()),
                changed: previous.keys().cloned().collect(),
                previous: previous.into_iter().collect(),
            },
            detection: Detection {
                observed_at: self.seen.observed_at,
                not_before: self.seen.not_before,
                inferred: what.inferred,
                timestamp_source: what.source,
            },
        });
        self.object = Some(object);
    }
}
