//! Cursors, bounds, the tail, large bodies.

use event_model::Sequence;
use serde_json::json;

use super::support::{Place, all, contents, directory, draft, drafts, on_each_engine};
use crate::{Durability, EventStore, MAX_READ_BYTES, TableName, engine::Values, layout};

on_each_engine!(
    a_read_begins_after_its_cursor_and_ends_at_its_limit_or_the_tail,
    the_tail_tells_of_each_append_and_what_it_tells_can_be_read,
    a_body_of_five_mebibytes_comes_back_and_no_value_passes_the_bound,
    large_values_of_a_table_grow_shrink_and_go_within_the_bound,
    a_read_ends_once_it_holds_enough_bytes_and_the_next_goes_on,
    a_page_holds_no_more_than_is_kept_but_always_an_event,
);

/// No value that sled gets passes the bound, and it has put nothing into a file of its own.
fn assert_values_bounded(store: &EventStore, place: &Place) {
    let Place::Sled(directory) = place else { return };
    for name in [layout::LOG_TREE, layout::STATE_TREE, layout::META_TREE, "table.pending"] {
        let pieces = store.engine().tree(name, Values::Small).expect("a tree");
        for (key, value) in contents(&*pieces) {
            assert!(value.len() <= layout::MAX_VALUE_BYTES && key.len() <= layout::MAX_KEY_BYTES);
        }
    }
    let blobs = std::fs::read_dir(directory.path().join("blobs")).expect("sled's directory");
    assert_eq!(blobs.count(), 0, "a message of sled passed its bound");
}

async fn a_read_begins_after_its_cursor_and_ends_at_its_limit_or_the_tail(place: Place) {
    let store = place.open();
    store.append(drafts("R", 10)).await.expect("appended");
    let read = async |after, limit| {
        let events = store.read_after(Sequence(after), limit).await.expect("readable");
        events.iter().map(|e| e.head.sequence.0).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 3).await, [1, 2, 3]);
    assert_eq!(read(3, 3).await, [4, 5, 6]);
    assert_eq!(read(8, 100).await, [9, 10]);
    assert_eq!(read(9, usize::MAX).await, [10]);
    assert!(read(10, 100).await.is_empty() && read(u64::MAX, 100).await.is_empty() && read(0, 0).await.is_empty());
    for nowhere in [0, 11, u64::MAX] {
        assert_eq!(store.event(Sequence(nowhere)).await.expect("readable"), None);
    }
}

async fn the_tail_tells_of_each_append_and_what_it_tells_can_be_read(place: Place) {
    let store = place.open();
    let mut tail = store.tail();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let mut seen = Sequence::START;
            while seen < Sequence(20) {
                tail.changed().await.expect("the store is open");
                let last = *tail.borrow_and_update();
                let events = store.read_after(seen, 100).await.expect("readable");
                assert!(events.last().expect("something new").head.sequence >= last);
                seen = last;
            }
        }
    });
    for i in 0..20 {
        store.append(vec![draft(&format!("R{i}"), 1, json!({}))]).await.expect("appended");
    }
    reader.await.expect("the reader");
}

async fn a_body_of_five_mebibytes_comes_back_and_no_value_passes_the_bound(place: Place) {
    let store = place.open();
    let text: String = (0..5 << 20).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
    let mut batch = drafts("R", 30);
    batch.insert(15, draft("large", 1, json!({"text": text})));
    batch.push(draft("nearly", 1, json!({"text": text[..layout::MAX_VALUE_BYTES]})));
    let appended = store.append(batch).await.expect("appended");
    assert!(appended[15].body.len() > 5 << 20);
    assert_values_bounded(&store, &place);
    drop(store);
    let store = place.open();
    assert_eq!(all(&store).await, appended);
    assert_eq!(store.event(Sequence(16)).await.expect("readable").as_ref(), Some(&appended[15]));
}

async fn large_values_of_a_table_grow_shrink_and_go_within_the_bound(place: Place) {
    let store = place.open();
    let table = store.table::<String>(TableName::Pending);
    for (round, size) in [0, 1 << 20, 40_000, 300_000, 10].into_iter().enumerate() {
        for key in 0..12 {
            let value = "v".repeat(size + key);
            table.put(&format!("k{key}"), &value, Durability::Relaxed).await.expect("written");
        }
        let sizes: Vec<_> = table.list("k").await.expect("readable").iter().map(|(_, v)| v.len()).collect();
        assert_eq!(sizes.len(), 12, "round {round}");
        assert!(sizes.iter().all(|s| (size..size + 12).contains(s)), "round {round}");
        assert_values_bounded(&store, &place);
    }
    for key in 0..12 {
        assert!(table.delete(&format!("k{key}"), Durability::Relaxed).await.expect("deleted"));
    }
    let pieces = store.engine().tree("table.pending", Values::Small).expect("a tree");
    assert_eq!(contents(&*pieces), [], "no piece is left behind");
}

async fn a_read_ends_once_it_holds_enough_bytes_and_the_next_goes_on(place: Place) {
    let store = place.open();
    let text = "x".repeat(MAX_READ_BYTES / 4);
    let batch = (0..10).map(|i| draft(&format!("R{i}"), 1, json!({"text": text}))).collect();
    store.append(batch).await.expect("appended");
    assert_eq!(store.read_after(Sequence::START, 100).await.expect("readable").len(), 4);
    assert_eq!(all(&store).await.len(), 10);
    assert!(store.disk_bytes() > 0);
}

async fn a_page_holds_no_more_than_is_kept_but_always_an_event(place: Place) {
    let store = place.open();
    let event = store.append(drafts("R", 10)).await.expect("appended").swap_remove(0);
    let read = async |max_bytes| store.read_page(Sequence::START, 100, max_bytes).await.expect("readable").len();
    assert_eq!([read(0).await, read(1).await, read(2 * event.body.len()).await], [1, 1, 2]);
    assert_eq!(read(usize::MAX).await, 10);
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let outer = directory();
    let path = outer.path().join("made/by/us");
    let _store = EventStore::open(&crate::StoreConfig::at(&path)).expect("the store opens");
    let mode = std::fs::metadata(&path).expect("the directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
