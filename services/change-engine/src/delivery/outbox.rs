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
//! **Suspended** ([`Outbox::suspend`]), nothing is read and nothing starts but a probe: a test that was asked for, or
//! the oldest delivery that there is.
//! A probe that fails is noted in its one record and uses up no attempt, so that an outage of days makes no dead letters.
//!
//! **Kept to be shown.** A delivery that arrived after failures stays as a record [`PendingState::Done`], so that people see
//! what was wrong; the shell removes it by age and number. Like a dead letter it is of no account here.
//!
//! **Bounds.** [`Outbox::room`] is 0, and the cursor stands, when the window is full, when there are as many records as
//! may be, or when `ordering: strict` waits behind a failure; strict therefore needs no record but that of the failure.
//! One slow receiver of one event would hold the whole window: [`Outbox::relieve`] records what has been in flight for
//! too long, and the cursor passes it. After a kill, records above the stored cursor come on top of the bound until the
//! log is read up to them: at most as many again.
//!
//! Rejected: a row per event and subscription (3 to 8 writes per delivery in the systems that do it), and a cursor that
//! stops at the first failure (one bad entity would stop the rest).

mod slots;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
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
    /// What it carries; shared with everybody who delivers the same.
    pub payload: Arc<Payload>,
}

#[derive(Debug)]
enum Slot {
    Open { payload: Arc<Payload>, started_at: Option<Timestamp> },
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
    done: usize,
    records: BTreeMap<Key, PendingDelivery>,
    /// Records above the cursor as it was stored; they enter when the log is read up to them.
    ahead: BTreeMap<Sequence, PendingDelivery>,
    /// What is to be stored (`None`: deleted).
    unsaved: BTreeMap<Key, Option<PendingDelivery>>,
    /// What the shell is storing.
    saving: BTreeSet<Key>,
    closed: bool,
    suspended: bool,
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
            done: 0,
            records: BTreeMap::new(),
            ahead: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            saving: BTreeSet::new(),
            closed: false,
            suspended: false,
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
        if self.suspended {
            return usize::from(!self.holds_any());
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
    pub fn read<P: Into<Arc<Payload>>>(&mut self, up_to: Sequence, wanted: Vec<P>, now: Timestamp) {
        enum Found {
            Fresh(Arc<Payload>),
            Stored(PendingDelivery),
        }
        let wanted = wanted.into_iter().map(Into::into);
        let mut found: BTreeMap<Key, Found> =
            wanted.map(|payload| (Key::of(&payload), Found::Fresh(payload))).collect();
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

    /// Takes in a stored record that a person asked for: a test, or a dead letter that is to be sent again. One that is
    /// known already stays as it is, but for its time: asked for earlier, it starts earlier.
    pub fn add_asked(&mut self, record: PendingDelivery) {
        let key = Key::of(&record.payload);
        if matches!(key, Key::Event(sequence) if sequence > self.read_up_to) || self.unsaved.contains_key(&key) {
            return;
        }
        let Some(known) = self.records.get_mut(&key) else { return self.admit_record(key, record) };
        if let (PendingState::Due { at: known_at }, PendingState::Due { at }) = (&mut known.state, record.state)
            && at < *known_at
        {
            *known_at = at;
            self.lanes.hasten(&key, at);
        }
    }

    /// From now on (or no more) only probes start, and nothing is read.
    pub fn suspend(&mut self, suspended: bool) {
        self.suspended = suspended;
    }

    /// Lets `in_flight` deliveries run at once, at most as many as the limits say and at least one.
    pub fn widen_to(&mut self, in_flight: usize) {
        self.lanes.widen_to(in_flight.clamp(1, self.limits.in_flight.max(1)));
    }

    /// The next delivery to send, if one may start now.
    pub fn start(&mut self, now: Timestamp) -> Option<Start> {
        if self.closed || self.suspended {
            return None;
        }
        let key = self.lanes.start(now)?;
        self.started(key, now)
    }

    /// The oldest delivery, whether it is due or not, as a probe of an endpoint that is suspended; none while another one is
    /// in flight.
    pub fn probe(&mut self, now: Timestamp) -> Option<Start> {
        if self.closed || !self.suspended || self.lanes.in_flight() > 0 {
            return None;
        }
        let key = self.lanes.start_oldest()?;
        self.started(key, now)
    }

    /// A test that was never sent, as a probe: who asks for one wants to see now whether the endpoint is back.
    pub fn probe_by_test(&mut self, now: Timestamp) -> Option<Start> {
        if self.closed || !self.suspended || self.lanes.in_flight() > 0 {
            return None;
        }
        let key = self.fresh_test().cloned()?;
        let key = self.lanes.start_this(&key)?;
        self.started(key, now)
    }

    /// Whether there is a test that was never sent.
    pub fn has_fresh_test(&self) -> bool {
        self.fresh_test().is_some()
    }

    fn fresh_test(&self) -> Option<&Key> {
        // Tests come last, and they are few.
        let mut tests = self.records.iter().rev().take_while(|(key, _)| matches!(key, Key::Test(_)));
        tests.find(|(_, record)| record.history.is_empty()).map(|(key, _)| key)
    }

    fn started(&mut self, key: Key, now: Timestamp) -> Option<Start> {
        let payload = match &key {
            Key::Event(sequence) => match self.window.get_mut(sequence) {
                Some(Slot::Open { payload, started_at }) => {
                    *started_at = Some(now);
                    Some(Arc::clone(payload))
                }
                Some(Slot::Recorded | Slot::Done) | None => None,
            },
            Key::Test(_) => None,
        };
        let payload = payload.or_else(|| self.records.get(&key).map(|record| Arc::new(record.payload.clone())))?;
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
            Verdict::Delivered => self.done(key, attempt, now),
            Verdict::Retry { at } => self.put_off(key, at, now, attempt),
            Verdict::Dead => self.bury(key, now, Some(attempt)),
            // Nothing is recorded and nothing starts any more: what was in flight is sent again when it is resumed.
            Verdict::Disable => self.closed = true,
        }
        self.advance();
        verdict
    }

    /// The probe `key` failed: it is the oldest still, and no attempt of its schedule is used up.
    pub fn probe_failed(&mut self, key: &Key, attempt: Attempt, now: Timestamp) {
        let attempts = self.attempts(key);
        self.put_off(key, now, now, attempt);
        if let Some(record) = self.records.get_mut(key) {
            record.attempts = attempts;
            self.unsaved.insert(key.clone(), Some(record.clone()));
        }
        self.advance();
    }

    fn put_off(&mut self, key: &Key, at: Timestamp, now: Timestamp, attempt: Attempt) {
        self.record(key, PendingState::Due { at }, now, Some(attempt));
        self.lanes.put_off(key, at);
        self.record_those_behind(key, now);
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
        !self.closed && !self.suspended && self.lanes.can_start(now)
    }

    /// Whether one more could be in flight.
    pub const fn has_free_slot(&self) -> bool {
        !self.closed && !self.suspended && self.lanes.has_free_slot()
    }

    /// Whether any attempt is in flight.
    pub const fn is_flying(&self) -> bool {
        self.lanes.in_flight() > 0
    }

    /// The records that are neither dead letters nor only kept to be shown.
    pub fn records(&self) -> impl Iterator<Item = &PendingDelivery> {
        self.records.values()
    }

    /// Deliveries that are done though the cursor has not passed them: a kill repeats them.
    pub const fn done_above_cursor(&self) -> usize {
        self.done
    }

    /// Events above the cursor that are neither delivered nor recorded.
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Whether anything is not done, dead letters not counted.
    pub fn holds_any(&self) -> bool {
        self.open > 0 || !self.records.is_empty()
    }

    /// The oldest event above the cursor that is neither delivered nor recorded.
    pub fn oldest_open(&self) -> Option<Sequence> {
        self.window.iter().find(|(_, slot)| matches!(slot, Slot::Open { .. })).map(|(sequence, _)| *sequence)
    }
}

#[cfg(test)]
mod tests;
