//! Subscriptions come, change, pause and go; what a delivery looks like; metrics; the stop.

use std::time::{Duration, Instant};

use event_model::{Sequence, Subscription, subscription::Status};
use standardwebhooks::Webhook;

use crate::{
    receiver::{Received, Receiver, Reply},
    world::{OLD_SECRET, SECRET, World},
};

#[tokio::test]
async fn a_delivery_carries_the_logs_bytes_and_the_official_library_accepts_it_under_each_secret() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let own = [("X-Token", "t1"), ("webhook-id", "evil"), ("User-Agent", "evil")];
    world.put(world.with_headers(world.subscription("1", &receiver.url), &own)).await;
    world.append(&["a"]).await;
    world.start();
    let came = receiver.wait_for(1).await;
    let stored = world.store.event(Sequence(1)).await.expect("read").expect("event");
    assert_eq!(came[0].body, stored.body);
    for secret in [SECRET, OLD_SECRET] {
        Webhook::new(secret).expect("secret").verify(&came[0].body, &came[0].headers).expect("it verifies");
    }
    let other = Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("secret");
    assert!(other.verify(&came[0].body, &came[0].headers).is_err());
    assert_eq!(came[0].header("content-type"), "application/json");
    assert_eq!(came[0].header("user-agent"), format!("expensewire/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(came[0].header("x-token"), "t1");
    world.stop().await;
}

#[tokio::test]
async fn only_wanted_events_after_the_start_are_delivered() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    world.append(&["before"]).await;
    let mut later = world.subscription("1", &receiver.url);
    later.start_after = Sequence(1);
    let mut other = world.subscription("2", &receiver.url);
    other.filter.events = vec!["policy.*".parse().expect("glob")];
    world.put(later).await;
    let other = world.put(other).await;
    world.start();
    world.append(&["after"]).await;
    receiver.wait_for(1).await;
    world.stop().await;
    world.cursor_until(&other, 2).await;
    assert_eq!(receiver.sequences(), [2], "nobody wanted the rest");
}

#[tokio::test]
async fn a_paused_subscription_rests_and_goes_on_where_it_stood() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.append(&["a"]).await;
    world.cursor_until(&id, 1).await;
    world.set_status(&id, Status::Paused).await;
    // A second subscription is taken up after the first was stopped: when it delivers, the pause holds.
    let witness = Receiver::start(|_| Reply::Status(200)).await;
    world.put(world.subscription("2", &witness.url)).await;
    witness.wait_for(1).await;
    world.append(&["b", "c"]).await;
    witness.wait_for(3).await;
    assert_eq!(receiver.received().len(), 1);
    assert!(world.metrics().contains(r#"expensewire_subscriptions{status="paused"} 1"#));
    world.set_status(&id, Status::Active).await;
    world.cursor_until(&id, 3).await;
    assert_eq!(receiver.sequences(), [1, 2, 3]);
    world.stop().await;
}

#[tokio::test]
async fn a_changed_url_takes_effect_and_a_deleted_subscription_leaves_nothing() {
    let (old, new) = (Receiver::start(|_| Reply::Status(500)).await, Receiver::start(|_| Reply::Status(200)).await);
    let mut world = World::new();
    let id = world.subscribe(&old.url).await;
    world.append(&["a"]).await;
    world.start();
    world.pending_until(|pending| pending.len() == 1).await;
    world.put(world.subscription("1", &new.url)).await;
    new.wait_for(1).await;
    world.pending_until(<[_]>::is_empty).await;

    new.answer(|_| Reply::Status(500));
    world.append(&["b"]).await;
    world.pending_until(|pending| pending.len() == 1).await;
    world.delete(&id).await;
    world.pending_until(<[_]>::is_empty).await;
    world.stop().await;
    let progress: event_store::Table<event_model::delivery::Progress> =
        world.store.table(event_store::TableName::Progress);
    assert!(progress.list("").await.expect("list").is_empty());
}

#[tokio::test]
async fn what_a_deletion_left_half_done_is_removed_at_the_next_start() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    let id = world.subscribe(&receiver.url).await;
    world.append(&["a"]).await;
    world.start();
    world.pending_until(|pending| pending.len() == 1).await;
    world.stop().await;
    world.delete(&id).await;
    let progress: event_store::Table<event_model::delivery::Progress> =
        world.store.table(event_store::TableName::Progress);
    progress.delete(id.as_str(), event_store::Durability::Durable).await.expect("delete");
    assert_eq!(world.pending().await.len(), 1);
    world.start();
    world.pending_until(<[_]>::is_empty).await;
    world.stop().await;
}

