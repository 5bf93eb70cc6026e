//! What to read next, and when.
//!
//! A watch i costs c requests a read and changes at rate λ with weight w. Read every T, it shows a change T/2 late on
//! average, so the mean delay under a budget Σ c/T ≤ B is least at T ∝ √(c/(wλ)). No solver is needed: whenever a read may
//! start, start the watch with the largest **w·λ·age²/c**. At the optimum that index is the same for all watches at their
//! turn, so the largest is the one most overdue. The rates are learned ([`rate`]).
//!
//! Around the rule:
//!
//! - **Pace.** A start of cost c holds the next one back by c paces. Saving starts up for bursts makes the mean delay 1.6
//!   times worse (`design.md` §5), and the ledger would let them through in bursts.
//! - **Age cap.** Nothing grows older than [`MAX_AGE`], whatever its index says, as long as the budget suffices for that
//!   (`cap`).
//! - **One-shots** (confirmations, follow-ups, refreshes) go ahead of the queue and are not paced; they hold the paced ones
//!   back and take [`ONE_SHOT_SHARE`] of the requests at most.
//! - **First sight.** A watch that is not baselined goes before the paced ones and is not paced either: until then it tells
//!   nothing. While another is baselined, first sights take [`FIRST_SIGHT_SHARE`] of the requests at most, and
//!   [`MAX_FIRST_SIGHTS`] of the reads under way: that of a million reports takes long, and must not stop the rest.
//! - **One read of a watch at a time**, and after a failure a growing wait. A failed read leaves the age as it was.
//!
//! The planner knows no clock and no chance: both are arguments. Watches come and go; what is under way is remembered by its
//! key until it ends, so that a watch that is removed and put again meanwhile is not read twice at once.

mod cap;
mod explain;
mod lanes;
pub mod rate;
pub mod shape;
#[cfg(test)]
mod tests;
mod turn;
mod watch;

use std::{cell::LazyCell, collections::BTreeMap, fmt::Debug};

use jiff::{SignedDuration, Timestamp};

use self::{
    cap::Caps,
    lanes::{Lane, Queue},
    rate::Peers,
    turn::Turn,
    watch::{Planned, add},
};
pub use self::{
    cap::MAX_AGE,
    explain::{Explained, Why},
    lanes::{FIRST_SIGHT_SHARE, ONE_SHOT_SHARE},
    rate::RateRecord,
    watch::{Class, Ended, FIRST_BACKOFF, LONGEST_BACKOFF, Spec},
};
use crate::budget::Limits;

/// The pace keeps so much off the limit: at exactly 60 s / 20 the jitter of answers alone makes requests wait in bursts.
const PACE_SLACK: f64 = 1.033;

/// Most reads of one account under way. Paced starts overlap only while answers are slow; then more would only hold slots.
pub const MAX_CONCURRENT_READS: usize = 5;
/// So many of them may be first sights while something is baselined: a slow export must not stop the others.
pub const MAX_FIRST_SIGHTS: usize = 2;
/// So many may be windows of the sweep, for the same reason: those of a large account render for minutes, and none is urgent.
const MAX_WINDOWS: usize = 2;
/// So many may be paced: one is kept for what goes ahead of the queue.
const MAX_PACED: usize = MAX_CONCURRENT_READS - 1;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision<K> {
    /// Start a read of this watch now, and say so with [`Plan::started`].
    Start(K),
    /// Nothing before this; ask again then, or when a read ends or the plan is changed.
    WaitUntil(Timestamp),
    /// Nothing before a read ends or the plan is changed.
    WaitForEnd,
}

/// The plan of one account.
#[derive(Clone, Debug)]
pub struct Plan<K> {
    watches: BTreeMap<K, Planned>,
    in_flight: BTreeMap<K, Flight>,
    pace: SignedDuration,
    next_paced: Option<Timestamp>,
    one_shots: Lane,
    first_sights: Lane,
    peers: Peers,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    started: Timestamp,
    queue: Queue,
    class: Class,
    /// The wish that it fulfils if it ends complete.
    answers: Option<Timestamp>,
}

