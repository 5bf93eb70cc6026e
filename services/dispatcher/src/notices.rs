//! Events about deliveries themselves: that one was given up, that a subscription was disabled.
//!
//! They are appended *before* what they tell of is stored: a kill in between repeats the event (as a new revision, the
//! attempt being made again) rather than losing it.

use event_model::{
    AccountName, Data, Detection, EntityKind, EventDraft, EventType, Revision, Subject, SubscriptionId,
    delivery::{Attempt, Payload},
};
use event_store::{EventStore, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How often an append is tried anew because somebody else appended to the same subscription: nobody does.
const MAX_TRIES: usize = 8;

/// Whether giving up on `payload` is itself an event. Not for tests, and not for events about subscriptions: a dead
/// receiver of those would beget them without end.
pub(crate) fn tells_of_its_end(payload: &Payload) -> bool {
    match payload {
        Payload::Event { event_type, .. } => event_type.kind() != EntityKind::Subscription,
        Payload::Test { .. } => false,
    }
}

/// Appends `subscription.exhausted`: `payload` was given up after `attempts` attempts, the last of which is `last`.
pub(crate) async fn exhausted(
    store: &EventStore,
    subscription: &SubscriptionId,
    payload: &Payload,
    attempts: u32,
    last: &Attempt,
) -> Result<(), StoreError> {
    let Payload::Event { sequence, id, event_type, subject, account } = payload else { return Ok(()) };
    let object = json!({
        "subscriptionID": subscription,
        "event": { "id": id, "type": event_type, "sequence": sequence, "subject": subject },
        "attempts": attempts,
        "outcome": last.outcome.as_str(),
    });
    let Ok(account) = account.parse() else { return Ok(()) };
    append(store, &account, subscription, EventType::SubscriptionExhausted, object, Timestamp::now()).await
}

/// Appends `subscription.disabled` under `account`.
pub(crate) async fn disabled(
    store: &EventStore,
    subscription: &SubscriptionId,
    account: &AccountName,
    reason: &str,
) -> Result<(), StoreError> {
    let object = json!({ "subscriptionID": subscription, "status": "disabled", "reason": reason });
    append(store, account, subscription, EventType::SubscriptionDisabled, object, Timestamp::now()).await
}

async fn append(
    store: &EventStore,
    account: &AccountName,
    subscription: &SubscriptionId,
    event_type: EventType,
    object: Value,
    at: Timestamp,
) -> Result<(), StoreError> {
    let subject = Subject::new(EntityKind::Subscription, subscription.as_str());
    let mut tries = 1;
    loop {
        let known = store.entity(account, &subject).await?;
        let draft = EventDraft {
            event_type,
            timestamp: at,
            account: account.clone(),
            subject: subject.clone(),
            revision: known.map_or(Revision(0), |state| state.revision).next(),
            data: Data { object: object.clone(), ..Data::default() },
            detection: Detection { observed_at: at, not_before: None, inferred: false },
        };
        match store.append(vec![draft]).await {
            Err(StoreError::RevisionConflict { .. }) if tries < MAX_TRIES => tries += 1,
            other => return other.map(drop),
        }
    }
}
