//! Stores of released versions, committed as they were written, and opened.

use std::path::Path;

use event_model::Sequence;
use serde_json::json;
use tempfile::TempDir;

use super::support::{account, all, assert_whole, config, directory, draft, drafts, subject};
use crate::{
    Durability, EventStore, StoreError, TableName,
    engine::{Engine, SledEngine, Values},
    layout,
};

/// A copy of the fixture of `version` that may be written to.
fn fixture(version: &str) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(version);
    let to = directory();
    std::fs::create_dir(to.path().join("blobs")).expect("made");
    for packed in std::fs::read_dir(from).expect("a fixture").map(|entry| entry.expect("an entry").path()) {
        let plain = zstd::bulk::decompress(&std::fs::read(&packed).expect("readable"), 64 << 20).expect("zstd");
        let name = packed.file_name().and_then(|name| name.to_str()?.strip_suffix(".zst")).expect("a name");
        std::fs::write(to.path().join(name), plain).expect("written");
    }
    to
}

/// What the fixtures hold; see `README.md` beside them.
async fn assert_holds_the_fixture(store: &EventStore) {
    let events = assert_whole(store).await;
    assert_eq!(events.len(), 471);
    assert_eq!(events[450].body.len() / 1000, 100, "the large one");
    let state = store.entity(&account(), &subject("R7")).await.expect("readable").expect("known");
    assert_eq!((state.revision.0, state.sequence), (22, Sequence(471)));
    let history = store.history(&account(), &subject("R7"), None, 100).await.expect("readable");
    assert_eq!(history.iter().map(|e| e.head.revision.0).collect::<Vec<_>>(), (1..=22).rev().collect::<Vec<_>>());
    assert_eq!(store.verify(|_| ()).await.expect("whole").events, 471);
    assert_eq!(store.check_states().await.expect("checked").differ, 0);
    let table = store.table::<serde_json::Value>(TableName::Progress);
    assert_eq!(table.get("sub_1").await.expect("readable").expect("there")["cursor"], 400);
    let text = table.get("sub_2").await.expect("readable").expect("there")["text"].as_str().map(str::len);
    assert_eq!(text, Some(70_000));
}

#[tokio::test]
async fn a_store_of_version_1_opens_as_one_of_this_version() {
    let directory = fixture("v1");
    let store = EventStore::open(&config(&directory)).expect("it opens");
    assert_holds_the_fixture(&store).await;
    store.append(vec![draft("R7", 23, json!({}))]).await.expect("it goes on");
    let events = all(&store).await;
    drop(store);
    let store = EventStore::open(&config(&directory)).expect("it opens again");
    assert_eq!(all(&store).await, events);
    let log = store.engine().tree(layout::LOG_TREE, Values::Small).expect("a tree");
    let first = super::support::contents(&*log).swap_remove(0).0;
    assert!(first[0] > layout::ITEM, "nothing of version 1 is left: {first:?}");
}

/// Blocks that are in sled itself.
fn blocks_in_tree(store: &EventStore) -> usize {
    let log = store.engine().tree(layout::LOG_TREE, Values::Small).expect("a tree");
    super::support::contents(&*log).iter().filter(|(_, value)| value[0] == 0).count()
}

#[tokio::test]
async fn a_store_of_version_2_opens_goes_on_and_says_that_it_is_newer() {
    let directory = fixture("v2");
    let store = EventStore::open(&config(&directory)).expect("it opens");
    assert_holds_the_fixture(&store).await;
    assert!(blocks_in_tree(&store) > 0, "they are read where they are");
    let meta = store.engine().tree(layout::META_TREE, Values::Small).expect("a tree");
    assert_eq!(meta.get(layout::FORMAT_KEY).expect("readable"), Some(3_u32.to_be_bytes().to_vec()));
    store.append(vec![draft("R7", 23, json!({}))]).await.expect("it goes on");
    store.trees().log.settle(store.last_sequence()).expect("settled");
    assert_eq!(blocks_in_tree(&store), 0, "each goes into a pack in time");
    assert_eq!(all(&store).await.len(), 472);
    drop((meta, store));
    assert_eq!(all(&EventStore::open(&config(&directory)).expect("it opens again")).await.len(), 472);
}

