//! Who decides what is read next: the planner under test, and the two that it is compared with.

use change_engine::plan::{Decision, Ended, MAX_CONCURRENT_READS, Plan, Spec};
use jiff::{SignedDuration, Timestamp};

use super::mix::{Mix, Pattern};

/// A read that was complete.
pub struct Complete {
    /// The watch.
    pub at: usize,
    /// Requests that it took.
    pub requests: u32,
    /// Changes that it found.
    pub changes: u32,
    /// Time that the requests took.
    pub took: SignedDuration,
}

/// Decides what is read next.
pub trait Policy {
    /// What to do at `now`.
    fn decide(&mut self, now: Timestamp) -> Decision<usize>;
    /// A read starts.
    fn started(&mut self, at: usize, now: Timestamp);
    /// A read is complete.
    fn ended(&mut self, read: &Complete, now: Timestamp);
}

/// The planner of the service; it knows classes and costs, and learns the rates.
pub struct Learner(Plan<usize>);

impl Learner {
    /// With empty memory.
    pub fn new(mix: &Mix, pace: SignedDuration) -> Self {
        let mut plan = Plan::new(pace);
        for (at, watched) in mix.watches.iter().enumerate() {
            plan.put(at, Spec::new(watched.class, watched.cost));
        }
        Self(plan)
    }
}

impl Policy for Learner {
    fn decide(&mut self, now: Timestamp) -> Decision<usize> {
        self.0.decide(now)
    }

    fn started(&mut self, at: usize, now: Timestamp) {
        self.0.started(&at, now);
    }

    fn ended(&mut self, read: &Complete, now: Timestamp) {
        let &Complete { at, requests, changes, took } = read;
        self.0.ended(&at, Ended::Complete { requests, changes, took, bytes: 0 }, now, 0.5);
    }
}

/// Nothing may grow older than this, whoever decides.
const CAP_S: f64 = 900.0;
/// Room that the one who knows keeps for the reads under way.
const LEAD_S: f64 = 15.0;

/// What the two share: one start per pace and cost, one read per watch at a time.
struct Paced {
    costs: Vec<u32>,
    started: Vec<Option<Timestamp>>,
    fresh: Vec<Option<Timestamp>>,
    busy: Vec<bool>,
    pace: SignedDuration,
    next: Timestamp,
}

impl Paced {
    fn new(mix: &Mix, pace: SignedDuration) -> Self {
        let count = mix.watches.len();
        Self {
            costs: mix.watches.iter().map(|watched| watched.cost).collect(),
            started: vec![None; count],
            fresh: vec![None; count],
            busy: vec![false; count],
            pace,
            next: Timestamp::MIN,
        }
    }

    fn started(&mut self, at: usize, now: Timestamp) {
        self.started[at] = Some(now);
        self.busy[at] = true;
        self.next = self.next.max(now) + self.pace * self.costs[at].cast_signed();
    }

    fn ended(&mut self, at: usize) {
        self.fresh[at] = self.started[at];
        self.busy[at] = false;
    }

    /// First sights come first, unpaced but for the ledger; a few at once, or they would queue there.
    fn first_sight(&self) -> Option<Decision<usize>> {
        if self.fresh.iter().all(Option::is_some) {
            return None;
        }
        let unseen = (0..self.busy.len()).find(|&at| self.fresh[at].is_none() && !self.busy[at]);
        let busy = self.busy.iter().filter(|busy| **busy).count();
        unseen.filter(|_| busy < MAX_CONCURRENT_READS).map(Decision::Start).or(Some(Decision::WaitForEnd))
    }
}

/// Knows every rate at every moment, and goes by w·λ·age²/c.
pub struct Knowing<'a> {
    mix: &'a Mix,
    pattern: Pattern,
    start: Timestamp,
    paced: Paced,
}

impl<'a> Knowing<'a> {
    /// Of a world that began at `start`.
    pub fn new(mix: &'a Mix, pattern: Pattern, start: Timestamp, pace: SignedDuration) -> Self {
        Self { mix, pattern, start, paced: Paced::new(mix, pace) }
    }

    /// The one whose deadline presses, else the one with the largest index.
    fn next(&self, now: Timestamp) -> Option<usize> {
        let time_s = now.duration_since(self.start).as_secs_f64();
        let age_s = |at: usize| self.paced.fresh[at].map_or(f64::MAX, |fresh| now.duration_since(fresh).as_secs_f64());
        let mut idle: Vec<usize> = (0..self.paced.busy.len()).filter(|&at| !self.paced.busy[at]).collect();
        idle.sort_by(|&a, &b| age_s(b).total_cmp(&age_s(a)));
        let mut turns_s = LEAD_S;
        let presses = idle.iter().any(|&at| {
            let presses = age_s(at) + turns_s >= CAP_S;
            turns_s += self.paced.pace.as_secs_f64() * f64::from(self.paced.costs[at]);
            presses
        });
        let index =
            |at: usize| self.mix.rate(self.pattern, at, time_s) * age_s(at).powi(2) / f64::from(self.paced.costs[at]);
        match presses {
            true => idle.first().copied(),
            false => idle.into_iter().max_by(|&a, &b| index(a).total_cmp(&index(b))),
        }
    }
}

impl Policy for Knowing<'_> {
    fn decide(&mut self, now: Timestamp) -> Decision<usize> {
        if let Some(decision) = self.paced.first_sight() {
            return decision;
        }
        if self.paced.next > now {
            return Decision::WaitUntil(self.paced.next);
        }
        self.next(now).map_or(Decision::WaitForEnd, Decision::Start)
    }

    fn started(&mut self, at: usize, now: Timestamp) {
        self.paced.started(at, now);
    }

    fn ended(&mut self, read: &Complete, _: Timestamp) {
        self.paced.ended(read.at);
    }
}

/// One after the other, at the same pace.
pub struct RoundRobin {
    paced: Paced,
    turn: usize,
}

impl RoundRobin {
    /// From the first on.
    pub fn new(mix: &Mix, pace: SignedDuration) -> Self {
        Self { paced: Paced::new(mix, pace), turn: 0 }
    }
}

impl Policy for RoundRobin {
    fn decide(&mut self, now: Timestamp) -> Decision<usize> {
        if let Some(decision) = self.paced.first_sight() {
            return decision;
        }
        if self.paced.next > now {
            return Decision::WaitUntil(self.paced.next);
        }
        if self.paced.busy[self.turn] { Decision::WaitForEnd } else { Decision::Start(self.turn) }
    }

    fn started(&mut self, at: usize, now: Timestamp) {
        if self.paced.fresh[at].is_some() {
            self.turn = (at + 1) % self.paced.busy.len();
        }
        self.paced.started(at, now);
    }

    fn ended(&mut self, read: &Complete, _: Timestamp) {
        self.paced.ended(read.at);
    }
}
