use event_model::{
    EventFilter, EventId, Sequence, SubscriptionId,
    delivery::{Payload, PendingState},
    subscription::{Format, Ordering, Status},
};

use super::*;
use crate::state::testing;

fn subscription() -> Subscription {
    Subscription {
        id: SubscriptionId::from_unique("a").expect("an id"),
        url: "https://a.example".parse().expect("a url"),
        filter: EventFilter::default(),
        format: Format::Standard,
        ordering: Ordering::Entity,
        rate_per_s: None,
        sealed_headers: std::collections::BTreeMap::new(),
        description: None,
        status: Status::Active,
        start_after: Sequence::START,
        sealed_secrets: vec!["old".to_owned()],
        retiring_secrets: Vec::new(),
        ed25519_keys: Vec::new(),
        challenge: false,
        owner: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn queued(subscription: &Subscription) -> Plan {
    let id: EventId = "evt_test1".parse().expect("an id");
    let delivery = PendingDelivery {
        subscription: subscription.id.clone(),
        payload: Payload::Test { id, body: "{}".to_owned() },
        state: PendingState::Waiting,
        attempts: 0,
        history: Vec::new(),
        since: Timestamp::UNIX_EPOCH,
    };
    let effect = Effect::Enqueue { key: format!("{}/test-evt_test1", subscription.id), delivery: Box::new(delivery) };
    Plan { effect, status: 202, location: None, body: "{}".to_owned() }
}

#[tokio::test]
async fn what_a_caller_began_and_left_is_finished_and_noted() {
    let (api, _directory) = testing::api();
    let subscription = subscription();
    api.subscriptions.put(subscription.id.as_str(), &subscription, Durability::Durable).await.expect("put");
    let keyed = Keyed { record: "k".to_owned(), request: "r".to_owned() };
    let mut changes = api.answers.changes();
    // Nothing is carried out while this is held.
    let held = api.changing.lock().await;
    {
        let mut request = Box::pin(once(&api, Some(keyed), async { Ok(queued(&subscription)) }));
        tokio::select! {
            biased;
            _ = &mut request => panic!("nothing was carried out yet"),
            changed = changes.changed() => changed.expect("the store is open"),
        }
        // What the store is asked after the plan is answered after it: then carrying out has begun.
        tokio::select! {
            biased;
            _ = &mut request => panic!("nothing was carried out yet"),
            deleted = api.answers.delete("other", Durability::Relaxed) => drop(deleted.expect("the store is open")),
        }
    }
    // The caller went away.
    assert!(api.claim("k").is_none(), "the key is claimed until all is done");
    drop(held);
    while !api.answers.get("k").await.expect("read").expect("kept").done {
        changes.changed().await.expect("the store is open");
    }
    assert_eq!(api.pending.list("").await.expect("read").len(), 1);
}

#[tokio::test]
async fn a_rotation_that_is_carried_out_twice_changes_once() {
    let (api, _directory) = testing::api();
    let subscription = subscription();
    let (id, at) = (subscription.id.clone(), Timestamp::now());
    api.subscriptions.put(id.as_str(), &subscription, Durability::Durable).await.expect("put");
    let overlap = SignedDuration::from_hours(1);
    let rotate = |sealed: &str| {
        let replacement = Replacement::Secret { sealed: sealed.to_owned() };
        Effect::Rotate { id: id.clone(), at, overlap, replacement }
    };
    for effect in [rotate("new"), rotate("new"), rotate("newer"), rotate("new")] {
        carry_out(&api, &effect).await.expect("carried out");
    }
    let stands = api.subscriptions.get(id.as_str()).await.expect("read").expect("stored");
    assert_eq!(stands.secrets_at(at).collect::<Vec<_>>(), ["newer", "new", "old"]);
    api.subscriptions.delete(id.as_str(), Durability::Durable).await.expect("deleted");
    assert!(matches!(carry_out(&api, &rotate("late")).await, Err(Refusal::NotFound { .. })));
    assert!(api.subscriptions.get(id.as_str()).await.expect("read").is_none(), "it brings nothing back");
}
