//! Who catches up gives way to who is served as things happen.
//!
//! A courier that is behind has work at any moment: a backlog of a million events would use whatever the processors give,
//! and each new event of everybody else would stand behind it. So as long as attempts of couriers that are not behind begin,
//! all who are behind begin [`OLD_PER_S`] together: work enough to catch up with any log, and little enough that nobody
//! feels it. When nothing new is delivered they may use everything.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Attempts a second at old events while new ones are delivered. An attempt takes some 40 µs of a processor: this is less
/// than a tenth of one.
const OLD_PER_S: u32 = 2_000;
/// Of which so many may begin at once: what comes together in two ticks of the timer.
const BURST: u32 = 4;
/// New events count as being delivered for so long after the last one: ten of them a second keep the others in check.
const NEW_FOR: Duration = Duration::from_millis(100);

/// See the module's head.
#[derive(Default)]
pub(crate) struct Way {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When an attempt at a new event began last.
    new_at: Option<Instant>,
    /// The time up to which the share of the old ones is used.
    used_to: Option<Instant>,
}

impl Way {
    /// An attempt at a new event begins.
    pub(crate) fn begins_new(&self) {
        self.state().new_at = Some(Instant::now());
    }

    /// An attempt at an old event wants to begin.
    ///
    /// # Errors
    /// When it has to give way; the time at which it may ask again.
    pub(crate) fn begins_old(&self) -> Result<(), Instant> {
        let (mut state, now) = (self.state(), Instant::now());
        if state.new_at.is_none_or(|at| at + NEW_FOR <= now) {
            return Ok(());
        }
        let each = Duration::from_secs(1) / OLD_PER_S;
        let earliest = now.checked_sub(each * BURST).unwrap_or(now);
        let used_to = state.used_to.map_or(earliest, |at| at.max(earliest)) + each;
        if used_to > now {
            return Err(used_to);
        }
        state.used_to = Some(used_to);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn begun_in_a_second(way: &Way, is_new_delivered: bool) -> u32 {
        let mut begun = 0;
        for _ in 0..1_000 {
            advance(Duration::from_millis(1)).await;
            if is_new_delivered {
                way.begins_new();
            }
            begun += (0..100).take_while(|_| way.begins_old().is_ok()).count() as u32;
        }
        begun
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_have_their_share_beside_the_new_and_everything_without_them() {
        let way = Way::default();
        assert_eq!(begun_in_a_second(&way, false).await, 100_000);
        let beside = begun_in_a_second(&way, true).await;
        assert!((OLD_PER_S..=OLD_PER_S + BURST).contains(&beside), "{beside}");
        let at = way.begins_old().expect_err("the share is used");
        assert!(at <= Instant::now() + Duration::from_millis(1), "but for a moment");
        advance(NEW_FOR).await;
        assert_eq!(begun_in_a_second(&way, false).await, 100_000);
    }
}
