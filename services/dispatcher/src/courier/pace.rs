//! At most so many deliveries a second.

use std::num::NonZeroU32;

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokio::time::Instant;

/// Share of a second's deliveries that may start at once: it lets a timer of 1 ms keep up with high rates, and exceeds
/// the rate of any one second by no more than this.
const BURST_DIVISOR: u32 = 100;

/// The pace of one subscription.
pub(super) struct Pace(Option<DefaultDirectRateLimiter>);

impl Pace {
    /// A pace of `per_s` a second; `None` or 0 for no limit.
    pub(super) fn new(per_s: Option<u32>) -> Self {
        Self(per_s.and_then(NonZeroU32::new).map(|per_s| {
            let burst = NonZeroU32::new(per_s.get() / BURST_DIVISOR).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct(Quota::per_second(per_s).allow_burst(burst))
        }))
    }

    /// Counts one delivery that starts now.
    ///
    /// # Errors
    /// When none may; the time from which one may.
    pub(super) fn take(&self) -> Result<(), Instant> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check().map_err(|wait| Instant::now() + wait.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_start_at_once_than_the_pace_allows() {
        let pace = Pace::new(Some(2));
        assert!(pace.take().is_ok());
        let wait = pace.take().expect_err("half a second").duration_since(Instant::now());
        assert!((400..=500).contains(&wait.as_millis()), "{wait:?}");
        let unlimited = Pace::new(None);
        assert!((0..10_000).all(|_| unlimited.take().is_ok()));
    }
}
