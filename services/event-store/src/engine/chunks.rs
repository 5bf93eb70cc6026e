//! Values of any size on a tree that takes small ones: cut into pieces of [`MAX_VALUE_BYTES`] under numbered keys.
//!
//! ```text
//! key ‖ 0u32, key ‖ 1u32, ...: the pieces; all but the last are full
//! ```
//!
//! The number is big-endian, so that a scan meets the pieces in order. A value whose last piece is full ends where the next key
//! is not its next piece. The pieces of a value come and go in one batch of the tree below.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Batch, Item, Owned, Scan, Tree};
use crate::{
    Cause,
    layout::{CHUNK_NUMBER_BYTES, MAX_VALUE_BYTES, chunk_key, is_chunk_key},
};

/// A tree of large values on one of small ones.
pub struct Chunked {
    below: Arc<dyn Tree>,
    /// The last key, once it was looked up: who appends need not look again.
    last: Mutex<Option<Vec<u8>>>,
}

impl Chunked {
    /// The large values that are kept in `below`.
    pub fn new(below: Arc<dyn Tree>) -> Self {
        Self { below, last: Mutex::default() }
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
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn apply(&self, batch: Batch) -> Result<(), Cause> {
        let mut changes = Batch::default();
        for (key, value) in batch.into_changes().collect::<BTreeMap<_, _>>() {
            let kept = value.as_ref().map_or(0, |value| put(&mut changes, &key, value));
            self.cut(&mut changes, &key, kept)?;
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.as_ref().is_some_and(|last| *last <= key) {
                *last = None;
            }
        }
        if changes.is_empty() { Ok(()) } else { self.below.apply(changes) }
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
