use std::{fs, time::Duration};

use super::*;
use crate::{
    MemoryDisk,
    block::Block,
    chain::Link,
    engine::{Engine, Values},
};
use event_model::Sequence;

/// A tail in a folder, on a tree in memory.
struct Fixture {
    folder: tempfile::TempDir,
    below: Arc<dyn Tree>,
}

impl Fixture {
    fn new() -> Self {
        let engine = MemoryDisk::default().attach().expect("attached");
        let below = engine.tree(layout::LOG_TREE, Values::Large).expect("a tree");
        Self { folder: tempfile::tempdir().expect("a folder"), below }
    }

    fn open(&self) -> Arc<Tail> {
        self.open_marked(None)
    }

    fn open_marked(&self, marked: Option<Key>) -> Arc<Tail> {
        let below = Arc::clone(&self.below);
        Arc::new(Tail::open(self.folder.path(), below, marked, Box::new(|_| Ok(()))).expect("opened"))
    }

    fn only_file(&self) -> std::path::PathBuf {
        let mut files: Vec<_> =
            fs::read_dir(self.folder.path()).expect("listed").map(|e| e.expect("entry").path()).collect();
        assert_eq!(files.len(), 1);
        files.remove(0)
    }
}

fn key(sequence: u64) -> Key {
    layout::block_key(Sequence(sequence))
}

/// The frame of a block that answers for `first` to `last`.
fn value(first: u64, last: u64) -> Vec<u8> {
    let mut block = Block::after(Sequence(first - 1), Link::START, 0, false);
    (first..=last).for_each(|n| block.push(Sequence::START, 0, format!("{{\"body\":{n}}}").as_bytes()));
    framed(&block)
}

fn framed(block: &Block) -> Vec<u8> {
    let mut value = Vec::new();
    frame::seal_into(&mut value, &layout::block_key(block.header.last), |value| block.seal_plain(value));
    value
}

fn append(tail: &Arc<Tail>, sequence: u64) {
    let after = (sequence > 1).then(|| key(sequence - 1));
    let after = after.as_ref().map(|key| &key[..]);
    assert!(tail.append(after, &key(sequence), &value(sequence, sequence)).expect("written"));
}

fn keys(tail: &Arc<Tail>) -> Vec<u64> {
    let mut scan = tail.scan(&key(1), None);
    let mut keys = Vec::new();
    while let Some((key, value)) = scan.next().expect("read") {
        assert!(frame::open(key, value).is_some());
        keys.push(layout::block_last(key).expect("a block").0);
    }
    keys
}

fn flip(path: &Path, at: usize) {
    let mut content = fs::read(path).expect("read");
    content[at] ^= 1;
    fs::write(path, content).expect("written");
}

/// Bytes of the record of one block of one event.
fn record_bytes() -> usize {
    RECORD_HEAD_BYTES + value(1, 1).len()
}

#[test]
fn what_was_appended_is_there_again_and_the_next_goes_on() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=5).for_each(|n| append(&tail, n));
    tail.sync(true).expect("synced");
    drop(tail);
    let tail = fixture.open();
    assert_eq!(keys(&tail), [1, 2, 3, 4, 5]);
    assert!(!tail.append(Some(&key(4)), &key(6), &value(6, 6)).expect("looked"), "it ends at 5");
    append(&tail, 6);
    assert_eq!(tail.last().expect("read").expect("there").0, key(6));
}

#[test]
fn what_moved_below_is_shown_once_before_and_after_a_restart() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=6).for_each(|n| append(&tail, n));
    tail.put(&key(3), &value(1, 3)).expect("replaced");
    assert_eq!(keys(&tail), [1, 2, 3, 4, 5, 6]);
    // A kill between: 1 and 2 are still in the file, and the block of 3 covers them.
    assert_eq!(keys(&fixture.open()), [3, 4, 5, 6]);
    tail.remove(&key(2)).expect("removed");
    tail.remove(&key(1)).expect("removed");
    tail.settle(&key(5)).expect("settled");
    assert_eq!(keys(&tail), [3, 4, 5, 6]);
    assert!(fixture.below.get(&key(5)).expect("read").is_some() && fixture.below.get(&key(6)).expect("read").is_none());
    assert_eq!(keys(&fixture.open()), [3, 4, 5, 6]);
}

