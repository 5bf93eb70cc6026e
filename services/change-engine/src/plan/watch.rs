//! A watch as the planner sees it.

use jiff::{SignedDuration, Timestamp};

use super::{
    lanes::Queue,
    rate::{Peers, RateRecord},
};

/// The wait after a first failure.
pub const FIRST_BACKOFF: SignedDuration = SignedDuration::from_secs(5);
/// The longest wait after failures: five minutes of blindness after an outage of any length.
pub const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(300);
/// A backoff is spread by so much to either side, so that watches which failed together do not come back together.
const BACKOFF_SPREAD: f64 = 0.2;

/// A read is reckoned to cost at most so many times what it was put in with, and in any case [`FREE_COST`]: one that had to
/// go looking for a culprit is no measure of the next, and must not hold the other watches back for minutes.
const MAX_COST_FACTOR: u32 = 2;
/// Up to here the cost of the last read is believed.
const FREE_COST: u32 = 4;

/// How long a request may take within the pace: a slot is held for a window after the answer, and the pace leaves so much.
const FREE_SECONDS_PER_REQUEST: f64 = 2.0;
/// The time that a slot is held beside the time of its request: the longer window.
const WINDOW_SECONDS: f64 = 60.0;

/// How much the latest read says about how long the next will take.
const NEWEST: i32 = 3;

/// What kind of thing a watch reads: what its rate is shrunk to before it is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Reports on the move: whole, active, recent.
    Reports,
    /// The reports of a month.
    Window,
    /// Policies with their details.
    Policies,
    /// The cards of a domain.
    Cards,
    /// Reports by their ids.
    ById,
}

impl Class {
    /// Changes an hour of one that was never watched. Rough: [`rate`](super::rate) says why that suffices.
    pub(super) const fn prior_per_hour(self) -> f64 {
        match self {
            // Several steps in the life of each report, and what people wait for.
            Self::Reports => 20.0,
            // What reads of the reports on the move leave over.
            Self::Window => 2.0,
            // Settings and members change in a few sittings a day.
            Self::Policies => 4.0,
            // Issued and closed a few times a day.
            Self::Cards => 2.0,
            Self::ById => 4.0,
        }
    }
}

/// What is put into the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What it is.
    pub class: Class,
    /// Requests that one read costs; at least 1.
    pub cost: u32,
    /// How much a change of it matters beside one of another watch.
    pub weight: f64,
    /// Whether its first sight is complete.
    pub baselined: bool,
    /// Start of the last complete read.
    pub fresh_as_of: Option<Timestamp>,
    /// What was learned of its rate.
    pub rate: RateRecord,
}

impl Spec {
    /// A watch that was never read and of which nothing is known.
    pub fn new(class: Class, cost: u32) -> Self {
        Self { class, cost, weight: 1.0, baselined: false, fresh_as_of: None, rate: RateRecord::default() }
    }
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It showed its scope whole, and what it showed is in the log.
    Complete {
        /// Requests that it took.
        requests: u32,
        /// Changes that it found.
        changes: u32,
        /// Time that its requests took, rendering and download.
        took: SignedDuration,
        /// Bytes that it downloaded.
        bytes: u64,
    },
    /// It proved nothing.
    Failed {
        /// No sooner again than after this.
        at_least: SignedDuration,
    },
}

/// A watch in the plan.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) spec: Spec,
    base_cost: u32,
    /// Changes an hour to reckon with.
    pub(super) changes_per_hour: f64,
    /// What a read takes, smoothed.
    pub(super) took: Option<SignedDuration>,
    pub(super) bytes: Option<u64>,
    pub(super) started: Option<Timestamp>,
    pub(super) failures: u32,
    pub(super) not_before: Option<Timestamp>,
    /// To be read once ahead of the queue, from then on.
    pub(super) hurried: Option<Timestamp>,
    /// Gone once it was read.
    pub(super) one_shot: bool,
}

