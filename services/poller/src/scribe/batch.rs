//! Reports whose events wait to be appended together.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use change_engine::{fingerprints::Mark, paths::Paths};
use event_model::{EntityKind, EventDraft, Report, Whereabouts};
use jiff::Timestamp;

/// Drafts in one append. A first sight of thousands is cut into several, so that neither memory nor the pause of other
/// appends grows with it.
pub(super) const BATCH_EVENTS: usize = 512;
/// Bytes of objects in one append: well under what the store takes at once, whatever the size of the entities.
pub(super) const BATCH_BYTES: usize = 4 << 20;

/// A report that was parsed and differs from the log. It is kept whole until its events are durable, to be compared again
/// if the log moves before.
#[derive(Debug)]
pub(super) struct Pending {
    pub id: String,
    pub digest: [u8; 16],
    pub report: Report,
    pub fingerprint: String,
    pub whereabouts: Whereabouts,
    pub read: Mark,
    pub seen: Circumstances,
    pub drafts: Vec<EventDraft>,
}

/// What surrounds an observation of a report.
#[derive(Clone, Debug)]
pub(super) struct Circumstances {
    pub started_at: Timestamp,
    pub observed_at: Timestamp,
    pub not_before: Option<Timestamp>,
    /// The last look or telling, on the upstream's clock.
    pub told_until: Option<Timestamp>,
    pub baselined: bool,
    pub paths: Arc<Paths>,
    /// It is a read by ids.
    pub by_id: bool,
}

/// The reports that wait, in the order of their rows. One batch serves all readings: so no report waits in two, and a row
/// of a report that waits is judged only when that one is settled.
#[derive(Debug, Default)]
pub(super) struct Batch {
    rows: Vec<Pending>,
    places: HashMap<String, usize>,
    /// Expenses that the waiting drafts are about: what the log says of them is about to be old.
    expenses: BTreeSet<String>,
    events: usize,
    bytes: usize,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether `drafts` make it larger than one append should be.
    pub fn overflows(&self, drafts: &[EventDraft]) -> bool {
        !self.is_empty() && (self.events + drafts.len() > BATCH_EVENTS || self.bytes + bytes_of(drafts) > BATCH_BYTES)
    }

    pub fn push(&mut self, pending: Pending) {
        self.events += pending.drafts.len();
        self.bytes += bytes_of(&pending.drafts);
        let expenses = pending.drafts.iter().filter(|draft| draft.subject.kind == EntityKind::Expense);
        self.expenses.extend(expenses.map(|draft| draft.subject.id.clone()));
        self.places.insert(pending.id.clone(), self.rows.len());
        self.rows.push(pending);
    }

    pub fn get(&self, id: &str) -> Option<&Pending> {
        self.places.get(id).map(|place| &self.rows[*place])
    }

    /// Whether one of `expenses` is about to change.
    pub fn touches(&self, expenses: &[String]) -> bool {
        expenses.iter().any(|id| self.expenses.contains(id))
    }

    /// Takes a report out again: nothing is said of it.
    pub fn remove(&mut self, id: &str) -> Option<Pending> {
        let place = self.places.remove(id)?;
        let removed = self.rows.remove(place);
        self.events -= removed.drafts.len();
        self.bytes -= bytes_of(&removed.drafts);
        for later in self.places.values_mut().filter(|later| **later > place) {
            *later -= 1;
        }
        Some(removed)
    }

    /// All that waits; nothing waits any more.
    pub fn take(&mut self) -> Vec<Pending> {
        std::mem::take(self).rows
    }
}

fn bytes_of(drafts: &[EventDraft]) -> usize {
    drafts.iter().map(|draft| draft.data.object.to_string().len()).sum()
}
