//! What to read next, and when.
//!
//! A watch i costs c requests a read and changes at rate λ with weight w. Read every T, it shows a change T/2 late on
//! average, so the mean delay under a budget Σ c/T ≤ B is least at T ∝ √(c/(wλ)). No solver is needed: whenever a read may
//! start, start the watch with the largest **w·λ·age²/c**. At the optimum that index is the same for all watches at their
//! turn, so the largest is the one most overdue.
//!
//! Around the rule:
//!
//! - **Pace.** A start of cost c holds the next one back by c paces. Saving starts up for bursts makes the mean delay 1.6
//!   times worse (`design.md` §5), and the ledger would let them through in bursts.
//! - **Age cap.** Nothing grows older than [`MAX_AGE`], whatever its index says, as long as the budget suffices for that:
//!   the oldest goes first as soon as waiting longer would leave the k oldest less than their k turns (earliest deadline
//!   first; a bound on each age alone fails when many grow old together).
//! - **First sight.** A watch that is not baselined goes first and is not paced: until then it tells nothing. The ledger
//!   alone limits it.
//! - **One read of a watch at a time**, and after a failure a growing wait. A failed read leaves the age as it was.
//!
//! The planner knows no clock and no chance: both are arguments.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use crate::budget::Limits;

/// Nothing may be older than this.
pub const MAX_AGE: SignedDuration = SignedDuration::from_secs(900);

/// Room kept before [`MAX_AGE`] beside the turns of those that are as old: for a fat read that has just started, for the
/// round trips of a read itself.
const CAP_LEAD: SignedDuration = SignedDuration::from_secs(31);

/// Most that a read is reckoned to cost, whatever the last one took: a read that had to go looking for a culprit is no
/// measure of the next, and must not hold the other watches back for minutes.
const MAX_COST: u32 = 4;

/// The pace keeps so much off the limit: at exactly 60 s / 20 the jitter of answers alone makes requests wait in bursts.
const PACE_SLACK: f64 = 1.033;

/// Most reads of one account under way. Paced starts overlap only while answers are slow; then more would only hold slots.
pub const MAX_CONCURRENT_READS: usize = 4;

/// The wait after a first failure.
pub const FIRST_BACKOFF: SignedDuration = SignedDuration::from_secs(5);

/// The longest wait after failures: five minutes of blindness after an outage of any length.
pub const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(300);

/// A backoff is spread by so much to either side, so that watches which failed together do not come back together.
const BACKOFF_SPREAD: f64 = 0.2;

/// A watch as the planner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Requests that one read costs; at least 1.
    pub cost: u32,
    /// Changes an hour to reckon with.
    pub changes_per_hour: f64,
    /// How much a change of it matters beside one of another watch.
    pub weight: f64,
    /// Whether its first sight is complete.
    pub baselined: bool,
    /// Start of the last complete read.
    pub fresh_as_of: Option<Timestamp>,
}

/// A watch's place in the plan, in the order given to [`Plan::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub usize);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Start a read of this watch now, and say so with [`Plan::started`].
    Start(WatchId),
    /// Nothing before this; ask again then, or when a read ends.
    WaitUntil(Timestamp),
    /// Nothing before a read ends.
    WaitForEnd,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It showed its scope whole, and what it showed is in the log.
    Complete {
        /// Requests that it took.
        requests: u32,
    },
    /// It proved nothing.
    Failed {
        /// No sooner again than after this.
        at_least: SignedDuration,
    },
}

#[derive(Clone, Debug)]
struct Planned {
    watch: Watch,
    started: Option<Timestamp>,
    in_flight: bool,
    failures: u32,
    not_before: Option<Timestamp>,
}

/// A watch that may start.
struct Ready<'a> {
    id: WatchId,
    age: SignedDuration,
    watch: &'a Watch,
}

impl Ready<'_> {
    fn index(&self) -> f64 {
        self.watch.weight * self.watch.changes_per_hour * self.age.as_secs_f64().powi(2)
            / f64::from(self.watch.cost.max(1))
    }
}

/// The plan of one account.
#[derive(Clone, Debug)]
pub struct Plan {
    watches: Vec<Planned>,
    pace: SignedDuration,
    next_paced: Option<Timestamp>,
}

/// The time between paced requests: the narrower window over its slots, and a little more (3.1 s at 5 and 20).
pub fn pace(limits: Limits) -> SignedDuration {
    let seconds = (60.0 / f64::from(limits.per_60s())).max(10.0 / f64::from(limits.per_10s()));
    SignedDuration::from_millis((seconds * PACE_SLACK * 1_000.0).round() as i64)
}

impl Plan {
    /// A plan for `watches`, one request per `pace`.
    pub fn new(watches: Vec<Watch>, pace: SignedDuration) -> Self {
        let planned = |watch| Planned { watch, started: None, in_flight: false, failures: 0, not_before: None };
        Self { watches: watches.into_iter().map(planned).collect(), pace, next_paced: None }
    }

    /// The watch, as it is now reckoned with.
    pub fn watch(&self, id: WatchId) -> &Watch {
        &self.watches[id.0].watch
    }

