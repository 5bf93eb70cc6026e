//! Who catches up gives way to who is served as things happen.
//!
//! A courier that is behind has work at any moment: a backlog of a million events would use whatever the processors give,
//! and each new event of everybody else would stand behind it. So as long as attempts of couriers that are not behind begin,
//! all who are behind begin [`OLD_PER_S`] together: work enough to catch up with any log, and little enough that nobody
//! feels it. When nothing new is delivered they may use everything.
//!
//! Nobody gives way to itself: a courier that falls behind what is appended, and comes up again, goes on as fast as it can.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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
    walkers: AtomicU64,
}

/// Who goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walker(u64);

#[derive(Default)]
struct State {
    /// When an attempt at a new event began last, and whose.
    newest: Option<(Walker, Instant)>,
    /// The same of anybody else.
    newest_of_others: Option<Instant>,
    /// The time up to which the share of the old ones is used.
    used_to: Option<Instant>,
}

impl Way {
    /// One more.
    pub(crate) fn walker(&self) -> Walker {
        Walker(self.walkers.fetch_add(1, Ordering::Relaxed))
    }

    /// An attempt at a new event begins.
    pub(crate) fn begins_new(&self, walker: Walker) {
        let mut state = self.state();
        let before = state.newest.replace((walker, Instant::now()));
        if let Some((_, at)) = before.filter(|(before, _)| *before != walker) {
            state.newest_of_others = Some(at);
        }
    }

    /// An attempt at an old event wants to begin.
    ///
    /// # Errors
    /// When it has to give way to somebody else; the time at which it may ask again.
    pub(crate) fn begins_old(&self, walker: Walker) -> Result<(), Instant> {
        let (mut state, now) = (self.state(), Instant::now());
        let by_another = match state.newest {
            Some((newest, at)) if newest != walker => Some(at),
            _ => state.newest_of_others,
        };
        if by_another.is_none_or(|at| at + NEW_FOR <= now) {
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

    /// How many `behind` begins while each of `new` delivers new events.
    async fn begun_in_a_second(way: &Way, behind: Walker, new: &[Walker]) -> u32 {
        let mut begun = 0;
        for _ in 0..1_000 {
            advance(Duration::from_millis(1)).await;
            new.iter().for_each(|walker| way.begins_new(*walker));
            begun += (0..100).take_while(|_| way.begins_old(behind).is_ok()).count() as u32;
        }
        begun
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_have_their_share_beside_the_new_and_everything_without_them() {
        let way = Way::default();
        let (behind, one, other) = (way.walker(), way.walker(), way.walker());
        assert_eq!(begun_in_a_second(&way, behind, &[]).await, 100_000);
        for new in [&[one][..], &[one, other], &[one, behind], &[behind, one], &[one, other, behind]] {
            let beside = begun_in_a_second(&way, behind, new).await;
            assert!((OLD_PER_S..=OLD_PER_S + BURST).contains(&beside), "{beside} beside {new:?}");
            let at = way.begins_old(behind).expect_err("the share is used");
            assert!(at <= Instant::now() + Duration::from_millis(1), "but for a moment");
        }
        advance(NEW_FOR).await;
        assert_eq!(begun_in_a_second(&way, behind, &[]).await, 100_000);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gives_way_to_itself() {
        let way = Way::default();
        let (behind, other) = (way.walker(), way.walker());
        assert_eq!(begun_in_a_second(&way, behind, &[behind]).await, 100_000);
        way.begins_new(other);
        way.begins_new(behind);
        assert!(way.begins_old(behind).is_ok() && (0..BURST).any(|_| way.begins_old(behind).is_err()));
        advance(NEW_FOR).await;
        assert_eq!(begun_in_a_second(&way, behind, &[behind]).await, 100_000);
    }
}
