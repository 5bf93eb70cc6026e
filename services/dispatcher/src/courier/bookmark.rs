//! How far a courier has come, and what of it is on disk.

use std::sync::Arc;

use event_model::{
    Sequence,
    delivery::{Attempt, Progress, Trouble},
};
use jiff::Timestamp;

use crate::{
    feed::Bell,
    scribe::{CURSOR_INTERVAL_DELIVERIES, Mark, Scribe},
};

pub(super) struct Bookmark {
    progress: Progress,
    mark: Arc<Mark>,
    /// Deliveries done since the start.
    done: u64,
    worked: bool,
    moved: bool,
}

impl Bookmark {
    pub(super) fn new(progress: Progress, bell: Arc<Bell>) -> Self {
        Self { progress, mark: Mark::new(bell), done: 0, worked: false, moved: false }
    }

    pub(super) fn succeeded(&mut self, at: Timestamp) {
        self.progress.delivered += 1;
        self.progress.last_success_at = Some(at);
        self.done += 1;
        self.worked = true;
    }

    pub(super) fn gave_up(&mut self) {
        self.progress.given_up += 1;
        self.worked = true;
    }

    pub(super) fn failed(&mut self, attempt: Attempt, trouble: Option<Trouble>) {
        self.progress.last_failure = Some(attempt);
        self.trouble_is(trouble);
        self.worked = true;
    }

    pub(super) fn trouble_is(&mut self, trouble: Option<Trouble>) {
        self.moved |= self.progress.trouble != trouble;
        self.progress.trouble = trouble;
    }

    /// Tells the scribe where the cursor is; `done_above` deliveries are done above it.
    pub(super) fn move_to(&mut self, cursor: Sequence, done_above: usize, scribe: &Scribe, id: &Arc<str>) {
        self.moved |= self.progress.cursor != cursor;
        self.progress.cursor = cursor;
        if self.worked || self.moved {
            scribe.note(id, &self.progress, self.done.saturating_sub(done_above as u64), &self.mark, self.worked);
            (self.worked, self.moved) = (false, false);
        }
    }

    /// Whether so much is done and not on disk that nothing more may start; the bell rings when that is over.
    pub(super) fn must_wait(&self) -> bool {
        let behind = || self.done.saturating_sub(self.mark.settled()) >= CURSOR_INTERVAL_DELIVERIES;
        if !behind() {
            return false;
        }
        self.mark.wait();
        behind()
    }
}
