//! Events sent once more: in their order, beside what is new, to their end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use event_model::{
    Replay, ReplayId, Sequence, SubscriptionId,
    delivery::{PendingState, Progress},
    replay::ReplayState,
    subscription::Status,
};
use event_store::{Durability, Table, TableName};
use jiff::Timestamp;
use tokio::time::timeout;

use crate::{
    receiver::{PATIENCE, Receiver, Reply},
    world::{World, is_dead},
};

fn table(world: &World) -> Table<Replay> {
    world.store.table(TableName::Replays)
}

pub fn replay(subscription: &SubscriptionId, after: u64, up_to: u64) -> Replay {
    Replay {
        id: ReplayId::from_unique("1").expect("id"),
        subscription: subscription.clone(),
        after: Sequence(after),
        up_to: Sequence(up_to),
        chosen: None,
        rate_per_s: None,
        count: None,
        state: ReplayState::Running,
        created_at: Timestamp::now(),
    }
}

pub async fn put(world: &World, replay: &Replay) {
    table(world).put(&replay.key(), replay, Durability::Durable).await.expect("put");
}

/// Waits until the replay is over; how far it came.
pub async fn done(world: &World, replay: &Replay) -> Progress {
    let mut changes = table(world).changes();
    let over = timeout(PATIENCE, async {
        loop {
            changes.borrow_and_update();
            let known = table(world).get(&replay.key()).await.expect("get").expect("it stands");
            if matches!(known.state, ReplayState::Done { .. }) {
                return;
            }
            changes.changed().await.expect("the store is open");
        }
    });
    over.await.expect("done in time");
    progress(world, replay).await.expect("it was noted")
}

async fn progress(world: &World, replay: &Replay) -> Option<Progress> {
    world.store.table::<Progress>(TableName::Progress).get(replay.id.as_str()).await.expect("get")
}

#[tokio::test]
async fn a_span_comes_once_more_with_the_same_ids_and_bytes_in_the_order_of_each_entity() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.append(&["a", "b", "a", "b", "a", "c"]).await;
    world.cursor_until(&id, 6).await;
    let replay = replay(&id, 1, 5);
    put(&world, &replay).await;
    let came = done(&world, &replay).await;
    assert_eq!((came.cursor, came.delivered, came.given_up), (Sequence(5), 4, 0));
    world.stop().await;
    let received = receiver.received();
    let (first, again) = received.split_at(6);
    let mut by_subject: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for one in again {
        by_subject.entry(one.subject()).or_default().push(one.sequence());
        let before = first.iter().find(|before| before.id == one.id).expect("it came before");
        assert_eq!(one.body, before.body);
        assert!(one.header("webhook-timestamp") >= before.header("webhook-timestamp"));
    }
    let expected = [("report/a", vec![3, 5]), ("report/b", vec![2, 4])];
    assert_eq!(by_subject, expected.map(|(subject, sequences)| (subject.to_owned(), sequences)).into());
    assert_eq!(world.cursor_until(&id, 6).await.delivered, 6, "the subscription's own count is its own");
    assert!(world.records().await.is_empty());
}

