//! Values of any size on a tree that takes small ones: cut into pieces of [`MAX_VALUE_BYTES`] under numbered keys.
//!
//! ```text
//! key ‖ 0u32, key ‖ 1u32, ...: the pieces; all but the last are full
//! ```
//!
//! The number is big-endian, so that a scan meets the pieces in order. A value whose last piece is full ends where the next key
//! is not its next piece. The pieces of a value come and go in one [`Batch`] of what is below, which no other engine need have: how
//! an engine keeps large values is its own affair. All writes to one tree go through one [`Chunked`], one after the other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Item, Owned, Scan, Tree};
use crate::{
    Cause,
    layout::{CHUNK_NUMBER_BYTES, MAX_VALUE_BYTES, chunk_key, is_chunk_key},
};

/// Changes that are made together. Of several changes to one key the last stands.
#[derive(Default)]
pub struct Batch {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Sets the value under `key`.
    pub fn insert(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Removes `key`, if it is there.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), None));
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The change, if it is one alone; else the batch as it is.
    pub fn into_one(mut self) -> Result<(Vec<u8>, Option<Vec<u8>>), Self> {
        if self.changes.len() == 1
            && let Some(change) = self.changes.pop()
        {
            return Ok(change);
        }
        Err(self)
    }

    /// The changes in the order in which they were added; no value: the key goes.
    pub fn into_changes(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.changes.into_iter()
    }
}

/// A tree of small values that can change several of its keys at once.
pub trait Pieces: Tree {
    /// Makes all changes of `batch` or none.
    fn apply(&self, batch: Batch) -> Result<(), Cause>;
}

/// A tree of large values on one of small ones.
pub struct Chunked {
    below: Box<dyn Pieces>,
    /// Held while anything is written. The last key, once it was looked up: who appends need not look again.
    last: Mutex<Option<Vec<u8>>>,
}

impl Chunked {
    /// The large values that are kept in `below`.
    pub fn new(below: Box<dyn Pieces>) -> Self {
        Self { below, last: Mutex::default() }
    }

    /// Sets the value under `key`, or removes it. `last` is held.
    fn change(&self, last: &mut Option<Vec<u8>>, key: &[u8], value: Option<&[u8]>) -> Result<(), Cause> {
        let mut changes = Batch::default();
        let kept = value.map_or(0, |value| put(&mut changes, key, value));
        self.cut(&mut changes, key, kept)?;
        if last.as_ref().is_some_and(|last| last.as_slice() <= key) {
            *last = None;
        }
        if changes.is_empty() { Ok(()) } else { self.below.apply(changes) }
    }

    fn writing(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to `changes` what removes the pieces of `key` from number `from` on.
    fn cut(&self, changes: &mut Batch, key: &[u8], from: u32) -> Result<(), Cause> {
        for number in from.. {
            let piece = chunk_key(key, number);
            if self.below.get(&piece)?.is_none() {
                break;
            }
            changes.remove(piece);
        }
        Ok(())
    }
}

/// Adds the pieces of `value` to `changes`; says how many there are.
fn put(changes: &mut Batch, key: &[u8], value: &[u8]) -> u32 {
    let (first, rest) = value.split_at(value.len().min(MAX_VALUE_BYTES));
    changes.insert(chunk_key(key, 0), first);
    let mut count = 1;
    for piece in rest.chunks(MAX_VALUE_BYTES) {
        changes.insert(chunk_key(key, count), piece);
        count += 1;
    }
    count
}

impl Tree for Chunked {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        let Some(mut value) = self.below.get(&chunk_key(key, 0))? else { return Ok(None) };
        let mut full = value.len() == MAX_VALUE_BYTES;
        for number in 1.. {
            let Some(piece) = full.then(|| self.below.get(&chunk_key(key, number))).transpose()?.flatten() else {
                break;
            };
            full = piece.len() == MAX_VALUE_BYTES;
            value.extend_from_slice(&piece);
        }
        Ok(Some(value))
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        Box::new(ChunkedScan { pieces: self.below.scan(from, to), ahead: None, key: Vec::new(), value: Vec::new() })
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        let Some((mut key, piece)) = self.below.last()? else { return Ok(None) };
        key.truncate(key.len().saturating_sub(CHUNK_NUMBER_BYTES));
        let value = self.get(&key)?.unwrap_or(piece);
        Ok(Some((key, value)))
    }

    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        let mut last = self.writing();
        if last.is_none() {
            *last = Self::last(self)?.map(|(key, _)| key);
        }
        if last.as_deref() != after {
            return Ok(false);
        }
        let mut changes = Batch::default();
        put(&mut changes, key, value);
        self.below.apply(changes)?;
        *last = Some(key.to_vec());
        Ok(true)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        self.change(&mut self.writing(), key, Some(value))
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        self.change(&mut self.writing(), key, None)
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        let mut last = self.writing();
        if self.get(key)?.as_deref() != expected {
            return Ok(false);
        }
        self.change(&mut last, key, new)?;
        Ok(true)
    }
}

struct ChunkedScan {
    pieces: Box<dyn Scan>,
    /// A piece of the next value, if it was met.
    ahead: Option<(Vec<u8>, Vec<u8>)>,
    /// What was given last.
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Scan for ChunkedScan {
    /// A piece that belongs to nothing shows as a value of its own; its digest tells above that it is none.
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause> {
        self.value.clear();
        match self.ahead.take() {
            Some((key, piece)) => (self.key, self.value) = (key, piece),
            None => {
                let Some((key, piece)) = self.pieces.next()? else { return Ok(None) };
                self.key.clear();
                self.key.extend_from_slice(key);
                self.value.extend_from_slice(piece);
            }
        }
        self.key.truncate(self.key.len().saturating_sub(CHUNK_NUMBER_BYTES));
        let mut full = self.value.len() == MAX_VALUE_BYTES;
        for number in 1.. {
            let Some((key, piece)) = full.then(|| self.pieces.next()).transpose()?.flatten() else { break };
            if !is_chunk_key(key, &self.key, number) {
                self.ahead = Some((key.to_vec(), piece.to_vec()));
                break;
            }
            full = piece.len() == MAX_VALUE_BYTES;
            self.value.extend_from_slice(piece);
        }
        Ok(Some((&self.key, &self.value)))
    }
}
