//! What the plan does with each watch, and why: for people.

use jiff::{SignedDuration, Timestamp};

use super::{
    Plan,
    cap::Caps,
    lanes::Queue,
    watch::{Class, Planned},
};

/// Why a watch is read now, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A read of it is under way.
    InFlight,
    /// It failed and waits.
    Backoff,
    /// It was asked for: ahead of the queue.
    Hurried,
    /// It was never read whole: ahead of the queue.
    FirstSight,
    /// Its age presses: before all that is paced.
    Cap,
    /// Its planned period is over: it is among the next.
    Due,
    /// Its planned period is not over.
    Waiting,
}

impl Why {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Backoff => "backoff",
            Self::Hurried => "hurried",
            Self::FirstSight => "first_sight",
            Self::Cap => "cap",
            Self::Due => "due",
            Self::Waiting => "waiting",
        }
    }
}

/// A watch as it is planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained<K> {
    /// Which.
    pub key: K,
    /// What it is.
    pub class: Class,
    /// Requests that one read costs.
    pub cost: u32,
    /// Changes an hour, as learned.
    pub changes_per_hour: f64,
    /// How much a change of it matters.
    pub weight: f64,
    /// Whether its first sight is complete.
    pub baselined: bool,
    /// Whether it is gone once it was read.
    pub one_shot: bool,
    /// Start of the last complete read.
    pub fresh_as_of: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// Time that the requests of a read take.
    pub took: Option<SignedDuration>,
    /// Bytes that the last read downloaded.
    pub bytes: Option<u64>,
    /// Time between two reads, if the rates stay: of recurring watches.
    pub period: Option<SignedDuration>,
    /// Time since the state that it is known to show.
    pub age: Option<SignedDuration>,
    /// Mean time from a change to its event: half the period, and the read.
    pub expected_delay: Option<SignedDuration>,
    /// What holds it or drives it.
    pub why: Why,
}

impl<K: Clone + Ord + std::fmt::Debug> Plan<K> {
    /// Every watch of the plan at `now`, in the order of its keys.
    pub fn explain(&self, now: Timestamp) -> Vec<Explained<K>> {
        let caps = Caps::of(self.watches.values(), self.pace, now);
        let periods = periods(self.watches.values().collect(), &caps, self.pace);
        let explained = |((key, planned), period): ((&K, &Planned), Option<SignedDuration>)| Explained {
            key: key.clone(),
            class: planned.spec.class,
            cost: planned.spec.cost,
            changes_per_hour: planned.changes_per_hour,
            weight: planned.spec.weight,
            baselined: planned.spec.baselined,
            one_shot: planned.one_shot,
            fresh_as_of: planned.spec.fresh_as_of,
            failures: planned.failures,
            took: planned.took,
            bytes: planned.bytes,
            period,
            age: planned.age(now),
            expected_delay: period.map(|period| period / 2 + planned.took.unwrap_or_default()),
            why: self.why(key, planned, period, &caps, now),
        };
        self.watches.iter().zip(periods).map(explained).collect()
    }

    fn why(&self, key: &K, planned: &Planned, period: Option<SignedDuration>, caps: &Caps, now: Timestamp) -> Why {
        if self.in_flight.contains_key(key) {
            return Why::InFlight;
        }
        if planned.not_before.is_some_and(|at| at > now) {
            return Why::Backoff;
        }
        match planned.queue(now) {
            Queue::OneShots => Why::Hurried,
            Queue::FirstSights => Why::FirstSight,
            Queue::Paced if caps.left(planned, now) <= self.pace * PRESSING_PACES => Why::Cap,
            Queue::Paced if planned.age(now) >= period => Why::Due,
            Queue::Paced => Why::Waiting,
        }
    }
}

/// The periods at which the index is the same for all: T = L·√(c/(wλ)) with Σ c/T = 1, where c is the time that a read holds
/// the queue for. What would be beyond its cap is read at its cap, what would be read faster than a read takes is read
/// back to back; the others share what is left. `None` of one-shots, which are read once.
fn periods(watches: Vec<&Planned>, caps: &Caps, pace: SignedDuration) -> Vec<Option<SignedDuration>> {
    let mut fixed: Vec<Option<f64>> = vec![None; watches.len()];
    let hold_s = |planned: &Planned| planned.hold(pace).as_secs_f64();
    let value = |planned: &Planned| planned.spec.weight * planned.changes_per_hour;
    let recurring = |planned: &Planned| !planned.one_shot;
    loop {
        let (mut load, mut roots) = (0.0, 0.0);
        for (planned, fixed) in watches.iter().zip(&fixed).filter(|(planned, _)| recurring(planned)) {
            match fixed {
                Some(period) => load += hold_s(planned) / period,
                None => roots += (hold_s(planned) * value(planned)).sqrt(),
            }
        }
        let scale = roots / (1.0 - load).max(LEAST_LEFT);
        let free = |planned: &Planned| scale * (hold_s(planned) / value(planned)).sqrt();
        let beyond =
            watches.iter().zip(&mut fixed).filter(|(_, fixed)| fixed.is_none()).filter_map(|(planned, fixed)| {
                let (least, most) = (planned.hold(pace).max(planned.took.unwrap_or_default()), caps.max_age(planned));
                let bounded = free(planned).clamp(least.as_secs_f64(), most.max(least).as_secs_f64());
                (bounded != free(planned)).then(|| *fixed = Some(bounded))
            });
        if beyond.count() == 0 {
            let period = |(planned, fixed): (&&Planned, &Option<f64>)| {
                let seconds = fixed.unwrap_or_else(|| free(planned));
                recurring(planned).then(|| SignedDuration::from_millis((seconds * 1_000.0) as i64))
            };
            return watches.iter().zip(&fixed).map(period).collect();
        }
    }
}

/// A watch whose cap is so near is said to be driven by it.
const PRESSING_PACES: i32 = 10;
/// Part of the budget that is reckoned to be left for those not at their cap, when the caps alone take all of it.
const LEAST_LEFT: f64 = 0.05;
