//! Order, and what a stop or a kill repeats.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use event_model::{Subscription, subscription::Ordering};

use crate::{
    receiver::{Receiver, Reply},
    world::{World, is_due, is_waiting},
};

/// 60 events of 6 entities, interleaved.
async fn sixty(world: &mut World) -> Vec<String> {
    let ids: Vec<String> = (0..60).map(|n| format!("R{}", n % 6)).collect();
    let events = world.append(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    events.iter().map(|event| event.id.to_string()).collect()
}

#[tokio::test]
async fn events_of_an_entity_come_in_order_and_one_at_a_time_though_some_fail() {
    let receiver = Receiver::start(|one| match (one.sequence() % 7, one.times) {
        (0, 1 | 2) => Reply::Status(500),
        (3, 1) => Reply::Slow(Duration::from_millis(30), 500),
        _ => Reply::Slow(Duration::from_millis(3), 204),
    })
    .await;
    let mut world = World::new();
    sixty(&mut world).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.cursor_until(&id, 60).await;
    world.pending_until(<[_]>::is_empty).await;

    let first = receiver.first_by_subject();
    assert_eq!(first.values().map(Vec::len).sum::<usize>(), 60, "nothing is lost");
    assert!(first.values().all(|sequences| sequences.is_sorted()), "{first:?}");
    assert!(!receiver.overlapped(), "two of one entity were in flight");
    world.stop().await;
}

#[tokio::test]
async fn a_parked_entity_stops_only_itself() {
    let receiver = Receiver::start(|one| Reply::Status(if one.subject() == "report/R0" { 500 } else { 200 })).await;
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::default();
    sixty(&mut world).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.cursor_until(&id, 60).await;
    let pending = world.pending_until(|pending| pending.len() == 10).await;
    assert_eq!(pending.iter().filter(|record| is_due(record)).count(), 1, "one failed");
    assert_eq!(pending.iter().filter(|record| is_waiting(record)).count(), 9, "the rest of its entity waits");
    assert_eq!(receiver.received().len(), 51);
    world.stop().await;
}

#[tokio::test]
async fn strict_order_holds_all_behind_a_failure() {
    let receiver =
        Receiver::start(|one| Reply::Status(if one.sequence() == 2 && one.times < 4 { 500 } else { 200 })).await;
    let mut world = World::new();
    let strict = Subscription { ordering: Ordering::Strict, ..world.subscription("1", &receiver.url) };
    world.append(&["a", "b", "c", "d"]).await;
    let id = world.put(strict).await;
    world.start();
    world.cursor_until(&id, 4).await;
    assert_eq!(receiver.sequences(), [1, 2, 2, 2, 2, 3, 4]);
    world.stop().await;
}

#[tokio::test]
async fn without_order_a_failure_holds_nothing() {
    let receiver = Receiver::start(|one| Reply::Status(if one.sequence() == 1 { 500 } else { 200 })).await;
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::default();
    let loose = Subscription { ordering: Ordering::None, ..world.subscription("1", &receiver.url) };
    world.append(&["a", "a", "a"]).await;
    let id = world.put(loose).await;
    world.start();
    world.cursor_until(&id, 3).await;
    assert_eq!(receiver.sequences().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3]));
    world.stop().await;
}

#[tokio::test]
async fn killed_again_and_again_nothing_is_lost_and_only_equal_ids_repeat() {
    let receiver = Receiver::start(|one| match (one.sequence() % 5, one.times) {
        (0, 1) => Reply::Status(500),
        _ => Reply::Slow(Duration::from_millis(5), 200),
    })
    .await;
    let mut world = World::new();
    let ids = sixty(&mut world).await;
    let id = world.subscribe(&receiver.url).await;
    for round in 1..=8 {
        world.start();
        receiver.wait_for(receiver.received().len() + round).await;
        world.kill().await;
    }
    world.start();
    world.cursor_until(&id, 60).await;
    world.pending_until(<[_]>::is_empty).await;
    world.stop().await;

    let mut bodies = BTreeMap::new();
    for one in receiver.received() {
        assert_eq!(one.event().id.to_string(), one.id, "the id of the header is that of the event");
        assert_eq!(*bodies.entry(one.id).or_insert(one.body.clone()), one.body, "the same id carries the same bytes");
    }
    assert_eq!(bodies.into_keys().collect::<BTreeSet<_>>(), ids.into_iter().collect(), "nothing lost, nothing else");
    let first = receiver.first_by_subject();
    assert!(first.values().all(|sequences| sequences.is_sorted()), "{first:?}");
}

#[tokio::test]
async fn an_orderly_stop_repeats_nothing() {
    let receiver = Receiver::start(|_| Reply::Slow(Duration::from_millis(20), 200)).await;
    let mut world = World::new();
    sixty(&mut world).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    receiver.wait_for(10).await;
    world.stop().await;
    world.start();
    world.cursor_until(&id, 60).await;
    world.stop().await;
    assert_eq!(receiver.received().len(), 60);
}
