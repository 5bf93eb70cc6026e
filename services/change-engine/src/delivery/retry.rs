//! When a delivery that failed is tried again.
//!
//! The schedule is that of the Standard Webhooks specification (section "Retry schedule"): ten attempts over some 75
//! hours. Each wait is spread by a fifth in both directions, so that what failed together does not come back together.

use std::time::Duration;

use event_model::delivery::Outcome;
use jiff::{SignedDuration, Timestamp, civil::DateTime, fmt::rfc2822, fmt::strtime, tz::TimeZone};

/// Longest `Retry-After` that is honoured; a receiver that names more gets this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How far a wait is spread, as a share of it, in both directions.
const JITTER: f64 = 0.2;
/// Seconds from each failed attempt to the next one: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
const STANDARD_WAITS_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// How long to wait after each failed attempt. The first attempt is made at once; there is one attempt more than waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    waits: Vec<Duration>,
}

impl Schedule {
    /// A schedule with these waits.
    pub const fn of(waits: Vec<Duration>) -> Self {
        Self { waits }
    }

    /// How many attempts are made in all.
    pub const fn attempts(&self) -> usize {
        self.waits.len() + 1
    }

    /// The wait after `attempts` attempts (at least 1), spread by `chance` (0 to 1); `None` when no attempt is left.
    pub fn wait_after(&self, attempts: u32, chance: f64) -> Option<Duration> {
        let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
        let factor = 1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0);
        self.waits.get(index).map(|wait| wait.mul_f64(factor))
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::of(STANDARD_WAITS_S.map(Duration::from_secs).to_vec())
    }
}

/// An attempt that has ended, as far as the verdict depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Attempts made so far, this one included.
    pub attempts: u32,
    /// What the answer's `Retry-After` asked for, from [`retry_after`].
    pub retry_after: Option<Duration>,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It has arrived.
    Delivered,
    /// It is tried again.
    Retry {
        /// Not before this.
        at: Timestamp,
    },
    /// No attempt is left: a dead letter.
    Dead,
    /// The receiver says that it is gone for good (410): the subscription is disabled, the delivery kept.
    Disable,
}

/// What becomes of a delivery whose attempt ended in `outcome`. `chance` (0 to 1) spreads the wait.
pub fn verdict(schedule: &Schedule, outcome: &Outcome, failed: Failed, chance: f64) -> Verdict {
    match outcome {
        Outcome::Delivered { .. } => return Verdict::Delivered,
        Outcome::Status { status: 410 } => return Verdict::Disable,
        Outcome::Status { .. }
        | Outcome::Dns
        | Outcome::Blocked { .. }
        | Outcome::Refused
        | Outcome::Tls
        | Outcome::Timeout
        | Outcome::TooLarge
        | Outcome::Transport => {}
    }
    match schedule.wait_after(failed.attempts, chance) {
        None => Verdict::Dead,
        Some(wait) => Verdict::Retry { at: later(failed.ended_at, wait.max(failed.retry_after.unwrap_or_default())) },
    }
}

pub(super) fn later(from: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The wait that a `Retry-After` header asks for (RFC 9110 §10.2.3: seconds or a date), at most [`MAX_RETRY_AFTER`];
/// `None` when it says neither. A date that has passed asks for no wait.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        Duration::try_from(http_date(value)?.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The three forms of RFC 9110 §5.6.7, all of which a recipient must accept.
fn http_date(text: &str) -> Option<Timestamp> {
    let utc = |datetime: DateTime| TimeZone::UTC.to_timestamp(datetime).ok();
    let parsed = |format: &str| strtime::parse(format, text).and_then(|broken_down| broken_down.to_datetime()).ok();
    let fixdate = || rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let rfc850 = || parsed("%A, %d-%b-%y %H:%M:%S GMT").and_then(utc);
    let asctime = || parsed("%a %b %e %H:%M:%S %Y").and_then(utc);
    fixdate().or_else(rfc850).or_else(asctime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "1994-11-06T08:49:00Z".parse().expect("time")
    }

    fn failed(attempts: u32, retry_after: Option<u64>) -> Failed {
        Failed { attempts, retry_after: retry_after.map(Duration::from_secs), ended_at: now() }
    }

    fn wait_s(outcome: &Outcome, failed: Failed, chance: f64) -> Option<f64> {
        match verdict(&Schedule::default(), outcome, failed, chance) {
            Verdict::Retry { at } => Some(at.duration_since(now()).as_secs_f64()),
            Verdict::Delivered | Verdict::Dead | Verdict::Disable => None,
        }
    }

    #[test]
    fn the_waits_are_those_of_the_design_and_then_it_is_dead() {
        let waits: Vec<_> = (1..=9).map(|n| wait_s(&Outcome::Timeout, failed(n, None), 0.5).expect("a wait")).collect();
        assert_eq!(waits, [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0]);
        assert_eq!(verdict(&Schedule::default(), &Outcome::Timeout, failed(10, None), 0.5), Verdict::Dead);
        assert_eq!(verdict(&Schedule::default(), &Outcome::Timeout, failed(10, Some(9)), 0.5), Verdict::Dead);
        assert_eq!(Schedule::default().attempts(), 10);
    }

    #[test]
    fn chance_spreads_a_wait_by_a_fifth_both_ways() {
        assert_eq!(wait_s(&Outcome::Refused, failed(2, None), 0.0), Some(240.0));
        assert_eq!(wait_s(&Outcome::Refused, failed(2, None), 1.0), Some(360.0));
        assert_eq!(wait_s(&Outcome::Refused, failed(2, None), 7.0), Some(360.0), "chance out of range is held in");
    }

    #[test]
    fn each_outcome_has_its_verdict() {
        let of = |outcome: &Outcome| verdict(&Schedule::default(), outcome, failed(1, None), 0.5);
        let retry = Verdict::Retry { at: now() + SignedDuration::from_secs(5) };
        assert_eq!(of(&Outcome::Delivered { status: 204 }), Verdict::Delivered);
        assert_eq!(of(&Outcome::Status { status: 410 }), Verdict::Disable);
        for status in [301, 302, 307, 308, 400, 404, 429, 500, 503] {
            assert_eq!(of(&Outcome::Status { status }), retry, "{status}");
        }
        for outcome in [Outcome::Dns, Outcome::Refused, Outcome::Tls, Outcome::Timeout, Outcome::Transport] {
            assert_eq!(of(&outcome), retry, "{outcome:?}");
        }
        assert_eq!(of(&Outcome::Blocked { why: String::new() }), retry);
    }

    #[test]
    fn the_later_of_schedule_and_retry_after_counts() {
        let busy = Outcome::Status { status: 503 };
        assert_eq!(wait_s(&busy, failed(1, Some(100)), 0.5), Some(100.0));
        assert_eq!(wait_s(&busy, failed(2, Some(100)), 0.5), Some(300.0));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_any_http_date_and_held_to_a_day() {
        let seconds = |text: &str| retry_after(text, now()).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("86401"), Some(86_400));
        assert_eq!(seconds("99999999999999999999999"), Some(86_400));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(seconds(date), Some(37), "{date}");
        }
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0), "a date that has passed");
        assert_eq!(seconds("Thu, 06 Nov 1997 08:49:37 GMT"), Some(86_400));
        for nothing in ["", "-5", "1.5", "soon", "Sun, 06 Nov"] {
            assert_eq!(seconds(nothing), None, "{nothing:?}");
        }
    }
}
