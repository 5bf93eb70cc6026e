//! What one subscription still has to deliver, and how little of it must be stored.
//!
//! **Layout.** The log up to the *cursor* is settled. Above it lies the *window*: events that were read and are wanted,
//! each open, done or recorded. A *record* ([`PendingDelivery`]) is stored for each delivery that the cursor passes
//! without its being done: it failed, or waits behind one that did, or was asked for by a person (a test). A delivery
//! that succeeds at once is never recorded; the cursor moves over it.
//!
//! **Guarantees.** The cursor moves over an event only when it is delivered, not wanted, or its record is *saved*: the
//! shell takes [`Outbox::take_unsaved`], makes it durable, says [`Outbox::saved`], and only then stores
//! [`Outbox::cursor`]. Killed at any moment and built anew from the stored cursor and records, an outbox sends again what
//! was in flight or above the cursor, in the same order per lane, and forgets nothing. Records above the stored cursor
//! (saved before the kill, the cursor not yet) take their place when the log is read up to them, so that no older event of
//! their lane is overtaken.
//!
//! **Bounds.** [`Outbox::room`] is 0, and the cursor stands, when the window is full, when there are as many records as
//! may be, or when `ordering: strict` waits behind a failure; strict therefore needs no record but that of the failure.
//! One slow receiver of one event would hold the whole window: [`Outbox::relieve`] records what has been in flight for
//! too long, and the cursor passes it. After a kill, records above the stored cursor come on top of the bound until the
//! log is read up to them: at most as many again.
//!
//! Rejected: a row per event and subscription (3 to 8 writes per delivery in the systems that do it), and a cursor that
//! stops at the first failure (one bad entity would stop the rest).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use event_model::{
    Sequence, SubscriptionId,
    delivery::{Attempt, Payload, PendingDelivery, PendingState},
    subscription::Ordering,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    key::{Key, Lane},
    lanes::Lanes,
    retry::{Failed, Schedule, Verdict, verdict},
};

/// Attempts kept in a record: as many as the schedule makes.
const MAX_HISTORY: usize = 10;
/// A delivery in flight for longer is recorded when it holds up a full window: long against any healthy answer, short
/// against the deadline of an attempt.
pub const RELIEVE_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// How much one subscription may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attempts at once.
    pub in_flight: usize,
    /// Wanted events above the cursor.
    pub window: usize,
    /// Records, dead letters not counted.
    pub pending: usize,
}

/// A delivery to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which; named again in [`Outbox::ended`].
    pub key: Key,
    /// What it carries.
    pub payload: Payload,
}

#[derive(Debug)]
enum Slot {
    Open { payload: Payload, started_at: Option<Timestamp> },
    Recorded,
    Done,
}

/// The deliveries of one subscription. See the module's head.
#[derive(Debug)]
pub struct Outbox {
    subscription: SubscriptionId,
    ordering: Ordering,
    schedule: Schedule,
    limits: Limits,
    lanes: Lanes<Key, Lane>,
    read_up_to: Sequence,
    cursor: Sequence,
    window: BTreeMap<Sequence, Slot>,
    open: usize,
    records: BTreeMap<Key, PendingDelivery>,
    /// Records above the cursor as it was stored; they enter when the log is read up to them.
    ahead: BTreeMap<Sequence, PendingDelivery>,
    /// What is to be stored (`None`: deleted).
    unsaved: BTreeMap<Key, Option<PendingDelivery>>,
    /// What the shell is storing.
    saving: BTreeSet<Key>,
    closed: bool,
}

