//! The end of the log in files of its own, beside the tree that keeps the rest.
//!
//! Making a change of sled durable costs two waits for the disk and two changes of thread, and a small value there is written several
//! times over as its leaf is. What a commit appends needs none of that: it is the next value, and soon replaced by what it is merged
//! into. So it goes to the end of a file ([`files`]), whose `fdatasync` makes it durable. It moves into the tree below when it is
//! **replaced** ([`Tree::put`]) or **settled** ([`Tree::settle`]), both of which happen beside traffic. A file that has nothing left
//! goes, or is written again from its start, once what was moved is durable below.
//!
//! # Crashes
//!
//! - A value moves by being written below first. Where the files and the tree below both answer for a key, the tree is right: a value
//!   of the files that a block below covers is dropped at the next start ([`Tail::open`]).
//! - Of what was written after the last `fdatasync` anything may be there after a power cut, in any part. A record says what was durable
//!   when it was written, and so does the mark ([`super::mark`]). So where one cannot be read, but more than the ones before it was durable,
//!   that is damage: the log then has a gap, which is found like any other. Otherwise it is the end of an append that nobody was told of; it
//!   is cut off.
//! - A file that is written again gets its new name and its new content in any order. So the order of the files is that of the keys in them,
//!   whatever their names.
//! - Removing the last value, as a start does with half of a commit, is durable at once.
//!
//! The values are frames under the keys of blocks ([`crate::frame`], [`crate::layout`]): their digest tells what can be read.

pub mod files;

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event_model::Sequence;

use self::files::{Files, Found, RECORD_HEAD_BYTES};
use super::{Item, Owned, Scan, Tree, syncing::Syncing};
use crate::{
    Cause,
    block::Header,
    frame,
    layout::{self, BLOCK_KEY_BYTES},
};

/// The key of a block.
type Key = [u8; BLOCK_KEY_BYTES];

/// Makes what was written to the tree below durable, if that is asked for or something below waits for it.
type Settle = Box<dyn Fn(bool) -> Result<(), Cause> + Send + Sync>;

/// The tree of the log.
pub struct Tail {
    below: Arc<dyn Tree>,
    /// See [`Settle`].
    make_durable: Settle,
    /// Held while a value that is not the newest changes or moves.
    writing: Mutex<()>,
    /// Held while a value is appended: its record.
    appending: Mutex<Vec<u8>>,
    syncing: Syncing,
    inner: Mutex<Inner>,
}

struct Inner {
    files: Files,
    entries: BTreeMap<Key, Place>,
    /// The last key of all, once it was looked up: who appends need not look again.
    last: Option<Option<Key>>,
    /// What every record that is written says was durable.
    durable: Option<Key>,
}

/// Where a value is.
#[derive(Clone)]
pub struct Place {
    file: Arc<File>,
    /// The number of the file.
    number: u64,
    /// Where its record begins, and the length of the value in it.
    at: u64,
    length: usize,
}

impl Tail {
    /// The tree of what is in `below` and, after that, in the files in `folder`. Everything up to `marked` was durable once, as far as others
    /// know.
    pub fn open(folder: &Path, below: Arc<dyn Tree>, marked: Option<Key>, make_durable: Settle) -> Result<Self, Cause> {
        let (mut files, found) = Files::open(folder).map_err(cause)?;
        let whole = files.cut(found, marked).map_err(cause)?;
        let mut entries = BTreeMap::new();
        let mut covered = None;
        for Found { key, place, .. } in whole {
            if covered.is_none_or(|(_, last)| key > last) {
                covered = cover_of(&*below, &key)?;
            }
            if covered.is_some_and(|(first, _)| first <= key) {
                files.forget(place.number);
                continue;
            }
            if below.get(&key)?.is_some() {
                // It cannot be read: a power cut came before what it was moved to was synced.
                tracing::info!("a block that was moved when the power went is taken from where it was");
                below.remove(&key)?;
            }
            entries.insert(key, place);
        }
        let inner = Inner { files, entries, last: None, durable: None };
        Ok(Self {
            below,
            make_durable,
            writing: Mutex::default(),
            appending: Mutex::default(),
            syncing: Syncing::default(),
            inner: Mutex::new(inner),
        })
    }

    /// Makes what was appended durable; with `firmly` through a power cut.
    pub fn sync(&self, firmly: bool) -> Result<(), Cause> {
        self.syncing.turn(|| {
            let mut inner = self.inner();
            let last = self.last_key(&mut inner)?;
            let unsynced = inner.files.take_unsynced();
            drop(inner);
            let took = if firmly { unsynced.sync().map_err(cause)? } else { None };
            let mut inner = self.inner();
            took.into_iter().for_each(|took| inner.files.synced_in(took));
            inner.durable = inner.durable.max(last);
            Ok(())
        })
    }

