//! Large values in files of their own, which are only appended to; the tree below keeps where they are.
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
//! A frame begins with its length, which has no such first byte; so values that were put into the tree itself are told from pointers.
//! A pack takes values until the store is closed or it has [`PACK_BYTES`]; it goes when nothing points to it, and that is durable.
//!
//! # Crashes
//!
//! A value is written before its pointer is, so a kill leaves no pointer to nothing. In a power cut a pointer may be kept that was flushed before
//! its value was synced. What such a value was made of then still stands in the files of the [tail](super::tail), which sees that it cannot
//! be read. Where a value **replaces** another, or another is removed, there is no such copy: then what was written is synced first.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Item, Owned, Scan, Tree,
    tail::files::{Unsynced, read_at, write_at},
};
use crate::{Cause, frame};

/// How the names of packs begin.
const PACK_PREFIX: &str = "pack.";
/// A pack of so many bytes takes no further value. What retention removes frees room in such steps.
const PACK_BYTES: u64 = 32 << 20;
/// Smaller values stay in the tree: a pointer takes as much.
const MIN_VALUE_BYTES: usize = 512;
/// First byte of a pointer.
const POINTER: u8 = 0xff;

/// A tree whose large values are in packs.
pub struct Packs {
    below: Arc<dyn Tree>,
    folder: PathBuf,
    /// Whether what is synced survives a power cut.
    firm: bool,
    inner: Mutex<Inner>,
    /// Held while anything is synced: who finds nothing to sync must not go on before it is.
    syncing: Mutex<()>,
}

#[derive(Default)]
struct Inner {
    packs: BTreeMap<u64, Pack>,
    /// The pack that is written.
    active: Option<u64>,
    next_number: u64,
    unsynced: Unsynced,
}

struct Pack {
    path: PathBuf,
    file: Arc<File>,
    end: u64,
    /// Values that are pointed to.
    live: usize,
}

#[derive(Clone, Copy)]
struct Pointer {
    number: u64,
    at: u64,
    length: u32,
}

impl Pointer {
    fn encode(self, key: &[u8]) -> Vec<u8> {
        let body = [&self.number.to_be_bytes()[..], &self.at.to_be_bytes(), &self.length.to_be_bytes()].concat();
        [&[POINTER], &frame::seal(key, &body)[..]].concat()
    }

    /// The pointer in `value`; none if it is none.
    fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let body = frame::open(key, value.strip_prefix(&[POINTER])?)?;
        let (number, rest) = body.split_first_chunk()?;
        let (at, length) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        Some(Self { number: u64::from_be_bytes(*number), at: u64::from_be_bytes(*at), length })
    }
}

impl Packs {
    /// The packs in `folder` that `below` points to; others go.
    pub fn open(folder: &Path, below: Arc<dyn Tree>, firm: bool) -> Result<Self, Cause> {
        let mut inner = Inner { next_number: 1, ..Inner::default() };
        for entry in fs::read_dir(folder).map_err(cause)? {
            let entry = entry.map_err(cause)?;
            let number = entry.file_name().to_str().and_then(|name| name.strip_prefix(PACK_PREFIX)?.parse().ok());
            let Some(number) = number else { continue };
            let file = File::options().read(true).open(entry.path()).map_err(cause)?;
            let pack = Pack { path: entry.path(), file: Arc::new(file), end: PACK_BYTES, live: 0 };
            inner.packs.insert(number, pack);
            inner.next_number = inner.next_number.max(number + 1);
        }
        let mut scan = below.scan(&[], None);
        while let Some((key, value)) = scan.next()? {
            inner.count(Pointer::decode(key, value), 1);
        }
        inner.free().map_err(cause)?;
        Ok(Self { below, folder: folder.to_path_buf(), firm, inner: Mutex::new(inner), syncing: Mutex::default() })
    }

    /// Makes durable what was put into packs; pointers are the tree's affair.
    pub fn sync(&self) -> Result<(), Cause> {
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let unsynced = std::mem::take(&mut self.inner().unsynced);
        if self.firm { unsynced.sync().map_err(cause) } else { Ok(()) }
    }

    /// The packs that nothing points to.
    pub fn unused(&self) -> Vec<u64> {
        self.inner().unused().collect()
    }

