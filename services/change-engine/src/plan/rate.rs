//! How often a watch changes, learned from what its reads find.
//!
//! **Model.** Changes come as a Poisson process whose rate drifts over the day. With a Gamma prior the posterior mean is a
//! quotient of counts, (prior changes + changes) / (prior hours + hours), and forgetting is multiplying both by a factor:
//! two numbers per time scale. There are two scales: the slow one ([`SLOW_HALF_LIFE`]) says what the watch is like, the fast
//! one ([`FAST_HALF_LIFE`]) what hour it is there. Each is shrunk to what is known without it: the fast one to the slow one,
//! the slow one to the [`Class`].
//!
//! **How good it must be.** With an error of ε in log √λ the mean delay grows by Var(ε) only, a quarter of the variance of
//! log λ. Five changes are as good as knowing: the prior may be rough, it only must not be held on to (`PRIOR_CHANGES`
//! is one).
//!
//! **Bursts.** Twenty changes at once are one happening. Counted as twenty they would make the watch look busy for hours. The
//! index needs the mean rate of changes, so a burst does count in full, but it weighs as evidence no more than one happening:
//! the *dispersion* φ (variance over mean of the changes of a read: 1 of a Poisson process, 20 of bursts of 20) is learned
//! beside the rate, and what is known without a count weighs the more against it the larger φ is (quasi-likelihood).
//! Estimated as Σk(k−μ)/Σk over reads that found k where μ were expected; this is 1 for Poisson however many changes fall
//! between two reads, so it needs no guess about which changes belong together.
//!
//! **Peers.** The class prior is scaled by how busy the account is altogether, and the dispersion of a watch is shrunk to that
//! of the account: only the proportions between its watches matter to the index, and one that shows little must not keep
//! the usual rate of its class while its neighbours have learned that here everything is five times quieter.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::watch::Class;

/// What hour it is: shorter, and quiet watches drown in noise; longer, and a morning is over before it is noticed.
pub const FAST_HALF_LIFE: SignedDuration = SignedDuration::from_mins(30);
/// What the watch is like: a day has all hours in it.
pub const SLOW_HALF_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// What the class is worth, in changes: little, for watches of one class differ by orders of magnitude.
const PRIOR_CHANGES: f64 = 1.0;
/// What the slow scale is worth to the fast one where changes come one by one, in changes: little, for between night and
/// noon rates differ by more than ten.
const SLOW_CHANGES: f64 = 0.3;
/// What is worth as much as the classes themselves, in changes, to how busy this account is beside others.
const USUAL_CHANGES: f64 = 2.0;
/// What the account's dispersion is worth to that of a watch, and what "no bursts" is worth to that of the account.
const PLAIN_CHANGES: f64 = 5.0;
/// Largest dispersion: beyond it nothing would be learned in a day.
const MAX_DISPERSION: f64 = 50.0;
/// Changes of one read beyond twice the expected that still count: bursts of twenty do in full, an import of ten thousand
/// says nothing of the next hour.
const MAX_SURPRISE: f64 = 30.0;

/// What is known of one watch's rate. Kept with the watch; an empty one knows its class only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateRecord {
    fast: Counts,
    slow: Counts,
    dispersion: Dispersion,
}

/// Changes and the hours in which they were found, both fading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    changes: f64,
    hours: f64,
}

/// Σk(k−μ) and Σk, fading like the slow scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Dispersion {
    excess: f64,
    changes: f64,
}

/// What the watches of an account tell about each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peers {
    /// How busy the account is: changes over those that its classes would lead one to expect.
    scale: f64,
    dispersion: f64,
}

impl Default for Peers {
    fn default() -> Self {
        Self { scale: 1.0, dispersion: 1.0 }
    }
}

impl Peers {
    /// What these tell.
    pub(super) fn of<'a>(watches: impl Iterator<Item = (Class, &'a RateRecord)>) -> Self {
        let (mut changes, mut expected, mut dispersion) = (0.0, 0.0, Dispersion::default());
        for (class, record) in watches {
            changes += record.slow.changes;
            expected += record.slow.hours * class.prior_per_hour();
            dispersion.excess += record.dispersion.excess;
            dispersion.changes += record.dispersion.changes;
        }
        let dispersion = dispersion.shrunk_to(1.0);
        let usual = USUAL_CHANGES * dispersion;
        Self { scale: (usual + changes) / (usual + expected), dispersion }
    }
}

impl RateRecord {
    /// Takes in a read that found `changes` in the time since the read before, `exposure`.
    pub fn learn(&mut self, class: Class, peers: Peers, exposure: SignedDuration, changes: u32) {
        let hours = exposure.as_secs_f64() / 3_600.0;
        if hours <= 0.0 {
            return;
        }
        let expected = self.per_hour(class, peers) * hours;
        let found = f64::from(changes).min(2.0 * expected + MAX_SURPRISE);
        self.dispersion.learn(hours, found, expected);
        self.fast.learn(FAST_HALF_LIFE, hours, found);
        self.slow.learn(SLOW_HALF_LIFE, hours, found);
    }

    /// Changes an hour to reckon with in the next minutes; above 0.
    pub fn per_hour(&self, class: Class, peers: Peers) -> f64 {
        let dispersion = self.dispersion.shrunk_to(peers.dispersion);
        let slow = self.slow.shrunk_to(class.prior_per_hour() * peers.scale, PRIOR_CHANGES * dispersion);
        // A burst is no hour: what is beyond single changes counts for the slow scale in full.
        self.fast.shrunk_to(slow, SLOW_CHANGES + (dispersion - 1.0))
    }
}

#[cfg(test)]
impl RateRecord {
    /// One that has seen `per_hour` for so long that nothing moves it.
    pub(super) fn of_rate(per_hour: f64) -> Self {
        let counts = Counts { changes: per_hour * 1e300, hours: 1e300 };
        Self { fast: counts, slow: counts, dispersion: Dispersion::default() }
    }
}

impl Counts {
    /// Changes are taken to lie evenly over the time since the read before, so a long silence forgets what it must.
    fn learn(&mut self, half_life: SignedDuration, hours: f64, changes: f64) {
        let (kept, fresh) = fade(half_life, hours);
        self.changes = self.changes * kept + changes * fresh;
        self.hours = self.hours * kept + hours * fresh;
    }

    /// The rate, if what is known without these counts is `per_hour` and weighs as much as `worth` changes.
    fn shrunk_to(self, per_hour: f64, worth: f64) -> f64 {
        (worth + self.changes) / (worth / per_hour + self.hours)
    }
}

impl Dispersion {
    fn learn(&mut self, hours: f64, found: f64, expected: f64) {
        let (kept, fresh) = fade(SLOW_HALF_LIFE, hours);
        self.excess = self.excess * kept + found * (found - expected) * fresh;
        self.changes = self.changes * kept + found * fresh;
    }

    fn shrunk_to(self, dispersion: f64) -> f64 {
        ((PLAIN_CHANGES * dispersion + self.excess) / (PLAIN_CHANGES + self.changes)).clamp(1.0, MAX_DISPERSION)
    }
}

/// What `hours` leave of what was known before, and of what was spread evenly over them.
fn fade(half_life: SignedDuration, hours: f64) -> (f64, f64) {
    let decay = std::f64::consts::LN_2 * hours / (half_life.as_secs_f64() / 3_600.0);
    ((-decay).exp(), -(-decay).exp_m1() / decay)
}

#[cfg(test)]
mod tests;