    /// Failures in a row.
    pub fn failures(&self, id: WatchId) -> u32 {
        self.watches[id.0].failures
    }

    /// What to do at `now`.
    pub fn decide(&self, now: Timestamp) -> Decision {
        if self.watches.iter().filter(|planned| planned.in_flight).count() >= MAX_CONCURRENT_READS {
            return Decision::WaitForEnd;
        }
        let ready = || self.idle().filter(|(_, planned)| planned.not_before.is_none_or(|at| at <= now));
        // Never tried before tried, then the one tried longest ago.
        let first_sight = ready().filter(|(_, planned)| !planned.watch.baselined).min_by_key(|(_, p)| p.started);
        if let Some((id, _)) = first_sight {
            return Decision::Start(id);
        }
        if self.next_paced.is_none_or(|at| at <= now)
            && let Some(id) = most_overdue(ready(), self.pace, now)
        {
            return Decision::Start(id);
        }
        self.next_possible(now).map_or(Decision::WaitForEnd, Decision::WaitUntil)
    }

    /// A read of `id` starts at `now`.
    pub fn started(&mut self, id: WatchId, now: Timestamp) {
        let planned = &mut self.watches[id.0];
        planned.in_flight = true;
        planned.started = Some(now);
        let paces = paces(self.pace, &planned.watch);
        // Unpaced first sights spend the same budget, so they hold the paced ones back as well.
        let from = self.next_paced.map_or(now, |at| at.max(now));
        self.next_paced = Some(add(from, paces));
    }

    /// The read of `id` that started last ended at `now`. `chance` is in 0..1.
    pub fn ended(&mut self, id: WatchId, ended: Ended, now: Timestamp, chance: f64) {
        let planned = &mut self.watches[id.0];
        planned.in_flight = false;
        match ended {
            Ended::Complete { requests } => {
                planned.failures = 0;
                planned.not_before = None;
                planned.watch.baselined = true;
                planned.watch.fresh_as_of = planned.started;
                planned.watch.cost = requests.clamp(1, MAX_COST);
            }
            Ended::Failed { at_least } => {
                planned.failures = planned.failures.saturating_add(1);
                planned.not_before = Some(add(now, backoff(planned.failures, at_least, chance)));
            }
        }
    }

    fn idle(&self) -> impl Iterator<Item = (WatchId, &Planned)> {
        self.watches.iter().enumerate().map(|(at, planned)| (WatchId(at), planned)).filter(|(_, p)| !p.in_flight)
    }

    /// When the first of the idle watches may start; `None` when none is idle.
    fn next_possible(&self, now: Timestamp) -> Option<Timestamp> {
        let possible = |planned: &Planned| {
            let paced = if planned.watch.baselined { self.next_paced } else { None };
            planned.not_before.max(paced).unwrap_or(now)
        };
        self.idle().map(|(_, planned)| possible(planned)).min()
    }
}

fn most_overdue<'a>(
    ready: impl Iterator<Item = (WatchId, &'a Planned)>,
    pace: SignedDuration,
    now: Timestamp,
) -> Option<WatchId> {
    let mut ready: Vec<Ready> =
        ready.map(|(id, planned)| Ready { id, age: age(planned, now), watch: &planned.watch }).collect();
    ready.sort_by_key(|ready| Reverse(ready.age));
    if cap_presses(&ready, pace) {
        return ready.first().map(|oldest| oldest.id);
    }
    ready.iter().max_by(|a, b| a.index().total_cmp(&b.index())).map(|ready| ready.id)
}

/// Whether the age cap leaves no more room than starting the oldest now: the k oldest need their k turns before the
/// youngest of them reaches the cap. `ready` is ordered by age, oldest first.
fn cap_presses(ready: &[Ready], pace: SignedDuration) -> bool {
    let mut turns = CAP_LEAD;
    ready.iter().any(|ready| {
        let presses = ready.age.checked_add(turns).is_none_or(|age| age >= MAX_AGE);
        turns += paces(pace, ready.watch);
        presses
    })
}

fn paces(pace: SignedDuration, watch: &Watch) -> SignedDuration {
    pace.saturating_mul(i32::try_from(watch.cost.max(1)).unwrap_or(i32::MAX))
}

/// Time since the state that the watch is known to show; more than the cap of one that was never read, or that was read in
/// the future: then the clock has stepped back, and nothing is known.
fn age(planned: &Planned, now: Timestamp) -> SignedDuration {
    let fresh_as_of = planned.watch.fresh_as_of.filter(|at| *at <= now);
    fresh_as_of.map_or(SignedDuration::MAX, |at| now.duration_since(at))
}

/// 5 s, 10 s, 20 s, ... 300 s, each ±20 % by `chance`.
fn backoff(failures: u32, at_least: SignedDuration, chance: f64) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(16);
    let base = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let factor = 1.0 + BACKOFF_SPREAD * (2.0 * chance.clamp(0.0, 1.0) - 1.0);
    SignedDuration::from_millis((base.as_secs_f64() * factor * 1_000.0) as i64).max(at_least)
}

fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
