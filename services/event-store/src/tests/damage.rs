//! Damaged, foreign and unfinished directories: found, located, never skipped, never a panic.

use event_model::{EntityKind, Sequence};
use serde_json::json;

use super::support::{
    Place, account, all, assert_whole, contents, directory, draft, drafts, insert, is_corrupt, on_each_engine, remove,
    subject,
};
use crate::{
    EventStore, StoreConfig, StoreError,
    arrange::packer,
    block::{Block, Unpacker},
    engine::{Tree, Values},
    frame, layout,
    store::MANY_EVENTS,
};

on_each_engine!(
    a_damaged_block_is_found_at_its_sequence,
    a_missing_or_a_cut_block_is_found_at_its_sequence,
    a_long_read_ends_before_damage_in_either_of_its_halves,
    a_lost_pointer_and_a_damaged_pack_are_found_at_their_sequence,
    a_block_of_another_sequence_is_found_even_when_it_is_whole,
    an_event_that_was_altered_with_all_its_digests_breaks_the_chain,
    a_forged_body_that_is_no_event_is_found_by_verifying,
    a_log_whose_end_is_damaged_does_not_open,
    half_of_a_commit_goes_at_the_next_start_and_the_log_goes_on,
    an_end_that_was_durable_once_is_not_taken_for_half_of_a_commit,
    states_that_are_behind_or_ahead_or_gone_are_those_of_the_log_after_opening,
    a_damaged_state_is_an_error_and_stops_appends_about_that_entity_alone,
    data_of_a_later_version_is_refused_and_left_as_it_is,
);

fn key(sequence: u64) -> [u8; layout::BLOCK_KEY_BYTES] {
    layout::block_key(Sequence(sequence))
}

/// A store of five events in a block each, the fourth of which is large; and what `damage` does to its log.
async fn damaged(place: &Place, damage: impl FnOnce(&dyn Tree)) -> EventStore {
    let store = place.open();
    for (index, mut draft) in drafts("R", 5).into_iter().enumerate() {
        if index == 3 {
            draft.data.object = json!({"text": noise(3 * layout::MAX_VALUE_BYTES)});
        }
        store.append(vec![draft]).await.expect("appended");
    }
    damage(store.trees().log.tree());
    store
}

/// Text that does not compress.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..length).map(|_| next()).collect()
}

async fn assert_found_at(store: &EventStore, bad: u64) {
    let before = store.read_after(Sequence::START, 100).await.expect("what is whole comes first");
    assert_eq!(before.len() as u64, bad - 1);
    assert!(is_corrupt(store.read_after(Sequence(bad - 1), 100).await, bad));
    assert!(is_corrupt(store.event(Sequence(bad)).await, bad));
    assert_eq!(store.read_after(Sequence(bad), 100).await.expect("what follows is whole").len() as u64, 5 - bad);
    assert!(is_corrupt(store.verify(|_| ()).await, bad));
}

async fn a_damaged_block_is_found_at_its_sequence(place: Place) {
    for bad in [2, 4] {
        for at in [0, 4, 19, 20, 60, usize::MAX] {
            let flip = |tree: &dyn Tree| {
                let mut value = tree.get(&key(bad)).expect("readable").expect("there");
                let at = at.min(value.len() - 1);
                value[at] ^= 1;
                insert(tree, &key(bad), &value);
            };
            assert_found_at(&damaged(&place.other(), flip).await, bad).await;
        }
    }
}

async fn a_missing_or_a_cut_block_is_found_at_its_sequence(place: Place) {
    for bad in [2, 4] {
        let lose = |tree: &dyn Tree| remove(tree, &key(bad));
        assert_found_at(&damaged(&place.other(), lose).await, bad).await;
        let cut = |tree: &dyn Tree| insert(tree, &key(bad), &[0; 3]);
        assert_found_at(&damaged(&place.other(), cut).await, bad).await;
    }
}

