//! Whom a round waits for before it begins.
//!
//! Callers that append one thing after the other come back as soon as they are answered. That is too late for the next round, if anybody
//! had queued meanwhile: it has begun. So they fall into two halves that take turns, and each sync serves one of them. Where a sync
//! takes long, a round waits for a small part of that for those who were answered just now; then one sync serves all.

use std::time::{Duration, Instant};

/// A round that takes less is over before anybody is back.
const SLOW: Duration = Duration::from_micros(100);
/// The part of what the last round took that the next one waits at most.
const PART: u32 = 4;
/// And no longer than that, however slow the disk: nobody knows that they come.
const LONGEST: Duration = Duration::from_millis(10);

/// Who may come, and how long that is waited for.
#[derive(Default)]
pub struct Company {
    expected: usize,
    until: Option<Instant>,
}

impl Company {
    /// After a round that took `took` until `now` and answered `answered` callers, while `waiting` others had come.
    pub fn after(took: Duration, answered: usize, waiting: usize, now: Instant) -> Self {
        let until = (took >= SLOW).then(|| now + (took / PART).min(LONGEST));
        Self { expected: answered + waiting, until }
    }

    /// How long a round that has `here` callers still waits for others, at `now`; none if it does not.
    pub fn wait(&self, here: usize, now: Instant) -> Option<Duration> {
        let left = self.until?.checked_duration_since(now).filter(|left| !left.is_zero());
        left.filter(|_| here < self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_slow_round_those_it_answered_are_waited_for_a_little() {
        let now = Instant::now();
        let company = Company::after(SLOW * PART, 8, 8, now);
        assert_eq!(company.wait(1, now), Some(SLOW));
        assert_eq!(company.wait(15, now + SLOW / 4), Some(SLOW * 3 / 4));
        assert_eq!(company.wait(16, now), None, "all are here");
        assert_eq!(company.wait(1, now + SLOW), None, "they took too long");
        assert_eq!(Company::after(SLOW * 1000, 8, 8, now).wait(1, now), Some(LONGEST));
    }

    #[test]
    fn nobody_is_waited_for_by_the_only_caller_or_where_a_round_is_quick() {
        let now = Instant::now();
        assert_eq!(Company::default().wait(1, now), None);
        assert_eq!(Company::after(SLOW * PART, 1, 0, now).wait(1, now), None);
        assert_eq!(Company::after(SLOW / 2, 8, 8, now).wait(1, now), None);
    }
}