    /// Whether a block answers for every sequence up to the last one.
    pub fn is_gapless(self: &Arc<Self>) -> Result<bool, Cause> {
        let mut scan = self.scan(&layout::block_key(Sequence::START), None);
        let mut last = Sequence::START;
        while let Some((key, value)) = scan.next()? {
            match frame::open(key, value).and_then(Header::read) {
                Some(header) if header.first <= last.next() => last = last.max(header.last),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_key(&self, inner: &mut Inner) -> Result<Option<Key>, Cause> {
        if let Some(known) = inner.last {
            return Ok(known);
        }
        let below = self.below.last()?.and_then(|(key, _)| key.try_into().ok());
        let last = inner.entries.last_key_value().map(|(key, _)| *key).max(below);
        inner.last = Some(last);
        Ok(last)
    }

    /// Sets the value under `key` below. [`Self::writing`] is held.
    fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        self.below.put(key, value)?;
        let mut inner = self.inner();
        if let Some(place) = as_key(key).and_then(|key| inner.entries.remove(&key)) {
            inner.files.forget(place.number);
        }
        // Who appends next looks here: to look it up below would read the last value.
        inner.last = inner.last.map(|last| last.max(as_key(key)));
        Ok(())
    }

    /// Removes `key` wherever it is. [`Self::writing`] is held.
    fn take_out(&self, key: &[u8]) -> Result<(), Cause> {
        let mut inner = self.inner();
        let is_last = self.last_key(&mut inner)?.is_some_and(|last| last == key);
        if let Some(place) = as_key(key).and_then(|key| inner.entries.remove(&key)) {
            inner.files.remove(&place, is_last).map_err(cause)?;
        }
        if is_last {
            inner.last = None;
        }
        drop(inner);
        self.below.remove(key)
    }

    /// Moves the first value of the files below, if its key is not beyond `up_to`; says whether it did.
    fn settle_first(&self, up_to: &[u8]) -> Result<bool, Cause> {
        let _writing = self.writing();
        let Some((key, place)) = self.first(Key::default()).filter(|(key, _)| key[..] <= *up_to) else {
            return Ok(false);
        };
        self.set(&key, &place.read().map_err(cause)?)?;
        Ok(true)
    }

    /// The first key of the files from `from` on, and where its value is.
    fn first(&self, from: Key) -> Option<(Key, Place)> {
        let inner = self.inner();
        let found = inner.entries.range(from..).next();
        found.map(|(key, place)| (*key, place.clone()))
    }
}

impl Tree for Arc<Tail> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        let place = as_key(key).and_then(|key| self.inner().entries.get(&key).cloned());
        match place {
            // It may just have moved.
            Some(place) => Ok(self.below.get(key)?.or(Some(place.read().map_err(cause)?))),
            None => self.below.get(key),
        }
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        let scan = self.below.scan(from, to);
        let below = Ahead { scan, found: None, key: Vec::new(), value: Vec::new() };
        let (next, to) = (from.to_vec(), to.map(<[u8]>::to_vec));
        Box::new(TailScan { tail: Self::clone(self), below, next, to, key: Vec::new(), value: Vec::new() })
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        let last = self.inner().entries.last_key_value().map(|(key, place)| (*key, place.clone()));
        let below = self.below.last()?;
        match last {
            Some((key, place)) if below.as_ref().is_none_or(|(below, _)| below[..] < key[..]) => {
                Ok(Some((key.to_vec(), place.read().map_err(cause)?)))
            }
            _ => Ok(below),
        }
    }

    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        let Some(new) = as_key(key) else { return Err(cause(std::io::Error::other("no key of a block"))) };
        let mut record = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.inner();
        if self.last_key(&mut inner)?.as_ref().map(|last| &last[..]) != after {
            return Ok(false);
        }
        let (durable, mut end) = (inner.durable, inner.files.end().map_err(cause)?);
        // Nobody who reads or moves values waits for the disk.
        drop(inner);
        let place = end.write(&mut record, durable, &new, value).map_err(cause)?;
        let mut inner = self.inner();
        inner.files.wrote(&place, &end).map_err(cause)?;
        inner.entries.insert(new, place);
        inner.last = Some(Some(new));
        Ok(true)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let _writing = self.writing();
        self.set(key, value)
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        let _writing = self.writing();
        self.take_out(key)
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        let _writing = self.writing();
        if self.get(key)?.as_deref() != expected {
            return Ok(false);
        }
        new.map_or_else(|| self.take_out(key), |value| self.set(key, value))?;
        Ok(true)
    }

    fn settle(&self, up_to: &[u8]) -> Result<(), Cause> {
        while self.settle_first(up_to)? {}
        {
            let _writing = self.writing();
            self.below.settle(up_to)?;
        }
        let unused = self.inner().files.unused();
        // What was in them must stand below before they go; what moves out of others from here on may not.
        (self.make_durable)(!unused.is_empty())?;
        self.inner().files.free(&unused).map_err(cause)
    }
}