impl Outbox {
    /// The outbox of a subscription whose stored cursor and records are these.
    pub fn new(
        subscription: SubscriptionId,
        ordering: Ordering,
        schedule: Schedule,
        limits: Limits,
        cursor: Sequence,
        stored: Vec<PendingDelivery>,
    ) -> Self {
        let mut outbox = Self {
            subscription,
            ordering,
            schedule,
            limits,
            lanes: Lanes::new(limits.in_flight),
            read_up_to: cursor,
            cursor,
            window: BTreeMap::new(),
            open: 0,
            records: BTreeMap::new(),
            ahead: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            saving: BTreeSet::new(),
            closed: false,
        };
        let mut stored: Vec<_> = stored.into_iter().map(|record| (Key::of(&record.payload), record)).collect();
        stored.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, record) in stored {
            match key {
                Key::Event(sequence) if sequence > cursor => drop(outbox.ahead.insert(sequence, record)),
                Key::Event(_) | Key::Test(_) => outbox.admit_record(key, record),
            }
        }
        outbox
    }

    /// How many more events may be read from the log now; 0: the cursor stands.
    pub fn room(&self) -> usize {
        if self.closed || (self.ordering == Ordering::Strict && self.lanes.is_parked(&Lane::All)) {
            return 0;
        }
        let window = self.limits.window.saturating_sub(self.window.len());
        let pending = self.limits.pending.saturating_sub(self.records.len() + self.open);
        window.min(pending)
    }

    /// Whether the records are as many as may be.
    pub fn is_full(&self) -> bool {
        self.records.len() + self.open >= self.limits.pending
    }

    /// The log was read up to and including `up_to`; `wanted` are the events among it that the subscription wants.
    pub fn read(&mut self, up_to: Sequence, wanted: Vec<Payload>, now: Timestamp) {
        enum Found {
            Fresh(Payload),
            Stored(PendingDelivery),
        }
        let mut found: BTreeMap<Key, Found> =
            wanted.into_iter().map(|payload| (Key::of(&payload), Found::Fresh(payload))).collect();
        let later = self.ahead.split_off(&up_to.next());
        let reached = std::mem::replace(&mut self.ahead, later);
        found.extend(reached.into_iter().map(|(sequence, record)| (Key::Event(sequence), Found::Stored(record))));
        for (key, found) in found {
            match found {
                Found::Fresh(payload) => self.admit_fresh(key, payload, now),
                Found::Stored(record) => self.admit_record(key, record),
            }
        }
        self.read_up_to = up_to;
        self.advance();
    }

    /// Takes in a stored record that a person asked for; one that is known already is left as it is.
    pub fn add_test(&mut self, record: PendingDelivery) {
        let key = Key::of(&record.payload);
        if matches!(key, Key::Test(_)) && !self.records.contains_key(&key) && !self.unsaved.contains_key(&key) {
            self.admit_record(key, record);
        }
    }

    /// The next delivery to send, if one may start now.
    pub fn start(&mut self, now: Timestamp) -> Option<Start> {
        if self.closed {
            return None;
        }
        let key = self.lanes.start(now)?;
        let payload = match &key {
            Key::Event(sequence) => match self.window.get_mut(sequence) {
                Some(Slot::Open { payload, started_at }) => {
                    *started_at = Some(now);
                    Some(payload.clone())
                }
                Some(Slot::Recorded | Slot::Done) | None => None,
            },
            Key::Test(_) => None,
        };
        let payload = payload.or_else(|| self.records.get(&key).map(|record| record.payload.clone()))?;
        Some(Start { key, payload })
    }

    /// The attempt at `key` ended so. `chance` (0 to 1) spreads the wait for the next one.
    pub fn ended(
        &mut self,
        key: &Key,
        attempt: Attempt,
        retry_after: Option<Duration>,
        now: Timestamp,
        chance: f64,
    ) -> Verdict {
        let attempts = self.attempts(key) + 1;
        let verdict =
            verdict(&self.schedule, &attempt.outcome, Failed { attempts, retry_after, ended_at: now }, chance);
        match verdict {
            Verdict::Delivered => self.done(key),
            Verdict::Retry { at } => {
                self.record(key, PendingState::Due { at }, now, Some(attempt));
                self.lanes.put_off(key, at);
                self.record_those_behind(key, now);
            }
            Verdict::Dead => self.bury(key, now, Some(attempt)),
            // Nothing is recorded and nothing starts any more: what was in flight is sent again when it is resumed.
            Verdict::Disable => self.closed = true,
        }
        self.advance();
        verdict
    }

    /// `key`, which is in flight, can never be sent: a dead letter without an attempt.
    pub fn give_up(&mut self, key: &Key, now: Timestamp) {
        self.bury(key, now, None);
        self.advance();
    }

    /// Attempts made at `key` so far, as far as they count.
    pub fn attempts(&self, key: &Key) -> u32 {
        self.records.get(key).map_or(0, |record| record.attempts)
    }

    /// Records what holds up a full window for longer than [`RELIEVE_AFTER`], so that the cursor may pass it.
    pub fn relieve(&mut self, now: Timestamp) {
        if self.wants_relief_at().is_none_or(|at| at > now) {
            return;
        }
        let held_up: Vec<Key> = self
            .window
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Open { started_at: Some(at), .. } if *at + RELIEVE_AFTER <= now))
            .map(|(sequence, _)| Key::Event(*sequence))
            .collect();
        for key in held_up {
            self.record(&key, PendingState::Due { at: now }, now, None);
            self.record_those_behind(&key, now);
        }
    }

    /// When [`Self::relieve`] would have something to do; `None` while the window is not full.
    pub fn wants_relief_at(&self) -> Option<Timestamp> {
        if self.ordering == Ordering::Strict || self.window.len() < self.limits.window || self.is_full() {
            return None;
        }
        match self.window.first_key_value()?.1 {
            Slot::Open { started_at: Some(at), .. } => Some(*at + RELIEVE_AFTER),
            Slot::Open { started_at: None, .. } | Slot::Recorded | Slot::Done => None,
        }
    }

    /// What must be stored before the cursor can go on: records to write, or (`None`) to delete.
    #[must_use = "what is taken must be stored"]
    pub fn take_unsaved(&mut self) -> Vec<(Key, Option<PendingDelivery>)> {
        let unsaved = std::mem::take(&mut self.unsaved);
        self.saving.extend(unsaved.keys().cloned());
        unsaved.into_iter().collect()
    }

    /// All that was taken is durable.
    pub fn saved(&mut self) {
        self.saving.clear();
        self.advance();
    }

    /// Every event up to here is delivered, not wanted, or recorded durably.
    pub const fn cursor(&self) -> Sequence {
        self.cursor
    }

    /// The log was read up to here.
    pub const fn read_up_to(&self) -> Sequence {
        self.read_up_to
    }

    /// When the next delivery that was put off may start.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.lanes.next_due()
    }

    /// Whether [`Self::start`] would start something.
    pub fn can_start(&self, now: Timestamp) -> bool {
        !self.closed && self.lanes.can_start(now)
    }

    /// Whether one more could be in flight.
    pub const fn has_free_slot(&self) -> bool {
        !self.closed && self.lanes.has_free_slot()
    }

    /// The records that are not dead letters.
    pub fn records(&self) -> impl Iterator<Item = &PendingDelivery> {
        self.records.values()
    }

    /// Whether anything is not done, dead letters not counted.
    pub fn holds_any(&self) -> bool {
        self.open > 0 || !self.records.is_empty()
    }

    /// The oldest event above the cursor that is neither delivered nor recorded.
    pub fn oldest_open(&self) -> Option<Sequence> {
        self.window.iter().find(|(_, slot)| matches!(slot, Slot::Open { .. })).map(|(sequence, _)| *sequence)
    }

    fn admit_fresh(&mut self, key: Key, payload: Payload, now: Timestamp) {
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

    fn admit_record(&mut self, key: Key, record: PendingDelivery) {
        let not_before = match record.state {
            PendingState::Due { at } => Some(at),
            PendingState::Waiting => None,
            PendingState::Dead { .. } => return,
        };
        self.lanes.push(key.clone(), Lane::of(&record.payload, self.ordering), not_before);
        self.records.insert(key, record);
    }

    fn done(&mut self, key: &Key) {
        self.lanes.finish(key);
        if self.records.remove(key).is_some() {
            self.unsaved.insert(key.clone(), None);
        }
        self.replace_slot(key, Slot::Done);
    }

    fn bury(&mut self, key: &Key, now: Timestamp, attempt: Option<Attempt>) {
        self.record(key, PendingState::Dead { at: now }, now, attempt);
        self.records.remove(key);
        self.lanes.finish(key);
    }

    /// Makes or changes the record of `key`.
    fn record(&mut self, key: &Key, state: PendingState, now: Timestamp, attempt: Option<Attempt>) {
        let opened = self.replace_slot(key, Slot::Recorded);
        let known = self.records.remove(key);
        let Some(mut record) = known.or_else(|| opened.map(|payload| self.new_record(payload, now))) else { return };
        record.state = state;
        if let Some(attempt) = attempt {
            record.attempts += 1;
            record.history.push(attempt);
            let surplus = record.history.len().saturating_sub(MAX_HISTORY);
            record.history.drain(..surplus);
        }
        self.unsaved.insert(key.clone(), Some(record.clone()));
        self.records.insert(key.clone(), record);
    }

    fn new_record(&self, payload: Payload, now: Timestamp) -> PendingDelivery {
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
    fn record_those_behind(&mut self, front: &Key, now: Timestamp) {
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
    fn replace_slot(&mut self, key: &Key, slot: Slot) -> Option<Payload> {
        let Key::Event(sequence) = key else { return None };
        match std::mem::replace(self.window.get_mut(sequence)?, slot) {
            Slot::Open { payload, .. } => {
                self.open -= 1;
                Some(payload)
            }
            Slot::Recorded | Slot::Done => None,
        }
    }

    fn advance(&mut self) {
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
            front.remove();
        }
        let before_front = self.window.first_key_value().map(|(sequence, _)| Sequence(sequence.0 - 1));
        self.cursor = before_front.unwrap_or(self.read_up_to);
    }
}

#[cfg(test)]
mod tests;
