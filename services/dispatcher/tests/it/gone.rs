//! Receivers that answer 410: the subscription is disabled, and it is told of once.

use std::time::Duration;

use event_model::{EventType, subscription::Status};

use crate::{
    receiver::{Receiver, Reply},
    told::Told,
    world::World,
};

/// How long the receiver takes, so that many deliveries are in flight at once.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn gone_disables_tells_of_it_and_the_cursor_stands() {
    let receiver =
        Receiver::start(|one| Reply::Status(if one.sequence() == 2 && one.times == 1 { 410 } else { 200 })).await;
    let mut world = World::new();
    let events = world.append(&["a", "b", "c"]).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let status = world.status_until(&id, "disabled").await;
    assert!(matches!(status, Status::Disabled { reason, .. } if reason.contains("410")));
    let event = world.event_until(EventType::SubscriptionDisabled).await;
    assert_eq!(event.subject.to_string(), format!("subscription/{id}"));
    world.cursor_until(&id, 1).await;
    let counted = r#"expensewire_events_appended_total{account="acme",type="subscription.disabled"} 1"#;
    assert!(world.metrics().contains(counted), "{}", world.metrics());

    world.set_status(&id, Status::Active).await;
    world.cursor_until(&id, 4).await;
    let again = receiver.received().iter().filter(|one| one.id == events[1].id.as_str()).count();
    assert_eq!(again, 2, "what was refused comes again when a person enables the subscription");
    world.stop().await;
}

#[tokio::test]
async fn many_refusals_in_flight_are_one_disabling_and_each_resumption_may_bring_one_more() {
    let told = Told::from(tracing::Level::WARN);
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let subjects: Vec<String> = (0..16).map(|n| format!("r{n}")).collect();
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    world.append(&subjects).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    // By now the endpoint is known to be well, and gets many at once.
    receiver.wait_for(16).await;
    receiver.answer(|_| Reply::Slow(A_WHILE, 410));
    world.append(&subjects).await;
    receiver.wait_for(16 + 10).await;
    for disablings in 1..=2 {
        if disablings == 2 {
            let came = receiver.received().len();
            world.start();
            receiver.wait_for(came + 1).await;
        }
        world.status_until(&id, "disabled").await;
        // The stop waits for what is in flight: then all refusals have been taken in.
        world.stop().await;
        assert_eq!(world.count(EventType::SubscriptionDisabled).await, disablings);
        assert_eq!(told.count("the subscription is disabled"), disablings, "{}", told.text());
        world.set_status(&id, Status::Active).await;
    }
}

#[tokio::test]
async fn a_refusal_by_where_the_subscription_no_longer_points_does_not_disable_it() {
    let old = Receiver::start(|_| Reply::Slow(A_WHILE, 410)).await;
    let new = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    world.append(&["a"]).await;
    let id = world.subscribe(&old.url).await;
    world.start();
    old.wait_for(1).await;
    world.put(world.subscription("1", &new.url)).await;
    // Delivery to the new place begins when the old attempt has ended.
    new.wait_for(1).await;
    world.cursor_until(&id, 1).await;
    world.stop().await;
    assert_eq!(world.count(EventType::SubscriptionDisabled).await, 0);
    assert_eq!(world.status_until(&id, "active").await, Status::Active);
}

#[tokio::test]
async fn a_kill_between_the_news_and_the_disabling_does_not_repeat_the_news() {
    let receiver = Receiver::start(|_| Reply::Status(410)).await;
    let mut world = World::new();
    world.append(&["a"]).await;
    let subscription = world.subscription("1", &receiver.url);
    for _ in 0..2 {
        let id = world.put(subscription.clone()).await;
        world.start();
        world.status_until(&id, "disabled").await;
        world.stop().await;
        assert_eq!(world.count(EventType::SubscriptionDisabled).await, 1);
    }
}
