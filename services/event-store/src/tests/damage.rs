//! Damaged, foreign and unfinished directories: found, located, never skipped, never a panic.

use event_model::{EntityKind, Sequence};
use serde_json::json;

use super::support::{
    Place, account, all, assert_whole, contents, directory, draft, drafts, insert, is_corrupt, on_each_engine, remove,
    subject,
};
use crate::{EventStore, StoreConfig, StoreError, engine::Tree, frame, layout, log::Head, log::LogBatch};

on_each_engine!(
    a_damaged_record_is_found_at_its_sequence,
    a_missing_or_a_cut_record_is_found_at_its_sequence,
    a_record_of_another_sequence_is_found_even_when_it_is_whole,
    a_log_whose_end_or_head_is_damaged_does_not_open,
    states_that_are_behind_or_ahead_or_gone_are_those_of_the_log_after_opening,
    a_damaged_state_is_an_error_and_stops_appends_about_that_entity_alone,
    data_of_a_later_version_is_refused_and_left_as_it_is,
);

fn record_key(sequence: u64, chunk: u32) -> Vec<u8> {
    layout::chunk_key(&layout::event_key(Sequence(sequence)), chunk)
}

/// A store of five events, the fourth of them in three chunks; and what `damage` does to its log.
async fn damaged(place: &Place, damage: impl FnOnce(&dyn Tree)) -> EventStore {
    let store = place.open();
    let mut batch = drafts("R", 5);
    batch[3].data.object = json!({"text": "x".repeat(2 * layout::MAX_VALUE_BYTES)});
    store.append(batch).await.expect("appended");
    damage(store.trees().log.tree());
    store
}

async fn assert_found_at(store: &EventStore, bad: u64) {
    let before = store.read_after(Sequence::START, 100).await.expect("what is whole comes first");
    assert_eq!(before.len() as u64, bad - 1);
    assert!(is_corrupt(store.read_after(Sequence(bad - 1), 100).await, bad));
    assert!(is_corrupt(store.event(Sequence(bad)).await, bad));
    assert_eq!(store.read_after(Sequence(bad), 100).await.expect("what follows is whole").len() as u64, 5 - bad);
}

async fn a_damaged_record_is_found_at_its_sequence(place: Place) {
    for (bad, chunk) in [(2, 0), (4, 0), (4, 1), (4, 2)] {
        let flip = |tree: &dyn Tree| {
            let mut value = tree.get(&record_key(bad, chunk)).expect("readable").expect("there");
            *value.last_mut().expect("bytes") ^= 1;
            insert(tree, &record_key(bad, chunk), &value);
        };
        assert_found_at(&damaged(&place.other(), flip).await, bad).await;
    }
}

async fn a_missing_or_a_cut_record_is_found_at_its_sequence(place: Place) {
    for (bad, chunk) in [(2, 0), (4, 0), (4, 1), (4, 2)] {
        let lose = |tree: &dyn Tree| remove(tree, &record_key(bad, chunk));
        assert_found_at(&damaged(&place.other(), lose).await, bad).await;
        let cut = |tree: &dyn Tree| insert(tree, &record_key(bad, chunk), &[0; 3]);
        assert_found_at(&damaged(&place.other(), cut).await, bad).await;
    }
}

async fn a_record_of_another_sequence_is_found_even_when_it_is_whole(place: Place) {
    let moved = |tree: &dyn Tree| {
        let other = tree.get(&record_key(3, 0)).expect("readable").expect("there");
        insert(tree, &record_key(2, 0), &other);
    };
    assert_found_at(&damaged(&place.other(), moved).await, 2).await;

    let store = damaged(&place, |_| ()).await;
    let body = store.event(Sequence(3)).await.expect("readable").expect("there").body;
    let mut forged = LogBatch::default();
    forged.push(Sequence(2), &body);
    store.trees().log.write(forged, Head { horizon: Sequence(0), last: Sequence(5) }).expect("written");
    assert_found_at(&store, 2).await;
}

