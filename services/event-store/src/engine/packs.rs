//! Blocks in files of their own, which are only appended to; the tree below keeps where they are.
//!
//! sled rewrites a whole leaf for each few items that come to it, and cleans a segment only when half of it is garbage: blocks kept in it
//! took three times their size. A block hardly ever changes once it was packed. So it goes to the end of a **pack**, and a pointer to it into
//! the tree:
//!
//! ```text
//! pack.<number>: values, which are frames, one after the other
//! in the tree: 0xff | frame of (number u64 | where u64 | length u32)
//! ```
//!
//! A frame begins with its length, which has no such first byte; so values that are in the tree itself, as layout 2 kept them, are told
//! from pointers. Where every value is, is in memory, too: 90 bytes for a block of 128 events. So reading asks the tree below for
//! nothing, and the log can be read on when sled gives nothing any more, as after an error of its file.
//!
//! The last pack takes values until it is full, over starts of the store. What retention leaves in packs is little: one that is less than
//! half in use is written anew, some values at a time, as [`settle`](Tree::settle) finds it; so are values of layout 2. A pack goes when nothing
//! points to it, and that is durable.
//!
//! # Crashes
//!
//! - A value is written before its pointer is, so a kill leaves no pointer to nothing. In a power cut a pointer may be kept that was flushed
//!   before its value was synced. What such a value was made of then still stands in the files of the [tail](super::tail), which sees that it
//!   cannot be read. Where a value **replaces** another, or another is removed, there is no such copy: then what was written is synced first.
//! - Only the last pack may hold what is not synced: before the next is begun, it is. So a start has that one to sync, and no other.
//! - A pack that nothing points to at a start is what a kill left of its removal; or what pointed to it was lost. So it stays
//!   until the engine has seen that the log has no gap, and the store that it reaches its mark ([`Packs::let_go`]).

mod files;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind},
    ops::Bound,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::files::{Files, Pointer};
use super::{
    Item, Owned, Scan, Tree,
    syncing::Syncing,
    tail::files::{read_at, write_at},
};
use crate::{Cause, frame};

/// Values that are moved at once, with one sync: two megabytes.
const MOVE_VALUES: usize = 64;
/// How often that is done in one go, while which nothing else is written here: a pack takes four of them, a tenth of a second each.
const MOVES: usize = 16;

/// A tree whose values are in packs. One thread at a time writes to it.
pub struct Packs {
    below: Arc<dyn Tree>,
    /// Whether what is synced survives a power cut.
    firm: bool,
    inner: Mutex<Inner>,
    syncing: Syncing,
}

struct Inner {
    files: Files,
    places: BTreeMap<Vec<u8>, Place>,
    /// Keys of values that may be in the tree itself.
    in_tree: Vec<Vec<u8>>,
}

/// Where a value is.
#[derive(Clone, Copy)]
enum Place {
    Pack(Pointer),
    Tree,
}

/// The same, ready to be read.
enum Source {
    Pack(Arc<File>, Pointer),
    /// There is no such pack.
    Nowhere,
    Tree,
}

impl Inner {
    fn source(&self, place: Place) -> Source {
        match place {
            Place::Pack(pointer) => {
                self.files.file(pointer).map_or(Source::Nowhere, |file| Source::Pack(file, pointer))
            }
            Place::Tree => Source::Tree,
        }
    }

    /// The value under `key` is at `place` now, or nowhere.
    fn place(&mut self, key: &[u8], place: Option<Place>) {
        let old = match place {
            Some(place) => self.places.insert(key.to_vec(), place),
            None => self.places.remove(key),
        };
        if let Some(Place::Pack(old)) = old {
            self.files.forget(old);
        }
    }

    /// Keys of values that should be elsewhere.
    fn misplaced(&mut self) -> Vec<Vec<u8>> {
        while !self.in_tree.is_empty() {
            let mut some = self.in_tree.split_off(self.in_tree.len().saturating_sub(MOVE_VALUES));
            some.retain(|key| matches!(self.places.get(key), Some(Place::Tree)));
            if !some.is_empty() {
                return some;
            }
        }
        let Some(sparse) = self.files.sparse() else { return Vec::new() };
        let there = |place: &Place| matches!(place, Place::Pack(pointer) if pointer.number == sparse);
        let moved = self.places.iter().filter(|(_, place)| there(place));
        moved.map(|(key, _)| key.clone()).take(MOVE_VALUES).collect()
    }
}

