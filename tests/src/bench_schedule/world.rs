//! A world on a simulated clock: the real ledger, a network with random latency, an upstream that changes and that counts
//! arrivals on its own clock.

use change_engine::{
    budget::{Ledger, Limits, SlotId, Wait},
    plan::Decision,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    chance::Chance,
    mix::{Mix, Pattern},
    policy::{Complete, Policy},
};

/// The start of the world.
pub const EPOCH_MS: i64 = 1_775_000_000_000;
/// How much faster the server's clock runs, in parts per million.
const DRIFT_PPM: i64 = 200;
/// How long the first request of an export takes at least, and what it takes on average beyond that.
const RENDER_MS: (f64, f64) = (300.0, 500.0);
/// The same of any other request.
const ANSWER_MS: (f64, f64) = (120.0, 250.0);
/// One request in so many takes ten times as long ...
const SLOW_ONE_IN: f64 = 50.0;
/// ... but none longer than this.
const SLOWEST_MS: f64 = 15_000.0;

/// What is run.
pub struct Setup<'a> {
    /// The tenant.
    pub mix: &'a Mix,
    /// How its changes come.
    pub pattern: Pattern,
    /// Changes from here to the end count.
    pub from_s: f64,
    /// The end.
    pub until_s: f64,
    /// Decides all chance.
    pub seed: u64,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// ∫λ·delay dt over the counted time, and ∫λ dt: their quotient is the mean delay.
    pub expected: Mean,
    /// The delays of the changes that happened.
    pub measured: Mean,
    /// The oldest that any watch grew, in seconds.
    pub oldest_s: f64,
    /// Arrivals, in milliseconds of the server's clock.
    pub arrivals: Vec<i64>,
}

/// A sum and what it is to be divided by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    /// The sum.
    pub sum: f64,
    /// The weight.
    pub weight: f64,
}

impl Mean {
    /// Adds `weight` times `value`.
    pub fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
    }

    /// Takes another's sums in.
    pub fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.weight += other.weight;
    }

    /// The mean; not a number of nothing.
    pub fn value(self) -> f64 {
        self.sum / self.weight
    }
}

struct Flight {
    at: usize,
    started_ms: i64,
    left: u32,
    /// The moment whose state it shows: the arrival of its first request.
    shows_ms: Option<i64>,
    took_ms: i64,
    sent: Option<(SlotId, i64)>,
}

/// One run of one policy.
pub struct World<'a> {
    setup: &'a Setup<'a>,
    ledger: Ledger,
    latency: Chance,
    changes: Vec<Vec<f64>>,
    /// Changes of each watch that were shown.
    shown: Vec<usize>,
    /// What the last complete read of each watch showed, and when it began.
    fresh_ms: Vec<Option<(i64, i64)>>,
    flights: Vec<Flight>,
    now_ms: i64,
    outcome: Outcome,
}

impl<'a> World<'a> {
    /// A world before its first moment.
    pub fn new(setup: &'a Setup<'a>, limits: Limits) -> Self {
        let count = setup.mix.watches.len();
        let changes = (0..count).map(|at| setup.mix.changes(setup.pattern, at, setup.until_s, setup.seed)).collect();
        Self {
            setup,
            ledger: Ledger::new(limits),
            latency: Chance::new(setup.seed, 0),
            changes,
            shown: vec![0; count],
            fresh_ms: vec![None; count],
            flights: Vec::new(),
            now_ms: 0,
            outcome: Outcome::default(),
        }
    }

    /// Lets `policy` decide until the end.
    pub fn run(mut self, policy: &mut dyn Policy) -> Outcome {
        let until_ms = (self.setup.until_s * 1_000.0) as i64;
        while self.now_ms < until_ms {
            self.end_requests(policy);
            let sendable = self.send();
            let wait = match policy.decide(time(self.now_ms)) {
                Decision::Start(at) => {
                    policy.started(at, time(self.now_ms));
                    self.start(at);
                    continue;
                }
                Decision::WaitUntil(at) => Some(millis(at)),
                Decision::WaitForEnd => None,
            };
            let answer = self.flights.iter().filter_map(|flight| flight.sent.map(|(_, ends)| ends)).min();
            let next = [wait, sendable, answer].into_iter().flatten().min().expect("something goes on");
            assert!(next > self.now_ms, "time goes on");
            self.now_ms = next;
        }
        self.outcome
    }

