//! What fails: retries, dead letters, slow and long answers.

use std::time::Duration;

use dispatcher::Schedule;
use event_model::{
    EventType, Sequence,
    delivery::{Outcome, PendingState},
};
use jiff::Timestamp;

use crate::{
    receiver::{Receiver, Reply},
    told::Told,
    world::{World, is_dead, is_due},
};

fn due_at(state: &PendingState) -> Timestamp {
    match state {
        PendingState::Due { at } => *at,
        PendingState::Waiting | PendingState::Dead { .. } | PendingState::Done { .. } => panic!("not due: {state:?}"),
    }
}

#[tokio::test]
async fn a_retry_keeps_its_time_through_a_restart_and_is_made_then() {
    let receiver = Receiver::start(|one| Reply::Status(if one.times == 1 { 500 } else { 200 })).await;
    let mut world = World::new();
    world.config.schedule = Schedule::of(vec![Duration::from_millis(1_500)]);
    world.append(&["a"]).await;
    world.subscribe(&receiver.url).await;
    world.start();
    let before = world.pending_until(|pending| pending.iter().any(is_due)).await;
    world.kill().await;
    world.start();
    assert_eq!(world.pending().await, before, "a start changes nothing");
    let came = receiver.wait_for(2).await;
    assert!(Timestamp::now() >= due_at(&before[0].state), "not before its time");
    assert!(came[1].came_at - came[0].came_at >= Duration::from_millis(1_200), "1.5 s less a fifth");
    assert_eq!(came[0].id, came[1].id);
    world.pending_until(<[_]>::is_empty).await;
    world.stop().await;
}

#[tokio::test]
async fn the_standard_schedule_and_retry_after_say_when() {
    let date = "Fri, 31 Dec 2100 23:59:59 GMT";
    for (retry_after, expected) in [(None, 4..=7), (Some("3600"), 3_600..=3_605), (Some(date), 86_400..=86_405)] {
        let answer = move || retry_after.map_or(Reply::Status(500), |text| Reply::Later(text.to_owned()));
        let receiver = Receiver::start(move |_| answer()).await;
        let mut world = World::new();
        world.config.schedule = Schedule::default();
        let began = Timestamp::now();
        world.append(&["a"]).await;
        world.subscribe(&receiver.url).await;
        world.start();
        let pending = world.pending_until(|pending| pending.len() == 1).await;
        let wait = due_at(&pending[0].state).duration_since(began).as_secs();
        assert!(expected.contains(&wait), "{retry_after:?}: {wait}");
        world.stop().await;
    }
}

#[tokio::test]
async fn an_exhausted_delivery_becomes_a_dead_letter_and_an_event_and_its_entity_goes_on() {
    let receiver = Receiver::start(|one| Reply::Status(if one.sequence() == 1 { 500 } else { 200 })).await;
    let mut world = World::new();
    world.config.schedule = Schedule::of(vec![Duration::from_millis(20); 2]);
    let events = world.append(&["a", "a"]).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let dead = world.pending_until(|pending| pending.len() == 1 && is_dead(&pending[0])).await;
    assert_eq!((dead[0].attempts, dead[0].history.len()), (3, 3));
    assert_eq!(receiver.wait_for(4).await.len(), 4, "three attempts, then the next of its entity");
    let event = world.event_until(EventType::SubscriptionExhausted).await;
    assert_eq!(event.subject.to_string(), format!("subscription/{id}"));
    assert_eq!(event.account.as_str(), "acme");
    assert_eq!(event.data.object["event"]["id"], events[0].id.as_str());
    assert!(world.metrics().contains("expensewire_dead_letters 1"));
    let counted = r#"expensewire_events_appended_total{account="acme",type="subscription.exhausted"} 1"#;
    assert!(world.metrics().contains(counted), "{}", world.metrics());
    world.stop().await;

    world.start();
    world.append(&["b"]).await;
    receiver.wait_for(5).await;
    world.stop().await;
    assert_eq!(world.pending().await.len(), 1, "a dead letter is kept, and not sent by itself");
}

#[tokio::test]
async fn a_kill_between_the_news_of_an_end_and_its_record_does_not_repeat_the_news() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    world.config.schedule = Schedule::of(Vec::new());
    let id = world.subscribe(&receiver.url).await;
    world.append(&["a"]).await;
    for times in 1..=2 {
        world.start();
        receiver.wait_for(times).await;
        world.pending_until(|pending| pending.len() == 1 && is_dead(&pending[0])).await;
        world.stop().await;
        assert_eq!(world.count(EventType::SubscriptionExhausted).await, 1);
        if times == 1 {
            world.forget_deliveries(&id).await;
        }
    }
    world.append(&["b"]).await;
    world.start();
    world.pending_until(|pending| pending.len() == 2 && pending.iter().all(is_dead)).await;
    world.stop().await;
    assert_eq!(world.count(EventType::SubscriptionExhausted).await, 2, "another end is news");
}