impl Packs {
    /// The packs in `folder` that `below` points to.
    pub fn open(folder: &Path, below: Arc<dyn Tree>, firm: bool) -> Result<Self, Cause> {
        let mut files = Files::open(folder).map_err(cause)?;
        let (mut places, mut in_tree) = (BTreeMap::new(), Vec::new());
        let mut scan = below.scan(&[], None);
        while let Some((key, value)) = scan.next()? {
            let pointer = Pointer::decode(key, value);
            pointer.into_iter().for_each(|pointer| files.point_to(pointer));
            if pointer.is_none() && frame::open(key, value).is_some() {
                in_tree.push(key.to_vec());
            }
            places.insert(key.to_vec(), pointer.map_or(Place::Tree, Place::Pack));
        }
        drop(scan);
        in_tree.reverse();
        files.go_on();
        let inner = Inner { files, places, in_tree };
        Ok(Self { below, firm, inner: Mutex::new(inner), syncing: Syncing::default() })
    }

    /// Makes durable what was put into packs; pointers are the tree's affair.
    pub fn sync(&self) -> Result<(), Cause> {
        self.syncing.turn(|| {
            let unsynced = self.inner().files.take_unsynced();
            if self.firm { unsynced.sync().map(drop).map_err(cause) } else { Ok(()) }
        })
    }

    /// Whether there are packs that nothing pointed to at the start.
    pub fn has_strays(&self) -> bool {
        self.inner().files.has_strays()
    }

    /// They may go: nothing is missing that could be in them.
    pub fn let_go(&self) {
        self.inner().files.let_go();
    }

    /// The packs that nothing points to.
    pub fn unused(&self) -> Vec<u64> {
        self.inner().files.unused()
    }

    /// Removes packs that were [unused](Self::unused) before what is below was made durable.
    pub fn free(&self, numbers: &[u64]) -> Result<(), Cause> {
        self.inner().files.remove(numbers).map_err(cause)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value under `key` at `source`. Where nothing can be read it is empty, which is no frame.
    fn read(&self, key: &[u8], source: Source) -> Result<Option<Vec<u8>>, Cause> {
        let mut value = Vec::new();
        Ok(self.read_into(key, source, &mut value)?.then_some(value))
    }

    /// Makes `value` what is under `key` at `source`, in the memory that it has; says whether there is anything.
    fn read_into(&self, key: &[u8], source: Source, value: &mut Vec<u8>) -> Result<bool, Cause> {
        let (file, pointer) = match source {
            Source::Pack(file, pointer) => (file, pointer),
            Source::Nowhere => {
                value.clear();
                return Ok(true);
            }
            Source::Tree => {
                let found = self.below.get(key)?;
                return Ok(found.map(|found| *value = found).is_some());
            }
        };
        value.resize(pointer.length as usize, 0);
        match read_at(&file, pointer.at, value) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                value.clear();
                Ok(true)
            }
            Err(error) => Err(cause(error)),
        }
    }

    /// Writes `value` to the end of the last pack.
    fn pack(&self, value: &[u8]) -> Result<Pointer, Cause> {
        let length = u32::try_from(value.len()).map_err(|error| Arc::new(error) as Cause)?;
        if self.inner().files.is_full() {
            self.sync()?;
            self.inner().files.begin().map_err(cause)?;
        }
        let (pointer, file) = self.inner().files.reserve(length).map_err(cause)?;
        write_at(&file, pointer.at, value).map_err(cause)?;
        // Not before: whoever syncs meanwhile would take it for synced.
        self.inner().files.wrote(&file);
        Ok(pointer)
    }

    /// Points to the value at `pointer` under `key`.
    fn point(&self, key: &[u8], pointer: Pointer) -> Result<(), Cause> {
        self.below.put(key, &pointer.encode(key))?;
        self.inner().place(key, Some(Place::Pack(pointer)));
        Ok(())
    }

    fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let pointer = self.pack(value)?;
        if self.inner().places.contains_key(key) {
            self.sync()?;
        }
        self.point(key, pointer)
    }

    fn take_out(&self, key: &[u8]) -> Result<(), Cause> {
        self.sync()?;
        self.below.remove(key)?;
        self.inner().place(key, None);
        Ok(())
    }

    /// Writes the values under `keys` to the end of the last pack, and only then where they are.
    fn move_values(&self, keys: Vec<Vec<u8>>) -> Result<(), Cause> {
        let mut moved = Vec::with_capacity(keys.len());
        for key in keys {
            let place = self.inner().places.get(&key).copied();
            let Some(place) = place else { continue };
            let source = self.inner().source(place);
            let Some(value) = self.read(&key, source)? else { continue };
            match place {
                _ if frame::open(&key, &value).is_some() => moved.push((self.pack(&value)?, key)),
                Place::Pack(pointer) => self.inner().files.keep(pointer.number),
                Place::Tree => {}
            }
        }
        self.sync()?;
        moved.iter().try_for_each(|(pointer, key)| self.point(key, *pointer))
    }
}

