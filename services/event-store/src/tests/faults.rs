//! Crashes at every moment, on a disk that fails when it is told to: what was acknowledged stands, what was not is there
//! whole or not at all.

use std::time::Duration;

use event_model::Sequence;
use proptest::prelude::*;
use serde_json::json;

use super::support::{account, all, appending, assert_whole, draft, drafts, subject, until};
use crate::{Durability, EventStore, MemoryDisk, StoreError, StoredEvent, TableName};

fn open(disk: &MemoryDisk) -> EventStore {
    EventStore::open_memory(disk).expect("the store opens")
}

async fn value(store: &EventStore, key: &str) -> Option<u32> {
    store.table(TableName::Progress).get(key).await.expect("readable")
}

#[tokio::test]
async fn a_power_cut_takes_what_was_not_durable_and_nothing_else() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    let table = store.table::<u32>(TableName::Progress);
    table.put("durable", &1, Durability::Durable).await.expect("written");
    store.append(drafts("R", 3)).await.expect("appended");
    table.put("durable", &2, Durability::Relaxed).await.expect("visible");
    table.put("relaxed", &1, Durability::Relaxed).await.expect("visible");
    disk.power_cut();
    let kept = open(&disk);
    assert_eq!(assert_whole(&kept).await.len(), 3);
    assert_eq!(value(&kept, "durable").await, Some(1));
    assert_eq!(value(&kept, "relaxed").await, None);
}

#[tokio::test]
async fn whoever_had_the_disk_open_can_do_nothing_more_after_a_power_cut() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    store.append(drafts("R", 1)).await.expect("appended");
    disk.power_cut();
    let next = open(&disk);
    let refused = store.append(drafts("S", 1)).await;
    assert!(matches!(refused, Err(StoreError::Read { .. } | StoreError::Commit { .. })), "{refused:?}");
    assert!(matches!(store.read_after(Sequence::START, 9).await, Err(StoreError::Read { .. })));
    drop(store);
    assert!(matches!(EventStore::open_memory(&disk).map(drop), Err(StoreError::InUse { .. })), "the next one has it");
    next.append(vec![draft("R0", 2, json!({}))]).await.expect("appended");
    assert_eq!(assert_whole(&next).await.len(), 2);
}

#[tokio::test]
async fn a_failed_commit_is_told_and_stands_or_not_as_the_disk_was_told() {
    for stands in [false, true] {
        let disk = MemoryDisk::default();
        let store = open(&disk);
        disk.fail_commit_after(1, stands);
        let table = store.table::<u32>(TableName::Progress);
        store.append(drafts("before", 2)).await.expect("the first commit from now");
        table.put("k", &1, Durability::Relaxed).await.expect("visible");
        let failed = store.append(drafts("R", 3)).await;
        assert!(matches!(failed, Err(StoreError::Commit { .. })), "{failed:?}");
        assert!(matches!(store.append(drafts("S", 1)).await, Err(StoreError::Poisoned)));
        assert_eq!(store.last_sequence(), Sequence(2));
        assert_eq!(store.entity(&account(), &subject("R0")).await.expect("readable"), None);
        drop((store, table));
        let store = open(&disk);
        assert_eq!(assert_whole(&store).await.len(), if stands { 5 } else { 2 });
        assert_eq!(value(&store, "k").await, stands.then_some(1));
        store.append(drafts("again", 1)).await.expect("writes are taken again");
    }
}

