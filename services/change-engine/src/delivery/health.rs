//! Whether an endpoint as a whole may be sent to, and how much at once.
//!
//! A failing delivery parks its entity ([`super::retry`]); that is not enough when the endpoint itself fails. Three things
//! look at it as a whole:
//!
//! - **Width**: attempts at once. It begins small, grows by one with each quick success (so it doubles with each round
//!   trip) and halves with each failure that the endpoint as a whole is to blame for. An endpoint that hangs holds few
//!   connections before anything is known of it, and one afterwards.
//! - **Hold**: after 429, 502, 503 or 504 nothing starts until `Retry-After` is over, or a wait that doubles.
//! - **Suspension**: several deliveries have failed and none arrived. Nothing starts but a probe now and then, and nothing
//!   is written per event. The first success ends it. After [`Patience::disable_after`] without one the subscription is
//!   to be disabled.
//!
//! One event that is always refused suspends nothing: it takes failures of [`MIN_DELIVERIES`] different ones without a
//! success between them.
//!
//! Attempts run side by side, and an outage ends all of them at once. What began before the last hold, suspension or probe
//! was decided tells nothing that the decision did not know: such a failure lengthens no wait, or one bad second would count
//! as thirty.

use std::{collections::BTreeSet, time::Duration};

use event_model::delivery::{Outcome, Trouble};
use jiff::Timestamp;

use super::{Key, retry::later};

/// Different deliveries that must have failed before the endpoint is suspended.
pub const MIN_DELIVERIES: usize = 3;
/// Attempts at once to an endpoint of which nothing is known: should it hang, it holds one connection.
pub const FIRST_WIDTH: usize = 1;
/// Attempts at once to an endpoint that takes longer than [`SLOW`] to answer: it would tie up connections for little.
pub const SLOW_WIDTH: usize = 8;
/// An answer that takes longer is slow.
pub const SLOW: Duration = Duration::from_secs(1);
/// First hold after an answer that asks to be spared without saying for how long; it doubles.
const FIRST_HOLD: Duration = Duration::from_secs(1);
/// Longest such hold.
const MAX_HOLD: Duration = Duration::from_secs(300);
/// Each probe waits this many times as long as the one before.
const PROBE_FACTOR: u32 = 3;
/// How far a wait is spread, as a share of it, in both directions.
const JITTER: f64 = 0.2;

/// How long a failing endpoint is borne with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Failures in a row after which it is suspended.
    pub suspend_after: u32,
    /// Wait before the first probe; it triples with each further one.
    pub first_probe: Duration,
    /// Longest such wait.
    pub max_probe: Duration,
    /// Without a success for so long, the subscription is disabled.
    pub disable_after: Duration,
}

impl Default for Patience {
    /// Suspended after 8 failures in a row, probed after 5 s and at least every 15 minutes, disabled after 5 days.
    fn default() -> Self {
        Self {
            suspend_after: 8,
            first_probe: Duration::from_secs(5),
            max_probe: Duration::from_secs(900),
            disable_after: Duration::from_secs(5 * 24 * 3_600),
        }
    }
}

/// What may be started now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// What is due.
    Open,
    /// Nothing before this.
    Held(Timestamp),
    /// Nothing but a probe, and that not before this.
    Probe(Timestamp),
}

/// What follows from a failure for the endpoint as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Consequence {
    /// Nothing more than is known.
    None,
    /// It is suspended from here on.
    Suspended,
    /// Nothing arrived for too long: the subscription is to be disabled.
    Hopeless,
}

/// An endpoint's state. Only [`Health::trouble`] outlives the process.
#[derive(Debug)]
pub struct Health {
    patience: Patience,
    max_width: usize,
    width: usize,
    slow: bool,
    trouble: Option<Trouble>,
    failing: BTreeSet<Key>,
    /// Holds in a row.
    holds: u32,
    /// When the last wait was decided.
    decided_at: Option<Timestamp>,
}

impl Health {
    /// An endpoint that had this trouble when it was last heard of.
    pub fn new(patience: Patience, max_width: usize, trouble: Option<Trouble>) -> Self {
        let (failing, holds, decided_at) = (BTreeSet::new(), 0, None);
        Self { patience, max_width, width: FIRST_WIDTH, slow: false, trouble, failing, holds, decided_at }
    }

    /// What is to be remembered of it; none while all is well.
    pub const fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Whether it is suspended.
    pub fn is_suspended(&self) -> bool {
        self.trouble.is_some_and(|trouble| trouble.suspended_at.is_some())
    }

    /// Whether it is to make do with the connections set aside for slow and failing endpoints.
    pub fn is_slow(&self) -> bool {
        self.slow || self.trouble.is_some()
    }

