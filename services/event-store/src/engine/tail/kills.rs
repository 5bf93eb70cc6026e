//! A kill at every step of moving, merging, thinning out and writing anew: what stands then is opened, and must be all of it.

use std::fs;

use event_model::Sequence;
use tempfile::TempDir;

use super::*;
use crate::{
    MemoryDisk,
    arrange::packer,
    block::{Block, Unpacker},
    chain::Link,
    engine::{Engine, Values, packs::Packs},
};

/// Blocks of one event each, as a commit appends them.
const BLOCKS: u64 = 40;
/// Blocks that are merged into one.
const MERGED: u64 = 4;

/// What a killed process leaves.
struct Left {
    folder: TempDir,
    below: Vec<Owned>,
}

/// Everything that was left at one moment or another.
#[derive(Default)]
struct Moments {
    folder: Option<TempDir>,
    left: Mutex<Vec<Left>>,
}

impl Moments {
    fn folder(&self) -> &Path {
        self.folder.as_ref().expect("made first").path()
    }

    /// A kill here and now.
    fn kill(&self, below: &dyn Tree) {
        let folder = tempfile::tempdir().expect("a folder");
        for file in fs::read_dir(self.folder()).expect("listed").map(|file| file.expect("a file")) {
            fs::copy(file.path(), folder.path().join(file.file_name())).expect("copied");
        }
        self.left.lock().expect("whole").push(Left { folder, below: contents(below) });
    }
}

/// A tree whose every change is a moment to be killed at, before and after.
struct Watched {
    below: Arc<dyn Tree>,
    moments: Arc<Moments>,
}

impl Watched {
    fn around<T>(&self, change: impl FnOnce() -> T) -> T {
        self.moments.kill(&*self.below);
        let outcome = change();
        self.moments.kill(&*self.below);
        outcome
    }
}

impl Tree for Watched {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        self.below.get(key)
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        self.below.scan(from, to)
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        self.below.last()
    }

    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        self.around(|| self.below.append(after, key, value))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        self.around(|| self.below.put(key, value))
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        self.around(|| self.below.remove(key))
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        self.around(|| self.below.compare_and_swap(key, expected, new))
    }
}

fn contents(tree: &dyn Tree) -> Vec<Owned> {
    let (mut scan, mut contents) = (tree.scan(&[], None), Vec::new());
    while let Some((key, value)) = scan.next().expect("read") {
        contents.push((key.to_vec(), value.to_vec()));
    }
    contents
}

fn key(sequence: u64) -> Key {
    layout::block_key(Sequence(sequence))
}

/// Its length makes some blocks go into a second pack.
fn body(sequence: u64) -> Vec<u8> {
    let mut chance = sequence;
    let mut next = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 40) as u8
    };
    (0..60_000).map(|_| next()).collect()
}

/// The frame of the block that answers for `first` to `last`; a sparse one has its last event alone.
fn value(first: u64, last: u64, sparse: bool) -> Vec<u8> {
    let mut block = Block::after(Sequence(first - 1), Link::START, 0, sparse);
    match sparse {
        true => {
            block.place(Sequence(last), Sequence::START, Some(Link::START), &body(last));
            block.header.last = Sequence(last);
            block.header.commit = Sequence(last);
        }
        false => (first..=last).for_each(|n| block.push(Sequence::START, 0, &body(n))),
    }
    frame::seal(&key(last), &block.seal(&mut packer().expect("zstd")).expect("sealed"))
}

fn open(folder: &Path, below: Arc<dyn Tree>, durable: Box<dyn Fn(&Packs) + Send + Sync>) -> (Arc<Tail>, Arc<Packs>) {
    let packs = Arc::new(Packs::open(folder, below, true).expect("opened"));
    let its = Arc::clone(&packs);
    let settle = Box::new(move |_| {
        its.sync()?;
        let unused = its.unused();
        durable(&its);
        its.free(&unused)
    });
    let tail = Tail::open(folder, Arc::new(Arc::clone(&packs)), None, settle).expect("opened");
    (Arc::new(tail), packs)
}

