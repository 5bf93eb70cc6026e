//! Our share of the limits after the upstream has said that there were too many requests.
//!
//! It halves with each 429 and recovers by a fixed step per minute without one. Halving gets out of the way of another
//! program in two or three answers; a step at a time finds out how much it leaves, as congestion control of networks does.
//! 429s to requests that were sent before the share fell tell the same news again and count once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The share does not fall below this part of what is configured, so that a pair which somebody else floods is still read.
pub const LEAST_SHARE: f64 = LEAST_PERMILLE as f64 / WHOLE as f64;
/// So much of what is configured comes back per minute.
pub const RECOVERY_STEP: f64 = STEP_PERMILLE as f64 / WHOLE as f64;

/// Thousandths: a share that is halved and stepped up again must be exactly whole at the end.
const WHOLE: u32 = 1_000;
const LEAST_PERMILLE: u32 = 100;
const STEP_PERMILLE: u32 = 50;
const STEP_TIME: SignedDuration = SignedDuration::from_mins(1);

/// A change of the share, as part of the upstream's limits: for the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareChanged {
    /// Before.
    pub from: f64,
    /// Now.
    pub to: f64,
}

/// The part of the configured limits that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    permille: u32,
    /// No 429 since; steps are counted from here.
    calm_since: Option<Timestamp>,
    /// Requests with a lower number were sent before the share last fell.
    fell_at: u64,
    last_limited_at: Option<Timestamp>,
}

impl Default for Share {
    fn default() -> Self {
        Self { permille: WHOLE, calm_since: None, fell_at: 0, last_limited_at: None }
    }
}

impl Share {
    /// A 429 to request number `request`, the next being number `next`.
    pub(super) fn limited(&mut self, request: u64, next: u64, now: Timestamp) {
        self.last_limited_at = Some(now);
        self.calm_since = Some(now);
        if request >= self.fell_at {
            self.permille = (self.permille / 2).max(LEAST_PERMILLE);
            self.fell_at = next;
        }
    }

    /// Takes in that it is `now`; whether the share has changed.
    pub(super) fn settle(&mut self, now: Timestamp) -> bool {
        // After the clock has stepped back the wait begins anew.
        let Some(since) = self.calm_since.map(|since| since.min(now)) else { return false };
        let steps = now.duration_since(since).as_secs() / STEP_TIME.as_secs();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.permille = self.permille.saturating_add(steps.saturating_mul(STEP_PERMILLE)).min(WHOLE);
        let counted = STEP_TIME.saturating_mul(i32::try_from(steps).unwrap_or(i32::MAX));
        self.calm_since = (self.permille < WHOLE).then(|| super::add(since, counted));
        steps > 0
    }

    pub(super) fn part(&self) -> f64 {
        f64::from(self.permille) / f64::from(WHOLE)
    }

    pub(super) const fn last_limited_at(&self) -> Option<Timestamp> {
        self.last_limited_at
    }
}