/// A small append that takes long, a large one behind it, and a durable change of a table that comes in the midst of that;
/// the commit fails that follows `commits` others.
async fn passed(disk: &MemoryDisk, commits: u64) -> [Result<(), StoreError>; 3] {
    let store = open(disk);
    disk.fail_commit_after(commits, false);
    disk.slow_down(Duration::from_millis(500));
    let small = appending(&store, "small", 1);
    until("it is queued", || store.waiting() == 1).await;
    let large = appending(&store, "large", 600);
    until("both are queued", || store.waiting() == 2).await;
    let table = store.table::<u32>(TableName::Progress);
    let put = tokio::spawn(async move { table.put("k", &1, Durability::Durable).await });
    until("all are queued", || store.waiting() == 3).await;
    disk.slow_down(Duration::ZERO);
    [small.await, large.await, put.await].map(|task| task.expect("no panic"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_fails_takes_no_change_back_that_passed_it() {
    let disk = MemoryDisk::default();
    let outcomes = passed(&disk, 2).await;
    assert!(matches!(outcomes, [Ok(()), Err(StoreError::Commit { .. }), Ok(())]), "{outcomes:?}");
    let store = open(&disk);
    assert_eq!((assert_whole(&store).await.len(), value(&store, "k").await), (1, Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_fails_in_the_midst_of_an_append_fails_that_too() {
    let disk = MemoryDisk::default();
    let outcomes = passed(&disk, 1).await;
    assert!(
        matches!(outcomes, [Ok(()), Err(StoreError::Commit { .. }), Err(StoreError::Commit { .. })]),
        "{outcomes:?}"
    );
    let store = open(&disk);
    assert_eq!((assert_whole(&store).await.len(), value(&store, "k").await), (1, None));
    store.append(drafts("again", 1)).await.expect("writes are taken again");
}

#[tokio::test]
async fn a_commit_that_is_torn_between_its_blocks_is_gone_after_the_next_start() {
    for blocks in 0..4 {
        let disk = MemoryDisk::default();
        let store = open(&disk);
        store.append(drafts("before", 2)).await.expect("appended");
        disk.fail_append_after(blocks);
        let failed = store.append(drafts("R", 500)).await;
        assert!(matches!(failed, Err(StoreError::Commit { .. })), "{failed:?}");
        assert!(matches!(store.append(drafts("S", 1)).await, Err(StoreError::Poisoned)));
        assert_eq!(all(&store).await.len(), 2, "readers never see half of it");
        drop(store);
        let store = open(&disk);
        assert_eq!(assert_whole(&store).await.len(), 2);
        store.append(drafts("again", 200)).await.expect("writes are taken again");
        assert_eq!(store.verify(|_| ()).await.expect("whole").events, 202);
    }
}

#[tokio::test]
async fn a_full_disk_leaves_a_readable_log_that_goes_on_once_there_is_room() {
    for writes in 0..6 {
        let disk = MemoryDisk::default();
        let store = open(&disk);
        store.append(drafts("before", 300)).await.expect("appended");
        disk.fill_up_after(writes);
        let mut appended = 300;
        let failed = loop {
            match store.append(drafts(&format!("{appended}-"), 40)).await {
                Ok(events) => appended += events.len(),
                Err(failed) => break failed,
            }
        };
        assert!(matches!(failed, StoreError::Commit { .. } | StoreError::Poisoned), "{failed:?}");
        assert_eq!(all(&store).await.len(), appended);
        drop(store);
        disk.make_room();
        let store = open(&disk);
        assert_eq!(assert_whole(&store).await.len(), appended);
        store.append(drafts("after", 3)).await.expect("writes are taken again");
    }
}

#[tokio::test]
async fn a_slow_disk_holds_up_no_reader_and_is_shared_by_whoever_waits() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    store.append(drafts("before", 5)).await.expect("appended");
    disk.slow_down(std::time::Duration::from_millis(100));
    let start = std::time::Instant::now();
    let writers: Vec<_> = (0..32)
        .map(|i| {
            let store = store.clone();
            tokio::spawn(async move { store.append(drafts(&format!("{i}-"), 1)).await.map(drop) })
        })
        .collect();
    let mut reads = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        assert!(all(&store).await.len() >= 5);
        reads += 1;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.expect("the task").expect("appended");
    }
    assert!(reads > 1);
    assert!(start.elapsed() < std::time::Duration::from_millis(32 * 100), "they share commits");
    assert_eq!(assert_whole(&store).await.len(), 37);
}

#[tokio::test]
async fn on_a_slow_disk_all_who_append_in_turns_share_each_commit() {
    const WRITERS: usize = 8;
    const TURNS: usize = 5;
    let disk = MemoryDisk::default();
    let store = open(&disk);
    disk.slow_down(std::time::Duration::from_millis(150));
    let mut tail = store.tail();
    let writer = |i: usize| {
        let store = store.clone();
        async move {
            for turn in 0..TURNS {
                store.append(drafts(&format!("{i}-{turn}-"), 1)).await.expect("appended");
            }
        }
    };
    let writers: Vec<_> = (0..WRITERS).map(|i| tokio::spawn(writer(i))).collect();
    let mut commits = 0;
    while tail.borrow_and_update().0 < (WRITERS * TURNS) as u64 {
        tail.changed().await.expect("the store is open");
        commits += 1;
    }
    for writer in writers {
        writer.await.expect("the task");
    }
    assert!(commits < TURNS * 2 - 2, "{commits} commits: they took turns in two halves");
}

#[tokio::test]
async fn a_start_whose_sync_fails_shows_nothing_and_the_next_one_may_succeed() {
    let disk = MemoryDisk::default();
    open(&disk).append(drafts("R", 2)).await.expect("appended");
    disk.fail_commit_after(0, false);
    let refused = EventStore::open_memory(&disk).map(drop);
    assert!(matches!(refused, Err(StoreError::Open { step: "sync what was found", .. })), "{refused:?}");
    assert_eq!(assert_whole(&open(&disk)).await.len(), 2);
    // Of a new disk every step of the first start may fail.
    for commits in 0..2 {
        let disk = MemoryDisk::default();
        disk.fail_commit_after(commits, false);
        assert!(matches!(EventStore::open_memory(&disk).map(drop), Err(StoreError::Open { .. })));
        disk.power_cut();
        open(&disk).append(drafts("R", 1)).await.expect("appended");
    }
}

#[tokio::test]
async fn the_same_calls_leave_the_same_disk_however_long_they_take() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    let table = store.table::<u32>(TableName::Progress);
    table.put("k", &1, Durability::Relaxed).await.expect("visible");
    // Not a wait for anything: nothing must happen, however long.
    tokio::time::sleep(2 * crate::RELAXED_FLUSH).await;
    disk.power_cut();
    assert_eq!(value(&open(&disk), "k").await, None);
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Put(u32, bool),
    /// How many commits from now on; whether it stands.
    FailCommit(u64, bool),
    PowerCut,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..5_u8).prop_map(Step::Append),
        3 => (any::<u32>(), any::<bool>()).prop_map(|(value, durable)| Step::Put(value, durable)),
        1 => (0..4_u64, any::<bool>()).prop_map(|(after, stands)| Step::FailCommit(after, stands)),
        1 => Just(Step::PowerCut),
        1 => Just(Step::Reopen),
    ]
}

/// What may be found, for the log and for the one key of the table: what was acknowledged, and what was not yet.
#[derive(Default)]
struct Model {
    acknowledged: Vec<StoredEvent>,
    /// The ids of an append whose commit failed.
    in_doubt: Vec<String>,
    values: Vec<Option<u32>>,
}

impl Model {
    /// The store after a start, or before any: what it holds is what may be.
    async fn found(&mut self, store: &EventStore) {
        let events = assert_whole(store).await;
        let (kept, more) = events.split_at(self.acknowledged.len().min(events.len()));
        assert_eq!(kept, self.acknowledged, "what was acknowledged stands");
        let more: Vec<_> = more.iter().map(|event| event.head.subject.id.clone()).collect();
        assert!(more.is_empty() || more == self.in_doubt, "half of an append: {more:?} of {:?}", self.in_doubt);
        let value = value(store, "k").await;
        assert!(self.values.contains(&value), "{value:?} of {:?}", self.values);
        *self = Self { acknowledged: events, in_doubt: Vec::new(), values: vec![value] };
    }
}

async fn run(steps: Vec<Step>) {
    let (disk, mut model) = (MemoryDisk::default(), Model { values: vec![None], ..Model::default() });
    let (mut store, mut appends) = (open(&disk), 0);
    for step in steps {
        let failed = match step {
            Step::Append(count) => {
                appends += 1;
                let drafts = drafts(&format!("{appends}-"), count.into());
                let ids = drafts.iter().map(|draft| draft.subject.id.clone()).collect();
                match store.append(drafts).await {
                    Ok(events) => {
                        model.acknowledged.extend(events);
                        false
                    }
                    Err(_) => {
                        model.in_doubt = ids;
                        true
                    }
                }
            }
            Step::Put(value, durable) => {
                let durability = if durable { Durability::Durable } else { Durability::Relaxed };
                model.values.push(Some(value));
                let put = store.table::<u32>(TableName::Progress).put("k", &value, durability).await;
                if durable && put.is_ok() {
                    model.values = vec![Some(value)];
                }
                put.is_err()
            }
            Step::FailCommit(after, stands) => {
                disk.fail_commit_after(after, stands);
                false
            }
            Step::PowerCut => {
                disk.power_cut();
                true
            }
            Step::Reopen => true,
        };
        if failed {
            drop(store);
            // The fault may be waiting for the start, too.
            store = EventStore::open_memory(&disk).unwrap_or_else(|_| open(&disk));
            model.found(&store).await;
        }
    }
    assert_eq!(all(&store).await, model.acknowledged);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_and_whenever_the_power_goes_nothing_acknowledged_is_lost(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(run(steps));
    }
}