/// Everything up to `last` is there, but for what a horizon at `horizon` lets go.
fn whole(tail: &Arc<Tail>, last: u64, horizon: u64) {
    assert!(tail.is_gapless().expect("read"));
    let (mut scan, mut read, mut unpacker) = (tail.scan(&key(1), None), 0, Unpacker::new().expect("zstd"));
    while let Some((key, value)) = scan.next().expect("read") {
        let block = Block::open(frame::open(key, value).expect("a frame"), &mut unpacker).expect("a block");
        for entry in block.entries_after(Sequence(read)) {
            let next = entry.sequence.0 == read + 1 || entry.sequence.0 <= horizon;
            assert!(next && entry.body == body(entry.sequence.0), "{} after {read}", entry.sequence);
            read = entry.sequence.0;
        }
    }
    assert_eq!(read, last);
}

/// Merges, settles, thins out, and thins out again.
fn live(tail: &Arc<Tail>) {
    for n in 1..=BLOCKS {
        let after = (n > 1).then(|| key(n - 1));
        assert!(tail.append(after.as_ref().map(|key| &key[..]), &key(n), &value(n, n, false)).expect("written"));
    }
    tail.sync(true).expect("synced");
    for sparse in [false, true] {
        for last in (MERGED..=BLOCKS - MERGED).step_by(MERGED as usize) {
            tail.put(&key(last), &value(last - MERGED + 1, last, sparse)).expect("replaced");
            (last - MERGED + 1..last).rev().for_each(|n| tail.remove(&key(n)).expect("removed"));
        }
        tail.settle(&key(BLOCKS - 2)).expect("settled");
    }
    for last in (2 * MERGED..=BLOCKS - MERGED).step_by(2 * MERGED as usize) {
        tail.put(&key(last), &value(last - 2 * MERGED + 1, last, true)).expect("replaced");
        tail.remove(&key(last - MERGED)).expect("removed");
    }
    tail.settle(&key(BLOCKS - 2)).expect("settled");
}

#[test]
fn a_kill_at_any_step_leaves_all_of_the_log_and_the_next_start_goes_on() {
    let moments = Arc::new(Moments { folder: Some(tempfile::tempdir().expect("a folder")), ..Moments::default() });
    let tree =
        || MemoryDisk::default().attach().expect("attached").tree(layout::LOG_TREE, Values::Large).expect("a tree");
    let below = tree();
    let watched = Arc::new(Watched { below: Arc::clone(&below), moments: Arc::clone(&moments) });
    let at_flush = Arc::clone(&watched);
    let durable = Box::new(move |_: &Packs| at_flush.moments.kill(&*at_flush.below));
    let (tail, packs) = open(moments.folder(), watched, durable);
    live(&tail);
    whole(&tail, BLOCKS, BLOCKS);
    let files = |prefix: &str| {
        let names = fs::read_dir(moments.folder()).expect("listed").map(|file| file.expect("a file").file_name());
        names.filter(|name| name.to_string_lossy().starts_with(prefix)).count()
    };
    assert_eq!((files("pack."), packs.unused().len()), (1, 0), "what was thinned out made room");

    let left = std::mem::take(&mut *moments.left.lock().expect("whole"));
    assert!(left.len() > 60, "{} moments", left.len());
    for Left { folder, below } in left {
        let again = tree();
        below.iter().for_each(|(key, value)| again.put(key, value).expect("put"));
        let (tail, packs) = open(folder.path(), again, Box::new(|_| ()));
        whole(&tail, BLOCKS, BLOCKS);
        packs.let_go();
        let after = key(BLOCKS);
        assert!(tail.append(Some(&after), &key(BLOCKS + 1), &value(BLOCKS + 1, BLOCKS + 1, false)).expect("written"));
        tail.settle(&key(BLOCKS + 1)).expect("settled");
        whole(&tail, BLOCKS + 1, BLOCKS);
    }
}
