//! The rate windows, on the server's own clock.
//!
//! A request violates a window of `n` per `w` when some span of length `w` (half open) that holds it holds more than `n`
//! arrivals of its credential. Arrivals are noted when the head of the request is read, but the credential stands in the
//! body, so requests come here out of order; they are sorted in, and the spans on both sides are looked at. Every
//! request counts: downloads, rejected ones, and those answered 429.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::config::RateLimits;

const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);
/// Arrivals are kept twice the longest window, for requests whose body was slow.
const KEPT: Duration = Duration::from_secs(120);
/// Arrivals kept per credential; the tests and demos that run against a simulator send a few hundred a minute at most.
const MAX_ARRIVALS: usize = 10_000;
/// Credentials told apart; those beyond share one window, so that invented names cannot fill the memory.
const MAX_CREDENTIALS: usize = 1_000;

/// Arrivals by credential.
#[derive(Debug)]
pub(crate) struct Windows {
    limits: RateLimits,
    arrivals: HashMap<String, VecDeque<Instant>>,
}

impl Windows {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self { limits, arrivals: HashMap::new() }
    }

    /// Notes an arrival. False when it violates a window.
    #[must_use]
    pub(crate) fn arrive(&mut self, credential: &str, at: Instant) -> bool {
        let known = self.arrivals.contains_key(credential) || self.arrivals.len() < MAX_CREDENTIALS;
        let arrivals = self.arrivals.entry(if known { credential } else { "" }.to_owned()).or_default();
        while arrivals.len() >= MAX_ARRIVALS
            || arrivals.front().is_some_and(|first| at.saturating_duration_since(*first) >= KEPT)
        {
            arrivals.pop_front();
        }
        let position = arrivals.partition_point(|earlier| *earlier <= at);
        arrivals.insert(position, at);
        within(arrivals, position, self.limits.per_10s, SHORT) && within(arrivals, position, self.limits.per_60s, LONG)
    }
}

/// Whether no span of `window` that holds the arrival at `position` holds more than `limit`.
fn within(arrivals: &VecDeque<Instant>, position: usize, limit: u32, window: Duration) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 {
        return true;
    }
    let first = position.saturating_sub(limit);
    (first..=position).all(|start| match (arrivals.get(start), arrivals.get(start.saturating_add(limit))) {
        (Some(start), Some(end)) => end.duration_since(*start) >= window,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RateLimits = RateLimits { per_10s: 5, per_60s: 20 };

    fn run(limits: RateLimits, times_ms: &[u64]) -> Vec<bool> {
        let start = Instant::now();
        let mut windows = Windows::new(limits);
        times_ms.iter().map(|ms| windows.arrive("a", start + Duration::from_millis(*ms))).collect()
    }

    #[test]
    fn five_pass_in_any_ten_seconds_and_the_sixth_does_not() {
        assert_eq!(run(LIMITS, &[0, 1, 2, 3, 4, 9_999]), [true, true, true, true, true, false]);
        assert_eq!(run(LIMITS, &[0, 1, 2, 3, 4, 10_000]), [true; 6]);
    }

    #[test]
    fn twenty_pass_in_any_minute_and_the_next_does_not() {
        let mut times: Vec<u64> = (0..20).map(|n| n * 2_950).collect();
        times.push(59_999);
        let passed = run(LIMITS, &times);
        assert_eq!(passed.iter().filter(|passed| **passed).count(), 20);
        assert!(!passed[20]);
    }

    #[test]
    fn an_arrival_told_late_is_counted_where_it_was() {
        assert_eq!(run(LIMITS, &[5_000, 6_000, 7_000, 8_000, 14_000, 9_000]).last(), Some(&false));
        assert_eq!(run(LIMITS, &[5_000, 6_000, 7_000, 8_000, 15_500, 5_200]).last(), Some(&true));
    }

    #[test]
    fn a_refused_request_counts_too() {
        assert_eq!(run(LIMITS, &[0, 1, 2, 3, 4, 5, 10_001]), [true, true, true, true, true, false, true]);
        assert_eq!(run(LIMITS, &[0, 0, 0, 0, 0, 9_000, 9_000, 9_000, 9_000, 12_000, 12_000]).last(), Some(&false));
    }

    #[test]
    fn credentials_have_windows_of_their_own_and_zero_is_no_limit() {
        let mut windows = Windows::new(LIMITS);
        let now = Instant::now();
        for _ in 0..5 {
            assert!(windows.arrive("a", now));
        }
        assert!(windows.arrive("b", now));
        assert!(!windows.arrive("a", now));
        assert_eq!(run(RateLimits { per_10s: 0, per_60s: 0 }, &[0; 50]), [true; 50]);
    }
}