/// The time between paced requests: the narrower window over its slots, and a little more (3.1 s at 5 and 20).
pub fn pace(limits: Limits) -> SignedDuration {
    let seconds = (60.0 / f64::from(limits.per_60s())).max(10.0 / f64::from(limits.per_10s()));
    SignedDuration::from_millis((seconds * PACE_SLACK * 1_000.0).round() as i64)
}

impl<K: Clone + Ord + Debug> Plan<K> {
    /// A plan with nothing in it, one request per `pace`.
    pub fn new(pace: SignedDuration) -> Self {
        Self {
            watches: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            pace,
            next_paced: None,
            one_shots: Lane::default(),
            first_sights: Lane::default(),
            peers: Peers::default(),
        }
    }

    /// One request per `pace` from now on.
    pub fn set_pace(&mut self, pace: SignedDuration) {
        self.pace = pace;
    }

    /// Puts a watch in. Of one that is there already only class, weight and cost are taken over: the plan knows better what
    /// its reads have shown.
    pub fn put(&mut self, key: K, spec: Spec) {
        self.watches.entry(key).and_modify(|planned| planned.put_again(&spec)).or_insert_with(|| Planned::new(spec));
        self.reckon();
    }

    /// Takes a watch out. A read of it that is under way goes on.
    pub fn remove(&mut self, key: &K) {
        self.watches.remove(key);
    }

    /// Has `key` read once ahead of the queue, not before `due`. One that is no watch becomes a one-shot: it costs `cost`
    /// requests and is gone once a read of it was complete. A read that is under way may have begun too early to show what
    /// is asked for, so another follows it.
    pub fn hurry(&mut self, key: K, cost: u32, due: Timestamp) {
        let planned = self.watches.entry(key).or_insert_with(|| {
            let mut planned = Planned::new(Spec::new(Class::ById, cost));
            planned.one_shot = true;
            planned
        });
        planned.hurried = Some(planned.hurried.map_or(due, |before| before.min(due)));
    }

    /// Forgets that `key` has to wait after failures: somebody has mended what was wrong, or says so.
    pub fn forgive(&mut self, key: &K) {
        if let Some(planned) = self.watches.get_mut(key) {
            planned.not_before = None;
        }
    }

    /// Whether `key` is in the plan.
    pub fn contains(&self, key: &K) -> bool {
        self.watches.contains_key(key)
    }

