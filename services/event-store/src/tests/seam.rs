//! What holds on any engine whose writes fail, are torn, take their time or find the disk full, and for a store that another one has
//! taken over. The faults are put in front of the engine, the same for each.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use event_model::Sequence;

use super::support::{Place, account, all, assert_whole, drafts, on_each_engine, subject};
use crate::{
    Cause, Durability, EventStore, MemoryDisk, StoreError, TableName,
    engine::{Engine, Owned, Scan, Tree, Values},
    layout,
    lease::Lease,
};

on_each_engine!(
    a_failed_append_is_told_and_gone_or_whole,
    a_failed_flush_is_told_and_the_next_start_shows_what_is_there,
    a_commit_torn_between_its_blocks_goes_at_the_next_start,
    a_full_disk_leaves_a_readable_log_and_a_table_as_it_was_or_changed_whole,
    a_slow_disk_is_shared_by_whoever_waits,
    a_change_of_several_keys_is_whole_or_not_at_all_wherever_it_stops,
    a_change_of_several_keys_that_was_made_is_not_made_again_over_what_came_later,
    a_writer_whose_lease_was_superseded_is_told_and_writes_no_more,
    each_opening_takes_the_next_lease,
);

/// What fails in front of an engine. Negative: nothing.
#[derive(Default)]
struct Faults {
    /// Writes that succeed before every one fails.
    writes_left: AtomicI64,
    /// The same for appends alone.
    appends_left: AtomicI64,
    /// The same for syncs.
    syncs_left: AtomicI64,
    sync_takes_ms: AtomicU64,
}

impl Faults {
    fn none() -> Arc<Self> {
        let none = || AtomicI64::new(-1);
        Arc::new(Self {
            writes_left: none(),
            appends_left: none(),
            syncs_left: none(),
            sync_takes_ms: AtomicU64::default(),
        })
    }

    fn meet(left: &AtomicI64) -> Result<(), Cause> {
        let step = |left: i64| (left > 0).then_some(left - 1);
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step) {
            Err(0) => Err(Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull))),
            _ => Ok(()),
        }
    }
}

struct Faulty {
    engine: Arc<dyn Engine>,
    faults: Arc<Faults>,
}

impl Engine for Faulty {
    fn tree(&self, name: &str, values: Values) -> Result<Arc<dyn Tree>, Cause> {
        Ok(Arc::new(FaultyTree { tree: self.engine.tree(name, values)?, faults: Arc::clone(&self.faults) }))
    }

    fn make_durable(&self) -> Result<(), Cause> {
        let takes = Duration::from_millis(self.faults.sync_takes_ms.load(Ordering::SeqCst));
        if !takes.is_zero() {
            // A disk that takes its time, in the writer's own thread.
            std::thread::sleep(takes);
        }
        Faults::meet(&self.faults.syncs_left)?;
        self.engine.make_durable()
    }

    fn fence(&self, number: u64) -> Result<(), Cause> {
        self.engine.fence(number)
    }

    fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }
}

struct FaultyTree {
    tree: Arc<dyn Tree>,
    faults: Arc<Faults>,
}

impl Tree for FaultyTree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        self.tree.get(key)
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        self.tree.scan(from, to)
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        self.tree.last()
    }

    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        Faults::meet(&self.faults.appends_left)?;
        Faults::meet(&self.faults.writes_left)?;
        self.tree.append(after, key, value)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        Faults::meet(&self.faults.writes_left)?;
        self.tree.put(key, value)
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        Faults::meet(&self.faults.writes_left)?;
        self.tree.remove(key)
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        Faults::meet(&self.faults.writes_left)?;
        self.tree.compare_and_swap(key, expected, new)
    }
}

fn open(place: &Place, faults: &Arc<Faults>) -> EventStore {
    let engine = Faulty { engine: place.engine(), faults: Arc::clone(faults) };
    EventStore::on(Path::new("faulty"), Arc::new(engine), None).expect("the store opens")
}

async fn a_failed_append_is_told_and_gone_or_whole(place: Place) {
    let faults = Faults::none();
    let store = open(&place, &faults);
    store.append(drafts("before", 3)).await.expect("appended");
    faults.appends_left.store(0, Ordering::SeqCst);
    let failed = store.append(drafts("R", 2)).await;
    assert!(matches!(failed, Err(StoreError::Commit { .. })), "{failed:?}");
    faults.appends_left.store(-1, Ordering::SeqCst);
    assert!(matches!(store.append(drafts("S", 1)).await, Err(StoreError::Poisoned)), "until it is opened again");
    assert_eq!(all(&store).await.len(), 3);
    drop(store);
    let store = place.open();
    assert_eq!(assert_whole(&store).await.len(), 3);
    store.append(drafts("again", 1)).await.expect("writes are taken again");
}

