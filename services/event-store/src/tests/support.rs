//! Drafts, stores on each engine, and waits that the tests share.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use event_model::{
    AccountName, Data, Detection, EntityKind, EntityState, Event, EventDraft, EventType, Revision, Sequence, Subject,
    TimestampSource,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{
    Cause, EventStore, MemoryDisk, RELAXED_FLUSH, StoreConfig, StoreError, StoredEvent,
    engine::{Engine, SledEngine, Tree, Values},
};

/// Longest wait for anything that should happen soon.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn account() -> AccountName {
    "acme".parse().expect("account")
}

pub fn subject(id: &str) -> Subject {
    Subject::new(EntityKind::Report, id)
}

/// A draft about report `id`.
pub fn draft(id: &str, revision: u64, object: Value) -> EventDraft {
    let at: jiff::Timestamp = "2026-04-02T09:14:21Z".parse().expect("time");
    EventDraft {
        event_type: EventType::ReportUpdated,
        timestamp: at,
        account: account(),
        subject: subject(id),
        revision: Revision(revision),
        actor: None,
        data: Data { object, ..Data::default() },
        detection: Detection {
            observed_at: at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

/// First events of `count` reports whose ids begin with `prefix`.
pub fn drafts(prefix: &str, count: usize) -> Vec<EventDraft> {
    (0..count).map(|i| draft(&format!("{prefix}{i}"), 1, json!({"i": i}))).collect()
}

/// The same, being appended by a task of their own.
pub fn appending(store: &EventStore, prefix: &'static str, count: usize) -> JoinHandle<Result<(), StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { store.append(drafts(prefix, count)).await.map(drop) })
}

/// Runs each of the named tests on every engine: `async fn name(place: Place)` becomes `on_sled::name` and `in_memory::name`.
macro_rules! on_each_engine {
    ($($name:ident),+ $(,)?) => {
        mod on_sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::tests::support::Place::sled()).await;
            })+
        }
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::tests::support::Place::memory()).await;
            })+
        }
    };
}
pub(crate) use on_each_engine;

/// Where a store is kept, and by which engine.
pub enum Place {
    Sled(TempDir),
    Memory(MemoryDisk),
}

impl Place {
    pub fn sled() -> Self {
        Self::Sled(directory())
    }

    pub fn memory() -> Self {
        Self::Memory(MemoryDisk::default())
    }

    /// Another empty one on the same engine.
    pub fn other(&self) -> Self {
        match self {
            Self::Sled(_) => Self::sled(),
            Self::Memory(_) => Self::memory(),
        }
    }

    pub fn try_open(&self) -> Result<EventStore, StoreError> {
        match self {
            Self::Sled(directory) => EventStore::open(&config(directory)),
            Self::Memory(disk) => EventStore::open_memory(disk),
        }
    }

    pub fn open(&self) -> EventStore {
        self.try_open().expect("the store opens")
    }

    pub fn engine(&self) -> Arc<dyn Engine> {
        match self {
            Self::Sled(directory) => Arc::new(SledEngine::open(&config(directory)).expect("the engine opens")),
            Self::Memory(disk) => Arc::new(disk.attach().expect("the engine opens")),
        }
    }

    /// A store whose syncs are watched. It flushes relaxed writes by the clock, whatever the engine.
    pub fn open_with_sync(&self) -> (EventStore, Arc<Sync>) {
        let sync = Arc::new(Sync::default());
        let engine = Watched { engine: self.engine(), sync: Arc::clone(&sync) };
        let store = EventStore::on(Path::new("watched"), Arc::new(engine), Some(RELAXED_FLUSH));
        sync.at_open.store(sync.count.swap(0, Ordering::SeqCst), Ordering::SeqCst);
        (store.expect("the store opens"), sync)
    }
}

pub fn config(directory: &TempDir) -> StoreConfig {
    StoreConfig::at(directory.path())
}

pub fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Sets one key of `tree` behind the store's back.
pub fn insert(tree: &dyn Tree, key: &[u8], value: &[u8]) {
    tree.put(key, value).expect("written");
}

/// Removes one key of `tree` behind the store's back.
pub fn remove(tree: &dyn Tree, key: &[u8]) {
    tree.remove(key).expect("removed");
}

/// Keys and values of `tree`.
pub fn contents(tree: &dyn Tree) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut scan, mut contents) = (tree.scan(&[], None), Vec::new());
    while let Some((key, value)) = scan.next().expect("readable") {
        contents.push((key.to_vec(), value.to_vec()));
    }
    contents
}

/// Every event from the start, through as many reads as it takes.
pub async fn all(store: &EventStore) -> Vec<StoredEvent> {
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let after = events.last().map_or(Sequence::START, |e| e.head.sequence);
        match store.read_after(after, 1000).await.expect("readable") {
            next if next.is_empty() => return events,
            next => events.extend(next),
        }
    }
}

/// Dense from 1 to the last sequence, and the kept states are the fold of the log.
pub async fn assert_whole(store: &EventStore) -> Vec<StoredEvent> {
    let events = all(store).await;
    let sequences: Vec<u64> = events.iter().map(|e| e.head.sequence.0).collect();
    assert_eq!(sequences, (1..=store.last_sequence().0).collect::<Vec<_>>());
    let mut states = std::collections::BTreeMap::new();
    for stored in &events {
        let event: Event = serde_json::from_slice(&stored.body).expect("an event");
        states.insert(event.subject.id.clone(), EntityState::after(&event));
    }
    let kept = store.entities(&account(), EntityKind::Report).await.expect("states");
    assert_eq!(kept, states.into_iter().collect::<Vec<_>>());
    events
}

/// What a test knows and decides of the syncs of a store.
#[derive(Default)]
pub struct Sync {
    /// Syncs before the store was open.
    pub at_open: AtomicUsize,
    /// Those after it.
    pub count: AtomicUsize,
    pub fails: AtomicBool,
    /// Taken by each sync: held by a test, it holds the sync up.
    pub gate: tokio::sync::Mutex<()>,
}

impl Sync {
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// An engine whose syncs are counted, can be held up and can fail.
struct Watched {
    engine: Arc<dyn Engine>,
    sync: Arc<Sync>,
}

impl Engine for Watched {
    fn tree(&self, name: &str, values: Values) -> Result<Arc<dyn Tree>, Cause> {
        self.engine.tree(name, values)
    }

    fn make_durable(&self) -> Result<(), Cause> {
        self.sync.count.fetch_add(1, Ordering::SeqCst);
        // A store is opened by a task, and nobody holds the gate then; the writer's thread may wait.
        let _open = match self.sync.gate.try_lock() {
            Ok(open) => open,
            Err(_) => self.sync.gate.blocking_lock(),
        };
        match self.sync.fails.load(Ordering::SeqCst) {
            true => Err(Arc::new(std::io::Error::other("the disk is gone"))),
            false => self.engine.make_durable(),
        }
    }

    fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }
}

/// Waits until `done`, looking often, up to [`PATIENCE`].
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn is_corrupt<T>(result: Result<T, StoreError>, at: u64) -> bool {
    matches!(result, Err(StoreError::Corrupt { sequence }) if sequence == Sequence(at))
}
