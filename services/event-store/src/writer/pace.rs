//! How long it takes to make appends durable, as far as it matters.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// A sync that takes no longer is quick: handing a commit to another thread and back costs as much.
const QUICK: Duration = Duration::from_micros(100);
/// After so many in a row the next one is expected to be.
const MANY: u32 = 16;

/// Quick syncs since one was not.
#[derive(Default)]
pub struct Pace(AtomicU32);

impl Pace {
    /// A sync took `time`.
    pub fn took(&self, time: Duration) {
        let known = self.0.load(Ordering::Relaxed);
        self.0.store(if time <= QUICK { known.saturating_add(1) } else { 0 }, Ordering::Relaxed);
    }

    /// Whether the next one will be quick, as it seems.
    pub fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_quick_syncs_promise_another_and_one_slow_one_takes_it_back() {
        let pace = Pace::default();
        (1..MANY).for_each(|_| pace.took(QUICK));
        assert!(!pace.is_quick());
        pace.took(QUICK);
        assert!(pace.is_quick());
        pace.took(QUICK * 2);
        assert!(!pace.is_quick());
    }
}