/// The first and the last key that the first block of `below` at or after `key` answers for; none if it cannot be read.
fn cover_of(below: &dyn Tree, key: &Key) -> Result<Option<(Key, Key)>, Cause> {
    let mut scan = below.scan(key, None);
    let Some((found, value)) = scan.next()? else { return Ok(None) };
    let header = frame::open(found, value).and_then(Header::read);
    Ok(header.zip(as_key(found)).map(|(header, last)| (layout::block_key(header.first), last)))
}

impl Place {
    fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut value = Vec::new();
        self.read_into(&mut value)?;
        Ok(value)
    }

    /// Makes `value` what is here, in the memory that it has.
    fn read_into(&self, value: &mut Vec<u8>) -> std::io::Result<()> {
        value.resize(self.length, 0);
        files::read_at(&self.file, self.at + RECORD_HEAD_BYTES as u64, value)
    }
}

/// A scan of the tree below, one item ahead.
struct Ahead {
    scan: Box<dyn Scan>,
    /// Whether `key` and `value` are what comes next, or nothing does; not known: nobody has looked.
    found: Option<bool>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Ahead {
    /// The key that comes next; none at the end.
    fn look(&mut self) -> Result<Option<&[u8]>, Cause> {
        if self.found.is_none() {
            let item = self.scan.next()?;
            self.found = Some(item.is_some());
            if let Some((key, value)) = item {
                copy(key, &mut self.key);
                copy(value, &mut self.value);
            }
        }
        Ok(self.found.unwrap_or_default().then_some(&self.key))
    }

    /// Gives what [`Self::look`] found, in exchange for memory; says whether there was anything.
    fn take(&mut self, key: &mut Vec<u8>, value: &mut Vec<u8>) -> bool {
        let found = self.found == Some(true);
        if found {
            self.found = None;
            std::mem::swap(&mut self.key, key);
            std::mem::swap(&mut self.value, value);
        }
        found
    }
}

fn copy(from: &[u8], to: &mut Vec<u8>) {
    to.clear();
    to.extend_from_slice(from);
}

struct TailScan {
    tail: Arc<Tail>,
    below: Ahead,
    /// What is given next is not lower.
    next: Vec<u8>,
    to: Option<Vec<u8>>,
    /// What was given last.
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Scan for TailScan {
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause> {
        // The files first: what moves meanwhile is then below.
        let here = least_from(&self.next).and_then(|from| self.tail.first(from));
        let here = here.filter(|(key, _)| self.to.as_ref().is_none_or(|to| key[..] < to[..]));
        let below = self.below.look()?;
        match here {
            Some((key, place)) if below.is_none_or(|below| key[..] < *below) => {
                copy(&key, &mut self.key);
                place.read_into(&mut self.value).map_err(cause)?;
            }
            _ if self.below.take(&mut self.key, &mut self.value) => {}
            _ => return Ok(None),
        }
        copy(&self.key, &mut self.next);
        // The least key that follows another is that key and a zero.
        self.next.push(0);
        Ok(Some((&self.key, &self.value)))
    }
}

/// The least key of a block that is not below `from`; none if all are.
fn least_from(from: &[u8]) -> Option<Key> {
    let mut key = [0; BLOCK_KEY_BYTES];
    let shared = from.len().min(BLOCK_KEY_BYTES);
    key[..shared].copy_from_slice(&from[..shared]);
    if from.len() <= BLOCK_KEY_BYTES {
        return Some(key);
    }
    let number = key.iter().rposition(|byte| *byte < u8::MAX)?;
    key[number] += 1;
    key[number + 1..].fill(0);
    Some(key)
}

fn as_key(key: &[u8]) -> Option<Key> {
    key.try_into().ok()
}

fn cause(error: std::io::Error) -> Cause {
    Arc::new(error)
}

#[cfg(test)]
mod kills;
#[cfg(test)]
mod tests;
