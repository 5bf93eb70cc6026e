//! Events about deliveries themselves: that one was given up, that a subscription was disabled.
//!
//! They are appended *before* what they tell of is stored, so that a kill in between loses none. It does not repeat one
//! either: the courier stores what it told of before it tells anything else, so what it may find told and not stored is
//! the last event about its subscription.

use event_model::{
    AccountName, Data, Detection, EntityKind, Event, EventDraft, EventType, Revision, Sequence, Subject, Subscription,
    SubscriptionId, TimestampSource,
    catalogue::{GivenUp, SubscriptionDisabled, SubscriptionExhausted},
    delivery::{Attempt, Payload},
};
use event_store::{EventStore, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::shared::Shared;

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
    shared: &Shared,
    subscription: &SubscriptionId,
    payload: &Payload,
    attempts: u32,
    last: &Attempt,
) -> Result<(), StoreError> {
    let Payload::Event { sequence, id, event_type, subject, account } = payload else { return Ok(()) };
    let (Ok(account), Ok(about)) = (account.parse(), subject.parse()) else { return Ok(()) };
    let object = SubscriptionExhausted {
        subscription_id: subscription.clone(),
        event: GivenUp { id: id.clone(), event_type: *event_type, sequence: *sequence, subject: about },
        attempts,
        outcome: last.outcome.as_str().to_owned(),
    };
    let told = |last: &Event| last.data.object["event"]["id"] == id.as_str();
    counted(shared, &account, subscription, EventType::SubscriptionExhausted, json!(object), told).await
}

/// Appends `subscription.disabled` under `account`.
pub(crate) async fn disabled(
    shared: &Shared,
    subscription: &Subscription,
    account: &AccountName,
    reason: &str,
) -> Result<(), StoreError> {
    let object = SubscriptionDisabled {
        subscription_id: subscription.id.clone(),
        status: "disabled".to_owned(),
        reason: reason.to_owned(),
    };
    // Resuming is a change: what was told before it was about an earlier disabling.
    let told = |last: &Event| last.detection.observed_at > subscription.updated_at;
    counted(shared, account, &subscription.id, EventType::SubscriptionDisabled, json!(object), told).await
}

/// Appends an event about `subscription` as [`append`] does, and counts it.
async fn counted(
    shared: &Shared,
    account: &AccountName,
    subscription: &SubscriptionId,
    event_type: EventType,
    object: Value,
    told: impl Fn(&Event) -> bool,
) -> Result<(), StoreError> {
    let subject = Subject::new(EntityKind::Subscription, subscription.as_str());
    if append(&shared.store, account, &subject, event_type, object, told).await? {
        shared.metrics.appended(account, event_type);
    }
    Ok(())
}

/// Appends an event, unless the last one about the subscription has its type and `told` says that it is the same; whether
/// it did.
pub(crate) async fn append(
    store: &EventStore,
    account: &AccountName,
    subject: &Subject,
    event_type: EventType,
    object: Value,
    told: impl Fn(&Event) -> bool,
) -> Result<bool, StoreError> {
    let (at, mut tries) = (Timestamp::now(), 1);
    loop {
        let known = store.entity(account, subject).await?;
        if let Some(state) = &known
            && let Some(last) = last_event(store, state.sequence).await?
            && last.event_type == event_type
            && told(&last)
        {
            return Ok(false);
        }
        let draft = EventDraft {
            event_type,
            timestamp: at,
            account: account.clone(),
            subject: subject.clone(),
            revision: known.map_or(Revision(0), |state| state.revision).next(),
            actor: None,
            data: Data { object: object.clone(), ..Data::default() },
            detection: Detection {
                observed_at: at,
                not_before: None,
                inferred: false,
                timestamp_source: TimestampSource::Observation,
            },
        };
        match store.append(vec![draft]).await {
            Ok(_) => return Ok(true),
            Err(StoreError::RevisionConflict { .. }) if tries < MAX_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The event at `sequence`, read whole; one that cannot be read so tells nothing.
async fn last_event(store: &EventStore, sequence: Sequence) -> Result<Option<Event>, StoreError> {
    let stored = store.event(sequence).await?;
    Ok(stored.and_then(|stored| serde_json::from_slice(&stored.body).ok()))
}
