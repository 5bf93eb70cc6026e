use std::time::Duration;

use event_model::{AccountName, catalogue};
use event_store::MemoryDisk;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

struct World {
    store: EventStore,
    feed: Arc<Feed>,
    appended: u64,
}

impl World {
    fn new() -> Self {
        let store = EventStore::open_memory(&MemoryDisk::default()).expect("store");
        let feed = Arc::new(Feed::new(&store));
        Self { store, feed, appended: 0 }
    }

    /// Appends events of accounts `a` and `b` in turn, and lets the ring take them in.
    async fn append(&mut self, count: u64) {
        let drafts = (0..count).map(|_| {
            self.appended += 1;
            let event = catalogue::example(event_model::EventType::ReportUpdated);
            event_model::EventDraft {
                event_type: event.event_type,
                timestamp: event.timestamp,
                account: account(self.appended),
                subject: event_model::Subject::new(event_model::EntityKind::Report, format!("R{}", self.appended)),
                revision: event_model::Revision(1),
                actor: None,
                data: event.data,
                detection: event.detection,
            }
        });
        let drafts = drafts.collect();
        self.store.append(drafts).await.expect("append");
    }

    /// As if somebody waited.
    async fn take_in(&self) {
        while self.feed.take_in_some().await.expect("taken in") {}
    }

    /// A ticket for one account, or both.
    fn ticket(&self, account: Option<&str>) -> Ticket {
        let now = jiff::Timestamp::now();
        let accounts: Vec<_> = account.into_iter().collect();
        let subscription: Subscription = serde_json::from_value(serde_json::json!({
            "id": "sub_1", "url": "https://a.example", "filter": { "events": ["report.*"], "accounts": accounts },
            "format": "standard", "ordering": "entity", "rate_per_s": null, "sealed_headers": {}, "description": null,
            "status": { "state": "active" }, "start_after": 0, "sealed_secrets": [], "created_at": now,
            "updated_at": now,
        }))
        .expect("a subscription");
        self.feed.ticket(&Arc::new(subscription))
    }
}

fn account(n: u64) -> AccountName {
    if n.is_multiple_of(2) { "b" } else { "a" }.parse().expect("name")
}

/// What a ticket gives after `after`, until it has caught up.
async fn all(ticket: &Ticket, mut after: Sequence, room: usize) -> (Vec<u64>, Sequence) {
    let mut given = Vec::new();
    loop {
        match ticket.read(after, room).await.expect("read") {
            Found::CaughtUp(up_to) => return (given, up_to),
            Found::Items { items, up_to, .. } => {
                assert!(items.len() <= room && up_to > after);
                given.extend(items.iter().map(|item| item.sequence().0));
                after = up_to;
            }
        }
    }
}

fn of_a(range: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    range.filter(|n| n % 2 == 1).collect()
}

#[tokio::test]
async fn everything_wanted_is_given_out_once_and_in_order_from_pages_and_ring() {
    let mut world = World::new();
    world.append(300).await;
    let feed = Arc::new(Feed::new(&world.store));
    world.feed = feed;
    world.feed.ring().shrink_to(60_000);
    world.append(200).await;
    world.take_in().await;
    for room in [1, 7, 64, 500] {
        let (given, up_to) = all(&world.ticket(None), Sequence::START, room).await;
        assert_eq!((given, up_to), ((1..=500).collect(), Sequence(500)), "room for {room}");
        let (given, _) = all(&world.ticket(Some("a")), Sequence(10), room).await;
        assert_eq!(given, of_a(11..=500), "room for {room}");
    }
}

#[tokio::test]
async fn who_has_caught_up_is_rung_for_what_it_wants_alone_and_skips_the_rest() {
    let mut world = World::new();
    let (one, other) = (world.ticket(Some("a")), world.ticket(Some("nobody")));
    assert!(matches!(one.read(Sequence::START, 9).await, Ok(Found::CaughtUp(Sequence::START))));
    assert!(matches!(other.read(Sequence::START, 9).await, Ok(Found::CaughtUp(Sequence::START))));
    world.append(4).await;
    world.take_in().await;
    timeout(PATIENCE, one.bell.rung()).await.expect("rung");
    assert!(timeout(Duration::from_millis(20), other.bell.rung()).await.is_err(), "it wants none of them");
    assert_eq!(all(&one, Sequence::START, 9).await, (vec![1, 3], Sequence(4)));
    assert!(matches!(other.read(Sequence::START, 9).await, Ok(Found::CaughtUp(Sequence(4)))));
    world.feed.ring().shrink_to(1);
    world.append(400).await;
    world.take_in().await;
    assert!(matches!(other.read(Sequence::START, 9).await, Ok(Found::CaughtUp(Sequence(404)))));
    assert_eq!(all(&one, Sequence(4), 9).await.0, of_a(5..=404));
}

