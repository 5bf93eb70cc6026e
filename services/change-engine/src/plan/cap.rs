//! Nothing grows older than its cap: earliest deadline first.
//!
//! A bound on each age alone fails when many grow old together. Ordered by the time that each has left, the k-th needs the
//! turns of the k-1 before it to be over in time; as soon as one has no more left than that, the first goes, whatever the
//! index says. This keeps every cap as long as the budget suffices for reading each watch once per cap.

use jiff::{SignedDuration, Timestamp};

use super::{
    lanes::{PRESSED_SHARE, Queue},
    watch::{Class, Planned, times},
};

/// Nothing may be older than this.
pub const MAX_AGE: SignedDuration = SignedDuration::from_secs(900);

/// The sweep of month windows may force its way into so much of the budget. When it needs more, it turns slower than
/// [`MAX_AGE`]: what it alone can see (edits of what is long settled) is rarely waited for.
const SWEEP_SHARE: f64 = 0.25;

/// Room kept beside the turns of the others: for a fat read that has just started, for the round trips of a read itself.
const LEAD: SignedDuration = SignedDuration::from_secs(31);

/// The caps of the plan as it is.
pub(super) struct Caps {
    pace: SignedDuration,
    sweep: SignedDuration,
    /// How much longer turns take while something goes on ahead of them.
    slower: f64,
}

impl Caps {
    pub(super) fn of<'a>(
        watches: impl Iterator<Item = &'a Planned> + Clone,
        pace: SignedDuration,
        now: Timestamp,
    ) -> Self {
        let windows = watches.clone().filter(|planned| planned.spec.class == Class::Window);
        let turn: SignedDuration = windows.map(|planned| planned.hold(pace)).sum();
        let ahead = |queue| if watches.clone().any(|planned| planned.queue(now) == queue) { 1.0 } else { 0.0 };
        let slower = 1.0 / (1.0 - PRESSED_SHARE * (ahead(Queue::OneShots) + ahead(Queue::FirstSights)));
        Self { pace, sweep: times(turn, 1.0 / SWEEP_SHARE).max(MAX_AGE), slower }
    }

    /// The oldest that this watch may grow.
    pub(super) fn max_age(&self, planned: &Planned) -> SignedDuration {
        if planned.spec.class == Class::Window { self.sweep } else { MAX_AGE }
    }

    /// Time left until a read must start to be over before the cap; below 0 when that has passed.
    pub(super) fn left(&self, planned: &Planned, now: Timestamp) -> SignedDuration {
        let longest = self.max_age(planned).saturating_sub(planned.took.unwrap_or_default());
        planned.age(now).map_or(SignedDuration::MIN, |age| longest.saturating_sub(age))
    }

    /// w·λ·age²/c: what is gained by reading this one now, per time that the others are held back.
    pub(super) fn index(&self, planned: &Planned, now: Timestamp) -> f64 {
        let age_s = planned.age(now).unwrap_or(SignedDuration::MAX).as_secs_f64();
        planned.spec.weight * planned.changes_per_hour * age_s.powi(2) / planned.hold(self.pace).as_secs_f64()
    }

    /// Whether there is no room for anything else when these, least time left first, can begin only after `ahead`.
    pub(super) fn press<'a>(
        &self,
        mut ready: impl Iterator<Item = (SignedDuration, &'a Planned)>,
        ahead: SignedDuration,
    ) -> bool {
        let mut turns = LEAD + ahead;
        ready.any(|(left, planned)| {
            let presses = left <= turns;
            turns += times(planned.hold(self.pace), self.slower);
            presses
        })
    }
}