#[tokio::test]
async fn the_rate_is_kept() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    world.put(Subscription { rate_per_s: Some(20), ..world.subscription("1", &receiver.url) }).await;
    world.append(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]).await;
    let began = Instant::now();
    world.start();
    receiver.wait_for(11).await;
    assert!(began.elapsed() >= Duration::from_millis(500), "11 at 20 a second take half a second");
    world.stop().await;
}

#[tokio::test]
async fn the_metrics_are_there_and_a_lag_ends_at_zero() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let id = world.subscribe(&receiver.url).await;
    world.append(&["a", "b"]).await;
    world.start();
    world.cursor_until(&id, 2).await;
    let wanted = [
        "expensewire_delivery_attempts_total{outcome=\"delivered\"} 2".to_owned(),
        "expensewire_delivery_duration_seconds_count 2".to_owned(),
        "expensewire_delivery_latency_seconds_count 2".to_owned(),
        "expensewire_subscriptions{status=\"active\"} 1".to_owned(),
        "expensewire_subscriptions{status=\"disabled\"} 0".to_owned(),
        "expensewire_dead_letters 0".to_owned(),
        format!("expensewire_subscription_lag_events{{subscription=\"{id}\"}} 0"),
        format!("expensewire_subscription_lag_seconds{{subscription=\"{id}\"}} 0"),
        format!("expensewire_subscription_oldest_undelivered_seconds{{subscription=\"{id}\"}} 0"),
    ];
    let deadline = Instant::now() + crate::receiver::PATIENCE;
    while let Some(missing) = wanted.iter().find(|line| !world.metrics().lines().any(|found| found == **line)) {
        assert!(Instant::now() < deadline, "{missing} is not in\n{}", world.metrics());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.delete(&id).await;
    while world.metrics().contains(id.as_str()) {
        assert!(Instant::now() < deadline, "the gauges of a deleted subscription are still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn the_stop_is_bounded_though_receivers_hang_and_what_was_in_flight_comes_again() {
    let hangs = |one: &Received| one.sequence() == 1 && one.times == 1;
    let receiver = Receiver::start(move |one| if hangs(one) { Reply::Hang } else { Reply::Status(200) }).await;
    let mut world = World::new();
    world.config.timeout = Duration::from_secs(60);
    let id = world.subscribe(&receiver.url).await;
    world.append(&["a", "b"]).await;
    world.start();
    receiver.wait_for(1).await;
    assert!(world.stop().await < Duration::from_secs(3));
    world.start();
    world.cursor_until(&id, 2).await;
    assert_eq!(receiver.sequences(), [1, 1, 2]);
    world.stop().await;
}

#[tokio::test]
async fn one_that_cannot_be_signed_for_sends_nothing_hinders_nobody_and_is_taken_up_again() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let silent = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let mut broken = world.subscription("2", &silent.url);
    broken.sealed_secrets = vec!["v1.AAAA".to_owned()];
    world.put(broken).await;
    // A value that was sealed for the header of another subscription.
    let other = world.with_headers(world.subscription("9", &silent.url), &[("x-token", "t1")]);
    let moved = Subscription { sealed_headers: other.sealed_headers, ..world.subscription("3", &silent.url) };
    world.put(moved).await;
    world.subscribe(&receiver.url).await;
    world.append(&["a", "b"]).await;
    world.start();
    receiver.wait_for(2).await;
    assert!(silent.received().is_empty(), "nothing is sent unsigned or without its header");
    world.put(world.subscription("2", &silent.url)).await;
    world.put(world.subscription("3", &silent.url)).await;
    silent.wait_for(4).await;
    world.stop().await;
}