async fn a_log_whose_end_or_head_is_damaged_does_not_open(place: Place) {
    let reopened = async |damage: fn(&dyn Tree)| {
        let place = place.other();
        drop(damaged(&place, damage).await);
        place.try_open().map(drop)
    };
    assert!(is_corrupt(reopened(|tree| remove(tree, &record_key(5, 0))).await, 5));
    let stray = reopened(|tree| insert(tree, &record_key(6, 0), b"stray")).await;
    assert!(matches!(stray, Err(StoreError::Corrupt { sequence: Sequence(6) })), "{stray:?}");
    for head in [None, Some(b"head")] {
        let damage: fn(&dyn Tree) = match head {
            None => |tree| remove(tree, layout::HEAD_KEY),
            Some(_) => |tree| insert(tree, layout::HEAD_KEY, b"head"),
        };
        let refused = reopened(damage).await;
        assert!(matches!(refused, Err(StoreError::CorruptValue { place: "log", .. })), "{refused:?}");
    }
}

async fn states_that_are_behind_or_ahead_or_gone_are_those_of_the_log_after_opening(place: Place) {
    let store = place.open();
    store.append(drafts("R", 700)).await.expect("appended");
    store.append((0..700).map(|i| draft(&format!("R{i}"), 2, json!({"now": i}))).collect()).await.expect("appended");
    drop(store);
    let damages: [fn(&dyn Tree); 3] = [
        |tree| {
            // As after a crash before the last fold: the head says 3, the states may be of any later time.
            insert(tree, layout::HEAD_KEY, &frame::split(layout::HEAD_KEY, &3_u64.to_be_bytes()).concat());
        },
        |tree| {
            insert(tree, layout::HEAD_KEY, &frame::split(layout::HEAD_KEY, &9_999_u64.to_be_bytes()).concat());
            insert(tree, &layout::entity_key(&account(), &subject("never")), b"x");
        },
        |tree| contents(tree).iter().for_each(|(key, _)| remove(tree, key)),
    ];
    for damage in damages {
        let store = place.open();
        damage(store.trees().fold.tree());
        drop(store);
        let store = place.open();
        assert_eq!(assert_whole(&store).await.len(), 1400);
        assert_eq!(store.trees().fold.folded_up_to().expect("readable"), Sequence(1400));
    }
}

async fn a_damaged_state_is_an_error_and_stops_appends_about_that_entity_alone(place: Place) {
    let store = place.open();
    store.append(drafts("R", 2)).await.expect("appended");
    insert(store.trees().fold.tree(), &layout::entity_key(&account(), &subject("R0")), b"x");
    assert!(matches!(store.entity(&account(), &subject("R0")).await, Err(StoreError::CorruptValue { .. })));
    let listed = store.entities(&account(), EntityKind::Report).await;
    assert!(matches!(listed, Err(StoreError::CorruptValue { .. })), "{listed:?}");
    assert!(store.append(vec![draft("R0", 2, json!({}))]).await.is_err());
    store.append(vec![draft("R1", 2, json!({}))]).await.expect("another entity");
    assert_eq!(store.last_sequence(), Sequence(3));
}

async fn data_of_a_later_version_is_refused_and_left_as_it_is(place: Place) {
    drop(place.open());
    let set = |format: u32| {
        let meta = place.engine().tree(layout::META_TREE).expect("meta");
        insert(&*meta, layout::FORMAT_KEY, &format.to_be_bytes());
    };
    set(layout::FORMAT + 1);
    for _ in 0..2 {
        let error = place.try_open().map(drop).expect_err("refused");
        assert!(matches!(error, StoreError::NewerFormat { found: 2, known: 1, .. }), "{error:?}");
        assert!(error.to_string().contains("has format 2; this version knows formats up to 1"), "{error}");
    }
    set(layout::FORMAT);
    place.open();
}

#[tokio::test]
async fn what_an_interrupted_start_left_does_not_stop_the_next() {
    let directory = directory();
    let open = || EventStore::open(&StoreConfig::at(directory.path())).expect("the store opens");
    std::fs::write(directory.path().join("conf"), b"segment_si").expect("a settings file that is cut short");
    let store = open();
    store.append(drafts("R", 3)).await.expect("appended");
    drop(store);
    let snapshot = directory.path().join("snap.7FFFFFFFFFFFFFFF.generating");
    std::fs::write(&snapshot, b"half of a snapshot").expect("written");
    let store = open();
    assert_eq!(all(&store).await.len(), 3);
    assert!(!snapshot.exists());
}