    /// Removes packs that were [unused](Self::unused) before what is below was made durable.
    pub fn free(&self, numbers: &[u64]) -> Result<(), Cause> {
        let mut inner = self.inner();
        numbers.iter().try_for_each(|number| inner.remove(*number)).map_err(cause)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `value` is or points to. Where nothing can be read it is given as it is, which is no frame.
    fn resolve(&self, key: &[u8], value: Vec<u8>) -> Result<Vec<u8>, Cause> {
        let Some(pointer) = Pointer::decode(key, &value) else { return Ok(value) };
        let file = self.inner().packs.get(&pointer.number).map(|pack| Arc::clone(&pack.file));
        let Some(file) = file else { return Ok(value) };
        let mut found = vec![0; pointer.length as usize];
        match read_at(&file, pointer.at, &mut found) {
            Ok(()) => Ok(found),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(value),
            Err(error) => Err(cause(error)),
        }
    }

    /// Puts `value` into a pack and says what goes into the tree for it.
    fn pack(&self, value: &[u8]) -> Result<Option<Pointer>, Cause> {
        let Some(length) = u32::try_from(value.len()).ok().filter(|_| value.len() >= MIN_VALUE_BYTES) else {
            return Ok(None);
        };
        let mut inner = self.inner();
        let (number, at, file) = inner.room(&self.folder).map_err(cause)?;
        write_at(&file, at, value).map_err(cause)?;
        inner.unsynced.add(&file);
        inner.wrote(number, at + u64::from(length));
        Ok(Some(Pointer { number, at, length }))
    }

    /// Sets the value under `key` where `old` is.
    fn set(&self, key: &[u8], old: Option<&[u8]>, value: &[u8]) -> Result<(), Cause> {
        let pointer = self.pack(value)?;
        if old.is_some() {
            self.sync()?;
        }
        match pointer {
            Some(pointer) => self.below.put(key, &pointer.encode(key))?,
            None => self.below.put(key, value)?,
        }
        let mut inner = self.inner();
        inner.count(pointer, 1);
        inner.count(old.and_then(|old| Pointer::decode(key, old)), -1);
        Ok(())
    }

    fn take_out(&self, key: &[u8], old: &[u8]) -> Result<(), Cause> {
        self.sync()?;
        self.below.remove(key)?;
        self.inner().count(Pointer::decode(key, old), -1);
        Ok(())
    }
}

impl Inner {
    fn count(&mut self, pointer: Option<Pointer>, change: isize) {
        if let Some(pack) = pointer.and_then(|pointer| self.packs.get_mut(&pointer.number)) {
            pack.live = pack.live.saturating_add_signed(change);
        }
    }

    fn unused(&self) -> impl Iterator<Item = u64> {
        let active = self.active;
        let unused = self.packs.iter().filter(move |(number, pack)| pack.live == 0 && Some(**number) != active);
        unused.map(|(number, _)| *number)
    }

    fn free(&mut self) -> io::Result<()> {
        let unused: Vec<_> = self.unused().collect();
        unused.into_iter().try_for_each(|number| self.remove(number))
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        self.packs.remove(&number).map_or(Ok(()), |pack| fs::remove_file(pack.path))
    }

    /// The pack that takes the next value, where in it, and its file.
    fn room(&mut self, folder: &Path) -> io::Result<(u64, u64, Arc<File>)> {
        if let Some((number, pack)) = self.active.and_then(|number| Some((number, self.packs.get(&number)?)))
            && pack.end < PACK_BYTES
        {
            return Ok((number, pack.end, Arc::clone(&pack.file)));
        }
        let number = self.next_number;
        let path = folder.join(format!("{PACK_PREFIX}{number:010}"));
        let file = Arc::new(File::options().read(true).write(true).create_new(true).open(&path)?);
        self.next_number += 1;
        self.active = Some(number);
        self.packs.insert(number, Pack { path, file: Arc::clone(&file), end: 0, live: 0 });
        self.unsynced.name_in(folder);
        Ok((number, 0, file))
    }

    fn wrote(&mut self, number: u64, end: u64) {
        if let Some(pack) = self.packs.get_mut(&number) {
            pack.end = end;
        }
    }
}

impl Tree for Arc<Packs> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        self.below.get(key)?.map(|value| self.resolve(key, value)).transpose()
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        let below = self.below.scan(from, to);
        Box::new(PacksScan { packs: Self::clone(self), below, key: Vec::new(), value: Vec::new() })
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        let Some((key, value)) = self.below.last()? else { return Ok(None) };
        let value = self.resolve(&key, value)?;
        Ok(Some((key, value)))
    }

    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        self.below.append(after, key, value)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let old = self.below.get(key)?;
        self.set(key, old.as_deref(), value)
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        self.below.get(key)?.map_or(Ok(()), |old| self.take_out(key, &old))
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        let old = self.below.get(key)?;
        let found = old.clone().map(|value| self.resolve(key, value)).transpose()?;
        if found.as_deref() != expected {
            return Ok(false);
        }
        match (new, old) {
            (Some(value), old) => self.set(key, old.as_deref(), value)?,
            (None, Some(old)) => self.take_out(key, &old)?,
            (None, None) => {}
        }
        Ok(true)
    }
}

struct PacksScan {
    packs: Arc<Packs>,
    below: Box<dyn Scan>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Scan for PacksScan {
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause> {
        let Some((key, value)) = self.below.next()? else { return Ok(None) };
        self.key.clear();
        self.key.extend_from_slice(key);
        self.value = self.packs.resolve(&self.key, value.to_vec())?;
        Ok(Some((&self.key, &self.value)))
    }
}

fn cause(error: io::Error) -> Cause {
    Arc::new(error)
}

#[cfg(test)]
mod tests;