#[test]
fn what_was_merged_stays_in_the_files_until_it_is_durable_below() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=6).for_each(|n| append(&tail, n));
    tail.sync(true).expect("synced");
    tail.put(&key(3), &value(1, 3)).expect("replaced");
    tail.remove(&key(2)).expect("removed");
    tail.remove(&key(1)).expect("removed");
    tail.settle(&key(4)).expect("settled");
    drop(tail);
    // Killed before anything below was flushed.
    let Fixture { folder, .. } = fixture;
    let fixture = Fixture { folder, ..Fixture::new() };
    assert_eq!(keys(&fixture.open()), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_moved_value_that_a_power_cut_made_unreadable_is_taken_from_where_it_was() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=4).for_each(|n| append(&tail, n));
    tail.put(&key(3), &value(1, 3)).expect("replaced");
    drop(tail);
    fixture.below.put(&key(3), b"zeros").expect("put");
    let tail = fixture.open();
    assert_eq!(keys(&tail), [1, 2, 3, 4]);
    assert_eq!(tail.get(&key(3)).expect("read"), Some(value(3, 3)));
}

#[test]
fn the_last_value_goes_for_good_and_another_may_take_its_place() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=4).for_each(|n| append(&tail, n));
    tail.remove(&key(4)).expect("removed");
    tail.remove(&key(3)).expect("removed");
    assert_eq!(keys(&fixture.open()), [1, 2]);
    append(&tail, 3);
    assert_eq!(keys(&fixture.open()), [1, 2, 3]);
}

#[test]
fn an_end_that_no_sync_had_reached_is_cut_off_and_stays_away() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    append(&tail, 1);
    tail.sync(true).expect("synced");
    // One commit of three blocks, of which the first did not get to the disk whole.
    (2..=4).for_each(|n| append(&tail, n));
    drop(tail);
    flip(&fixture.only_file(), record_bytes() + RECORD_HEAD_BYTES + 30);
    let tail = fixture.open();
    assert_eq!(keys(&tail), [1]);
    append(&tail, 2);
    drop(tail);
    assert_eq!(keys(&fixture.open()), [1, 2]);
}

#[test]
fn an_end_that_is_marked_as_durable_is_not_cut_off() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    append(&tail, 1);
    tail.sync(true).expect("synced");
    (2..=4).for_each(|n| append(&tail, n));
    tail.sync(true).expect("synced");
    drop(tail);
    flip(&fixture.only_file(), record_bytes() + RECORD_HEAD_BYTES + 30);
    let before = fs::read(fixture.only_file()).expect("read");
    let tail = fixture.open_marked(Some(key(4)));
    assert_eq!((keys(&tail), tail.is_gapless().expect("read")), (vec![1, 3, 4], false));
    assert!(fs::read(fixture.only_file()).expect("read") == before);
    assert!(fixture.open().is_gapless().expect("read"), "nobody knows of more");
}

#[test]
fn a_file_that_a_power_cut_left_under_its_old_name_comes_where_its_records_belong() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=6).for_each(|n| {
        append(&tail, n);
        if n % 2 == 0 {
            tail.sync(true).expect("synced");
            tail.inner().files.begin_file().expect("begun");
        }
    });
    drop(tail);
    let path = |number: u64| fixture.folder.path().join(format!("tail.{number:010}"));
    fs::remove_file(path(4)).expect("the empty one");
    // The third was the first one before it was written again, and what that held is behind what is new.
    let (old, new) = (fs::read(path(1)).expect("read"), fs::read(path(3)).expect("read"));
    fixture.below.put(&key(2), &value(1, 2)).expect("put");
    fs::write(path(1), [&new[..2 * record_bytes()], &old[2 * record_bytes()..]].concat()).expect("written");
    fs::remove_file(path(3)).expect("removed");
    let tail = fixture.open();
    assert_eq!((keys(&tail), tail.is_gapless().expect("read")), (vec![2, 3, 4, 5, 6], true));
    append(&tail, 7);
    drop(tail);
    assert_eq!(keys(&fixture.open()), [2, 3, 4, 5, 6, 7]);
    // Of the new records only the second got to the disk.
    let torn = [&old[..record_bytes()], &new[record_bytes()..2 * record_bytes()]].concat();
    fs::write(path(1), torn).expect("written");
    assert_eq!(keys(&fixture.open()), [2, 3, 4], "nobody was told of 6");
    assert_eq!(keys(&fixture.open()), [2, 3, 4]);
}

#[test]
fn damage_to_what_was_durable_leaves_a_gap_and_nothing_else() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=5).for_each(|n| {
        append(&tail, n);
        tail.sync(true).expect("synced");
    });
    drop(tail);
    for at in [BLOCK_KEY_BYTES, BLOCK_KEY_BYTES + 8, RECORD_HEAD_BYTES + 2, RECORD_HEAD_BYTES + 40] {
        flip(&fixture.only_file(), 2 * record_bytes() + at);
        assert_eq!(keys(&fixture.open()), [1, 2, 4, 5], "{at}");
        flip(&fixture.only_file(), 2 * record_bytes() + at);
    }
}