    /// Attempts at once.
    pub fn width(&self) -> usize {
        if self.slow { self.width.min(SLOW_WIDTH) } else { self.width }
    }

    /// What may be started.
    pub fn admission(&self, now: Timestamp) -> Admission {
        match self.trouble {
            Some(Trouble { suspended_at: Some(_), not_before, .. }) => Admission::Probe(not_before.unwrap_or(now)),
            Some(Trouble { not_before: Some(at), .. }) if at > now => Admission::Held(at),
            Some(_) | None => Admission::Open,
        }
    }

    /// A person let it go on: the time without a success counts anew, and an attempt is made.
    pub fn forgive(&mut self, now: Timestamp) {
        self.trouble = self.trouble.map(|_| Trouble::since(now));
    }

    /// A delivery arrived after so long; whether that ends a trouble.
    pub fn succeeded(&mut self, took: Duration) -> bool {
        self.slow = took > SLOW;
        self.width = (self.width + 1).min(self.max_width);
        self.failing.clear();
        (self.holds, self.decided_at) = (0, None);
        self.trouble.take().is_some_and(|trouble| trouble.suspended_at.is_some())
    }

    /// An attempt at `key` that began at `began` failed. `chance` (0 to 1) spreads the waits.
    pub fn failed(
        &mut self,
        key: &Key,
        outcome: &Outcome,
        retry_after: Option<Duration>,
        began: Timestamp,
        now: Timestamp,
        chance: f64,
    ) -> Consequence {
        self.slow |= *outcome == Outcome::Timeout;
        if self.failing.len() < MIN_DELIVERIES {
            self.failing.insert(key.clone());
        }
        if blames_the_endpoint(outcome) {
            self.width = (self.width / 2).max(1);
        }
        let is_news = self.decided_at.is_none_or(|decided_at| began >= decided_at);
        let mut trouble = self.trouble.unwrap_or(Trouble::since(now));
        trouble.failures = trouble.failures.saturating_add(1);
        let consequence = self.judge(&mut trouble, is_news, now, chance);
        if let Some(wait) = self.hold(&trouble, outcome, retry_after, is_news, chance) {
            trouble.not_before = trouble.not_before.max(Some(later(now, wait)));
            self.decided_at = Some(now);
        }
        self.trouble = Some(trouble);
        consequence
    }

    fn judge(&mut self, trouble: &mut Trouble, is_news: bool, now: Timestamp, chance: f64) -> Consequence {
        let without = Duration::try_from(now.duration_since(trouble.since)).unwrap_or_default();
        if without >= self.patience.disable_after {
            return Consequence::Hopeless;
        }
        let was_suspended = trouble.suspended_at.is_some();
        if was_suspended && is_news {
            trouble.probes = trouble.probes.saturating_add(1);
        } else if was_suspended || trouble.failures < self.patience.suspend_after || self.failing.len() < MIN_DELIVERIES
        {
            return Consequence::None;
        }
        trouble.suspended_at.get_or_insert(now);
        trouble.not_before = Some(later(now, self.probe_wait(trouble.probes, chance)));
        self.decided_at = Some(now);
        if was_suspended { Consequence::None } else { Consequence::Suspended }
    }

    /// How long to leave the endpoint alone, if it asks for that. What it says counts; else a wait that doubles, unless it
    /// is suspended, which is wait enough.
    fn hold(
        &mut self,
        trouble: &Trouble,
        outcome: &Outcome,
        retry_after: Option<Duration>,
        is_news: bool,
        chance: f64,
    ) -> Option<Duration> {
        if !asks_to_be_spared(outcome) {
            return None;
        }
        if retry_after.is_some() || trouble.suspended_at.is_some() || !is_news {
            return retry_after;
        }
        let doubled = FIRST_HOLD.saturating_mul(1 << self.holds.min(16)).min(MAX_HOLD);
        self.holds = self.holds.saturating_add(1);
        Some(spread(doubled, chance))
    }

    fn probe_wait(&self, probes: u32, chance: f64) -> Duration {
        let factor = PROBE_FACTOR.saturating_pow(probes.min(16));
        spread(self.patience.first_probe.saturating_mul(factor).min(self.patience.max_probe), chance)
    }
}

fn spread(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
}

/// RFC 6585 §4 (429), RFC 9110 §15.6.3 to 15.6.5: the endpoint is overloaded, or not there for now.
const fn asks_to_be_spared(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Status { status: 429 | 502 | 503 | 504 })
}

/// Whether another delivery would have failed alike.
const fn blames_the_endpoint(outcome: &Outcome) -> bool {
    asks_to_be_spared(outcome) || !matches!(outcome, Outcome::Status { .. } | Outcome::Delivered { .. })
}

#[cfg(test)]
mod tests;