#[tokio::test]
async fn giving_up_on_an_event_about_a_subscription_makes_no_further_event() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    world.config.schedule = Schedule::of(Vec::new());
    let mut subscription = world.subscription("1", &receiver.url);
    subscription.filter.events = vec!["*".parse().expect("glob")];
    let id = world.put(subscription).await;
    world.append(&["a"]).await;
    world.start();
    world.pending_until(|pending| pending.len() == 2 && pending.iter().all(is_dead)).await;
    world.cursor_until(&id, 2).await;
    world.stop().await;
    assert_eq!(world.store.last_sequence(), Sequence(2), "one event and the news of its end");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_not_followed() {
    let elsewhere = Receiver::start(|_| Reply::Status(200)).await;
    let there = elsewhere.url.to_string();
    let receiver = Receiver::start(move |_| Reply::Redirect(there.clone())).await;
    let mut world = World::new();
    world.append(&["a"]).await;
    world.subscribe(&receiver.url).await;
    world.start();
    let pending = world.pending_until(|pending| pending.iter().any(|record| record.attempts >= 2)).await;
    assert_eq!(pending[0].history[0].outcome, Outcome::Status { status: 307 });
    assert!(elsewhere.received().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn one_deadline_covers_silence_and_a_body_that_drips() {
    let receiver = Receiver::start(|one| if one.sequence() == 1 { Reply::Drip } else { Reply::Hang }).await;
    let mut world = World::new();
    world.config.timeout = Duration::from_millis(300);
    world.config.schedule = Schedule::default();
    world.append(&["a", "b"]).await;
    world.subscribe(&receiver.url).await;
    world.start();
    for record in world.pending_until(|pending| pending.len() == 2).await {
        let attempt = &record.history[0];
        assert_eq!(attempt.outcome, Outcome::Timeout);
        assert!((300..1_000).contains(&attempt.duration_ms), "{attempt:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn an_answer_of_any_length_counts_by_its_status_and_is_not_read_to_its_end() {
    let receiver =
        Receiver::start(|one| if one.sequence() == 1 { Reply::Endless } else { Reply::Long(16 << 10) }).await;
    let mut world = World::new();
    world.append(&["a", "b"]).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let progress = world.cursor_until(&id, 2).await;
    assert_eq!((progress.delivered, receiver.received().len()), (2, 2));
    world.stop().await;
}

#[tokio::test]
async fn a_full_subscription_stands_still_and_loses_nothing() {
    let receiver = Receiver::start(|_| Reply::Status(500)).await;
    let mut world = World::new();
    world.config.limits.pending = 3;
    world.append(&["a", "b", "c", "d", "e"]).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.pending_until(|pending| pending.len() == 3).await;
    world.cursor_until(&id, 3).await;
    assert!(world.metrics().contains("expensewire_subscriptions_full 1"));
    receiver.answer(|_| Reply::Status(200));
    world.cursor_until(&id, 5).await;
    world.pending_until(<[_]>::is_empty).await;
    assert!(world.metrics().contains("expensewire_subscriptions_full 0"));
    world.stop().await;
}

#[tokio::test]
async fn a_test_that_fails_is_tried_again_and_then_removed() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.append(&["a"]).await;
    receiver.wait_for(1).await;
    receiver.answer(|one| Reply::Status(if one.times == 1 { 500 } else { 200 }));
    world.ask_for_test(&id, "evt_test42").await;
    let came = receiver.wait_for(3).await;
    assert!(came[1..].iter().all(|one| one.id == "evt_test42" && &one.body[..] == br#"{"test":true}"#));
    world.pending_until(<[_]>::is_empty).await;
    world.stop().await;
}

#[tokio::test]
async fn the_log_tells_when_a_receiver_begins_to_fail_and_when_it_has_recovered_not_each_attempt() {
    let told = Told::from(tracing::Level::INFO);
    // Every other event fails at first: what succeeds meanwhile is no recovery.
    let receiver =
        Receiver::start(|one| Reply::Status(if one.sequence() % 2 == 1 && one.times < 4 { 500 } else { 200 })).await;
    let mut world = World::new();
    world.append(&["a", "b", "c", "d", "e", "f"]).await;
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.cursor_until(&id, 6).await;
    world.pending_until(<[_]>::is_empty).await;
    assert_eq!(receiver.wait_for(15).await.len(), 15);
    assert_eq!(told.count("the receiver begins to fail"), 1, "{}", told.text());
    assert_eq!(told.count("the receiver has recovered"), 1, "{}", told.text());
    assert_eq!(told.text().lines().count(), 2, "{}", told.text());

    receiver.answer(|_| Reply::Status(500));
    world.append(&["g"]).await;
    world.pending_until(|pending| pending.iter().any(is_dead)).await;
    world.stop().await;
    assert_eq!(told.count("the receiver begins to fail"), 2, "{}", told.text());
    assert_eq!(told.count("WARN"), 1, "{}", told.text());
    assert_eq!(told.count("a delivery is given up"), 1, "{}", told.text());
}
