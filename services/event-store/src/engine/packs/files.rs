//! The files of [packs](super), and pointers into them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{engine::tail::files::Unsynced, frame};

/// How the names of packs begin.
const PACK_PREFIX: &str = "pack.";
/// A pack takes no further value when it has one part in so many of what all packs have in use: what retention takes is in few packs, and
/// what is garbage in the last one, which is not written anew, is little beside the log.
const PACK_PART: u64 = 4;
/// But it takes so much in any case, and never more: 400,000 events. Each pack is an open file for as long as the store is open.
const LEAST_PACK_BYTES: u64 = 1 << 20;
const LARGEST_PACK_BYTES: u64 = 64 << 20;
/// A pack with less than one part in so many of its bytes pointed to is written anew.
const SPARSE_PART: u64 = 2;
/// First byte of a pointer.
const POINTER: u8 = 0xff;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The number of the pack.
    pub number: u64,
    /// Where in it.
    pub at: u64,
    /// Its bytes.
    pub length: u32,
}

impl Pointer {
    /// What the tree keeps for it under `key`.
    pub fn encode(self, key: &[u8]) -> Vec<u8> {
        let body = [&self.number.to_be_bytes()[..], &self.at.to_be_bytes(), &self.length.to_be_bytes()].concat();
        [&[POINTER], &frame::seal(key, &body)[..]].concat()
    }

    /// The pointer in `value`; none if it is none.
    pub fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let body = frame::open(key, value.strip_prefix(&[POINTER])?)?;
        let (number, rest) = body.split_first_chunk()?;
        let (at, length) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        Some(Self { number: u64::from_be_bytes(*number), at: u64::from_be_bytes(*at), length })
    }

    fn end(self) -> u64 {
        self.at.saturating_add(u64::from(self.length))
    }
}

/// The packs of a folder, and which of them takes the next value.
pub struct Files {
    folder: PathBuf,
    packs: BTreeMap<u64, Pack>,
    active: Option<u64>,
    next_number: u64,
    unsynced: Unsynced,
}

struct Pack {
    path: PathBuf,
    file: Arc<File>,
    end: u64,
    /// Values that are pointed to, and their bytes.
    live: usize,
    live_bytes: u64,
    /// It stays, though nothing points to it or little does.
    kept: bool,
}

