//! Where the subscriptions stand in the log, for whoever wants to cut its beginning.
//!
//! A subscription needs what follows its cursor, and before it the events whose deliveries are put off: those are sent from
//! the log. What it gave up is a dead letter and holds nothing back. A subscription that is active or paused is **live**: its
//! cursor is a promise. One that was disabled is not, or a receiver that is gone would hold the log for ever; it is told.

use std::collections::HashMap;

use event_model::{
    AccountName, EntityKind, Event, EventType, Replay, Sequence, Subject, Subscription, SubscriptionId,
    catalogue::SubscriptionHistoryCut,
    delivery::{Payload, PendingDelivery, Progress},
    replay::ReplayState,
    subscription::Status,
};
use event_store::{EventStore, StoreError, TableName};
use serde_json::json;

use crate::notices;

/// Where one subscription stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// The subscription.
    pub subscription: Subscription,
    /// Everything up to here is delivered, not wanted, or put off.
    pub cursor: Sequence,
    /// Everything after this is still needed.
    pub needs_after: Sequence,
}

impl Place {
    /// Whether its cursor is a promise.
    pub fn is_live(&self) -> bool {
        matches!(self.subscription.status, Status::Active | Status::Paused)
    }
}

/// Where each subscription of `store` stands, as it is written down: none is behind that.
///
/// # Errors
/// When the tables cannot be read.
pub async fn places(store: &EventStore) -> Result<Vec<Place>, StoreError> {
    // The progress before the records: whatever the cursor that is read has passed is in a record by then, or done.
    let progress: HashMap<_, _> = store.table::<Progress>(TableName::Progress).list("").await?.into_iter().collect();
    let replays = store.table::<Replay>(TableName::Replays).list("").await?;
    let replayed = oldest_replayed(replays.into_iter().map(|(_, replay)| replay), &progress);
    let oldest = oldest_put_off(store.table::<PendingDelivery>(TableName::Pending).list("").await?);
    let subscriptions = store.table::<Subscription>(TableName::Subscriptions).list("").await?;
    let place = |(id, subscription): (String, Subscription)| {
        let cursor = progress.get(&id).map_or(subscription.start_after, |progress| progress.cursor);
        let before = oldest.get(&subscription.id).map(|sequence| Sequence(sequence.0.saturating_sub(1)));
        let needs = [Some(cursor), before, replayed.get(&subscription.id).copied()];
        Place { needs_after: needs.into_iter().flatten().min().unwrap_or(cursor), cursor, subscription }
    };
    Ok(subscriptions.into_iter().map(place).collect())
}

/// Where the replays stand that go on.
fn oldest_replayed(
    replays: impl Iterator<Item = Replay>,
    progress: &HashMap<String, Progress>,
) -> HashMap<SubscriptionId, Sequence> {
    let mut oldest = HashMap::new();
    for replay in replays.filter(|replay| replay.state == ReplayState::Running) {
        let cursor = progress.get(replay.id.as_str()).map_or(replay.after, |progress| progress.cursor);
        let known = oldest.entry(replay.subscription).or_insert(cursor);
        *known = (*known).min(cursor);
    }
    oldest
}

fn oldest_put_off(pending: Vec<(String, PendingDelivery)>) -> HashMap<SubscriptionId, Sequence> {
    let mut oldest = HashMap::new();
    for (_, record) in pending.into_iter().filter(|(_, record)| record.state.is_open()) {
        if let Payload::Event { sequence, .. } = &record.payload {
            let known = oldest.entry(record.subscription).or_insert(*sequence);
            *known = (*known).min(*sequence);
        }
    }
    oldest
}

/// The position that no live subscription needs anything before; none when there is no live subscription.
pub fn slowest_live(places: &[Place]) -> Option<Sequence> {
    places.iter().filter(|place| place.is_live()).map(|place| place.needs_after).min()
}

/// Appends `subscription.history_cut` under `account`, unless that is the last that was told about the subscription.
///
/// # Errors
/// When the store fails.
pub async fn tell_history_cut(
    store: &EventStore,
    place: &Place,
    account: &AccountName,
    horizon: Sequence,
) -> Result<bool, StoreError> {
    let subscription = &place.subscription;
    let object = SubscriptionHistoryCut {
        subscription_id: subscription.id.clone(),
        status: subscription.status.as_str().to_owned(),
        cursor: place.needs_after,
        horizon,
    };
    let subject = Subject::new(EntityKind::Subscription, subscription.id.as_str());
    let told = |last: &Event| last.data.object["horizon"] == json!(horizon);
    notices::append(store, account, &subject, EventType::SubscriptionHistoryCut, json!(object), told).await
}
