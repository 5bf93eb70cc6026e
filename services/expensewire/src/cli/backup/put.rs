//! Putting a file into a store.
//!
//! The file is read twice: first to its end, so that nothing is written unless all of it is whole, then into the store. What
//! the store has already is passed over, if it is the same log; so whatever cuts it short, the same command goes on.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::Path,
};

use bytes::Bytes;
use event_model::Sequence;
use event_store::{EventStore, KeptEvent, Link, TableName};

use super::ledger::{End, Entry, Kind, Ledger, Row};
use crate::{
    cli::place::store_failure,
    exit::{Exit, Failure},
};

/// Events or rows that are written at once.
const BATCH: usize = 1024;
/// Bytes of events after which a batch is written, however few they are.
const BATCH_BYTES: usize = 4 << 20;
/// What an empty directory may hold: people put the key there first.
const SEALING_KEY: &str = "sealing.key";

/// A file that is whole.
pub(super) struct Summary {
    pub kind: Kind,
    /// Its events follow this one.
    pub after: Sequence,
    pub end: End,
}

/// Reads `file` to its end.
pub(super) fn check(file: &Path) -> Result<Summary, Failure> {
    let (mut header, mut end) = (None, None);
    let mut lines = Lines::open(file)?;
    while let Some((entry, _)) = lines.next()? {
        match entry {
            Entry::Header(found) => header = Some((found.kind, found.after)),
            Entry::End(found) => end = Some(found),
            Entry::Jump | Entry::Event(..) | Entry::Row(_) => {}
        }
    }
    let cut = || Failure::new(Exit::CheckFailed, format!("{} was cut short: its last line is missing", file.display()));
    let ((kind, after), end) = header.zip(end).ok_or_else(cut)?;
    Ok(Summary { kind, after, end })
}

/// Marks `directory`, which must be empty or bear the mark of the same backup.
pub(super) fn begin(directory: &Path, mark: &Path, summary: &Summary) -> Result<(), Failure> {
    if let Ok(found) = fs::read_to_string(mark) {
        let same = found.trim() == summary.end.hash;
        let what = format!("another backup is being restored into {}", directory.display());
        return if same { Ok(()) } else { Err(Failure::new(Exit::Conflict, what)) };
    }
    fs::create_dir_all(directory)?;
    for entry in directory.read_dir()? {
        if entry?.file_name() != SEALING_KEY {
            let what =
                format!("{} is not empty: a backup is only restored into an empty directory", directory.display());
            return Err(Failure::new(Exit::Conflict, what));
        }
    }
    let mut file = File::create(mark)?;
    file.write_all(summary.end.hash.as_bytes())?;
    Ok(file.sync_all()?)
}

/// Puts what `file` holds, which was [checked](check), into `store`.
pub(super) async fn put(file: &Path, summary: &Summary, store: &EventStore) -> Result<(), Failure> {
    let mut lines = Lines::open(file)?;
    let mut put = Put::into(store, summary);
    while let Some((entry, text)) = lines.next()? {
        match entry {
            Entry::Header(_) => put.same_log(lines.ledger.at, lines.ledger.link).await?,
            Entry::Jump | Entry::End(_) => {}
            Entry::Event(sequence, before) => put.event(sequence, before, text, lines.ledger.link).await?,
            Entry::Row(row) => put.row(row).await?,
        }
        if lines.ledger.at == put.horizon {
            put.close_kept(lines.ledger.link).await?;
        }
    }
    put.flush_run().await?;
    put.flush_rows().await?;
    put.same_log(lines.ledger.at, lines.ledger.link).await
}

/// The lines of a file.
struct Lines {
    reader: BufReader<File>,
    name: String,
    ledger: Ledger,
}

impl Lines {
    fn open(file: &Path) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let opened =
            File::open(file).map_err(|error| Failure::new(Exit::NotFound, format!("cannot read {name}: {error}")));
        Ok(Self { reader: BufReader::new(opened?), name, ledger: Ledger::after(Sequence::START) })
    }

    fn next(&mut self) -> Result<Option<(Entry, Bytes)>, Failure> {
        let mut text = Vec::new();
        if self.reader.read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        text.pop_if(|byte| *byte == b'\n');
        let wrong = |error| Failure::new(Exit::CheckFailed, format!("{}: {:#}", self.name, anyhow::Error::new(error)));
        let entry = self.ledger.take(&text).map_err(wrong)?;
        Ok(Some((entry, text.into())))
    }
}