async fn a_long_read_ends_before_damage_in_either_of_its_halves(place: Place) {
    let store = place.open();
    let count = 3 * MANY_EVENTS;
    store.append(drafts("R", count)).await.expect("appended");
    for near in [count * 3 / 4, count / 4] {
        let (bad, _) = store.trees().log.header_of(Sequence(near as u64)).expect("readable");
        let tree = store.trees().log.tree();
        let mut value = tree.get(&key(bad.last.0)).expect("readable").expect("there");
        value[60] ^= 1;
        insert(tree, &key(bad.last.0), &value);
        let whole = bad.first.0 - 1;
        let read = store.read_after(Sequence::START, count).await.expect("what is whole comes first");
        assert_eq!(read.last().map(|event| event.head.sequence.0), Some(whole));
        assert_eq!(read.len() as u64, whole);
        assert!(is_corrupt(store.read_after(Sequence(whole), count).await, bad.first.0));
    }
}

async fn a_lost_pointer_and_a_damaged_pack_are_found_at_their_sequence(place: Place) {
    let Place::Sled(directory) = &place else { return };
    let store = damaged(&place, |tree| tree.settle(&key(5)).expect("settled")).await;
    let pack = directory.path().join("pack.0000000001");
    let content = std::fs::read(&pack).expect("the pack");
    // The fourth event takes nearly all of it.
    let middle = content.len() / 2;
    let mut flipped = content.clone();
    flipped[middle] ^= 1;
    std::fs::write(&pack, &flipped).expect("written");
    assert_found_at(&store, 4).await;
    std::fs::write(&pack, &content[..middle]).expect("cut");
    assert!(is_corrupt(store.event(Sequence(4)).await, 4));
    std::fs::write(&pack, &content).expect("whole again");
    drop(store);

    let pointers = place.engine().tree(layout::LOG_TREE, Values::Small).expect("a tree");
    remove(&*pointers, &layout::chunk_key(&key(4), 0));
    drop(pointers);
    without_tail(directory);
    assert_found_at(&place.open(), 4).await;
}

/// Whoever lost something below has it no more where it was before either.
fn without_tail(directory: &tempfile::TempDir) {
    let files = std::fs::read_dir(directory.path()).expect("listed").map(|file| file.expect("a file").path());
    let is_tail = |path: &std::path::PathBuf| path.to_string_lossy().contains("/tail.");
    files.filter(is_tail).for_each(|path| std::fs::remove_file(path).expect("removed"));
}

/// The block of `sequence`, changed and put back with a digest that is right.
fn forge(tree: &dyn Tree, sequence: u64, change: impl FnOnce(&Block) -> Block) {
    let value = tree.get(&key(sequence)).expect("readable").expect("there");
    let sealed = frame::open(&key(sequence), &value).expect("whole");
    let block = Block::open(sealed, &mut Unpacker::new().expect("zstd")).expect("a block");
    let forged = change(&block).seal(&mut packer().expect("zstd")).expect("sealed");
    insert(tree, &key(sequence), &frame::seal(&key(sequence), &forged));
}

async fn a_block_of_another_sequence_is_found_even_when_it_is_whole(place: Place) {
    let moved = |tree: &dyn Tree| {
        let other = tree.get(&key(3)).expect("readable").expect("there");
        insert(tree, &key(2), &other);
    };
    assert_found_at(&damaged(&place.other(), moved).await, 2).await;

    let store = damaged(&place, |_| ()).await;
    let body = store.event(Sequence(3)).await.expect("readable").expect("there").body;
    forge(store.trees().log.tree(), 2, |block| {
        let mut forged = Block::after(Sequence(1), block.header.before, 0, false);
        forged.push(Sequence::START, 0, &body);
        forged
    });
    let found = store.read_after(Sequence(1), 100).await;
    assert!(is_corrupt(found, 2));
}

async fn an_event_that_was_altered_with_all_its_digests_breaks_the_chain(place: Place) {
    let store = damaged(&place, |_| ()).await;
    let verified = store.verify(|_| ()).await.expect("whole");
    assert_eq!((verified.events, verified.last), (5, Sequence(5)));
    assert_eq!(Some(verified.link), store.link_at(Sequence(5)).await.expect("readable"));
    forge(store.trees().log.tree(), 2, |block| {
        let mut forged = Block::after(Sequence(1), block.header.before, 0, false);
        let body = block.entries().next().expect("an event").body.to_vec();
        let body = String::from_utf8(body).expect("json").replace("acme", "emca");
        forged.push(Sequence::START, 0, body.as_bytes());
        forged
    });
    let found = store.verify(|_| ()).await;
    assert!(matches!(found, Err(StoreError::Unchained { sequence: Sequence(3), .. })), "{found:?}");
}

