//! What follows from an attempt that has ended.

use std::sync::Arc;

use change_engine::delivery::{Key, Verdict};
use event_model::{
    AccountName, EntityKind, Subscription,
    delivery::{Attempt, Payload},
    subscription::Status,
};
use event_store::Durability;
use jiff::Timestamp;
use tokio::task::JoinError;
use tracing::{debug, info, warn};

use super::{Courier, Flow, Sent};
use crate::{error::CourierError, notices, sender::Answer};

/// Why a subscription is disabled, for people.
const GONE: &str = "the receiver answered 410 Gone";

impl Courier {
    /// Takes in `first` and whatever else has ended by now, so that all of it is stored at once; but nothing more once
    /// something was told that is to be stored first.
    pub(super) async fn all_ended(&mut self, first: Result<Sent, JoinError>) -> Result<Flow, CourierError> {
        let mut next = Some(first);
        while let Some(sent) = next {
            // A panic of an attempt is one of the courier: the supervisor logs it and starts anew.
            let sent = sent.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
            match self.ended(sent).await? {
                Flow::GoOn => {}
                flow @ (Flow::Told | Flow::Gone) => return Ok(flow),
            }
            next = self.sends.try_join_next();
        }
        Ok(Flow::GoOn)
    }

    pub(super) async fn ended(&mut self, sent: Sent) -> Result<Flow, CourierError> {
        let subscription = Arc::clone(&self.subscription);
        let id = &subscription.id;
        let secret = |source| CourierError::Secret { subscription: id.clone(), source };
        let Answer { attempt, retry_after } = sent.answer.map_err(secret)?;
        let (now, key, payload) = (Timestamp::now(), &sent.start.key, &sent.start.payload);
        self.shared.metrics.attempted(&attempt);
        let attempts = self.outbox.attempts(key) + 1;
        let verdict = self.outbox.ended(key, attempt.clone(), retry_after, now, rand::random());
        if let Key::Event(sequence) = key {
            self.held.remove(sequence);
        }
        if verdict == Verdict::Delivered {
            self.bookmark.succeeded(now);
            self.note_success();
            if let Some(logged_at) = sent.logged_at {
                self.shared.metrics.delivered_after(now.duration_since(logged_at).as_secs_f64());
            }
            return Ok(Flow::GoOn);
        }
        debug!(subscription = %id, delivery = ?key, attempts, outcome = ?attempt.outcome, ?verdict, "an attempt failed");
        self.bookmark.failed(attempt.clone());
        self.note_failure(&attempt);
        match verdict {
            Verdict::Delivered | Verdict::Retry { .. } => {}
            Verdict::Dead => {
                self.shared.metrics.dead_letters.inc();
                warn!(subscription = %id, delivery = ?key, attempts, outcome = ?attempt.outcome, "a delivery is given up");
                if notices::tells_of_its_end(payload) {
                    notices::exhausted(&self.shared, id, payload, attempts, &attempt).await?;
                    return Ok(Flow::Told);
                }
            }
            Verdict::Disable => {
                self.disable(payload).await?;
                return Ok(Flow::Gone);
            }
        }
        Ok(Flow::GoOn)
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

    /// Disables the subscription, if it still stands as this courier runs it: of several refusals in flight the first
    /// alone does it and tells of it, and one that was changed, paused or deleted meanwhile is not what was refused.
    async fn disable(&self, refused: &Payload) -> Result<(), CourierError> {
        let id = &self.subscription.id;
        let stands = self.shared.subscriptions.get(id.as_str()).await?;
        if stands.as_ref() != Some(&*self.subscription) {
            debug!(subscription = %id, "a refusal of what no longer stands so is passed over");
            return Ok(());
        }
        if let Some(account) = self.account_to_tell(refused).await? {
            notices::disabled(&self.shared, &self.subscription, &account, GONE).await?;
        }
        let refused = Arc::clone(&self.subscription);
        let disable = move |known: Option<Subscription>| {
            let mut subscription = known?;
            if subscription == *refused {
                let at = Timestamp::now();
                subscription.status = Status::Disabled { reason: GONE.to_owned(), at };
                subscription.updated_at = at;
            }
            Some(subscription)
        };
        let stands = self.shared.subscriptions.update(id.as_str(), Durability::Durable, disable).await?;
        if stands.is_some_and(|subscription| matches!(subscription.status, Status::Disabled { .. })) {
            warn!(subscription = %id, reason = GONE, "the subscription is disabled");
        }
        Ok(())
    }

    /// The account whose log tells that the subscription was disabled: that of the refused event. A test has none;
    /// then one that the subscription asks for, or that of the last event. `None`: nobody is to be told.
    async fn account_to_tell(&self, refused: &Payload) -> Result<Option<AccountName>, CourierError> {
        match refused {
            Payload::Event { event_type, .. } if event_type.kind() == EntityKind::Subscription => Ok(None),
            Payload::Event { account, .. } => Ok(account.parse().ok()),
            Payload::Test { .. } => match self.subscription.filter.accounts.first() {
                Some(account) => Ok(Some(account.clone())),
                None => {
                    let last = self.shared.store.event(self.shared.store.last_sequence()).await?;
                    Ok(last.map(|event| event.head.account.clone()))
                }
            },
        }
    }
}
