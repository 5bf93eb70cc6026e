//! Damaged, foreign and unfinished directories: found, located, never skipped, never a panic.

use event_model::{EntityKind, Sequence};
use serde_json::json;

use super::support::{account, all, assert_whole, config, directory, draft, drafts, is_corrupt, open, subject};
use crate::{EventStore, StoreError, layout, log::Head, log::LogBatch};

fn record_key(sequence: u64, chunk: u32) -> Vec<u8> {
    layout::chunk_key(&layout::event_key(Sequence(sequence)), chunk)
}

/// A store of five events, the fourth of them in three chunks; and what `damage` does to its log.
async fn damaged(damage: impl FnOnce(&sled::Tree)) -> (EventStore, tempfile::TempDir) {
    let directory = directory();
    let store = open(&directory);
    let mut batch = drafts("R", 5);
    batch[3].data.object = json!({"text": "x".repeat(2 * layout::MAX_VALUE_BYTES)});
    store.append(batch).await.expect("appended");
    damage(store.parts().0.tree());
    (store, directory)
}

async fn assert_found_at(store: &EventStore, bad: u64) {
    let before = store.read_after(Sequence::START, 100).await.expect("what is whole comes first");
    assert_eq!(before.len() as u64, bad - 1);
    assert!(is_corrupt(store.read_after(Sequence(bad - 1), 100).await, bad));
    assert!(is_corrupt(store.event(Sequence(bad)).await, bad));
    assert_eq!(store.read_after(Sequence(bad), 100).await.expect("what follows is whole").len() as u64, 5 - bad);
}

#[tokio::test]
async fn a_damaged_record_is_found_at_its_sequence() {
    for (bad, chunk) in [(2, 0), (4, 0), (4, 1), (4, 2)] {
        let flip = |tree: &sled::Tree| {
            let mut value = tree.get(record_key(bad, chunk)).expect("readable").expect("there").to_vec();
            *value.last_mut().expect("bytes") ^= 1;
            tree.insert(record_key(bad, chunk), value).expect("damaged");
        };
        assert_found_at(&damaged(flip).await.0, bad).await;
    }
}

#[tokio::test]
async fn a_missing_or_a_cut_record_is_found_at_its_sequence() {
    for (bad, chunk) in [(2, 0), (4, 0), (4, 1), (4, 2)] {
        let lose = |tree: &sled::Tree| drop(tree.remove(record_key(bad, chunk)).expect("lost"));
        assert_found_at(&damaged(lose).await.0, bad).await;
        let cut = |tree: &sled::Tree| drop(tree.insert(record_key(bad, chunk), &[0; 3]).expect("cut"));
        assert_found_at(&damaged(cut).await.0, bad).await;
    }
}

#[tokio::test]
async fn a_record_of_another_sequence_is_found_even_when_it_is_whole() {
    let moved = |tree: &sled::Tree| {
        let other = tree.get(record_key(3, 0)).expect("readable").expect("there");
        tree.insert(record_key(2, 0), other).expect("moved");
    };
    assert_found_at(&damaged(moved).await.0, 2).await;

    let (store, _directory) = damaged(|_| ()).await;
    let body = store.event(Sequence(3)).await.expect("readable").expect("there").body;
    let mut forged = LogBatch::default();
    forged.push(Sequence(2), &body);
    store.parts().0.write(forged, Head { horizon: Sequence(0), last: Sequence(5) }).expect("written");
    assert_found_at(&store, 2).await;
}