    /// The watches and one-shots, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.watches.keys()
    }

    /// What was learned of the rate of `key`: to be kept for the next start.
    pub fn rate(&self, key: &K) -> Option<&RateRecord> {
        self.watches.get(key).map(|planned| &planned.spec.rate)
    }

    /// Failures of `key` in a row.
    pub fn failures(&self, key: &K) -> u32 {
        self.watches.get(key).map_or(0, |planned| planned.failures)
    }

    /// What to do at `now`.
    pub fn decide(&self, now: Timestamp) -> Decision<K> {
        if self.in_flight.len() >= MAX_CONCURRENT_READS {
            return Decision::WaitForEnd;
        }
        let caps = || Caps::of(self.watches.values(), self.pace, now);
        let turn = LazyCell::new(|| Turn::of(self.ready(Queue::Paced, now), caps(), now));
        let mut earliest = None;
        for queue in [Queue::OneShots, Queue::FirstSights, Queue::Paced] {
            let head = match queue {
                Queue::OneShots => self.ready(queue, now).min_by_key(|(_, planned)| planned.hurried),
                // Never tried before tried, then the one tried longest ago.
                Queue::FirstSights => self.ready(queue, now).min_by_key(|(_, planned)| planned.started),
                Queue::Paced => None,
            };
            let presses = |ahead| turn.presses(ahead);
            let Some(opens) = self.opens(queue, head.map(|(_, planned)| planned), presses, now) else { continue };
            let head = if queue == Queue::Paced && opens <= now { turn.next() } else { head };
            if let Some((key, _)) = head.filter(|_| opens <= now) {
                return Decision::Start(key.clone());
            }
            let possible = self.idle(queue, now).map(|(_, planned)| planned.ready_at().max(opens)).min();
            earliest = [earliest, possible].into_iter().flatten().min();
        }
        let asked_for = self.watches.values().filter_map(|planned| planned.hurried.filter(|due| *due > now)).min();
        [earliest, asked_for].into_iter().flatten().min().map_or(Decision::WaitForEnd, Decision::WaitUntil)
    }

    /// A read of `key` starts at `now`.
    pub fn started(&mut self, key: &K, now: Timestamp) {
        let contended = self.anything_baselined();
        let Some(planned) = self.watches.get_mut(key) else { return };
        let queue = planned.queue(now);
        let hold = planned.hold(self.pace);
        match queue {
            Queue::OneShots if contended => self.one_shots.charge(ONE_SHOT_SHARE, hold, now),
            Queue::FirstSights if contended => self.first_sights.charge(FIRST_SIGHT_SHARE, hold, now),
            Queue::OneShots | Queue::FirstSights | Queue::Paced => {}
        }
        planned.started = Some(now);
        let answers = planned.hurried.take_if(|due| *due <= now);
        self.in_flight.insert(key.clone(), Flight { started: now, queue, class: planned.spec.class, answers });
        // What is not paced spends the same budget, so it holds the paced ones back as well.
        self.next_paced = Some(add(self.next_paced.map_or(now, |at| at.max(now)), hold));
    }

    /// The read of `key` that is under way ended at `now`. `chance` is in 0..1.
    pub fn ended(&mut self, key: &K, ended: Ended, now: Timestamp, chance: f64) {
        let Some(flight) = self.in_flight.remove(key) else { return };
        let Some(planned) = self.watches.get_mut(key) else { return };
        planned.ended(self.peers, flight.started, ended, now, chance);
        match ended {
            Ended::Complete { .. } if planned.one_shot && planned.hurried.is_none() => {
                self.watches.remove(key);
            }
            Ended::Complete { .. } => {}
            Ended::Failed { .. } => planned.hurried = planned.hurried.or(flight.answers),
        }
        self.reckon();
    }

    /// Reckons the rates anew: what one read shows tells something of all.
    fn reckon(&mut self) {
        let recurring = self.watches.values().filter(|planned| !planned.one_shot);
        self.peers = Peers::of(recurring.map(|planned| (planned.spec.class, &planned.spec.rate)));
        for planned in self.watches.values_mut() {
            planned.changes_per_hour = planned.spec.rate.per_hour(planned.spec.class, self.peers);
        }
    }

    /// The watches in `queue`, as far as the reads under way leave room for them.
    fn idle(&self, queue: Queue, now: Timestamp) -> impl Iterator<Item = (&K, &Planned)> {
        let windows = self.in_flight.values().filter(|flight| flight.class == Class::Window).count();
        let room = windows < MAX_WINDOWS || !self.anything_baselined();
        let waits = move |(key, planned): &(&K, &Planned)| {
            let idle = planned.queue(now) == queue && !self.in_flight.contains_key(*key);
            idle && (room || planned.spec.class != Class::Window)
        };
        self.watches.iter().filter(waits)
    }

    fn ready(&self, queue: Queue, now: Timestamp) -> impl Iterator<Item = (&K, &Planned)> {
        self.idle(queue, now).filter(move |(_, planned)| planned.ready_at() <= now)
    }

    fn anything_baselined(&self) -> bool {
        self.watches.values().any(|planned| planned.spec.baselined)
    }

    /// When a read from `queue` may start, `head` being the next; `None`: not before one ends.
    fn opens(
        &self,
        queue: Queue,
        head: Option<&Planned>,
        presses: impl FnOnce(SignedDuration) -> bool,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let under_way = self.in_flight.values().filter(|flight| flight.queue == queue).count();
        let lane = match queue {
            Queue::Paced => return (under_way < MAX_PACED).then_some(self.next_paced.unwrap_or(now)),
            Queue::OneShots | Queue::FirstSights if !self.anything_baselined() => return Some(now),
            Queue::FirstSights if under_way >= MAX_FIRST_SIGHTS => return None,
            Queue::FirstSights => &self.first_sights,
            Queue::OneShots => &self.one_shots,
        };
        let Some(head) = head else { return Some(lane.opens(false)) };
        let debt = self.next_paced.map_or(SignedDuration::ZERO, |at| at.duration_since(now).max(SignedDuration::ZERO));
        Some(lane.opens(presses(debt + head.hold(self.pace))))
    }
}
