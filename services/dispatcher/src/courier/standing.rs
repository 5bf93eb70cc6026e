//! When the courier wakes, and what it tells of where it stands.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::Courier;
use crate::{error::CourierError, metrics::Standing};

/// Longest sleep: the wall clock that retries are due by may jump, and no timer tells of that.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// Pause between two notes of where the courier stands.
const STANDING_INTERVAL: Duration = Duration::from_secs(1);

impl Courier {
    /// When there is something to do though nothing happens; `None`: not before something does.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let until = |at: Timestamp| now + Duration::try_from(at.duration_since(clock)).unwrap_or_default();
        let due = self.outbox.next_due().filter(|_| self.outbox.has_free_slot()).map(until);
        let held = self.held_until.filter(|_| self.outbox.holds_any() || self.outbox.room() > 0).map(until);
        let wake = [
            due.filter(|_| !self.waits && self.paced_until.is_none() && self.held_until.is_none()),
            held,
            self.outbox.wants_relief_at().map(until),
            self.standing_due_at(),
            self.paced_until,
        ];
        let first = wake.into_iter().flatten().min();
        first.map(|at| at.min(now + MAX_SLEEP))
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

    pub(super) async fn note_standing(&mut self) -> Result<(), CourierError> {
        if !self.lane.is_live() || self.standing_due_at().is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let open = match self.outbox.oldest_open() {
            Some(sequence) => self.shared.feed.item(sequence).await?.map(|item| item.head.observed_at()),
            None => None,
        };
        let put_off = self.outbox.records().map(|record| record.since).min();
        self.standing = Standing {
            cursor: self.outbox.cursor(),
            behind_since: open.or(put_off),
            undelivered_since: open.into_iter().chain(put_off).min(),
        };
        self.stood_at = Instant::now();
        self.shared.boards.write(&self.subscription.id, self.standing);
        Ok(())
    }

    /// When the board is to be written again: a while after the last time, as long as anything is undelivered or the
    /// board does not show where the cursor is.
    fn standing_due_at(&self) -> Option<Instant> {
        let told = self.standing.cursor == self.outbox.cursor() && self.standing.undelivered_since.is_none();
        (self.lane.is_live() && (!told || self.outbox.holds_any())).then(|| self.stood_at + STANDING_INTERVAL)
    }
}