async fn a_forged_body_that_is_no_event_is_found_by_verifying(place: Place) {
    let store = damaged(&place, |_| ()).await;
    forge(store.trees().log.tree(), 2, |block| {
        let mut forged = Block::after(Sequence(1), block.header.before, 0, false);
        forged.push(Sequence::START, 0, br#"{"id":"evt_1","type":"report.melted","sequence":2,"account":"acme"}"#);
        forged
    });
    assert!(is_corrupt(store.verify(|_| ()).await, 2));
    assert!(is_corrupt(store.check_states().await, 2));
}

async fn a_log_whose_end_is_damaged_does_not_open(place: Place) {
    let reopened = async |damage: fn(&dyn Tree)| {
        let place = place.other();
        drop(damaged(&place, damage).await);
        if let Place::Sled(directory) = &place {
            without_tail(directory);
        }
        place.try_open().map(drop)
    };
    let last = reopened(|tree| {
        tree.settle(&key(5)).expect("settled");
        insert(tree, &key(5), b"x");
    });
    assert!(is_corrupt(last.await, 5));
    let stray = reopened(|tree| {
        tree.settle(&key(5)).expect("settled");
        insert(tree, &key(6), b"stray");
    });
    assert!(is_corrupt(stray.await, 6));
    let stray = reopened(|tree| {
        tree.settle(&key(5)).expect("settled");
        insert(tree, b"stray", b"x");
    });
    let stray = stray.await;
    assert!(matches!(stray, Err(StoreError::CorruptValue { place: "log", .. })), "{stray:?}");
}

/// A commit of three blocks, of which only `count` are there.
fn tear(place: &Place, count: usize) {
    let engine = place.engine();
    let tree = engine.tree(layout::LOG_TREE, Values::Large).expect("a tree");
    let (_, value) = tree.last().expect("readable").expect("a block");
    let sealed = frame::open(&key(5), &value).expect("whole");
    let mut last = Block::open(sealed, &mut Unpacker::new().expect("zstd")).expect("a block");
    for _ in 0..count {
        let mut block = Block::after(last.header.last, last.header.after, 0, false);
        block.push(Sequence::START, 0, b"{}");
        block.header.commit = Sequence(8);
        let sealed = block.seal(&mut packer().expect("zstd")).expect("sealed");
        insert(&*tree, &key(block.header.last.0), &frame::seal(&key(block.header.last.0), &sealed));
        last = block;
    }
    engine.make_durable().expect("durable");
}

async fn half_of_a_commit_goes_at_the_next_start_and_the_log_goes_on(place: Place) {
    for count in [1, 2] {
        let place = place.other();
        drop(damaged(&place, |_| ()).await);
        tear(&place, count);
        let store = place.open();
        assert_eq!(store.last_sequence(), Sequence(5));
        assert_eq!(assert_whole(&store).await.len(), 5);
        assert_eq!(store.append(drafts("S", 1)).await.expect("appended")[0].head.sequence, Sequence(6));
        store.verify(|_| ()).await.expect("whole");
    }
}

async fn an_end_that_was_durable_once_is_not_taken_for_half_of_a_commit(place: Place) {
    drop(damaged(&place, |_| ()).await);
    tear(&place, 1);
    let state = place.engine().tree(layout::STATE_TREE, Values::Small).expect("a tree");
    insert(&*state, layout::HEAD_KEY, &frame::seal(layout::HEAD_KEY, &8_u64.to_be_bytes()));
    drop(state);
    assert!(is_corrupt(place.try_open().map(drop), 7));
}

async fn states_that_are_behind_or_ahead_or_gone_are_those_of_the_log_after_opening(place: Place) {
    let store = place.open();
    store.append(drafts("R", 700)).await.expect("appended");
    store.append((0..700).map(|i| draft(&format!("R{i}"), 2, json!({"now": i}))).collect()).await.expect("appended");
    drop(store);
    let damages: [fn(&dyn Tree); 3] = [
        |tree| {
            // As after a crash before the last fold: the head says 3, the states may be of any later time.
            insert(tree, layout::HEAD_KEY, &frame::seal(layout::HEAD_KEY, &3_u64.to_be_bytes()));
        },
        |tree| {
            insert(tree, layout::HEAD_KEY, &frame::seal(layout::HEAD_KEY, &9_999_u64.to_be_bytes()));
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
    drop(store);
    let store = place.open();
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
        let meta = place.engine().tree(layout::META_TREE, Values::Small).expect("meta");
        insert(&*meta, layout::FORMAT_KEY, &format.to_be_bytes());
    };
    set(layout::FORMAT + 1);
    for _ in 0..2 {
        let error = place.try_open().map(drop).expect_err("refused");
        assert!(matches!(error, StoreError::NewerFormat { found: 4, known: 3, .. }), "{error:?}");
        assert!(error.to_string().contains("has format 4; this version knows formats up to 3"), "{error}");
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

/// Copies the files of a closed store into a new directory.
fn copied(from: &tempfile::TempDir) -> tempfile::TempDir {
    let to = directory();
    for file in std::fs::read_dir(from.path()).expect("listed").map(|entry| entry.expect("an entry").path()) {
        if file.is_file() && !file.ends_with("LOCK") {
            std::fs::copy(&file, to.path().join(file.file_name().expect("a name"))).expect("copied");
        }
    }
    to
}

#[tokio::test]
async fn a_store_that_lost_its_end_says_so_instead_of_opening() {
    let original = directory();
    let open = |directory: &tempfile::TempDir| EventStore::open(&StoreConfig::at(directory.path()));
    let store = open(&original).expect("the store opens");
    store.append(drafts("R", 3)).await.expect("appended");
    drop(store);
    let short = copied(&original);
    let store = open(&original).expect("the store opens");
    store.append(drafts("S", 3)).await.expect("appended");
    drop(store);
    let tables_short = copied(&original);
    let store = open(&original).expect("the store opens");
    store.table::<u8>(crate::TableName::Keys).put("k", &1, crate::Durability::Durable).await.expect("written");
    drop(store);
    let mark = original.path().join("MARK");

    // Whole, but what sled forgot is gone: as if the mark of the later store were that of the earlier one.
    std::fs::copy(&mark, short.path().join("MARK")).expect("copied");
    assert!(is_corrupt(open(&short).map(drop), 4));
    std::fs::copy(&mark, tables_short.path().join("MARK")).expect("copied");
    let refused = open(&tables_short).map(drop);
    assert!(matches!(refused, Err(StoreError::CorruptValue { place: "tables", .. })), "{refused:?}");
    let gone = directory();
    std::fs::copy(&mark, gone.path().join("MARK")).expect("copied");
    assert!(open(&gone).map(drop).is_err(), "nothing is left but the mark");
    std::fs::write(short.path().join("MARK"), b"x").expect("written");
    let refused = open(&short).map(drop);
    assert!(matches!(refused, Err(StoreError::CorruptValue { place: "MARK", .. })), "{refused:?}");
    // Whoever takes the loss removes the mark.
    std::fs::remove_file(short.path().join("MARK")).expect("removed");
    assert_eq!(all(&open(&short).expect("the store opens")).await.len(), 3);
}

#[tokio::test]
async fn a_commit_that_is_damaged_in_its_middle_keeps_what_is_behind_the_damage() {
    let directory = directory();
    let open = || EventStore::open(&StoreConfig::at(directory.path())).expect("the store opens");
    let store = open();
    store.append(drafts("R", 5)).await.expect("appended");
    let large = |i: usize| draft(&format!("S{i}"), 1, json!({"text": noise(5 * layout::MAX_VALUE_BYTES)}));
    store.append((0..3).map(large).collect()).await.expect("appended, as three blocks");
    drop(store);
    let tail = directory.path().join("tail.0000000001");
    let mut content = std::fs::read(&tail).expect("the tail");
    let end = content.iter().rposition(|byte| *byte != 0).expect("not empty");
    content[end - 8 * layout::MAX_VALUE_BYTES] ^= 1;
    std::fs::write(&tail, &content).expect("written");
    for _ in 0..2 {
        let store = open();
        assert!(is_corrupt(store.verify(|_| ()).await, 7));
        assert_eq!(store.read_after(Sequence(7), 9).await.expect("readable").len(), 1);
        drop(store);
        assert!(std::fs::read(&tail).expect("the tail") == content, "nothing of it is overwritten");
    }
}
