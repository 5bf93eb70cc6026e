//! Drafts, stores and waits that the tests share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use event_model::{
    AccountName, Data, Detection, EntityKind, EntityState, Event, EventDraft, EventType, Revision, Sequence, Subject,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{EventStore, StoreConfig, StoreError, StoredEvent};

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
        data: Data { object, ..Data::default() },
        detection: Detection { observed_at: at, not_before: None, inferred: false },
    }
}

/// First events of `count` reports whose ids begin with `prefix`.
pub fn drafts(prefix: &str, count: usize) -> Vec<EventDraft> {
    (0..count).map(|i| draft(&format!("{prefix}{i}"), 1, json!({"i": i}))).collect()
}

pub fn config(directory: &TempDir) -> StoreConfig {
    StoreConfig::at(directory.path())
}

pub fn open(directory: &TempDir) -> EventStore {
    EventStore::open(&config(directory)).expect("the store opens")
}

pub fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
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

/// A store whose way to make things durable is counted, can be held up and can fail.
pub struct Sync {
    /// The sync of what was found at opening; the rest is about those after it.
    pub at_open: AtomicBool,
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

pub fn open_with_sync(directory: &TempDir) -> (EventStore, Arc<Sync>) {
    let sync = Arc::new(Sync {
        at_open: false.into(),
        count: 0.into(),
        fails: false.into(),
        gate: tokio::sync::Mutex::new(()),
    });
    let watched = Arc::clone(&sync);
    let store = EventStore::open_with(&config(directory), |disk| {
        Box::new(move || {
            if !watched.at_open.swap(true, Ordering::SeqCst) {
                return disk.make_durable();
            }
            watched.count.fetch_add(1, Ordering::SeqCst);
            let _open = watched.gate.blocking_lock();
            match watched.fails.load(Ordering::SeqCst) {
                true => Err(Arc::new(std::io::Error::other("the disk is gone"))),
                false => disk.make_durable(),
            }
        })
    });
    (store.expect("the store opens"), sync)
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