impl Files {
    /// The packs in `folder`, to none of which anything points yet.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let (mut packs, folder) = (BTreeMap::new(), folder.to_path_buf());
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.strip_prefix(PACK_PREFIX)?.parse().ok());
            let Some(number) = number else { continue };
            let file = File::options().read(true).write(true).open(entry.path())?;
            let end = file.metadata()?.len();
            let pack = Pack { path: entry.path(), file: Arc::new(file), end, live: 0, live_bytes: 0, kept: false };
            packs.insert(number, pack);
        }
        let next_number = packs.last_key_value().map_or(1, |(last, _)| last + 1);
        Ok(Self { folder, packs, active: None, next_number, unsynced: Unsynced::default() })
    }

    /// Goes on with the last pack, now that all pointers are [counted](Self::point_to). Other packs that nothing points to
    /// stay until [`Self::let_go`].
    ///
    /// The last one may have been written by a process that was killed, and be in the kernel's memory alone; the others were synced before
    /// it was begun.
    pub fn go_on(&mut self) {
        if let Some((number, pack)) = self.packs.last_key_value() {
            self.active = Some(*number);
            self.unsynced.add(&pack.file);
            self.unsynced.name_in(&self.folder);
        }
        for (number, pack) in &mut self.packs {
            pack.kept = pack.live == 0 && Some(*number) != self.active;
        }
    }

    /// Whether there are packs that nothing pointed to at the start.
    pub fn has_strays(&self) -> bool {
        self.packs.values().any(|pack| pack.kept && pack.live == 0)
    }

    /// Packs that nothing pointed to at the start may go.
    pub fn let_go(&mut self) {
        self.packs.values_mut().filter(|pack| pack.live == 0).for_each(|pack| pack.kept = false);
    }

    /// Something points to `pointer`.
    pub fn point_to(&mut self, pointer: Pointer) {
        if let Some(pack) = self.packs.get_mut(&pointer.number) {
            pack.live += 1;
            pack.live_bytes += u64::from(pointer.length);
            // What a power cut took of the file is written by nobody else.
            pack.end = pack.end.max(pointer.end());
        }
    }

    /// It does no longer.
    pub fn forget(&mut self, pointer: Pointer) {
        if let Some(pack) = self.packs.get_mut(&pointer.number) {
            pack.live = pack.live.saturating_sub(1);
            pack.live_bytes = pack.live_bytes.saturating_sub(u64::from(pointer.length));
        }
    }

    /// The file that `pointer` points into.
    pub fn file(&self, pointer: Pointer) -> Option<Arc<File>> {
        self.packs.get(&pointer.number).map(|pack| Arc::clone(&pack.file))
    }

    /// Whether the next value needs a new pack. All others must be synced before it is [begun](Self::begin).
    pub fn is_full(&self) -> bool {
        let active = self.active.and_then(|number| self.packs.get(&number));
        let in_use: u64 = self.packs.values().map(|pack| pack.live_bytes).sum();
        active.is_none_or(|pack| pack.end >= (in_use / PACK_PART).clamp(LEAST_PACK_BYTES, LARGEST_PACK_BYTES))
    }

    /// Begins the next pack.
    pub fn begin(&mut self) -> io::Result<()> {
        let number = self.next_number;
        let path = self.folder.join(format!("{PACK_PREFIX}{number:010}"));
        let file = Arc::new(File::options().read(true).write(true).create_new(true).open(&path)?);
        self.next_number += 1;
        self.active = Some(number);
        self.packs.insert(number, Pack { path, file, end: 0, live: 0, live_bytes: 0, kept: false });
        self.unsynced.name_in(&self.folder);
        Ok(())
    }

    /// Room for `length` bytes, which is pointed to from here on, and its file.
    pub fn reserve(&mut self, length: u32) -> io::Result<(Pointer, Arc<File>)> {
        let active = self.active.and_then(|number| Some((number, self.packs.get(&number)?)));
        let Some((number, pack)) = active else { return Err(io::Error::other("no pack was begun")) };
        let (pointer, file) = (Pointer { number, at: pack.end, length }, Arc::clone(&pack.file));
        self.point_to(pointer);
        Ok((pointer, file))
    }

    /// What is written next goes to `file`, which may fail.
    #[cfg(test)]
    pub fn write_to(&mut self, file: File) {
        let active = self.active.and_then(|number| self.packs.get_mut(&number));
        active.expect("one is written").file = Arc::new(file);
    }

    /// What was reserved in `file` was written.
    pub fn wrote(&mut self, file: &Arc<File>) {
        self.unsynced.add(file);
    }

    /// What was written since it was taken last.
    pub fn take_unsynced(&mut self) -> Unsynced {
        std::mem::take(&mut self.unsynced)
    }

    /// A pack that should be written anew, if there is one.
    pub fn sparse(&self) -> Option<u64> {
        let sparse = |(number, pack): &(&u64, &Pack)| {
            Some(**number) != self.active && !pack.kept && pack.live > 0 && pack.live_bytes < pack.end / SPARSE_PART
        };
        self.packs.iter().find(sparse).map(|(number, _)| *number)
    }

    /// The pack `number` is not written anew: something in it cannot be read.
    pub fn keep(&mut self, number: u64) {
        if let Some(pack) = self.packs.get_mut(&number) {
            pack.kept = true;
        }
    }

    /// The packs that nothing points to.
    pub fn unused(&self) -> Vec<u64> {
        let unused = |(number, pack): &(&u64, &Pack)| Some(**number) != self.active && !pack.kept && pack.live == 0;
        self.packs.iter().filter(unused).map(|(number, _)| *number).collect()
    }

    /// Removes the packs `numbers`.
    pub fn remove(&mut self, numbers: &[u64]) -> io::Result<()> {
        for number in numbers {
            if let Some(pack) = self.packs.remove(number) {
                fs::remove_file(pack.path)?;
            }
        }
        Ok(())
    }
}