/// What is on its way into the store.
struct Put<'a> {
    store: &'a EventStore,
    /// What the store had at the beginning.
    done: Sequence,
    /// Up to here the events are those that retention left.
    horizon: Sequence,
    kept: Vec<KeptEvent>,
    /// The position and the link that the last of `kept` comes to.
    kept_to: (Sequence, Option<Link>),
    run: Vec<Bytes>,
    /// The sequence of the first of `run`.
    first: Sequence,
    bytes: usize,
    table: Option<TableName>,
    rows: Vec<(String, Vec<u8>)>,
}

impl<'a> Put<'a> {
    fn into(store: &'a EventStore, summary: &Summary) -> Self {
        let from_start = summary.after == Sequence::START;
        Self {
            store,
            done: store.last_sequence(),
            horizon: if from_start { summary.end.horizon.min(summary.end.last) } else { Sequence::START },
            kept: Vec::new(),
            kept_to: (Sequence::START, None),
            run: Vec::new(),
            first: Sequence::START,
            bytes: 0,
            table: None,
            rows: Vec::new(),
        }
    }

    /// Fails if the store has another event at `at`, or another before it.
    async fn same_log(&self, at: Sequence, link: Option<Link>) -> Result<(), Failure> {
        let here = self.store.link_at(at.min(self.store.last_sequence())).await.map_err(store_failure)?;
        match (here, link) {
            (Some(here), Some(link)) if at <= self.store.last_sequence() && here != link => {
                let what = format!("the store has another log: at sequence {at} its link is {here}, and not {link}");
                Err(Failure::new(Exit::Conflict, what))
            }
            _ => Ok(()),
        }
    }

    async fn event(
        &mut self,
        sequence: Sequence,
        before: Option<Link>,
        body: Bytes,
        link: Option<Link>,
    ) -> Result<(), Failure> {
        if sequence <= self.done {
            return if sequence == self.done { self.same_log(sequence, link).await } else { Ok(()) };
        }
        let full = self.kept.len() + self.run.len() >= BATCH || self.bytes >= BATCH_BYTES;
        if sequence <= self.horizon {
            if full {
                self.flush_kept(self.kept_to.0, self.kept_to.1).await?;
            }
            self.kept_to = (sequence, link);
            self.bytes += body.len();
            self.kept.push(KeptEvent { before: before.ok_or_else(no_link)?, body });
            return Ok(());
        }
        if full {
            self.flush_run().await?;
        }
        if self.run.is_empty() {
            self.first = sequence;
        }
        self.bytes += body.len();
        self.run.push(body);
        Ok(())
    }

    /// Writes what retention left, and that it is all.
    async fn close_kept(&mut self, link: Option<Link>) -> Result<(), Failure> {
        if self.store.last_sequence() < self.horizon { self.flush_kept(self.horizon, link).await } else { Ok(()) }
    }

    async fn flush_kept(&mut self, up_to: Sequence, link: Option<Link>) -> Result<(), Failure> {
        self.bytes = 0;
        let (kept, link) = (std::mem::take(&mut self.kept), link.ok_or_else(no_link)?);
        self.store.import_kept(up_to, link, kept).await.map_err(store_failure)
    }

    async fn flush_run(&mut self) -> Result<(), Failure> {
        self.bytes = 0;
        if self.run.is_empty() {
            return Ok(());
        }
        self.store.import(self.first, std::mem::take(&mut self.run)).await.map_err(store_failure)
    }

    async fn row(&mut self, row: Row) -> Result<(), Failure> {
        let named = TableName::ALL.into_iter().find(|table| table.as_str() == row.table);
        let unknown = || Failure::new(Exit::Unexpected, format!("there is no table {:?}", row.table));
        let table = Some(named.ok_or_else(unknown)?);
        if table != self.table || self.rows.len() >= BATCH {
            self.flush_rows().await?;
            self.table = table;
        }
        self.rows.push((row.key, row.value.get().as_bytes().to_vec()));
        Ok(())
    }

    async fn flush_rows(&mut self) -> Result<(), Failure> {
        match self.table {
            Some(table) if !self.rows.is_empty() => {
                self.store.load_table(table, std::mem::take(&mut self.rows)).await.map_err(store_failure)
            }
            _ => Ok(()),
        }
    }
}

fn no_link() -> Failure {
    Failure::new(Exit::CheckFailed, "the file does not say what its events follow").hint("export it from 0")
}