#[test]
fn files_that_nothing_is_left_in_are_written_again_and_what_they_held_does_not_come_back() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    let large = |n: u64| {
        let mut block = Block::after(Sequence(n - 1), Link::START, 0, false);
        block.push(Sequence::START, 0, &vec![b'x'; 1 << 20]);
        framed(&block)
    };
    for n in 1..=40_u64 {
        let after = (n > 1).then(|| key(n - 1));
        assert!(tail.append(after.as_ref().map(|key| &key[..]), &key(n), &large(n)).expect("written"));
        tail.sync(true).expect("synced");
        if n % 10 == 0 {
            tail.settle(&key(n)).expect("settled");
            let count = fs::read_dir(fixture.folder.path()).expect("listed").count();
            assert!(count <= 1 + files::MAX_SPARE, "{count} files");
            assert_eq!(keys(&fixture.open()), (1..=n).collect::<Vec<_>>());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_full_fails_the_append_and_the_rest_is_read_on() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=3).for_each(|n| append(&tail, n));
    tail.sync(true).expect("synced");
    tail.inner().files.write_to(File::options().read(true).write(true).open("/dev/full").expect("there"));
    let full = tail.append(Some(&key(3)), &key(4), &value(4, 4)).expect_err("no room");
    assert!(full.to_string().contains("space"), "{full}");
    assert_eq!(keys(&tail), [1, 2, 3]);
    drop(tail);
    assert_eq!(keys(&fixture.open()), [1, 2, 3]);
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_sync_that_failed_nothing_is_durable_any_more() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    append(&tail, 1);
    // It takes what is written, and cannot be synced.
    tail.inner().files.write_to(File::options().read(true).write(true).open("/dev/null").expect("there"));
    append(&tail, 2);
    tail.sync(true).expect_err("it cannot be synced");
    tail.sync(true).expect_err("nor is there anything left to sync");
}

#[test]
fn a_file_is_extended_ahead_unless_syncs_cost_nothing() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    append(&tail, 1);
    let length = || fs::metadata(fixture.only_file()).expect("there").len();
    let extended = length();
    assert!(extended > record_bytes() as u64 * 10, "{extended} bytes");
    // What is there already is used up first.
    tail.inner().files.synced_in(Duration::ZERO);
    let mut n = 1;
    while length() == extended {
        n += 1;
        append(&tail, n);
    }
    assert!(length() < extended + 2 * record_bytes() as u64, "no further than what was written");
    tail.inner().files.synced_in(Duration::from_millis(1));
    append(&tail, n + 1);
    let ahead = length();
    assert!(ahead > extended + 10 * record_bytes() as u64, "ahead again");
    tail.sync(true).expect("synced");
    tail.inner().files.synced_in(Duration::from_millis(1));
    // That there was nothing to sync says nothing of the disk.
    tail.sync(true).expect("nothing to sync");
    let mut last = n + 1;
    while length() == ahead {
        last += 1;
        append(&tail, last);
    }
    assert!(length() > ahead + 10 * record_bytes() as u64, "and again");
    drop(tail);
    assert_eq!(keys(&fixture.open()), (1..=last).collect::<Vec<_>>());
}

#[test]
fn what_moves_the_end_while_it_is_written_to_fails_the_append() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    append(&tail, 1);
    let mut end = tail.inner().files.end().expect("an end");
    let place = end.write(&mut Vec::new(), None, &key(2), &value(2, 2)).expect("written");
    append(&tail, 2);
    tail.inner().files.wrote(&place, &end).expect_err("another one is there");
}

#[test]
fn who_appends_is_told_the_last_key_whatever_moved_or_went_before() {
    let fixture = Fixture::new();
    let tail = fixture.open();
    (1..=4).for_each(|n| append(&tail, n));
    tail.put(&key(4), &value(3, 4)).expect("replaced");
    tail.remove(&key(3)).expect("removed");
    assert!(!tail.append(Some(&key(3)), &key(5), &value(5, 5)).expect("looked"), "it ends at 4");
    append(&tail, 5);
    tail.settle(&key(2)).expect("settled");
    append(&tail, 6);
    tail.remove(&key(6)).expect("removed");
    assert!(!tail.append(Some(&key(6)), &key(7), &value(7, 7)).expect("looked"), "it ends at 5");
    append(&tail, 6);
    assert_eq!(keys(&tail), [1, 2, 4, 5, 6]);
}