    fn start(&mut self, at: usize) {
        let left = self.setup.mix.watches[at].cost;
        let flight = Flight { at, started_ms: self.now_ms, left, shows_ms: None, took_ms: 0, sent: None };
        self.flights.push(flight);
    }

    /// Sends what the ledger lets through, in the order in which it was asked for; when it lets the next through.
    fn send(&mut self) -> Option<i64> {
        while let Some(waiting) = self.flights.iter().position(|flight| flight.sent.is_none()) {
            let slot = match self.ledger.try_take(time(self.now_ms)) {
                Ok(slot) => slot,
                Err(Wait::Until(at)) => return Some(millis(at).max(self.now_ms + 1)),
                Err(Wait::ForAnswer { .. }) => return None,
            };
            let export = self.setup.mix.watches[self.flights[waiting].at].cost > 1;
            let first = self.flights[waiting].shows_ms.is_none();
            let (there_ms, back_ms) = self.latency(export && first);
            let flight = &mut self.flights[waiting];
            let arrives_ms = self.now_ms + there_ms;
            flight.shows_ms.get_or_insert(arrives_ms);
            flight.took_ms += there_ms + back_ms;
            flight.sent = Some((slot, arrives_ms + back_ms));
            self.outcome.arrivals.push(arrives_ms + arrives_ms * DRIFT_PPM / 1_000_000);
        }
        None
    }

    fn latency(&mut self, renders: bool) -> (i64, i64) {
        let (least, beyond) = if renders { RENDER_MS } else { ANSWER_MS };
        let slow = if self.latency.unit() * SLOW_ONE_IN < 1.0 { 10.0 } else { 1.0 };
        let whole = ((least + self.latency.exponential(beyond)) * slow).min(SLOWEST_MS);
        let there = whole * self.latency.unit();
        (there as i64, (whole - there) as i64 + 1)
    }

    fn end_requests(&mut self, policy: &mut dyn Policy) {
        while let Some(at) = self.flights.iter().position(|f| f.sent.is_some_and(|(_, ends)| ends <= self.now_ms)) {
            let mut flight = self.flights.remove(at);
            let (slot, _) = flight.sent.take().expect("it was sent: it has an end");
            self.ledger.answered(slot, time(self.now_ms));
            flight.left -= 1;
            if flight.left == 0 {
                let read = self.complete(&flight);
                policy.ended(&read, time(self.now_ms));
            } else {
                self.flights.push(flight);
            }
        }
    }

    fn complete(&mut self, flight: &Flight) -> Complete {
        let at = flight.at;
        let shows_ms = flight.shows_ms.expect("a read has a first request");
        let until = self.changes[at].partition_point(|change_s| change_s * 1_000.0 <= shows_ms as f64);
        let found = self.shown[at]..until;
        self.shown[at] = until;
        if let Some((shown_ms, started_ms)) = self.fresh_ms[at].replace((shows_ms, flight.started_ms)) {
            self.outcome.oldest_s = self.outcome.oldest_s.max((self.now_ms - started_ms) as f64 / 1_000.0);
            self.count(at, shown_ms as f64 / 1_000.0, shows_ms as f64 / 1_000.0, found.clone());
        }
        Complete {
            at,
            requests: self.setup.mix.watches[at].cost,
            changes: u32::try_from(found.len()).unwrap_or(u32::MAX),
            took: SignedDuration::from_millis(flight.took_ms),
        }
    }

    /// The delays of what happened between two shown moments and is told now.
    fn count(&mut self, at: usize, from_s: f64, until_s: f64, found: std::ops::Range<usize>) {
        let now_s = self.now_ms as f64 / 1_000.0;
        for change_s in &self.changes[at][found] {
            if *change_s >= self.setup.from_s {
                self.outcome.measured.add(now_s - change_s, 1.0);
            }
        }
        let from_s = from_s.max(self.setup.from_s);
        if from_s < until_s {
            let middle_s = (from_s + until_s) / 2.0;
            let rate = self.setup.mix.rate(self.setup.pattern, at, middle_s);
            self.outcome.expected.add(now_s - middle_s, rate * (until_s - from_s));
        }
    }
}

/// A time of the world.
pub fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(EPOCH_MS + ms).expect("a time of this century")
}

/// Rounded up: asking a moment too early would be refused again.
fn millis(at: Timestamp) -> i64 {
    let nanos = at.as_nanosecond() - i128::from(EPOCH_MS) * 1_000_000;
    i64::try_from((nanos + 999_999).div_euclid(1_000_000)).unwrap_or(i64::MAX)
}
