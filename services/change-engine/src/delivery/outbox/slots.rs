//! Slots and records of an outbox: how a delivery gets into them, and out.

use std::sync::Arc;

use event_model::{
    Sequence,
    delivery::{Attempt, Payload, PendingDelivery, PendingState},
    subscription::Ordering,
};
use jiff::Timestamp;

use super::{Key, Lane, MAX_HISTORY, Outbox, Slot};

impl Outbox {
    pub(super) fn admit_fresh(&mut self, key: Key, payload: Arc<Payload>, now: Timestamp) {
        let Key::Event(sequence) = key else { return };
        let lane = Lane::of(&payload, self.ordering);
        self.lanes.push(key.clone(), lane.clone(), None);
        self.window.insert(sequence, Slot::Open { payload, started_at: None });
        self.open += 1;
        // Behind a record it waits for all that is before it in its lane, sent one by one: the cursor must not wait too.
        let front = self.lanes.front(&lane);
        if self.ordering == Ordering::Entity && front.is_some_and(|front| self.records.contains_key(front)) {
            self.record(&key, PendingState::Waiting, now, None);
        }
    }

    pub(super) fn admit_record(&mut self, key: Key, record: PendingDelivery) {
        let not_before = match record.state {
            PendingState::Due { at } => Some(at),
            PendingState::Waiting => None,
            PendingState::Dead { .. } | PendingState::Done { .. } => return,
        };
        self.lanes.push(key.clone(), Lane::of(&record.payload, self.ordering), not_before);
        self.records.insert(key, record);
    }

    /// What failed before it arrived stays to be shown; nobody asks how a test went, or what was only slow.
    pub(super) fn done(&mut self, key: &Key, attempt: Attempt, now: Timestamp) {
        self.lanes.finish(key);
        if let Some(mut record) = self.records.remove(key) {
            let kept = matches!(key, Key::Event(_)) && !record.history.is_empty();
            record.state = PendingState::Done { at: now };
            record.note(attempt, MAX_HISTORY);
            self.unsaved.insert(key.clone(), kept.then_some(record));
        }
        self.replace_slot(key, Slot::Done);
    }

    pub(super) fn bury(&mut self, key: &Key, now: Timestamp, attempt: Option<Attempt>) {
        self.record(key, PendingState::Dead { at: now }, now, attempt);
        self.records.remove(key);
        self.lanes.finish(key);
    }

    /// Makes or changes the record of `key`.
    pub(super) fn record(&mut self, key: &Key, state: PendingState, now: Timestamp, attempt: Option<Attempt>) {
        let opened = self.replace_slot(key, Slot::Recorded);
        let known = self.records.remove(key);
        let Some(mut record) =
            known.or_else(|| opened.map(|payload| self.new_record(Arc::unwrap_or_clone(payload), now)))
        else {
            return;
        };
        record.state = state;
        if let Some(attempt) = attempt {
            record.note(attempt, MAX_HISTORY);
        }
        self.unsaved.insert(key.clone(), Some(record.clone()));
        self.records.insert(key.clone(), record);
    }

    pub(super) fn new_record(&self, payload: Payload, now: Timestamp) -> PendingDelivery {
        PendingDelivery {
            subscription: self.subscription.clone(),
            payload,
            state: PendingState::Waiting,
            attempts: 0,
            history: Vec::new(),
            since: now,
        }
    }

    /// Strict order stops reading instead: there, what is behind stays above the cursor.
    pub(super) fn record_those_behind(&mut self, front: &Key, now: Timestamp) {
        if self.ordering != Ordering::Entity {
            return;
        }
        let Some(lane) = self.records.get(front).map(|record| Lane::of(&record.payload, self.ordering)) else { return };
        let behind: Vec<Key> =
            self.lanes.behind_front(&lane).filter(|key| !self.records.contains_key(*key)).cloned().collect();
        for key in behind {
            self.record(&key, PendingState::Waiting, now, None);
        }
    }

    /// Puts `slot` where an event's slot is; the payload when it was open.
    pub(super) fn replace_slot(&mut self, key: &Key, slot: Slot) -> Option<Arc<Payload>> {
        let Key::Event(sequence) = key else { return None };
        self.done += usize::from(matches!(slot, Slot::Done) && self.window.contains_key(sequence));
        match std::mem::replace(self.window.get_mut(sequence)?, slot) {
            Slot::Open { payload, .. } => {
                self.open -= 1;
                Some(payload)
            }
            Slot::Recorded | Slot::Done => None,
        }
    }

    pub(super) fn advance(&mut self) {
        while let Some(front) = self.window.first_entry() {
            let key = Key::Event(*front.key());
            let settled = match front.get() {
                Slot::Done => true,
                Slot::Recorded => !self.unsaved.contains_key(&key) && !self.saving.contains(&key),
                Slot::Open { .. } => false,
            };
            if !settled {
                break;
            }
            self.done -= usize::from(matches!(front.remove(), Slot::Done));
        }
        let before_front = self.window.first_key_value().map(|(sequence, _)| Sequence(sequence.0 - 1));
        self.cursor = before_front.unwrap_or(self.read_up_to);
    }
}
