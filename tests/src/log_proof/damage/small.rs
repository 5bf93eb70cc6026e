//! The stores that are damaged, and everything that is true of them.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Result, ensure};
use event_model::{EntityKind, EntityState, Sequence};
use event_store::{Durability, EventStore, StoreConfig, TableName};

use super::hurt::Content;
use crate::log_proof::story::{Story, append_end};

/// What a store is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    events: u64,
    large_one_in: u64,
}

/// A few blocks, of which some are in a pack and some are not, and a large event: quick to open and to read whole.
pub const SMALL: Shape = Shape { events: 160, large_one_in: 120 };
/// Reports that live side by side.
const TOGETHER: u64 = 25;
const ROWS: u64 = 12;
const READ_EVENTS: usize = 10_000;
/// Memory for sled's pages: the store fits.
const CACHE_MIB: u64 = 8;

/// What the store holds.
pub struct Truth {
    story: Story,
    bodies: Vec<Vec<u8>>,
    states: Vec<(String, EntityState)>,
    rows: BTreeMap<String, String>,
}

/// What became of a damage that did no harm that nobody was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The store does not open, and says why.
    Refused,
    /// A read, or the check of the chain, says that something is corrupt.
    Found,
    /// Everything is there.
    None,
    /// Events from the end on are gone. The log gives what was before them, true and whole, as after a torn write.
    CutShort,
}

/// The settings under which it is opened.
pub fn config(path: &Path) -> StoreConfig {
    StoreConfig { cache_mib: CACHE_MIB, ..StoreConfig::at(path) }
}

impl Truth {
    /// Makes the store in the empty folder `path`, and closes it.
    pub async fn make(path: &Path, shape: Shape) -> Result<Self> {
        let story = Story::new(0, TOGETHER).with_large(shape.large_one_in);
        let store = EventStore::open(&config(path))?;
        let (mut told, mut bodies) = (0, Vec::new());
        while told < shape.events {
            let end = append_end(told).unwrap_or(shape.events).min(shape.events);
            let stored = store.append((told..end).map(|n| story.draft(n)).collect()).await?;
            bodies.extend(stored.into_iter().map(|event| event.body.to_vec()));
            told = end;
        }
        let rows: BTreeMap<_, _> = (0..ROWS).map(|n| (format!("row-{n}"), "value ".repeat(n as usize + 1))).collect();
        let table = store.table::<String>(TableName::Service);
        for (key, value) in &rows {
            table.put(key, value, Durability::Durable).await?;
        }
        let states = store.entities(story.account(), EntityKind::Report).await?;
        store.close().await?;
        Ok(Self { story, bodies, states, rows })
    }

    /// Opens the store at `path` and compares everything that it gives. An error is what must never be: something is given that is not true,
    /// or is missing without a word.
    pub async fn compare(&self, path: &Path) -> Result<Harm> {
        let Ok(store) = EventStore::open(&config(path)) else { return Ok(Harm::Refused) };
        let last = store.last_sequence().0 as usize;
        ensure!(last <= self.bodies.len(), "the log goes on to {last}");
        let short = last < self.bodies.len();
        let found = self.log(&store, last).await? | self.rest(&store, short).await?;
        Ok(match (found, short) {
            (true, _) => Harm::Found,
            (false, true) => Harm::CutShort,
            (false, false) => Harm::None,
        })
    }

    /// Compares the log that `store` gives, which has all of it; some events of it also one by one, if that is asked for.
    pub async fn compare_log(&self, store: &EventStore, singly: bool) -> Result<Harm> {
        let last = self.bodies.len();
        let mut found = self.events(store, last).await?;
        if singly {
            found |= store.verify(|_| ()).await.is_err() | self.each(store, last).await?;
        }
        Ok(if found { Harm::Found } else { Harm::None })
    }

    async fn log(&self, store: &EventStore, last: usize) -> Result<bool> {
        let verified = store.verify(|_| ()).await.is_err();
        Ok(verified | self.events(store, last).await? | self.each(store, last).await?)
    }

    /// The log from the start, read by read. Says whether an error told of damage.
    async fn events(&self, store: &EventStore, last: usize) -> Result<bool> {
        let mut at = 0;
        loop {
            let Ok(events) = store.read_after(Sequence(at as u64), READ_EVENTS).await else { return Ok(true) };
            if events.is_empty() {
                ensure!(at == last, "the log ends at {at} of {last}, without a word");
                return Ok(false);
            }
            for event in events {
                ensure!(event.head.sequence.0 as usize == at + 1, "{} is given after {at}", event.head.sequence);
                ensure!(self.bodies[at] == event.body, "{} is given, and is not as it was", event.head.sequence);
                at += 1;
            }
        }
    }

    /// Single events, in the middle and at both ends.
    async fn each(&self, store: &EventStore, last: usize) -> Result<bool> {
        let mut found = false;
        for sequence in [1, 2, last / 3, last / 2, last].into_iter().filter(|sequence| (1..=last).contains(sequence)) {
            match store.event(Sequence(sequence as u64)).await {
                Ok(Some(event)) => ensure!(self.bodies[sequence - 1] == event.body, "{sequence} is not as it was"),
                Ok(None) => anyhow::bail!("{sequence} of {last} is gone, without a word"),
                Err(_) => found = true,
            }
        }
        Ok(found)
    }

    /// States and tables. In a log that lost its end the states are those of before, and rows may be missing.
    async fn rest(&self, store: &EventStore, short: bool) -> Result<bool> {
        let mut found = false;
        match store.entities(self.story.account(), EntityKind::Report).await {
            Ok(states) => ensure!(short || states == self.states, "the states are not what they were"),
            Err(_) => found = true,
        }
        match store.table::<String>(TableName::Service).list("").await {
            Ok(rows) => {
                ensure!(rows.iter().all(|(key, value)| self.rows.get(key) == Some(value)), "a row is not as it was");
                ensure!(short || rows.len() == self.rows.len(), "{} rows are there", rows.len());
            }
            Err(_) => found = true,
        }
        Ok(found)
    }
}

/// The files of the store at `path`, its lock aside.
pub fn contents(path: &Path) -> Result<Vec<Content>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.metadata()?.is_file() || name == "LOCK" {
            continue;
        }
        let mut bytes = fs::read(entry.path())?;
        let len = bytes.len() as u64;
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        files.push(Content { name, bytes, len });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