#[tokio::test]
async fn a_store_of_version_3_opens_and_goes_on() {
    let directory = fixture("v3");
    let store = EventStore::open(&config(&directory)).expect("it opens");
    assert_holds_the_fixture(&store).await;
    store.append(vec![draft("R7", 23, json!({}))]).await.expect("it goes on");
    drop(store);
    assert_eq!(all(&EventStore::open(&config(&directory)).expect("it opens again")).await.len(), 472);
}

/// `cargo test -p event-store -- --ignored writes_the_fixture`, before a version is released; then compress each file but `LOCK`.
#[tokio::test]
#[ignore = "it writes what a released version leaves"]
async fn writes_the_fixture_of_this_version() {
    let path = std::env::temp_dir().join("event-store-fixture");
    let store = EventStore::open(&crate::StoreConfig::at(&path)).expect("opens");
    for batch in drafts("R", 300).chunks(7) {
        store.append(batch.to_vec()).await.expect("appended");
    }
    let second = (0..150).map(|i| draft(&format!("R{i}"), 2, json!({"state": "APPROVED", "i": i, "policyID": "A1"})));
    store.append(second.collect()).await.expect("appended");
    let text: String = (0..100_000_u64).map(|i| char::from(b'a' + (i * i % 23) as u8)).collect();
    store.append(vec![draft("large", 1, json!({"text": text}))]).await.expect("appended");
    for i in 0..20 {
        store.append(vec![draft("R7", 3 + i, json!({"i": i}))]).await.expect("appended");
    }
    let table = store.table::<serde_json::Value>(TableName::Progress);
    table.put("sub_1", &json!({"cursor": 400}), Durability::Durable).await.expect("written");
    table.put("sub_2", &json!({"text": "x".repeat(70_000)}), Durability::Durable).await.expect("written");
    store.close().await.expect("closed");
    println!("{}", path.display());
}

#[tokio::test]
async fn a_migration_that_was_interrupted_anywhere_goes_on() {
    for kept in [0, 1, 2, 3] {
        let directory = fixture("v1");
        drop(EventStore::open(&config(&directory)).expect("it opens"));
        // As if only the first blocks had been written, the records in them were half gone, and the format was not yet said.
        let whole = fixture("v1");
        let (done, engine) = (SledEngine::open(&config(&directory)), SledEngine::open(&config(&whole)));
        let (done, engine) = (done.expect("opens"), engine.expect("opens"));
        let from = done.tree(layout::LOG_TREE, Values::Large).expect("a tree");
        let to = engine.tree(layout::LOG_TREE, Values::Large).expect("a tree");
        let blocks = super::support::contents(&*from);
        for (index, (key, value)) in blocks.iter().take(kept).enumerate() {
            super::support::insert(&*to, key, value);
            let gone = if index + 1 < kept { 0..128 } else { 0..60 };
            for sequence in gone {
                let key = [&[layout::ITEM][..], &(index as u64 * 128 + 1 + sequence).to_be_bytes()].concat();
                super::support::remove(&*to, &key);
            }
        }
        drop((from, to, done, engine));
        let store = EventStore::open(&config(&whole)).expect("it opens");
        assert_holds_the_fixture(&store).await;
    }
}

#[tokio::test]
async fn a_store_of_version_1_with_a_lost_record_is_refused_and_left_as_it_is() {
    let directory = fixture("v1");
    let engine = SledEngine::open(&config(&directory)).expect("opens");
    let log = engine.tree(layout::LOG_TREE, Values::Large).expect("a tree");
    super::support::remove(&*log, &[&[layout::ITEM][..], &7_u64.to_be_bytes()].concat());
    drop((log, engine));
    for _ in 0..2 {
        let refused = EventStore::open(&config(&directory)).map(drop);
        assert!(matches!(refused, Err(StoreError::Corrupt { sequence: Sequence(7) })), "{refused:?}");
    }
}
