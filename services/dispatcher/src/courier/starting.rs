//! What starts, and under which conditions: the endpoint's health, the pace, a pass of the gate, and that not too much is
//! done and not on disk.

use std::{future::pending, panic::resume_unwind, sync::Arc};

use change_engine::delivery::{Admission, Start};
use event_model::delivery::Payload;
use jiff::Timestamp;
use tokio::{task::JoinError, time::Instant};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use super::{Courier, Sent};
use crate::{error::CourierError, format::Content, gate::Pass};

/// Attempts that run within the courier's own task, which is cheapest. A courier that has more of them in flight has more to
/// do than one processor may be good for.
const WITHIN: usize = 16;

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
        if self.behind {
            return self.shared.way.begins_old();
        }
        self.shared.way.begins_new();
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
        let attempt = async move {
            let answer = shared.gate.under(pass, shared.sender.send(&target, &id, content)).await;
            Sent { start, logged_at, answer, is_probe }
        };
        self.sends.push(if self.sends.len() < WITHIN { Box::pin(attempt) } else { Box::pin(beside(attempt)) });
        Ok(())
    }
}

/// `attempt` in a task of its own, which ends with the answer's being dropped. Its panic is one of the courier: the supervisor
/// logs it and starts anew.
async fn beside(attempt: impl Future<Output = Sent> + Send + 'static) -> Sent {
    match AbortOnDropHandle::new(tokio::spawn(attempt)).await.map_err(JoinError::try_into_panic) {
        Ok(sent) => sent,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime ends, and this with it.
        Err(Err(_cancelled)) => pending().await,
    }
}
