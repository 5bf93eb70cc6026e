//! The files of the [tail](super): records one after the other.
//!
//! ```text
//! tail.<number>: the key that was durable when it was written (9 bytes, zeros: none) | key (9 bytes) | value, which is a frame
//! ```
//!
//! A file is extended by zeros ahead of what is written, so that most syncs need not write the file's size, unless syncs cost nothing;
//! and one that has nothing left is written again under the next number. What it held then follows what is new, and has lower keys, which
//! tell it. Name and content of such a file may reach the disk in any order: so files are ordered by the keys in them, and not by number.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use memchr::memmem;

use super::{Key, Place};
use crate::{
    frame,
    layout::{self, BLOCK_KEY_BYTES},
};

/// Bytes of a record before its value.
pub const RECORD_HEAD_BYTES: usize = 2 * BLOCK_KEY_BYTES;
/// How the names of the files begin.
pub const FILE_PREFIX: &str = "tail.";
/// A file of so many bytes takes no further record. What is settled frees room in such steps.
const FILE_BYTES: u64 = 4 << 20;
/// Files are extended in such steps: 200 small commits, and little beside a large one.
const EXTENSION_BYTES: u64 = 256 << 10;
/// Where a sync takes less, the size of a file that grows costs nothing: no disk is that quick.
const FREE_SYNC: Duration = Duration::from_micros(10);
/// Files kept to be written again.
pub const MAX_SPARE: usize = 1;

/// The files, and where the next record goes.
pub struct Files {
    folder: PathBuf,
    files: VecDeque<TailFile>,
    spare: Vec<PathBuf>,
    next_number: u64,
    unsynced: Unsynced,
    /// Whether they are extended.
    extended: bool,
}

struct TailFile {
    number: u64,
    path: PathBuf,
    file: Arc<File>,
    /// Where the next record goes, and how long the file is.
    end: u64,
    length: u64,
    /// Records that have not moved.
    left: usize,
}

/// A record of a file, as it was found.
pub struct Found {
    /// Its key.
    pub key: Key,
    /// Where it is.
    pub place: Place,
    durable: Key,
    /// Something before it could not be read, from here on.
    after_gap: Option<u64>,
}

/// Where the files end.
pub struct End {
    file: Arc<File>,
    number: u64,
    at: u64,
    length: u64,
    extended: bool,
}

impl End {
    /// Writes a record there, which it puts together in `record`, and moves on; says where it is. It is not durable yet.
    pub fn write(&mut self, record: &mut Vec<u8>, durable: Option<Key>, key: &Key, value: &[u8]) -> io::Result<Place> {
        record.clear();
        record.extend_from_slice(&durable.unwrap_or_default());
        record.extend_from_slice(key);
        record.extend_from_slice(value);
        let place = Place { file: Arc::clone(&self.file), number: self.number, at: self.at, length: value.len() };
        write_at(&self.file, self.at, record)?;
        self.at += record.len() as u64;
        if self.at > self.length {
            self.length = if self.extended { self.at.next_multiple_of(EXTENSION_BYTES) } else { self.at };
            write_zeros(&self.file, self.at, self.length)?;
        }
        Ok(place)
    }
}

/// What must be synced before what was written is durable.
#[derive(Default)]
pub struct Unsynced {
    files: Vec<Arc<File>>,
    /// The folder, if there is a new name in it.
    folder: Option<PathBuf>,
}

impl Unsynced {
    /// Syncs it; says how long its files took, if it has any.
    pub fn sync(&self) -> io::Result<Option<Duration>> {
        let start = Instant::now();
        self.files.iter().try_for_each(|file| file.sync_data())?;
        let took = (!self.files.is_empty()).then(|| start.elapsed());
        match &self.folder {
            Some(folder) if cfg!(unix) => File::open(folder)?.sync_all()?,
            _ => {}
        }
        Ok(took)
    }

    /// The file `file` was written.
    pub fn add(&mut self, file: &Arc<File>) {
        if !self.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            self.files.push(Arc::clone(file));
        }
    }

    /// There is a new name in `folder`.
    pub fn name_in(&mut self, folder: &Path) {
        self.folder = Some(folder.to_path_buf());
    }
}