impl Tree for Arc<Packs> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        let inner = self.inner();
        let source = inner.places.get(key).map(|place| inner.source(*place));
        drop(inner);
        source.map_or(Ok(None), |source| self.read(key, source))
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        let (next, to) = (Bound::Included(from.to_vec()), to.map(<[u8]>::to_vec));
        Box::new(PacksScan { packs: Self::clone(self), next, to, key: Vec::new(), value: Vec::new() })
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        let inner = self.inner();
        let last = inner.places.last_key_value().map(|(key, place)| (key.clone(), inner.source(*place)));
        drop(inner);
        let Some((key, source)) = last else { return Ok(None) };
        Ok(self.read(&key, source)?.map(|value| (key, value)))
    }

    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        let expected = self.inner().places.last_key_value().map(|(key, _)| &key[..]) == after;
        if expected {
            self.set(key, value)?;
        }
        Ok(expected)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        self.set(key, value)
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        let there = self.inner().places.contains_key(key);
        if there { self.take_out(key) } else { Ok(()) }
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        if self.get(key)?.as_deref() != expected {
            return Ok(false);
        }
        match new {
            Some(value) => self.set(key, value)?,
            None => self.remove(key)?,
        }
        Ok(true)
    }

    /// What should be elsewhere goes there, some of it each time.
    fn settle(&self, _up_to: &[u8]) -> Result<(), Cause> {
        for _ in 0..MOVES {
            let keys = self.inner().misplaced();
            if keys.is_empty() {
                break;
            }
            self.move_values(keys)?;
        }
        Ok(())
    }
}

struct PacksScan {
    packs: Arc<Packs>,
    next: Bound<Vec<u8>>,
    to: Option<Vec<u8>>,
    /// What was given last.
    key: Vec<u8>,
    value: Vec<u8>,
}

impl PacksScan {
    /// The next key, and where its value is.
    fn step(&mut self) -> Option<(Vec<u8>, Source)> {
        let inner = self.packs.inner();
        // Without an upper bound: one below the lower bound is no panic then.
        let from = (self.next.as_ref().map(Vec::as_slice), Bound::Unbounded);
        let (key, place) = inner.places.range::<[u8], _>(from).next()?;
        let found = (key.clone(), inner.source(*place));
        drop(inner);
        self.to.as_ref().is_none_or(|to| found.0 < *to).then_some(found)
    }
}

impl Scan for PacksScan {
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause> {
        loop {
            let Some((key, source)) = self.step() else { return Ok(None) };
            self.next = Bound::Excluded(key.clone());
            // It may be gone from the tree by now.
            if self.packs.read_into(&key, source, &mut self.value)? {
                self.key = key;
                return Ok(Some((&self.key, &self.value)));
            }
        }
    }
}

fn cause(error: io::Error) -> Cause {
    Arc::new(error)
}

#[cfg(test)]
mod tests;