impl Planned {
    pub(super) fn new(spec: Spec) -> Self {
        let base_cost = spec.cost.max(1);
        let spec_rate = spec.rate.per_hour(spec.class, Peers::default());
        Self {
            spec: Spec { cost: base_cost, ..spec },
            base_cost,
            changes_per_hour: spec_rate,
            took: None,
            bytes: None,
            started: None,
            failures: 0,
            not_before: None,
            hurried: None,
            one_shot: false,
        }
    }

    /// Takes over what its owner knows better than the plan; what the plan has learned stays.
    pub(super) fn put_again(&mut self, spec: &Spec) {
        self.spec.class = spec.class;
        self.spec.weight = spec.weight;
        self.one_shot = false;
        if self.base_cost != spec.cost.max(1) {
            self.base_cost = spec.cost.max(1);
            self.spec.cost = self.base_cost;
        }
    }

    /// Where it queues.
    pub(super) fn queue(&self, now: Timestamp) -> Queue {
        match self.hurried {
            _ if self.one_shot => Queue::OneShots,
            Some(due) if due <= now => Queue::OneShots,
            _ if self.spec.baselined => Queue::Paced,
            _ => Queue::FirstSights,
        }
    }

    /// No read before this, whatever the queue.
    pub(super) fn ready_at(&self) -> Timestamp {
        let due = self.hurried.filter(|_| self.one_shot);
        self.not_before.max(due).unwrap_or(Timestamp::MIN)
    }

    /// Takes in that the read which started at `started` ended at `now`.
    pub(super) fn ended(&mut self, peers: Peers, started: Timestamp, ended: Ended, now: Timestamp, chance: f64) {
        match ended {
            Ended::Complete { requests, changes, took, bytes } => {
                if let Some(before) = self.spec.fresh_as_of.filter(|_| self.spec.baselined) {
                    self.spec.rate.learn(self.spec.class, peers, started.duration_since(before), changes);
                }
                self.failures = 0;
                self.not_before = None;
                self.spec.baselined = true;
                self.spec.fresh_as_of = Some(started);
                self.spec.cost = requests.clamp(1, FREE_COST.max(self.base_cost.saturating_mul(MAX_COST_FACTOR)));
                self.took = Some(self.took.map_or(took, |before| (before + took * (NEWEST - 1)) / NEWEST));
                self.bytes = Some(bytes);
            }
            Ended::Failed { at_least } => {
                self.failures = self.failures.saturating_add(1);
                self.not_before = Some(add(now, backoff(self.failures, at_least, chance)));
            }
        }
    }

    /// Time since the state that the watch is known to show; `None` of one that was never read, or that was read in the
    /// future: then the clock has stepped back, and nothing is known.
    pub(super) fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        self.spec.fresh_as_of.filter(|at| *at <= now).map(|at| now.duration_since(at))
    }

    /// How long a read holds the next start back. A slow request keeps its slot from others for as long as it takes, so
    /// beyond what the pace allows for that is paid as well.
    pub(super) fn hold(&self, pace: SignedDuration) -> SignedDuration {
        let cost = f64::from(self.spec.cost);
        let slow_s = self.took.unwrap_or_default().as_secs_f64() - cost * FREE_SECONDS_PER_REQUEST;
        times(pace, cost + slow_s.max(0.0) / WINDOW_SECONDS)
    }
}

/// 5 s, 10 s, 20 s, ... 300 s, each ±20 % by `chance`.
pub(super) fn backoff(failures: u32, at_least: SignedDuration, chance: f64) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(16);
    let base = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    times(base, 1.0 + BACKOFF_SPREAD * (2.0 * chance.clamp(0.0, 1.0) - 1.0)).max(at_least)
}

pub(super) fn times(length: SignedDuration, factor: f64) -> SignedDuration {
    // The cast saturates.
    SignedDuration::from_millis((length.as_secs_f64() * factor * 1_000.0).round() as i64)
}

pub(super) fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
