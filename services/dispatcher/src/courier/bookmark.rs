//! How far a courier has come, and when that is written down.
//!
//! Written relaxed: lost in a crash, it costs a repetition. So it is written seldom: after so many deliveries or so
//! much time, whichever comes first, and far more seldom when the cursor only passed events that are not wanted.

use std::time::Duration;

use event_model::{
    Sequence, SubscriptionId,
    delivery::{Attempt, Progress},
};
use event_store::{Durability, StoreError, Table};
use jiff::Timestamp;
use tokio::time::Instant;

/// Deliveries after which the cursor is written at the latest: what a kill repeats is bounded by it.
pub(super) const CURSOR_INTERVAL_DELIVERIES: u32 = 256;
/// Time after which it is written when something was delivered or failed.
pub(super) const CURSOR_INTERVAL: Duration = Duration::from_millis(100);
/// Time after which it is written when it only passed what is not wanted: a kill then costs reading again, no more.
const SKIP_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Bookmark {
    progress: Progress,
    written_at: Instant,
    /// Attempts ended since it was written.
    unwritten: u32,
    moved: bool,
}

impl Bookmark {
    pub(super) fn new(progress: Progress) -> Self {
        Self { progress, written_at: Instant::now(), unwritten: 0, moved: false }
    }

    pub(super) fn succeeded(&mut self, at: Timestamp) {
        self.progress.delivered += 1;
        self.progress.last_success_at = Some(at);
        self.unwritten += 1;
    }

    pub(super) fn failed(&mut self, attempt: Attempt) {
        self.progress.last_failure = Some(attempt);
        self.unwritten += 1;
    }

    pub(super) fn move_to(&mut self, cursor: Sequence) {
        self.moved |= self.progress.cursor != cursor;
        self.progress.cursor = cursor;
    }

    /// When it wants to be written; `None` when what is written is true.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match self.unwritten {
            CURSOR_INTERVAL_DELIVERIES.. => Some(self.written_at),
            1.. => Some(self.written_at + CURSOR_INTERVAL),
            0 => self.moved.then(|| self.written_at + SKIP_INTERVAL),
        }
    }

    pub(super) async fn write(
        &mut self,
        table: &Table<Progress>,
        subscription: &SubscriptionId,
        durability: Durability,
    ) -> Result<(), StoreError> {
        table.put(subscription.as_str(), &self.progress, durability).await?;
        (self.unwritten, self.moved, self.written_at) = (0, false, Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_by_time_or_number_and_seldom_for_what_was_skipped() {
        let mut bookmark = Bookmark::new(Progress::starting_after(Sequence(0)));
        let start = bookmark.written_at;
        assert_eq!(bookmark.due_at(), None);
        bookmark.move_to(Sequence(7));
        assert_eq!(bookmark.due_at(), Some(start + SKIP_INTERVAL));
        bookmark.succeeded(Timestamp::UNIX_EPOCH);
        assert_eq!(bookmark.due_at(), Some(start + CURSOR_INTERVAL));
        for _ in 1..CURSOR_INTERVAL_DELIVERIES {
            bookmark.succeeded(Timestamp::UNIX_EPOCH);
        }
        assert_eq!(bookmark.due_at(), Some(start));
    }
}
