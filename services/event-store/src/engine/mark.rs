//! The mark: a small file beside sled's that says how far the store was once durable.
//!
//! sled takes the first message that it cannot read for the end of what a crash cut short, and forgets what follows. If that
//! message was damaged instead, the store is shorter than what was acknowledged, whole, and nobody is told. So we keep a witness
//! outside: written now and then, and only **after** what it names is durable. It may be old; it never names too much. A
//! store that ends before its mark has lost its end.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use event_model::Sequence;

use crate::{chain::Link, frame};

/// Its name in the directory; also what its digest takes for its key.
pub const MARK_FILE: &str = "MARK";

/// What is durable at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The log up to this sequence,
    pub last: Sequence,
    /// whose link is this,
    pub link: Link,
    /// and so many rounds of changes to tables.
    pub changes: u64,
    /// Also after a power cut.
    pub firm: bool,
}

/// What is found of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// There is none.
    Nothing,
    /// It is damaged.
    Damaged,
    /// It says this.
    At(Mark),
}

impl Marked {
    /// Up to here the log was durable for certain, also after a power cut.
    pub fn firmly_up_to(&self) -> Sequence {
        match self {
            Self::At(mark) if mark.firm => mark.last,
            Self::At(_) | Self::Damaged | Self::Nothing => Sequence::START,
        }
    }
}

/// The file of the mark.
pub struct MarkFile {
    path: PathBuf,
    file: Option<File>,
}

impl MarkFile {
    /// That of `directory`, whether it is there or not.
    pub fn at(directory: &Path) -> Self {
        Self { path: directory.join(MARK_FILE), file: None }
    }

    /// What it says.
    pub fn read(&self) -> io::Result<Marked> {
        match std::fs::read(&self.path) {
            Ok(value) => Ok(decode(&value).map_or(Marked::Damaged, Marked::At)),
            Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(Marked::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Makes the file, whole or not at all: a power cut must not leave an empty one, which would pass for a damaged one.
    fn create(&self, mark: &Mark) -> io::Result<()> {
        let unfinished = self.path.with_extension("new");
        let mut file = File::create(&unfinished)?;
        write_at_start(&mut file, &encode(mark))?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &self.path)?;
        match self.path.parent().filter(|_| cfg!(unix)) {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Makes it say `mark`. With `firmly` it waits for the disk.
    pub fn write(&mut self, mark: &Mark, firmly: bool) -> io::Result<()> {
        if self.file.is_none() {
            if !self.path.exists() {
                self.create(mark)?;
            }
            self.file = Some(File::options().write(true).open(&self.path)?);
        }
        if let Some(file) = &mut self.file {
            write_at_start(file, &encode(mark))?;
            if firmly {
                file.sync_all()?;
            }
        }
        Ok(())
    }
}

/// In one call and within one sector: a kill leaves the old mark or the new one.
fn write_at_start(file: &mut File, value: &[u8]) -> io::Result<()> {
    use io::{Seek, Write};
    file.rewind()?;
    file.write_all(value)
}

fn encode(mark: &Mark) -> Vec<u8> {
    let numbers = [mark.last.0.to_be_bytes(), mark.changes.to_be_bytes()].concat();
    frame::seal(MARK_FILE.as_bytes(), &[&numbers, &mark.link.0[..], &[u8::from(mark.firm)]].concat())
}

fn decode(value: &[u8]) -> Option<Mark> {
    let body = frame::open(MARK_FILE.as_bytes(), value)?;
    let (last, rest) = body.split_first_chunk()?;
    let (changes, rest) = rest.split_first_chunk()?;
    let (link, firm) = rest.split_first_chunk()?;
    let firm = match firm {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let (last, changes) = (Sequence(u64::from_be_bytes(*last)), u64::from_be_bytes(*changes));
    Some(Mark { last, link: Link(*link), changes, firm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_any_damage_to_it_shows() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut file = MarkFile::at(directory.path());
        assert_eq!(file.read().expect("readable"), Marked::Nothing);
        for last in [1, 1 << 40, 7] {
            let mark = Mark { last: Sequence(last), link: Link::START.next(b"x"), changes: last / 2, firm: last > 1 };
            file.write(&mark, last == 7).expect("written");
            assert_eq!(file.read().expect("readable"), Marked::At(mark));
        }
        let whole = std::fs::read(directory.path().join(MARK_FILE)).expect("there");
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "cut to {length}");
        }
    }
}
