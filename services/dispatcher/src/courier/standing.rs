//! When the courier wakes, and what it tells of where it stands.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::{Courier, TEST_LOOK_INTERVAL};
use crate::metrics::Standing;

/// Longest sleep: the wall clock that retries are due by may jump, and no timer tells of that.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// Pause between two notes of where the courier stands.
const STANDING_INTERVAL: Duration = Duration::from_secs(1);

impl Courier {
    pub(super) fn wake_at(&self) -> Instant {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let until = |at: Timestamp| now + Duration::try_from(at.duration_since(clock)).unwrap_or_default();
        let due = self.outbox.next_due().filter(|_| self.outbox.has_free_slot()).map(until);
        [
            due.filter(|_| self.paced_until.is_none()),
            self.outbox.wants_relief_at().map(until),
            self.bookmark.due_at(),
            self.standing_due_at(),
            self.paced_until,
            self.tests_wanted.then(|| self.tests_looked_at + TEST_LOOK_INTERVAL),
        ]
        .into_iter()
        .flatten()
        .fold(now + MAX_SLEEP, Instant::min)
    }

    pub(super) fn note_fullness(&mut self) {
        let full = self.outbox.is_full();
        if full != self.full {
            self.full = full;
            if full {
                warn!(subscription = %self.subscription.id, "as many deliveries as may be are pending: the cursor stands");
                self.shared.metrics.full.inc();
            } else {
                self.shared.metrics.full.dec();
            }
        }
    }

    pub(super) fn note_standing(&mut self) {
        if self.standing_due_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        let open = self.outbox.oldest_open().and_then(|sequence| self.held.get(&sequence)).map(|held| held.logged_at);
        let put_off = self.outbox.records().map(|record| record.since).min();
        self.standing = Standing {
            cursor: self.outbox.cursor(),
            behind_since: open.or(put_off),
            undelivered_since: open.into_iter().chain(put_off).min(),
        };
        self.stood_at = Instant::now();
        self.shared.boards.write(&self.subscription.id, self.standing);
    }

    /// When the board is to be written again: a while after the last time, as long as anything is undelivered or the
    /// board does not show where the cursor is.
    fn standing_due_at(&self) -> Option<Instant> {
        let told = self.standing.cursor == self.outbox.cursor() && self.standing.undelivered_since.is_none();
        (!told || self.outbox.holds_any()).then(|| self.stood_at + STANDING_INTERVAL)
    }
}
