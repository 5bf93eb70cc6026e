//! Order of deliveries: which may start now.
//!
//! Deliveries queue in lanes. Of each lane only the front may be in flight, and nothing overtakes it: when it fails it
//! stays in front until its next attempt, and the rest of the lane waits behind it. Different lanes know nothing of each
//! other but the bound on all that is in flight. The lane of a delivery is the caller's choice: one per entity, one for
//! everything, or one each.
//!
//! Guarantees (held by the property test below): never two of one lane in flight, never more than the bound in all, what
//! was pushed first in its lane starts first, a delivery that was put off does not start before its time, and each one
//! pushed is started again and again until it is finished.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::Hash,
};

use jiff::Timestamp;

/// Deliveries `K` (ordered by age) in lanes `L`.
#[derive(Debug)]
pub struct Lanes<K, L> {
    max_in_flight: usize,
    in_flight: usize,
    queues: HashMap<L, VecDeque<K>>,
    items: HashMap<K, Item<L>>,
    /// Fronts that may start.
    ready: BTreeSet<K>,
    /// Fronts that may start later.
    due: BTreeSet<(Timestamp, K)>,
}

#[derive(Debug)]
struct Item<L> {
    lane: L,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not in front.
    Queued {
        not_before: Option<Timestamp>,
    },
    Ready,
    Due(Timestamp),
    InFlight,
}

impl<K: Clone + Ord + Hash, L: Clone + Eq + Hash> Lanes<K, L> {
    /// Empty lanes that let `max_in_flight` deliveries run at once.
    pub fn new(max_in_flight: usize) -> Self {
        Self {
            max_in_flight,
            in_flight: 0,
            queues: HashMap::new(),
            items: HashMap::new(),
            ready: BTreeSet::new(),
            due: BTreeSet::new(),
        }
    }

    /// Puts `key` at the end of `lane`, not to start before `not_before`. A key that is there already stays as it is.
    pub fn push(&mut self, key: K, lane: L, not_before: Option<Timestamp>) {
        if self.items.contains_key(&key) {
            return;
        }
        let queue = self.queues.entry(lane.clone()).or_default();
        queue.push_back(key.clone());
        let in_front = queue.len() == 1;
        self.items.insert(key.clone(), Item { lane, state: State::Queued { not_before } });
        if in_front {
            self.bring_to_front(&key);
        }
    }

    /// The oldest delivery that may start now, if any; it is in flight from here on.
    pub fn start(&mut self, now: Timestamp) -> Option<K> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.due.pop_first() {
                self.set(&key, State::Ready);
                self.ready.insert(key);
            }
        }
        let key = self.ready.pop_first()?;
        self.set(&key, State::InFlight);
        self.in_flight += 1;
        Some(key)
    }

    /// The delivery in flight `key` is done with; the next of its lane comes to the front.
    pub fn finish(&mut self, key: &K) {
        if !self.land(key) {
            return;
        }
        let Some(item) = self.items.remove(key) else { return };
        let Some(queue) = self.queues.get_mut(&item.lane) else { return };
        queue.pop_front();
        match queue.front().cloned() {
            Some(next) => self.bring_to_front(&next),
            None => drop(self.queues.remove(&item.lane)),
        }
    }

    /// The delivery in flight `key` failed: it starts again at `at`, and its lane waits for it.
    pub fn put_off(&mut self, key: &K, at: Timestamp) {
        if self.land(key) {
            self.set(key, State::Due(at));
            self.due.insert((at, key.clone()));
        }
    }

    /// Lets `max_in_flight` deliveries run at once from now on; those that run already go on.
    pub fn widen_to(&mut self, max_in_flight: usize) {
        self.max_in_flight = max_in_flight;
    }

    /// The oldest front, due or not; it is in flight from here on. None when all fronts are in flight.
    pub fn start_oldest(&mut self) -> Option<K> {
        let put_off = self.due.iter().min_by(|a, b| a.1.cmp(&b.1)).cloned();
        let key = match (self.ready.first(), put_off) {
            (Some(ready), Some((at, put_off))) if put_off < *ready => {
                self.due.remove(&(at, put_off.clone()));
                put_off
            }
            (None, Some((at, put_off))) => {
                self.due.remove(&(at, put_off.clone()));
                put_off
            }
            (Some(_), _) => self.ready.pop_first()?,
            (None, None) => return None,
        };
        self.set(&key, State::InFlight);
        self.in_flight += 1;
        Some(key)
    }

    /// The delivery `key`, whether it is due or not; it is in flight from here on. None unless it is in front and waits.
    pub fn start_this(&mut self, key: &K) -> Option<K> {
        let found = match self.items.get(key)?.state {
            State::Ready => self.ready.take(key)?,
            State::Due(at) => self.due.take(&(at, key.clone()))?.1,
            State::Queued { .. } | State::InFlight => return None,
        };
        self.set(key, State::InFlight);
        self.in_flight += 1;
        Some(found)
    }

    /// The delivery `key`, if it was put off, may start at `at` already.
    pub fn hasten(&mut self, key: &K, at: Timestamp) {
        let Some(Item { state: State::Due(later), .. }) = self.items.get(key) else { return };
        let later = *later;
        if at < later && self.due.remove(&(later, key.clone())) {
            self.set(key, State::Due(at));
            self.due.insert((at, key.clone()));
        }
    }

    /// Whether the front of `lane` waits for its next attempt.
    pub fn is_parked(&self, lane: &L) -> bool {
        let front = self.front(lane).and_then(|key| self.items.get(key));
        front.is_some_and(|item| matches!(item.state, State::Due(_)))
    }

    /// What is first in `lane`.
    pub fn front(&self, lane: &L) -> Option<&K> {
        self.queues.get(lane).and_then(VecDeque::front)
    }

    /// Everything behind the front of `lane`, oldest first.
    pub fn behind_front(&self, lane: &L) -> impl Iterator<Item = &K> {
        self.queues.get(lane).into_iter().flat_map(|queue| queue.iter().skip(1))
    }

    /// When the next front that was put off may start; `None` when nothing waits for a time.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many are in flight.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether [`Self::start`] would start something.
    pub fn can_start(&self, now: Timestamp) -> bool {
        let waits = !self.ready.is_empty() || self.next_due().is_some_and(|at| at <= now);
        waits && self.has_free_slot()
    }

    /// Whether one more could be in flight.
    pub const fn has_free_slot(&self) -> bool {
        self.in_flight < self.max_in_flight
    }

    /// Whether `key` is in flight.
    pub fn is_in_flight(&self, key: &K) -> bool {
        self.items.get(key).is_some_and(|item| item.state == State::InFlight)
    }

    fn bring_to_front(&mut self, key: &K) {
        let Some(Item { state: State::Queued { not_before }, .. }) = self.items.get(key) else { return };
        match *not_before {
            Some(at) => {
                self.set(key, State::Due(at));
                self.due.insert((at, key.clone()));
            }
            None => {
                self.set(key, State::Ready);
                self.ready.insert(key.clone());
            }
        }
    }

    /// Takes `key` out of flight; false when it was not in flight.
    fn land(&mut self, key: &K) -> bool {
        let flying = self.is_in_flight(key);
        self.in_flight -= usize::from(flying);
        flying
    }

    fn set(&mut self, key: &K, state: State) {
        if let Some(item) = self.items.get_mut(key) {
            item.state = state;
        }
    }
}

#[cfg(test)]
mod tests;
