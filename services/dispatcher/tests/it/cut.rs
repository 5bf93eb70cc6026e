//! A log whose beginning retention has removed.

use event_model::{Sequence, subscription::Status};
use event_store::{Retained, Retention};

use dispatcher::cursors;

use crate::{
    receiver::{Receiver, Reply},
    world::{World, is_due},
};

async fn cut(world: &World, floor: u64) -> Retained {
    let policy =
        Retention { before: Some(jiff::Timestamp::MAX), max_bytes: None, floor: Sequence(floor), force: false };
    world.store.retain(&policy).await.expect("cut")
}

#[tokio::test]
async fn a_subscription_from_the_beginning_gets_what_is_left_and_then_every_change() {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    for ids in [["a", "b"], ["b", "c"], ["c", "d"], ["b", "d"]] {
        world.append(&ids).await;
    }
    let retained = cut(&world, 6).await;
    assert_eq!(retained.horizon, Sequence(6));
    let id = world.subscribe(&receiver.url).await;
    world.start();
    receiver.wait_for(4).await;
    world.append(&["e"]).await;
    world.cursor_until(&id, 9).await;
    world.stop().await;
    let mut came = receiver.sequences();
    came.sort_unstable();
    let left: Vec<u64> =
        world.store.read_after(Sequence(0), 100).await.expect("read").iter().map(|e| e.head.sequence.0).collect();
    assert_eq!(came, left);
    assert!(came.len() < 9 && came.contains(&1) && came.ends_with(&[7, 8, 9]), "{came:?}");
}

#[tokio::test]
async fn what_a_subscription_needs_begins_before_the_oldest_delivery_that_waits() {
    let receiver = Receiver::start(|sent| Reply::Status(if sent.subject() == "report/bad" { 500 } else { 200 })).await;
    let mut world = World::new();
    world.config.schedule = dispatcher::Schedule::default();
    let id = world.subscribe(&receiver.url).await;
    world.start();
    world.append(&["ok", "bad", "ok", "ok"]).await;
    world.pending_until(|pending| pending.iter().any(is_due)).await;
    world.cursor_until(&id, 4).await;
    world.stop().await;
    let places = cursors::places(&world.store).await.expect("read");
    assert_eq!((places[0].cursor, places[0].needs_after), (Sequence(4), Sequence(1)));
    assert_eq!(cursors::slowest_live(&places), Some(Sequence(1)));
    let reason = "for the test".to_owned();
    world.set_status(&id, Status::Disabled { reason, at: jiff::Timestamp::UNIX_EPOCH }).await;
    assert_eq!(cursors::slowest_live(&cursors::places(&world.store).await.expect("read")), None);
}
