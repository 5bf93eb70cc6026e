use super::*;
use crate::{
    EventStore, MemoryDisk,
    tests::support::{draft, subject},
};

fn store() -> EventStore {
    EventStore::open_memory(&MemoryDisk::default()).expect("the store opens")
}

fn prepared(id: &str) -> Vec<Prepared> {
    vec![Prepared::draft(draft(id, 1, serde_json::json!({ "state": "OPEN" }))).expect("fit")]
}

/// Appends until it is known that syncs are quick: in memory they are.
async fn quicken(store: &EventStore) {
    for n in 0..100 {
        store.append(vec![draft(&format!("Q{n}"), 1, serde_json::json!({}))]).await.expect("appended");
    }
}

/// Holds `committer` until what is given is dropped.
fn hold(committer: Arc<Mutex<Committer>>) -> impl Drop {
    struct Held(Option<Sender<()>>, Option<JoinHandle<()>>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0 = None;
            self.1.take().map(JoinHandle::join).expect("once").expect("no panic");
        }
    }
    let ((held, is_held), (release, released)) = (channel(), channel::<()>());
    let holding = std::thread::spawn(move || {
        let _committing = committer.lock().expect("nobody has panicked");
        held.send(()).expect("the test listens");
        released.recv().expect_err("let go");
    });
    is_held.recv().expect("held");
    Held(Some(release), Some(holding))
}

#[tokio::test]
async fn where_syncs_are_quick_a_caller_commits_himself_unless_another_one_does_or_something_is_queued() {
    let store = store();
    assert!(store.writer().append_at_once(prepared("A")).is_err(), "nobody knows yet");
    quicken(&store).await;
    let stored = store.writer().append_at_once(prepared("A")).ok().expect("at once").expect("appended");
    assert_eq!(stored[0].head.sequence, store.last_sequence());
    assert!(store.entity(&"acme".parse().expect("a name"), &subject("A")).await.expect("readable").is_some());
    let again = store.writer().append_at_once(prepared("A")).ok().expect("at once");
    assert!(matches!(again, Err(StoreError::RevisionConflict { .. })), "{again:?}");

    let held = hold(Arc::clone(&store.writer().committer));
    let events = store.writer().append_at_once(prepared("B")).expect_err("another one commits");
    let queued = tokio::spawn({
        let store = store.clone();
        async move { store.writer().append(events).await }
    });
    while store.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    drop(held);
    queued.await.expect("no panic").expect("appended");
    let place = store.writer().room.try_acquire().expect("there is room");
    assert!(store.writer().append_at_once(prepared("C")).is_err(), "who is queued is first");
    drop(place);
    assert!(store.writer().append_at_once(prepared("C")).ok().expect("at once again").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_something_urgent_is_told_when_the_writer_panics() {
    let store = EventStore::open_memory(&MemoryDisk::default()).expect("the store opens");
    let committer = Arc::clone(&store.writer().committer);
    let (held, hold) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let panicking = std::thread::spawn(move || {
        let _committing = committer.lock().expect("nobody has panicked yet");
        held.send(()).expect("the test listens");
        released.recv().expect("the test goes on");
        panic!("of whoever commits");
    });
    hold.recv().expect("held");
    let table = store.table::<u8>(TableName::Keys);
    let put = tokio::spawn(async move { table.put("k", &1, Durability::Durable).await });
    while store.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    release.send(()).expect("it waits");
    assert!(panicking.join().is_err());
    assert!(matches!(put.await.expect("no panic"), Err(StoreError::Poisoned)));
    let later = store.table::<u8>(TableName::Keys).put("k", &2, Durability::Durable).await;
    assert!(matches!(later, Err(StoreError::Poisoned)), "{later:?}");
}
