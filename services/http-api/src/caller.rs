//! Who makes a request, and what that lets them see.
//!
//! Whether the route may be used at all is decided before the handler runs ([`crate::auth`]). What a handler shows or touches
//! it gets through here: somebody else's subscription is not there (404), whoever it belongs to, and an event outside the
//! caller's reach neither.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use event_model::{AccountName, EventHead, Grant, KeyId, Owner, Reach, Subscription, SubscriptionId};
use event_store::{StoreError, Table};
use http::request::Parts;
use jiff::Timestamp;

use crate::{edge, keys::StoredKey, params::cut, problem::Refusal, state::Api};

/// Who makes a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The hash under which the key is kept.
    record: String,
    key: Arc<StoredKey>,
}

impl Caller {
    pub fn new(record: String, key: StoredKey) -> Self {
        Self { record, key: Arc::new(key) }
    }

    pub fn key(&self) -> &StoredKey {
        &self.key
    }

    pub fn key_id(&self) -> &KeyId {
        &self.key.id
    }

    pub fn reach(&self) -> &Reach {
        &self.key.grant.reach
    }

    /// Whether everything is allowed, the things of others among it.
    pub fn is_admin(&self) -> bool {
        Grant::is_everything(&self.key.grant)
    }

    /// What a subscription of the caller's is marked with.
    pub fn owner(&self) -> Owner {
        Owner { key: self.key.id.clone(), reach: self.reach().clone(), until: self.key.expires_at }
    }

    /// Whether the caller may see and touch `subscription`.
    pub fn owns(&self, subscription: &Subscription) -> bool {
        self.is_admin() || subscription.owner.as_ref().is_some_and(|owner| owner.key == self.key.id)
    }

    /// The subscription `id`, if it is the caller's; what belongs to others is not told from what is not there.
    pub async fn subscription(&self, api: &Api, id: &str) -> Result<Subscription, Refusal> {
        let missing = || Refusal::NotFound { what: "subscription", id: cut(id) };
        let id: SubscriptionId = id.parse().map_err(|_| missing())?;
        let found = api.subscriptions.get(id.as_str()).await?.filter(|found| self.owns(found));
        found.ok_or_else(missing)
    }

    /// The configured accounts that the caller may know of.
    pub fn accounts(&self, api: &Api) -> Vec<AccountName> {
        let mut accounts = api.account_names();
        accounts.retain(|account| self.reach().accounts.permits(account));
        accounts
    }

    /// The caller's view of the log.
    pub fn sight(&self, api: &Api) -> Sight {
        Sight { key: Arc::clone(&self.key), subscriptions: api.subscriptions.clone() }
    }

    /// Whether the key still opens anything: for answers that take long. A key that cannot be looked up does not.
    pub async fn stands(&self, api: &Api) -> bool {
        if self.key.has_expired(Timestamp::now()) {
            return false;
        }
        let found = api.keys.get(&self.record).await;
        found
            .inspect_err(|error| tracing::error!(failure = %edge::chain(error), "cannot look up a key"))
            .ok()
            .flatten()
            .is_some()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or(Refusal::NoKey)
    }
}

/// What a caller may see of the log.
#[derive(Clone)]
pub(crate) struct Sight {
    key: Arc<StoredKey>,
    subscriptions: Table<Subscription>,
}

impl Sight {
    /// Whether nothing is hidden.
    pub fn is_everything(&self) -> bool {
        self.key.grant.reach.is_everything()
    }

    /// Whether the event with this head may be seen.
    pub async fn shows(&self, head: &EventHead) -> Result<bool, StoreError> {
        let reach = &self.key.grant.reach;
        if self.is_everything() || !Reach::turns_on_owner(head.event_type) {
            return Ok(reach.permits(head, false));
        }
        let about = self.subscriptions.get(&head.subject.id).await?.and_then(|subscription| subscription.owner);
        Ok(reach.permits(head, about.is_some_and(|owner| owner.key == self.key.id)))
    }
}

#[cfg(test)]
impl Sight {
    /// The view of somebody from whom nothing is hidden.
    pub fn of_everything(store: &event_store::EventStore) -> Self {
        let key = StoredKey::admin(crate::keys::Origin::Configured).expect("a key");
        Self { key: Arc::new(key), subscriptions: store.table(event_store::TableName::Subscriptions) }
    }
}