impl Files {
    /// The files in `folder`, and their records in order, as far as they can be read.
    pub fn open(folder: &Path) -> io::Result<(Self, Vec<Found>)> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_prefix(FILE_PREFIX)?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let next_number = numbers.last().map_or(1, |last| last + 1);
        let (mut parsed, mut unsynced) = (Vec::new(), Unsynced::default());
        for number in numbers {
            let path = path_of(folder, number);
            let file = Arc::new(File::options().read(true).write(true).open(&path)?);
            let content = fs::read(&path)?;
            let mut found = Vec::new();
            let end = parse(&content, &file, number, &mut found);
            // What a killed process wrote may be in the kernel's memory alone.
            unsynced.add(&file);
            unsynced.name_in(folder);
            parsed.push((TailFile { number, path, file, end, length: content.len() as u64, left: 0 }, found));
        }
        let folder = folder.to_path_buf();
        let (files, found) = in_order(parsed);
        Ok((Self { folder, files, spare: Vec::new(), next_number, unsynced, extended: true }, found))
    }

    /// Cuts off what no sync had reached; see "Crashes" in [`super`]. Gives what stands.
    pub fn cut(&mut self, mut found: Vec<Found>, marked: Option<Key>) -> io::Result<Vec<Found>> {
        let mut keep = found.len();
        for (index, record) in found.iter().enumerate() {
            let Some(_) = record.after_gap else { continue };
            let before = found[..index].last().map_or(Key::default(), |record| record.key);
            if marked.unwrap_or_default() <= before && found[index..].iter().all(|later| later.durable <= before) {
                keep = index;
                break;
            }
        }
        let torn = found.split_off(keep);
        if let Some(first) = torn.first() {
            tracing::warn!(
                records = torn.len(),
                "cut off the end of an append that was not finished; nobody was told of it"
            );
            let from = first.after_gap.unwrap_or(first.place.at);
            let from_here = self.files.iter().position(|file| file.number == first.place.number).unwrap_or(0);
            for file in self.files.iter_mut().skip(from_here) {
                let start = if file.number == first.place.number { from } else { 0 };
                write_zeros(&file.file, start, file.end)?;
                file.file.sync_data()?;
                file.end = start;
                file.left = found.iter().filter(|record| record.place.number == file.number).count();
            }
        }
        Ok(found)
    }

    /// Where the next record goes.
    pub fn end(&mut self) -> io::Result<End> {
        if self.files.back().is_none_or(|file| file.end >= FILE_BYTES) {
            self.begin_file()?;
        }
        let Some(active) = self.files.back() else { return Err(io::Error::other("no file was begun")) };
        let TailFile { number, end, length, .. } = *active;
        Ok(End { file: Arc::clone(&active.file), number, at: end, length, extended: self.extended })
    }

    /// A record was written at `place`, and now the end is `end`.
    pub fn wrote(&mut self, place: &Place, end: &End) -> io::Result<()> {
        match self.files.back_mut() {
            Some(active) if active.number == place.number && active.end == place.at => {
                (active.end, active.length) = (end.at, end.length);
                active.left += 1;
                self.unsynced.add(&active.file);
                Ok(())
            }
            _ => Err(io::Error::other("the end of the log moved while it was written to")),
        }
    }

    /// Begins the next file.
    pub fn begin_file(&mut self) -> io::Result<()> {
        let number = self.next_number;
        let path = path_of(&self.folder, number);
        if let Some(spare) = self.spare.pop() {
            fs::rename(spare, &path)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        let length = file.metadata()?.len();
        self.next_number += 1;
        self.files.push_back(TailFile { number, path, file: Arc::new(file), end: 0, length, left: 0 });
        self.unsynced.name_in(&self.folder);
        Ok(())
    }

    /// What is written next goes to `file`, which may fail.
    #[cfg(test)]
    pub fn write_to(&mut self, file: File) {
        self.files.back_mut().expect("one is written").file = Arc::new(file);
    }

    /// Syncing what was written took `time`.
    pub fn synced_in(&mut self, time: Duration) {
        self.extended = time > FREE_SYNC;
    }

    /// What was written since it was taken last.
    pub fn take_unsynced(&mut self) -> Unsynced {
        std::mem::take(&mut self.unsynced)
    }

    /// One record of the file `number` has moved.
    pub fn forget(&mut self, number: u64) {
        if let Some(file) = self.files.iter_mut().find(|file| file.number == number) {
            file.left -= 1;
        }
    }

    /// Removes the record at `place`; if it is the last of all, at once and for good.
    pub fn remove(&mut self, place: &Place, last: bool) -> io::Result<()> {
        self.forget(place.number);
        if !last {
            // It goes with its file. Marked here it would be lost by a kill before what covers it below is flushed; that it is covered
            // tells the next start.
            return Ok(());
        }
        write_zeros(&place.file, place.at, place.at + (RECORD_HEAD_BYTES + place.length) as u64)?;
        place.file.sync_data()?;
        match self.files.back_mut() {
            Some(active) if active.number == place.number => active.end = place.at,
            _ => {}
        }
        Ok(())
    }

    /// The numbers of the files that nothing is left in, but for the one that is written.
    pub fn unused(&self) -> Vec<u64> {
        let written = self.files.iter().rev().skip(1);
        written.filter(|file| file.left == 0).map(|file| file.number).collect()
    }

    /// Takes the files `numbers` out of use.
    pub fn free(&mut self, numbers: &[u64]) -> io::Result<()> {
        let (free, used): (Vec<_>, _) = self.files.drain(..).partition(|file| numbers.contains(&file.number));
        self.files = used.into();
        for file in free {
            if self.spare.len() < MAX_SPARE {
                self.spare.push(file.path);
            } else {
                fs::remove_file(file.path)?;
            }
        }
        Ok(())
    }
}

