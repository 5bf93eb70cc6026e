//! Endpoints that fail as a whole: held, suspended, probed, given up; and what that does to others.

use std::{collections::BTreeSet, time::Duration};

use dispatcher::{Patience, Schedule};
use event_model::{
    EventType, Sequence, SubscriptionId,
    delivery::{Payload, PendingDelivery, PendingState},
    subscription::{Ordering, Status},
};
use event_store::Durability;
use jiff::Timestamp;

use crate::{
    receiver::{Receiver, Reply},
    world::{World, is_dead},
};

const PROBE: Duration = Duration::from_millis(100);

fn impatient() -> Patience {
    Patience { suspend_after: 4, first_probe: PROBE, max_probe: PROBE, ..Patience::default() }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("r{n}")).collect()
}

async fn append(world: &mut World, count: usize) {
    let names = names(count);
    world.append(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_probed_by_its_oldest_event_and_then_gets_everything() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    (world.config.patience, world.config.schedule) = (impatient(), Schedule::default());
    append(&mut world, 100).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    receiver.wait_for(8).await;
    let rows = world.pending().await.len();
    let came = receiver.wait_for(16).await;
    let probes: BTreeSet<&str> = came[8..].iter().map(|one| one.id.as_str()).collect();
    assert_eq!(probes, BTreeSet::from([came[0].id.as_str()]), "the oldest alone");
    assert!(came[9].came_at - came[8].came_at >= PROBE.mul_f64(0.8));
    assert_eq!(world.pending().await.len(), rows, "nothing is written per event");
    assert!(rows < 20, "{rows}");
    assert!(world.metrics().contains("expensewire_subscriptions_suspended 1"));
    world.kill().await;
    world.start();

    receiver.answer(|_| Reply::Status(200));
    world.append(&["late"]).await;
    world.cursor_until(&id, 101).await;
    world.pending_until(<[_]>::is_empty).await;
    assert!(world.metrics().contains("expensewire_subscriptions_suspended 0"));
    let delivered: BTreeSet<u64> = receiver.sequences().into_iter().collect();
    assert_eq!(delivered, (1..=101).collect(), "nothing was dropped");
    world.stop().await;
}

#[tokio::test]
async fn a_test_goes_to_a_suspended_endpoint_at_once_and_its_success_ends_the_suspension() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    (world.config.patience, world.config.schedule) = (impatient(), Schedule::default());
    // Its next probe is far beyond this test.
    world.config.patience.first_probe = Duration::from_secs(3_600);
    world.config.patience.max_probe = Duration::from_secs(3_600);
    append(&mut world, 20).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let suspended = || world.metrics().contains("expensewire_subscriptions_suspended 1");
    receiver.wait_for(4).await;
    world.pending_until(|_| suspended()).await;
    let before = receiver.received().len();
    // It still fails: the test alone was sent, once.
    world.ask_for_test(&id, "evt_test1").await;
    let came = receiver.wait_for(before + 1).await;
    assert_eq!(came[before].id, "evt_test1");
    world.pending_until(|pending| pending.iter().any(|one| is_test(one) && !one.history.is_empty())).await;
    assert_eq!(receiver.received().len(), before + 1);
    assert!(suspended());

    receiver.answer(|_| Reply::Status(200));
    world.ask_for_test(&id, "evt_test2").await;
    world.cursor_until(&id, 20).await;
    world.pending_until(<[_]>::is_empty).await;
    assert_eq!(receiver.received()[before + 1].id, "evt_test2");
    world.stop().await;
}

fn is_test(record: &PendingDelivery) -> bool {
    matches!(record.payload, Payload::Test { .. })
}