async fn a_failed_flush_is_told_and_the_next_start_shows_what_is_there(place: Place) {
    let faults = Faults::none();
    let store = open(&place, &faults);
    store.append(drafts("before", 3)).await.expect("appended");
    faults.syncs_left.store(0, Ordering::SeqCst);
    let failed = store.append(drafts("R", 200)).await;
    assert!(matches!(failed, Err(StoreError::Commit { .. })), "{failed:?}");
    assert!(matches!(store.append(drafts("S", 1)).await, Err(StoreError::Poisoned)));
    assert_eq!(all(&store).await.len(), 3, "readers see what is durable");
    drop(store);
    let found = assert_whole(&place.open()).await.len();
    assert!(found == 3 || found == 203, "{found}");
}

async fn a_commit_torn_between_its_blocks_goes_at_the_next_start(place: Place) {
    for blocks in 0..4 {
        let (place, faults) = (place.other(), Faults::none());
        let store = open(&place, &faults);
        store.append(drafts("before", 2)).await.expect("appended");
        faults.appends_left.store(blocks, Ordering::SeqCst);
        assert!(matches!(store.append(drafts("R", 500)).await, Err(StoreError::Commit { .. })));
        drop(store);
        let store = place.open();
        assert_eq!(assert_whole(&store).await.len(), 2);
        store.append(drafts("again", 200)).await.expect("writes are taken again");
        assert_eq!(store.verify(|_| ()).await.expect("whole").events, 202);
    }
}

async fn a_full_disk_leaves_a_readable_log_and_a_table_as_it_was_or_changed_whole(place: Place) {
    for room in 0..8 {
        let (place, faults) = (place.other(), Faults::none());
        let store = open(&place, &faults);
        store.append(drafts("before", 150)).await.expect("appended");
        faults.writes_left.store(room, Ordering::SeqCst);
        let mut appended = 150;
        while let Ok(events) = store.append(drafts(&format!("{appended}-"), 40)).await {
            appended += events.len();
        }
        assert_eq!(all(&store).await.len(), appended, "the log reads on");
        drop(store);
        assert_eq!(assert_whole(&place.open()).await.len(), appended);
    }
}

async fn a_slow_disk_is_shared_by_whoever_waits(place: Place) {
    let faults = Faults::none();
    let store = open(&place, &faults);
    store.append(drafts("before", 5)).await.expect("appended");
    faults.sync_takes_ms.store(50, Ordering::SeqCst);
    let start = Instant::now();
    let append = |i: usize| {
        let store = store.clone();
        tokio::spawn(async move { store.append(drafts(&format!("{i}-"), 1)).await.map(drop) })
    };
    for writer in (0..32).map(append).collect::<Vec<_>>() {
        assert_eq!(all(&store).await.len().min(5), 5, "readers are not held up");
        writer.await.expect("the task").expect("appended");
    }
    assert!(start.elapsed() < Duration::from_millis(32 * 50), "they share commits");
    assert_eq!(assert_whole(&store).await.len(), 37);
}