#[tokio::test]
async fn what_was_given_up_arrives_and_is_no_dead_letter_any_more() {
    let well = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&well);
    let receiver = Receiver::start(move |sent| {
        let fails = sent.subject() == "report/bad" && !answers.load(Ordering::SeqCst);
        Reply::Status(if fails { 500 } else { 200 })
    });
    let receiver = receiver.await;
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::of(Vec::new());
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.append(&["ok", "bad", "ok", "bad"]).await;
    world.pending_until(|pending| pending.iter().filter(|one| is_dead(one)).count() == 2).await;
    let chosen = Some(vec![Sequence(2), Sequence(4)]);
    let failing = Replay { chosen: chosen.clone(), ..replay(&id, 0, 4) };
    put(&world, &failing).await;
    let came = done(&world, &failing).await;
    assert_eq!((came.delivered, came.given_up), (0, 2));
    assert_eq!(world.pending().await.iter().filter(|one| is_dead(one)).count(), 2, "they are dead still, and no more");
    well.store(true, Ordering::SeqCst);
    let second = Replay { chosen, id: ReplayId::from_unique("2").expect("id"), ..replay(&id, 0, 4) };
    put(&world, &second).await;
    let came = done(&world, &second).await;
    assert_eq!((came.delivered, came.given_up), (2, 0));
    assert!(world.pending().await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn it_goes_on_after_a_kill_and_waits_while_its_subscription_is_paused() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let names: Vec<String> = (0..60).map(|n| format!("r{n}")).collect();
    world.append(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.cursor_until(&id, 60).await;
    let slowly = Replay { rate_per_s: Some(60), ..replay(&id, 0, 60) };
    put(&world, &slowly).await;
    receiver.wait_for(60 + 10).await;
    world.kill().await;
    world.start();
    receiver.wait_for(60 + 25).await;
    world.set_status(&id, Status::Paused).await;
    world.stop().await;
    let before = progress(&world, &slowly).await.expect("noted").delivered;
    assert!(before < 60);
    world.start();
    world.set_status(&id, Status::Active).await;
    assert_eq!(done(&world, &slowly).await.cursor, Sequence(60));
    world.stop().await;
    let mut sequences = receiver.sequences().split_off(60);
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences, (1..=60).collect::<Vec<u64>>(), "none was lost");
}

#[tokio::test]
async fn it_keeps_to_its_rate_and_delays_nothing_that_is_new() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    let names: Vec<String> = (0..40).map(|n| format!("r{n}")).collect();
    world.append(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.cursor_until(&id, 40).await;
    let slowly = Replay { rate_per_s: Some(20), ..replay(&id, 0, 40) };
    let began = Instant::now();
    put(&world, &slowly).await;
    receiver.wait_for(41).await;
    world.append(&["new"]).await;
    world.cursor_until(&id, 41).await;
    assert!(began.elapsed() < Duration::from_secs(1), "what is new did not wait");
    done(&world, &slowly).await;
    assert!(began.elapsed() >= Duration::from_millis(1_800), "{:?}", began.elapsed());
    world.stop().await;
}

#[tokio::test]
async fn one_that_is_cancelled_sends_no_more_and_leaves_nothing_behind() {
    let receiver = Receiver::start(|sent| Reply::Status(if sent.times > 1 { 500 } else { 200 })).await;
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::default();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.append(&["a", "b", "c"]).await;
    world.cursor_until(&id, 3).await;
    let failing = replay(&id, 0, 3);
    put(&world, &failing).await;
    world.pending_until(|pending| pending.len() == 3).await;
    let cancelled = ReplayState::Cancelled { at: Timestamp::now() };
    put(&world, &Replay { state: cancelled, ..failing.clone() }).await;
    world.pending_until(<[_]>::is_empty).await;
    world.append(&["d"]).await;
    world.cursor_until(&id, 4).await;
    assert_eq!(receiver.received().len(), 7, "three, three once more, and the new one");
    world.delete(&id).await;
    let mut changes = table(&world).changes();
    let gone = timeout(PATIENCE, async {
        while table(&world).get(&failing.key()).await.expect("get").is_some() {
            changes.changed().await.expect("the store is open");
        }
    });
    gone.await.expect("it goes with its subscription");
    assert_eq!(progress(&world, &failing).await, None);
    world.stop().await;
}

#[tokio::test]
async fn what_it_has_not_sent_holds_the_history_back() {
    let receiver = Receiver::start(|sent| Reply::Status(if sent.times > 1 { 500 } else { 200 })).await;
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::default();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.append(&["a", "b", "c"]).await;
    world.cursor_until(&id, 3).await;
    put(&world, &replay(&id, 1, 3)).await;
    world
        .pending_until(|pending| {
            pending.iter().filter(|one| matches!(one.state, PendingState::Due { .. })).count() == 2
        })
        .await;
    world.stop().await;
    let places = dispatcher::cursors::places(&world.store).await.expect("read");
    assert_eq!((places[0].cursor, places[0].needs_after), (Sequence(3), Sequence(1)));
}
