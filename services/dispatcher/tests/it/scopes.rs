//! What the key of a subscription's owner may not see is not delivered, and nothing is once it has expired.

use std::time::Duration;

use event_model::{
    Data, EntityKind, EventDraft, EventType, KeyId, Owner, Replay, ReplayId, Revision, Sequence, Subject, Subscription,
    TimestampSource,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    receiver::{Receiver, Reply},
    replays::{done, put, replay},
    world::World,
};

fn owner(key: &str, reach: Value) -> Owner {
    serde_json::from_value(json!({ "key": key, "reach": reach })).expect("an owner")
}

/// The owner that may see reports of the policy P1 of acme, and what becomes of its subscriptions.
fn narrow() -> Owner {
    owner("key_1", json!({ "accounts": ["acme"], "policies": ["P1"], "events": ["report.*", "subscription.*"] }))
}

fn event(account: &str, kind: EntityKind, id: &str, event_type: EventType, object: Value) -> EventDraft {
    let now = Timestamp::now();
    EventDraft {
        event_type,
        timestamp: now,
        account: account.parse().expect("a name"),
        subject: Subject::new(kind, id),
        revision: Revision(1),
        actor: None,
        data: Data { object, ..Data::default() },
        detection: event_model::Detection {
            observed_at: now,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

/// Eight events, of which the narrow owner may see the first, the seventh and the last.
fn events(own: &Subscription, foreign: &Subscription) -> Vec<EventDraft> {
    use EntityKind::{Card, Policy, Report, Subscription as About};
    let of = |policy: &str| json!({ "policyID": policy });
    let about = |id: &str| event("acme", About, id, EventType::SubscriptionDisabled, json!({}));
    vec![
        event("acme", Report, "R1", EventType::ReportCreated, of("P1")),
        event("acme", Report, "R2", EventType::ReportCreated, of("P2")),
        event("beta", Report, "R3", EventType::ReportCreated, of("P1")),
        event("acme", Policy, "P1", EventType::PolicyChanged, of("P1")),
        event("acme", Card, "C1", EventType::CardAdded, json!({})),
        about(foreign.id.as_str()),
        about(own.id.as_str()),
        event("acme", Report, "R4", EventType::ReportCreated, of("P1")),
    ]
}

/// A subscription to everything, of the narrow owner, and one of somebody else to nothing of this.
fn pair(world: &World, receiver: &Receiver) -> (Subscription, Subscription) {
    let mut own = world.subscription("1", &receiver.url);
    own.filter.events = vec!["*".parse().expect("glob")];
    own.owner = Some(narrow());
    let mut foreign = world.subscription("2", &receiver.url);
    foreign.filter.events = vec!["card.removed".parse().expect("glob")];
    foreign.owner = Some(Owner { key: KeyId::from_unique("2").expect("an id"), ..narrow() });
    (own, foreign)
}

#[tokio::test]
async fn an_event_outside_of_the_owners_reach_is_not_delivered_from_memory_nor_from_the_disk() {
    for live in [true, false] {
        let receiver = Receiver::start(|_| Reply::Status(200)).await;
        let mut world = World::new();
        let (own, foreign) = pair(&world, &receiver);
        let drafts = events(&own, &foreign);
        let id = world.put(own).await;
        world.put(foreign).await;
        if live {
            world.start();
            world.store.append(drafts).await.expect("append");
        } else {
            world.store.append(drafts).await.expect("append");
            world.start();
        }
        receiver.wait_for(3).await;
        world.cursor_until(&id, 8).await;
        world.stop().await;
        assert_eq!(receiver.sequences(), [1, 7, 8], "live: {live}");
        assert!(world.records().await.is_empty(), "nothing else was put off either");
    }
}

#[tokio::test]
async fn a_replay_brings_nothing_that_is_outside_of_the_owners_reach() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let (own, foreign) = pair(&world, &receiver);
    let drafts = events(&own, &foreign);
    let start_after = Sequence(drafts.len() as u64);
    world.store.append(drafts).await.expect("append");
    let id = world.put(Subscription { start_after, ..own }).await;
    world.put(foreign).await;
    // One of the whole span, and one of events that were chosen without a look at the reach.
    let whole = replay(&id, 0, 8);
    let chosen = Some((1..=8).map(Sequence).collect());
    let picked = Replay { id: ReplayId::from_unique("2").expect("id"), chosen, ..whole.clone() };
    world.start();
    for replay in [whole, picked] {
        put(&world, &replay).await;
        assert_eq!(done(&world, &replay).await.delivered, 3);
        let mut came = receiver.sequences();
        came.sort_unstable();
        assert_eq!(came, [1, 7, 8]);
        receiver.forget();
    }
    world.stop().await;
    assert!(world.records().await.is_empty(), "nothing was put off or given up");
}

#[tokio::test]
async fn a_subscription_without_an_owner_and_one_of_an_administrator_get_everything() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let (own, foreign) = pair(&world, &receiver);
    let everything = json!({ "accounts": ["*"], "policies": ["*"], "events": ["*"] });
    for reach in [None, Some(owner("key_9", everything))] {
        let name = if reach.is_some() { "8" } else { "9" };
        let mut wide = world.subscription(name, &receiver.url);
        wide.filter.events = vec!["*".parse().expect("glob")];
        wide.owner = reach;
        world.put(wide).await;
    }
    world.start();
    world.store.append(events(&own, &foreign)).await.expect("append");
    receiver.wait_for(16).await;
    world.stop().await;
}

#[tokio::test]
async fn when_the_owners_key_expires_delivery_pauses_and_another_owner_takes_it_up_where_it_stood() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let mut lapsing = world.subscription("1", &receiver.url);
    let until = Timestamp::now() + SignedDuration::from_secs(3);
    let everything = json!({ "accounts": ["*"], "policies": ["*"], "events": ["*"] });
    lapsing.owner = Some(Owner { until: Some(until), ..owner("key_1", everything.clone()) });
    let id = world.put(lapsing.clone()).await;
    world.start();
    world.append(&["a"]).await;
    receiver.wait_for(1).await;
    // The time itself is what is waited for.
    tokio::time::sleep(Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default()).await;
    world.append(&["b"]).await;
    let idle = world.subscription("2", &receiver.url);
    let other = world.put(Subscription { start_after: Sequence(1), ..idle }).await;
    // The other one has been served: so has, or never will be, the first.
    receiver.wait_for(2).await;
    world.cursor_until(&other, 2).await;
    let to_first = |receiver: &Receiver| receiver.sequences().len();
    assert_eq!(to_first(&receiver), 2, "one each");
    world.put(Subscription { owner: Some(owner("key_2", everything)), ..lapsing }).await;
    receiver.wait_for(3).await;
    world.cursor_until(&id, 2).await;
    world.stop().await;
    let mut sequences = receiver.sequences();
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2, 2]);
}