#[tokio::test]
async fn an_endpoint_without_a_success_for_too_long_is_disabled_and_its_cursor_stands() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    world.config.patience = Patience { disable_after: Duration::from_millis(400), ..impatient() };
    append(&mut world, 50).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let status = world.status_until(&id, "disabled").await;
    assert!(matches!(status, Status::Disabled { reason, .. } if reason.contains("too long")));
    let event = world.event_until(EventType::SubscriptionDisabled).await;
    assert_eq!(event.subject.to_string(), format!("subscription/{id}"));
    world.stop().await;
    assert!(world.pending().await.iter().all(|record| !is_dead(record)), "an outage makes no dead letters");

    receiver.answer(|_| Reply::Status(200));
    world.start();
    world.set_status(&id, Status::Active).await;
    let last = world.store.last_sequence().0;
    world.cursor_until(&id, last).await;
    world.pending_until(<[_]>::is_empty).await;
    let delivered: BTreeSet<u64> = receiver.sequences().into_iter().collect();
    assert!(delivered.is_superset(&(1..=50).collect()), "it resumes where it stood");
    world.stop().await;
}

#[tokio::test]
async fn an_overloaded_endpoint_gets_nothing_at_all_until_it_said() {
    let receiver = Receiver::start(|one| match one.sequence() {
        1 if one.times == 1 => Reply::Later("1".to_owned()),
        _ => Reply::Status(200),
    })
    .await;
    let mut world = World::new();
    append(&mut world, 5).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let came = receiver.wait_for(6).await;
    assert!(came[1].came_at - came[0].came_at >= Duration::from_millis(900), "{came:?}");
    world.cursor_until(&id, 5).await;
    world.stop().await;
}

#[tokio::test]
async fn endpoints_that_hang_delay_nobody_else() {
    let (dead, well) = (Receiver::start(|_| Reply::Hang).await, Receiver::start(|_| Reply::Status(200)).await);
    let mut world = World::new();
    world.config.max_connections = 16;
    world.config.timeout = Duration::from_secs(20);
    for n in 0..11 {
        world.put(world.subscription(&format!("dead{n}"), &dead.url)).await;
    }
    world.put(world.subscription("well", &well.url)).await;
    world.start();
    append(&mut world, 100).await;
    dead.wait_for(11).await;
    well.wait_for(100).await;
    assert!(dead.received().len() <= 11, "one at a time to an endpoint of which nothing is known");
    world.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_sent_again_when_a_person_asks_and_what_failed_stays_to_be_seen() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    world.config.schedule = Schedule::of(vec![Duration::from_millis(10)]);
    world.append(&["a"]).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.pending_until(|pending| pending.iter().any(is_dead)).await;
    receiver.answer(|_| Reply::Status(200));
    let key = format!("{id}/{:020}", 1);
    let ask = |record: Option<event_model::delivery::PendingDelivery>| {
        record.map(|mut record| {
            (record.state, record.attempts) = (PendingState::Due { at: Timestamp::now() }, 0);
            record
        })
    };
    world.pending_table().update(&key, Durability::Durable, ask).await.expect("update");
    world.ask(&id).await;
    receiver.wait_for(3).await;
    world.pending_until(<[_]>::is_empty).await;
    let kept = world.records().await;
    assert_eq!((kept.len(), kept[0].history.len()), (1, 3), "two failures and the success: {kept:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_kill_repeats_no_more_than_what_was_in_flight_and_one_cursor_interval() {
    const EVENTS: usize = 1_200;
    const MOST: usize = 32 + 256;
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    append(&mut world, EVENTS).await;
    let mut subscription = world.subscription("1", &receiver.url);
    subscription.ordering = Ordering::None;
    let id: SubscriptionId = world.put(subscription).await;
    let mut before = 0;
    for killed_at in [100, 300, 500] {
        world.start();
        receiver.wait_for(before + killed_at).await;
        world.kill().await;
        before = receiver.received().len();
        let distinct = receiver.sequences().into_iter().collect::<BTreeSet<_>>().len();
        assert!(before - distinct <= 3 * MOST);
    }
    world.start();
    world.cursor_until(&id, EVENTS as u64).await;
    world.stop().await;
    let times = receiver.sequences().len();
    assert!(times <= EVENTS + 3 * MOST, "{times} deliveries of {EVENTS}");
    assert_eq!(receiver.sequences().into_iter().max(), Some(Sequence(EVENTS as u64).0));
}
