//! At most so many deliveries a second: what the subscription asks for, and a slow start after a trouble.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokio::time::Instant;

/// Share of a second's deliveries that may start at once: it lets a timer of 1 ms keep up with high rates, and exceeds
/// the rate of any one second by no more than this.
const BURST_DIVISOR: u32 = 100;
/// Deliveries in the first second after a trouble; the rate doubles with each second.
const FIRST_RATE_PER_S: f64 = 20.0;
/// A rate at which an endpoint has shown that it is well: the start is over.
const LAST_RATE_PER_S: f64 = 2_000.0;

/// The pace of one subscription.
pub(super) struct Pace {
    asked: Option<DefaultDirectRateLimiter>,
    start: Option<SlowStart>,
}

/// What waited while an endpoint was down would fall on it all at once when it comes back.
struct SlowStart {
    began: Instant,
    taken: u32,
}

impl SlowStart {
    /// When one more may start: after `n` of them `t` seconds have passed with `n = rate / ln 2 * (2^t - 1)`.
    fn next_at(&self) -> Instant {
        let seconds = (1.0 + f64::from(self.taken) * std::f64::consts::LN_2 / FIRST_RATE_PER_S).log2();
        self.began + Duration::from_secs_f64(seconds)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began).as_secs_f64() > (LAST_RATE_PER_S / FIRST_RATE_PER_S).log2()
    }
}

impl Pace {
    /// A pace of `per_s` a second; `None` or 0 for no limit.
    pub(super) fn new(per_s: Option<u32>) -> Self {
        let asked = per_s.and_then(NonZeroU32::new).map(|per_s| {
            let burst = NonZeroU32::new(per_s.get() / BURST_DIVISOR).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct(Quota::per_second(per_s).allow_burst(burst))
        });
        Self { asked, start: None }
    }

    /// The endpoint is back: it is to get used to it.
    pub(super) fn start_slowly(&mut self) {
        self.start = Some(SlowStart { began: Instant::now(), taken: 0 });
    }

    /// Counts one delivery that starts now.
    ///
    /// # Errors
    /// When none may; the time from which one may.
    pub(super) fn take(&mut self) -> Result<(), Instant> {
        let now = Instant::now();
        self.start.take_if(|start| start.is_over(now));
        if let Some(at) = self.start.as_ref().map(SlowStart::next_at).filter(|at| *at > now) {
            return Err(at);
        }
        if let Some(limiter) = &self.asked {
            limiter.check().map_err(|wait| now + wait.wait_time_from(DefaultClock::default().now()))?;
        }
        if let Some(start) = &mut self.start {
            start.taken += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn no_more_start_at_once_than_the_pace_allows() {
        let mut pace = Pace::new(Some(2));
        assert!(pace.take().is_ok());
        let wait = pace.take().expect_err("half a second").duration_since(Instant::now());
        assert!((400..=500).contains(&wait.as_millis()), "{wait:?}");
        let mut unlimited = Pace::new(None);
        assert!((0..10_000).all(|_| unlimited.take().is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_trouble_the_rate_doubles_each_second_until_it_is_over() {
        let mut pace = Pace::new(None);
        pace.start_slowly();
        let mut per_second: Vec<i32> = Vec::new();
        for _ in 0..5 {
            let mut started = 0_i32;
            for _ in 0..1_000 {
                advance(Duration::from_millis(1)).await;
                while pace.take().is_ok() {
                    started += 1;
                }
            }
            per_second.push(started);
        }
        for (second, expected) in [28, 57, 115, 230, 461].into_iter().enumerate() {
            assert!((per_second[second] - expected).abs() <= 2, "{per_second:?}");
        }
        advance(Duration::from_secs(3)).await;
        assert!((0..10_000).all(|_| pace.take().is_ok()), "it is over");
    }
}