async fn a_change_of_several_keys_that_was_made_is_not_made_again_over_what_came_later(place: Place) {
    let store = place.open();
    let table = store.table::<u32>(TableName::Progress);
    table.apply(["a", "b"].map(|key| (key.to_owned(), Some(1))).to_vec(), Durability::Durable).await.expect("written");
    table.put("a", &2, Durability::Durable).await.expect("written");
    drop((store, table));
    let found = place.open().table::<u32>(TableName::Progress).list("").await.expect("readable");
    assert_eq!(found, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
}

async fn a_change_of_several_keys_is_whole_or_not_at_all_wherever_it_stops(place: Place) {
    let keys = ["a", "b", "c", "d"];
    let (mut made, mut unmade) = (0, 0);
    for room in 0.. {
        let (place, faults) = (place.other(), Faults::none());
        let store = open(&place, &faults);
        let table = store.table::<u32>(TableName::Progress);
        table.apply(keys.map(|key| (key.to_owned(), Some(1))).to_vec(), Durability::Durable).await.expect("written");
        faults.writes_left.store(room, Ordering::SeqCst);
        let mut changes = keys.map(|key| (key.to_owned(), Some(2))).to_vec();
        changes[1].1 = None;
        let done = table.apply(changes, Durability::Durable).await;
        faults.writes_left.store(-1, Ordering::SeqCst);
        match &done {
            Ok(()) => {}
            Err(failed) => {
                assert!(matches!(failed, StoreError::Commit { .. }), "{failed:?}");
                // As it was, as it will be, or refused; never half of it.
                if let Ok(found) = table.list("").await {
                    let before = keys.map(|key| (key.to_owned(), 1)).to_vec();
                    assert!(found == before || found.iter().all(|(_, value)| *value == 2), "{found:?}");
                }
            }
        }
        drop((store, table));
        let store = place.open();
        let found = store.table::<u32>(TableName::Progress).list("").await.expect("readable");
        match found.iter().map(|(key, value)| (key.as_str(), *value)).collect::<Vec<_>>()[..] {
            [("a", 1), ("b", 1), ("c", 1), ("d", 1)] => {
                assert!(done.is_err());
                unmade += 1;
            }
            [("a", 2), ("c", 2), ("d", 2)] => made += 1,
            _ => panic!("half of a change after {room} writes: {found:?}"),
        }
        // What was finished at the start is not made again over what came later.
        let table = store.table::<u32>(TableName::Progress);
        table.put("a", &3, Durability::Durable).await.expect("written");
        drop((store, table));
        let later = place.open().table::<u32>(TableName::Progress).get("a").await.expect("readable");
        assert_eq!(later, Some(3));
        if done.is_ok() {
            break;
        }
    }
    // The intent alone was not written; then four keys, the intent goes, the count of changes.
    assert!(unmade >= 1 && made >= 6, "{unmade} {made}");
}

/// Takes the lease of the store that `engine` keeps, as another node that opens it.
fn take_over(engine: &dyn Engine) {
    let meta = engine.tree(layout::META_TREE, Values::Small).expect("a tree");
    let found = meta.get(layout::LEASE_KEY).expect("readable").expect("a lease");
    let body: [u8; 8] = crate::frame::open(layout::LEASE_KEY, &found).expect("whole").try_into().expect("a number");
    let next = crate::frame::seal(layout::LEASE_KEY, &(u64::from_be_bytes(body) + 1).to_be_bytes());
    assert!(meta.compare_and_swap(layout::LEASE_KEY, Some(&found), Some(&next)).expect("no fault"));
}

async fn a_writer_whose_lease_was_superseded_is_told_and_writes_no_more(place: Place) {
    for what in ["append", "put", "update", "several", "retain"] {
        let place = place.other();
        let store = place.open();
        let table = store.table::<u32>(TableName::Progress);
        store.append(drafts("R", 3)).await.expect("appended");
        table.put("k", &1, Durability::Durable).await.expect("written");
        take_over(store.engine());
        let durable = Durability::Durable;
        let refused = match what {
            "append" => store.append(drafts("S", 1)).await.map(drop),
            "put" => table.put("k", &2, durable).await,
            "update" => table.update("k", durable, |_| Some(2)).await.map(drop),
            "several" => table.apply(vec![("k".to_owned(), None), ("l".to_owned(), Some(2))], durable).await,
            _ => {
                let policy = crate::Retention { before: None, max_bytes: Some(0), floor: Sequence(3), force: false };
                store.retain(&policy).await.map(drop)
            }
        };
        assert!(matches!(refused, Err(StoreError::Superseded { held: 1, newest: 2 })), "{what}: {refused:?}");
        tokio::time::timeout(super::support::PATIENCE, store.poisoned()).await.expect("it is poisoned");
        assert!(matches!(store.append(drafts("S", 1)).await, Err(StoreError::Poisoned)));
        assert_eq!(all(&store).await.len(), 3, "reads go on");
        assert_eq!(
            (store.horizon(), table.list("").await.expect("readable")),
            (Sequence(0), vec![("k".to_owned(), 1)])
        );
    }
}

async fn each_opening_takes_the_next_lease(place: Place) {
    for number in 1..4 {
        let store = place.open();
        let newest = Lease::take(store.engine()).expect("taken");
        newest.check().expect("it is the newest");
        let refused = store.append(drafts("R", 1)).await.map(drop);
        let (held, taken) = (2 * number - 1, 2 * number);
        let superseded =
            |e: &StoreError| matches!(e, StoreError::Superseded { held: h, newest: n } if (*h, *n) == (held, taken));
        assert!(refused.as_ref().is_err_and(superseded), "{refused:?}");
    }
}

#[tokio::test]
async fn an_engine_that_two_share_refuses_the_older_one_even_between_its_look_and_its_write() {
    let disk = MemoryDisk::default();
    let older = EventStore::open_memory(&disk).expect("the store opens");
    older.append(drafts("R", 3)).await.expect("appended");
    let log = older.engine().tree(layout::LOG_TREE, Values::Large).expect("a tree");
    let table = older.engine().tree("table.progress", Values::Large).expect("a tree");
    let newer = EventStore::on(Path::new("beside"), Arc::new(disk.attach_beside()), None).expect("it opens beside");
    // Whoever had looked at the lease just before.
    let last = log.last().expect("readable").map(|(key, _)| key);
    let refused = |what: &str, outcome: Result<(), Cause>| {
        let told = outcome.expect_err(what).to_string();
        assert_eq!(told, "another store holds a newer lease: number 2, and this one 1", "{what}");
    };
    refused("append", log.append(last.as_deref(), &layout::block_key(Sequence(9)), b"late").map(drop));
    refused("put", table.put(b"k", b"late"));
    refused("remove", table.remove(b"k"));
    refused("swap", table.compare_and_swap(b"k", None, Some(b"late")).map(drop));
    assert!(matches!(older.append(drafts("S", 1)).await, Err(StoreError::Superseded { held: 1, newest: 2 })));
    newer.append(drafts("T", 2)).await.expect("the newer one writes");
    assert_eq!(assert_whole(&newer).await.len(), 5);
    assert_eq!(newer.entity(&account(), &subject("S0")).await.expect("readable"), None);
}