#[tokio::test]
async fn a_log_whose_end_or_head_is_damaged_does_not_open() {
    let reopened = async |damage: fn(&sled::Tree)| {
        let (store, directory) = damaged(damage).await;
        drop(store);
        EventStore::open(&config(&directory)).map(drop)
    };
    assert!(is_corrupt(reopened(|tree| drop(tree.remove(record_key(5, 0)).expect("lost"))).await, 5));
    let stray = reopened(|tree| drop(tree.insert(record_key(6, 0), b"stray").expect("added"))).await;
    assert!(matches!(stray, Err(StoreError::Corrupt { sequence: Sequence(6) })), "{stray:?}");
    for head in [None, Some(b"head")] {
        let damage: fn(&sled::Tree) = match head {
            None => |tree| drop(tree.remove(layout::HEAD_KEY).expect("lost")),
            Some(_) => |tree| drop(tree.insert(layout::HEAD_KEY, b"head").expect("damaged")),
        };
        let refused = reopened(damage).await;
        assert!(matches!(refused, Err(StoreError::CorruptValue { place: "log", .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn states_that_are_behind_or_ahead_or_gone_are_those_of_the_log_after_opening() {
    let directory = directory();
    let store = open(&directory);
    store.append(drafts("R", 700)).await.expect("appended");
    store.append((0..700).map(|i| draft(&format!("R{i}"), 2, json!({"now": i}))).collect()).await.expect("appended");
    drop(store);
    let damages: [fn(&sled::Tree); 3] = [
        |tree| {
            // As after a crash before the last fold: the head says 3, the states may be of any later time.
            let head = crate::frame::split(layout::HEAD_KEY, &3_u64.to_be_bytes()).concat();
            tree.insert(layout::HEAD_KEY, head).expect("set back");
        },
        |tree| {
            let head = crate::frame::split(layout::HEAD_KEY, &9_999_u64.to_be_bytes()).concat();
            tree.insert(layout::HEAD_KEY, head).expect("set ahead");
            tree.insert(layout::entity_key(&account(), &subject("never")), b"x").expect("added");
        },
        |tree| tree.clear().expect("cleared"),
    ];
    for damage in damages {
        let store = open(&directory);
        damage(store.parts().1.tree());
        drop(store);
        let store = open(&directory);
        assert_eq!(assert_whole(&store).await.len(), 1400);
        assert_eq!(store.parts().1.folded_up_to().expect("readable"), Sequence(1400));
    }
}

#[tokio::test]
async fn a_damaged_state_is_an_error_and_stops_appends_about_that_entity_alone() {
    let directory = directory();
    let store = open(&directory);
    store.append(drafts("R", 2)).await.expect("appended");
    store.parts().1.tree().insert(layout::entity_key(&account(), &subject("R0")), b"x").expect("damaged");
    assert!(matches!(store.entity(&account(), &subject("R0")).await, Err(StoreError::CorruptValue { .. })));
    let listed = store.entities(&account(), EntityKind::Report).await;
    assert!(matches!(listed, Err(StoreError::CorruptValue { .. })), "{listed:?}");
    assert!(store.append(vec![draft("R0", 2, json!({}))]).await.is_err());
    store.append(vec![draft("R1", 2, json!({}))]).await.expect("another entity");
    assert_eq!(store.last_sequence(), Sequence(3));
}

#[tokio::test]
async fn a_directory_of_a_later_version_is_refused_and_left_as_it_is() {
    let directory = directory();
    drop(open(&directory));
    let set = |format: u32| {
        let db = sled::Config::new().path(directory.path()).segment_size(layout::SEGMENT_BYTES).open().expect("sled");
        let meta = db.open_tree(layout::META_TREE).expect("meta");
        meta.insert(layout::FORMAT_KEY, &format.to_be_bytes()).expect("set");
    };
    set(layout::FORMAT + 1);
    for _ in 0..2 {
        let error = EventStore::open(&config(&directory)).map(drop).expect_err("refused");
        assert!(matches!(error, StoreError::NewerFormat { found: 2, known: 1, .. }), "{error:?}");
        assert!(error.to_string().contains("has format 2; this version knows formats up to 1"), "{error}");
    }
    set(layout::FORMAT);
    open(&directory);
}

#[tokio::test]
async fn what_an_interrupted_start_left_does_not_stop_the_next() {
    let directory = directory();
    std::fs::write(directory.path().join("conf"), b"segment_si").expect("a settings file that is cut short");
    let store = open(&directory);
    store.append(drafts("R", 3)).await.expect("appended");
    drop(store);
    let snapshot = directory.path().join("snap.7FFFFFFFFFFFFFFF.generating");
    std::fs::write(&snapshot, b"half of a snapshot").expect("written");
    let store = open(&directory);
    assert_eq!(all(&store).await.len(), 3);
    assert!(!snapshot.exists());
}