/// The files in the order of their last records, those without any first; and the records, each with a higher key than the one before it.
///
/// By the last: where a power cut kept what a file held before it was written again, that comes first in it.
fn in_order(mut parsed: Vec<(TailFile, Vec<Found>)>) -> (VecDeque<TailFile>, Vec<Found>) {
    parsed.sort_by_key(|(file, found)| (found.last().map(|record| record.key), file.number));
    let (mut files, mut all) = (VecDeque::new(), Vec::<Found>::new());
    for (mut file, found) in parsed {
        let (before, mut gap) = (all.len(), None);
        for mut record in found {
            if Some(record.key) <= all.last().map(|last| last.key) {
                gap.get_or_insert(record.after_gap.unwrap_or(record.place.at));
                continue;
            }
            record.after_gap = gap.take().or(record.after_gap);
            all.push(record);
        }
        file.left = all.len() - before;
        files.push_back(file);
    }
    (files, all)
}

/// Adds the records in `content` to `found`, each with a higher key than the one before it; says where they end.
fn parse(content: &[u8], file: &Arc<File>, number: u64, found: &mut Vec<Found>) -> u64 {
    let (mut at, mut end, mut gap) = (0, 0, None);
    loop {
        let last = found.last().map(|record| record.key);
        let record = match read_record(&content[at..]).filter(|record| Some(record.key) > last) {
            Some(record) => record,
            None => match next_record(&content[at..], last) {
                Some(skipped) => {
                    gap = Some(at as u64);
                    at += skipped;
                    continue;
                }
                None => return end,
            },
        };
        let place = Place { file: Arc::clone(file), number, at: at as u64, length: record.length };
        let Record { durable, key, length } = record;
        found.push(Found { key, place, durable, after_gap: gap.take() });
        at += RECORD_HEAD_BYTES + length;
        end = at as u64;
    }
}

struct Record {
    durable: Key,
    key: Key,
    length: usize,
}

/// The record at the beginning of `content`; none if there is none.
fn read_record(content: &[u8]) -> Option<Record> {
    let (durable, rest) = content.split_first_chunk::<BLOCK_KEY_BYTES>().map(|(key, rest)| (*key, rest))?;
    let (key, rest) = rest.split_first_chunk::<BLOCK_KEY_BYTES>()?;
    layout::block_last(key)?;
    let value = rest.get(..frame::length(rest)?)?;
    frame::open(key, value)?;
    Some(Record { durable, key: *key, length: value.len() })
}

/// How far into `content` the next record with a higher key than `last` begins.
fn next_record(content: &[u8], last: Option<Key>) -> Option<usize> {
    let last = last.unwrap_or_else(|| layout::block_key(event_model::Sequence::START));
    // No log gets so long that the first bytes of its sequences are other than these.
    memmem::find_iter(content, &last[..3]).find_map(|at| {
        let at = at.checked_sub(BLOCK_KEY_BYTES).filter(|at| *at > 0)?;
        (read_record(&content[at..])?.key > last).then_some(at)
    })
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{FILE_PREFIX}{number:010}"))
}

/// Zeros that are written at once.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

fn write_zeros(file: &File, mut from: u64, to: u64) -> io::Result<()> {
    while from < to {
        let count = (to - from).min(ZEROS.len() as u64);
        write_at(file, from, &ZEROS[..count as usize])?;
        from += count;
    }
    Ok(())
}

/// Fills `bytes` from `at` on.
#[cfg(unix)]
pub fn read_at(file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

/// Writes `bytes` from `at` on.
#[cfg(unix)]
pub fn write_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Fills `bytes` from `at` on.
#[cfg(windows)]
pub fn read_at(file: &File, mut at: u64, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (at, bytes) = (at + count as u64, &mut bytes[count..]);
    }
    Ok(())
}

/// Writes `bytes` from `at` on.
#[cfg(windows)]
pub fn write_at(file: &File, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        (at, bytes) = (at + count as u64, &bytes[count..]);
    }
    Ok(())
}
