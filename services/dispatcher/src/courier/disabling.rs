//! Disabling a subscription whose receiver is gone, or has not taken anything for too long.

use std::sync::Arc;

use event_model::{AccountName, EntityKind, Subscription, delivery::Payload, subscription::Status};
use event_store::Durability;
use jiff::Timestamp;
use tracing::{debug, warn};

use super::Courier;
use crate::{error::CourierError, notices};

/// Why a subscription is disabled, for people.
pub(super) const GONE: &str = "the receiver answered 410 Gone";
/// The same, of one that fails for too long ([`change_engine::delivery::Patience::disable_after`]).
pub(super) const HOPELESS: &str = "nothing was delivered for too long: each attempt failed";

impl Courier {
    /// Disables the subscription, if it still stands as this courier runs it: of several refusals in flight the first
    /// alone does it and tells of it, and one that was changed, paused or deleted meanwhile is not what was refused.
    pub(super) async fn disable(&mut self, refused: &Payload, reason: &str) -> Result<(), CourierError> {
        let id = self.subscription.id.clone();
        let stands = self.shared.subscriptions.get(id.as_str()).await?;
        if stands.as_ref() != Some(&*self.subscription) {
            debug!(subscription = %id, "a refusal of what no longer stands so is passed over");
            return Ok(());
        }
        if let Some(account) = self.account_to_tell(refused).await? {
            notices::disabled(&self.shared, &self.subscription, &account, reason).await?;
        }
        let (refused, why) = (Arc::clone(&self.subscription), reason.to_owned());
        let disable = move |known: Option<Subscription>| {
            let mut subscription = known?;
            if subscription == *refused {
                let at = Timestamp::now();
                subscription.status = Status::Disabled { reason: why.clone(), at };
                subscription.updated_at = at;
            }
            Some(subscription)
        };
        let stands = self.shared.subscriptions.update(id.as_str(), Durability::Durable, disable).await?;
        if stands.is_some_and(|subscription| matches!(subscription.status, Status::Disabled { .. })) {
            warn!(subscription = %id, reason, "the subscription is disabled");
        }
        Ok(())
    }

    /// The account whose log tells that the subscription was disabled: that of the refused event. A test has none;
    /// then one that the subscription asks for, or that of the last event. `None`: nobody is to be told.
    async fn account_to_tell(&mut self, refused: &Payload) -> Result<Option<AccountName>, CourierError> {
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