#[tokio::test]
async fn an_event_is_read_and_built_once_for_all_who_want_it() {
    let mut world = World::new();
    world.append(100).await;
    world.feed = Arc::new(Feed::new(&world.store));
    world.append(1).await;
    world.take_in().await;
    for after in [5, 100] {
        let mut shared = Vec::new();
        for _ in 0..2 {
            let Ok(Found::Items { items, .. }) = world.ticket(None).read(Sequence(after), 1).await else {
                panic!("an event");
            };
            shared.extend(items);
        }
        assert!(Arc::ptr_eq(&shared[0], &shared[1]), "after {after}");
        assert!(Arc::ptr_eq(&shared[0], &world.feed.at_hand(shared[0].sequence()).expect("in memory")));
    }
}

#[tokio::test]
async fn a_follower_takes_in_what_is_appended() {
    let mut world = World::new();
    let ticket = world.ticket(None);
    assert!(matches!(ticket.read(Sequence::START, 9).await, Ok(Found::CaughtUp(_))));
    let feed = Arc::clone(&world.feed);
    let following = tokio::spawn(async move { feed.follow().await });
    world.append(3).await;
    timeout(PATIENCE, ticket.bell.rung()).await.expect("rung");
    assert_eq!(all(&ticket, Sequence::START, 9).await.0, [1, 2, 3]);
    following.abort();
}

#[tokio::test]
async fn the_ring_stands_while_nobody_waits_and_goes_on_from_there() {
    let mut world = World::new();
    let ticket = world.ticket(None);
    world.feed.take_in_awaited().await.expect("taken in");
    world.append(600).await;
    world.feed.take_in_awaited().await.expect("taken in");
    assert_eq!(world.feed.ring().last(), Sequence::START, "its courier has not asked yet");
    let feed = Arc::clone(&world.feed);
    let following = tokio::spawn(async move { feed.follow().await });
    let mut after = Sequence::START;
    while after < Sequence(600) {
        match ticket.read(after, 10).await.expect("read") {
            Found::CaughtUp(_) => timeout(PATIENCE, ticket.bell.rung()).await.expect("rung"),
            Found::Items { items, up_to, old } => {
                assert!(!old && items[0].sequence() == after.next(), "after {after}");
                after = up_to;
                let last = world.feed.ring().last().0;
                assert!(last <= after.0 + 2 * FOLLOW_BATCH as u64, "{last} after {after}");
            }
        }
    }
    following.abort();
}

#[tokio::test]
async fn the_ring_goes_where_somebody_waits_if_nobody_else_does() {
    let mut world = World::new();
    let (behind, ahead) = (world.ticket(None), world.ticket(None));
    world.append(900).await;
    assert!(matches!(ahead.read(Sequence(890), 9).await, Ok(Found::CaughtUp(Sequence(890)))));
    world.feed.take_in_awaited().await.expect("taken in");
    timeout(PATIENCE, ahead.bell.rung()).await.expect("rung");
    assert_eq!(all(&ahead, Sequence(890), 9).await.0, (891..=900).collect::<Vec<_>>());
    assert_eq!(all(&behind, Sequence::START, 64).await.0, (1..=900).collect::<Vec<_>>());
    // Somebody waits now: the ring goes on from where it is.
    let later = world.ticket(None);
    world.append(100).await;
    assert!(matches!(later.read(Sequence(950), 9).await, Ok(Found::CaughtUp(Sequence(900)))));
    world.feed.take_in_awaited().await.expect("taken in");
    assert_eq!(all(&later, Sequence(950), 9).await.0, (951..=1000).collect::<Vec<_>>());
    assert_eq!(all(&behind, Sequence(900), 9).await.0, (901..=1000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_read_while_the_log_grows_passes_over_nothing() {
    const EVENTS: u64 = 500;
    let mut world = World::new();
    world.append(1).await;
    let (feed, store) = (Arc::clone(&world.feed), world.store.clone());
    let reading = tokio::spawn(async move {
        let (mut given, mut after, mut tail) = (Vec::new(), Sequence::START, store.tail());
        while after < Sequence(EVENTS) {
            tail.wait_for(|last| *last > after).await.expect("the store is open");
            let page = feed.pages.page_after(after).await.expect("a page");
            let (items, up_to) = page.wanted(after, page.end(), 64, |_| true);
            given.extend(items.iter().map(|item| item.sequence().0));
            after = up_to;
        }
        given
    });
    for _ in 1..EVENTS {
        world.append(1).await;
    }
    let given = timeout(PATIENCE, reading).await.expect("in time").expect("no panic");
    assert_eq!(given, (1..=EVENTS).collect::<Vec<_>>());
}
