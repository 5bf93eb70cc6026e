//! What follows from an attempt that has ended.

use std::{sync::Arc, time::Duration};

use change_engine::delivery::{Consequence, Key, Verdict};
use event_model::delivery::{Attempt, Outcome, Payload};
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::{
    Courier, Flow, Sent,
    disabling::{GONE, HOPELESS},
};
use crate::{error::CourierError, notices, sender::Answer};

impl Courier {
    /// Takes in `first` and whatever else has ended by now, so that all of it is stored at once; but nothing more once
    /// something was told that is to be stored first.
    pub(super) async fn all_ended(&mut self, first: Sent) -> Result<Flow, CourierError> {
        let mut next = Some(first);
        while let Some(sent) = next {
            match self.ended(sent).await? {
                Flow::GoOn => {}
                flow @ (Flow::Told | Flow::Gone) => return Ok(flow),
            }
            next = self.sends.next().now_or_never().flatten();
        }
        Ok(Flow::GoOn)
    }

    pub(super) async fn ended(&mut self, sent: Sent) -> Result<Flow, CourierError> {
        let secret = |source| CourierError::Secret { subscription: self.subscription.id.clone(), source };
        let Answer { attempt, retry_after, .. } = sent.answer.map_err(secret)?;
        let (now, key) = (Timestamp::now(), &sent.start.key);
        self.shared.metrics.attempted(&attempt);
        if let Outcome::Delivered { .. } = attempt.outcome {
            self.delivered(key, attempt, sent.logged_at, now);
            return Ok(Flow::GoOn);
        }
        let consequence = self.health.failed(key, &attempt.outcome, retry_after, attempt.at, now, rand::random());
        self.bookmark.failed(attempt.clone(), self.health.trouble());
        self.note_failure(&attempt);
        let attempts = self.outbox.attempts(key) + 1;
        let verdict = if sent.is_probe && attempt.outcome != (Outcome::Status { status: 410 }) {
            self.outbox.probe_failed(key, attempt.clone(), now);
            Verdict::Retry { at: now }
        } else {
            self.outbox.ended(key, attempt.clone(), retry_after, now, rand::random())
        };
        self.note_health();
        let id = &self.subscription.id;
        debug!(subscription = %id, delivery = ?key, attempts, outcome = ?attempt.outcome, ?verdict, "an attempt failed");
        Box::pin(self.after_failure(verdict, consequence, &sent.start.payload, attempts, &attempt)).await
    }

    fn delivered(&mut self, key: &Key, attempt: Attempt, logged_at: Option<Timestamp>, now: Timestamp) {
        let was_suspended = self.health.succeeded(Duration::from_millis(attempt.duration_ms));
        if was_suspended {
            self.pace.start_slowly();
        }
        // A delivered attempt has one verdict.
        let Verdict::Delivered = self.outbox.ended(key, attempt, None, now, 0.5) else { return };
        self.note_health();
        self.note_revival(key);
        self.bookmark.succeeded(now);
        self.bookmark.trouble_is(None);
        self.note_success();
        if let Some(logged_at) = logged_at {
            self.shared.metrics.delivered_after(now.duration_since(logged_at).as_secs_f64());
        }
    }

    async fn after_failure(
        &mut self,
        verdict: Verdict,
        consequence: Consequence,
        payload: &Arc<Payload>,
        attempts: u32,
        attempt: &Attempt,
    ) -> Result<Flow, CourierError> {
        match (verdict, consequence) {
            (Verdict::Disable, _) => {
                self.disable(payload, GONE).await?;
                Ok(Flow::Gone)
            }
            // Told first: the next failure is as hopeless.
            (Verdict::Dead, _) if !self.lane.is_live() => {
                self.bookmark.gave_up();
                Ok(Flow::GoOn)
            }
            (Verdict::Dead, _) => {
                let id = &self.subscription.id;
                self.bookmark.gave_up();
                self.shared.metrics.dead_letters.inc();
                warn!(subscription = %id, event = ?payload, attempts, outcome = ?attempt.outcome, "a delivery is given up");
                if notices::tells_of_its_end(payload) {
                    notices::exhausted(&self.shared, id, payload, attempts, attempt).await?;
                    return Ok(Flow::Told);
                }
                Ok(Flow::GoOn)
            }
            (_, Consequence::Hopeless) => {
                self.disable(payload, HOPELESS).await?;
                Ok(Flow::Gone)
            }
            (Verdict::Delivered | Verdict::Retry { .. }, Consequence::None | Consequence::Suspended) => Ok(Flow::GoOn),
        }
    }

    /// Lets the outbox and the metrics know whether the endpoint is suspended.
    pub(super) fn note_health(&mut self) {
        let suspended = self.health.is_suspended();
        if suspended == self.suspended {
            return;
        }
        self.suspended = suspended;
        self.outbox.suspend(suspended);
        if !self.lane.is_live() {
            debug!(subscription = %self.subscription.id, suspended, "the receiver of a replay");
        } else if suspended {
            warn!(subscription = %self.subscription.id, "the receiver is suspended: it is probed now and then");
            self.shared.metrics.suspended.inc();
        } else {
            info!(subscription = %self.subscription.id, "the receiver is back: deliveries go on, slowly at first");
            self.shared.metrics.suspended.dec();
        }
    }

    /// A receiver begins to fail with the first failure, and has recovered with the first success that leaves nothing
    /// put off: so one that fails now and then is told of once, not at each turn.
    fn note_failure(&mut self, attempt: &Attempt) {
        if !self.failing {
            self.failing = true;
            info!(subscription = %self.subscription.id, outcome = ?attempt.outcome, "the receiver begins to fail");
        }
    }

    fn note_success(&mut self) {
        if self.failing && self.outbox.records().next().is_none() {
            self.failing = false;
            info!(subscription = %self.subscription.id, "the receiver has recovered");
        }
    }
}
