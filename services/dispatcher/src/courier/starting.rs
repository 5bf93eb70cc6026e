//! What starts, and under which conditions: the endpoint's health, the pace, a pass of the gate, and that not too much is
//! done and not on disk.

use std::{pin::pin, sync::Arc};

use change_engine::delivery::{Admission, Start};
use event_model::delivery::Payload;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::error;

use super::{Courier, Sent};
use crate::{error::CourierError, format::Content, gate::Pass};

impl Courier {
    pub(super) async fn start_what_may(&mut self) -> Result<(), CourierError> {
        (self.paced_until, self.held_until, self.waits) = (None, None, false);
        let now = Timestamp::now();
        match self.health.admission(now) {
            Admission::Open => {}
            Admission::Held(at) => {
                (self.held_until, self.pass, self.in_line) = (Some(at), None, None);
                return Ok(());
            }
            Admission::Probe(at) => return self.probe(at, now).await,
        }
        self.outbox.widen_to(self.health.width());
        while self.outbox.can_start(now) {
            if self.bookmark.must_wait() {
                self.waits = true;
                break;
            }
            let Some(pass) = self.next_pass() else { return Ok(()) };
            if let Err(at) = self.give_way().and_then(|()| self.pace.take()) {
                self.paced_until = Some(at);
                return Ok(());
            }
            let Some(start) = self.outbox.start(now) else { return Ok(()) };
            self.send(start, pass, false).await?;
        }
        // Nothing is to start: whoever stands in line behind us goes first.
        (self.pass, self.in_line) = (None, None);
        Ok(())
    }

    /// Lets those go first who are not behind, if this courier is.
    fn give_way(&self) -> Result<(), Instant> {
        if self.outbox.oldest_open().is_some_and(|oldest| oldest <= self.old_to) {
            return self.shared.way.begins_old(self.walker);
        }
        self.shared.way.begins_new(self.walker);
        Ok(())
    }

    async fn probe(&mut self, at: Timestamp, now: Timestamp) -> Result<(), CourierError> {
        let is_asked = self.outbox.has_fresh_test();
        if at > now && (!is_asked || self.outbox.is_flying()) {
            (self.held_until, self.pass, self.in_line) = (Some(at), None, None);
            return Ok(());
        }
        if self.outbox.is_flying() {
            return Ok(());
        }
        let Some(pass) = self.next_pass() else { return Ok(()) };
        let start = if is_asked { self.outbox.probe_by_test(now) } else { self.outbox.probe(now) };
        match start {
            Some(start) => self.send(start, pass, true).await,
            None => Ok(()),
        }
    }

    /// A pass, if it is our turn; else we stand in line.
    fn next_pass(&mut self) -> Option<Pass> {
        if let Some(pass) = self.pass.take() {
            return Some(pass);
        }
        if self.in_line.is_some() {
            self.waits = true;
            return None;
        }
        let is_slow = self.health.is_slow();
        let pass = self.shared.gate.try_pass(is_slow);
        if pass.is_none() {
            self.in_line = Some(self.shared.gate.pass(is_slow));
        }
        self.waits = pass.is_none();
        pass
    }

    async fn send(&mut self, start: Start, pass: Pass, is_probe: bool) -> Result<(), CourierError> {
        let (id, found) = match &*start.payload {
            Payload::Event { id, sequence, .. } => {
                let item = self.shared.feed.item(*sequence).await?;
                (
                    id.clone(),
                    item.map(|item| {
                        let logged_at = self.lane.is_live().then(|| item.head.observed_at());
                        (item.content.clone(), logged_at)
                    }),
                )
            }
            Payload::Test { id, body } => (id.clone(), Some((Content::from(bytes::Bytes::from(body.clone())), None))),
        };
        let Some((content, logged_at)) = found else {
            error!(subscription = %self.subscription.id, event = %id, "the log no longer has this event: given up");
            self.bookmark.gave_up();
            if self.lane.is_live() {
                self.shared.metrics.dead_letters.inc();
            }
            self.outbox.give_up(&start.key, Timestamp::now());
            return Ok(());
        };
        let (shared, target) = (Arc::clone(&self.shared), Arc::clone(&self.target));
        self.sends.push(Box::pin(async move {
            let work = pin!(shared.sender.send(&target, &id, content));
            let answer = shared.gate.under(pass, work).await;
            Sent { start, logged_at, answer, is_probe }
        }));
        Ok(())
    }
}
