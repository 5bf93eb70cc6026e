//! The processes that are killed and cut off: what they do to a store, and what they say of it, line by line.
//!
//! A line is said when the store has acknowledged what it names; whoever reads it may hold the store to it.

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use event_model::Sequence;
use event_store::{Durability, DurabilityLevel, EventStore, Retention, StoreConfig, Table, TableName};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{
    check,
    story::{Story, append_end},
};

/// Reports of a story that live side by side: few, so that histories are long.
const TOGETHER: u64 = 60;
/// One event in so many is larger than a block.
const LARGE_ONE_IN: u64 = 400;
/// Bytes of events that retention leaves: little, so that there is always something for it to do.
const RETAINED_BYTES: u64 = 400_000;
/// Events before the end of the log that retention never takes, as if a consumer were so far behind.
const CONSUMER_BEHIND: u64 = 300;
const RETAIN_PAUSE: Duration = Duration::from_millis(20);
/// Under these keys of the table the child counts, under both at once.
const COUNTERS: [&str; 2] = ["counter", "counter-too"];

/// What a child does to its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Append, each writer its story.
    Append,
    /// Append, change a table, retain and back up, all at once.
    Everything,
}

/// What a child has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// The store is open.
    Open,
    /// So many events of this story are acknowledged.
    Told {
        /// The story.
        story: usize,
        /// Its events.
        events: u64,
    },
    /// The table holds this number.
    Counted(u64),
    /// Retention begins.
    Retaining,
    /// Retention has moved the horizon here.
    Retained(u64),
    /// A backup begins.
    BackingUp,
    /// A backup ends with this sequence.
    BackedUp(u64),
}

/// The stories that children tell.
pub fn stories(count: u16) -> Vec<Story> {
    (0..count).map(|number| Story::new(number, TOGETHER).with_large(LARGE_ONE_IN)).collect()
}

/// Opens the store at `path`, which holds the stories of `writers` so far, and works on until killed.
pub async fn work(path: &Path, work: Work, writers: u16, durability: DurabilityLevel) -> Result<()> {
    let store = EventStore::open(&StoreConfig { durability, ..StoreConfig::at(path) })?;
    let stories = stories(writers);
    let found = check::whole(&store, &stories).await?;
    say(Said::Open)?;
    let mut tasks = JoinSet::new();
    for (number, (story, told)) in stories.into_iter().zip(found.told).enumerate() {
        tasks.spawn(tell(store.clone(), number, story, told));
    }
    if work == Work::Everything {
        tasks.spawn(count(store.clone()));
        tasks.spawn(retain(store.clone()));
        tasks.spawn(super::backup::again_and_again(store, path.with_extension("backup")));
    }
    tasks.join_next().await.context("there is always work")??
}

/// What the store at `path` holds; an error when it is not whole.
pub async fn look(path: &Path, writers: u16) -> Result<(check::Found, u64)> {
    let store = EventStore::open(&StoreConfig::at(path))?;
    let found = check::whole(&store, &stories(writers)).await?;
    let counted = counted(&store.table(TableName::Service)).await?;
    store.close().await?;
    Ok((found, counted))
}

async fn tell(store: EventStore, number: usize, story: Story, mut told: u64) -> Result<()> {
    loop {
        let end = append_end(told).context("a story stands where an append ended")?;
        store.append((told..end).map(|n| story.draft(n)).collect()).await?;
        told = end;
        say(Said::Told { story: number, events: told })?;
    }
}

/// What both counters say.
async fn counted(table: &Table<u64>) -> Result<u64> {
    let [one, other] = COUNTERS;
    let (one, other) = (table.get(one).await?, table.get(other).await?);
    ensure!(one == other, "half of a change of two keys: {one:?} and {other:?}");
    Ok(one.unwrap_or(0))
}

async fn count(store: EventStore) -> Result<()> {
    let table = store.table::<u64>(TableName::Service);
    loop {
        let counted = counted(&table).await? + 1;
        let changes = COUNTERS.map(|key| (key.to_owned(), Some(counted))).to_vec();
        table.apply(changes, Durability::Durable).await?;
        say(Said::Counted(counted))?;
    }
}

async fn retain(store: EventStore) -> Result<()> {
    loop {
        let floor = Sequence(store.last_sequence().0.saturating_sub(CONSUMER_BEHIND));
        say(Said::Retaining)?;
        let policy = Retention { before: None, max_bytes: Some(RETAINED_BYTES), floor, force: false };
        let retained = store.retain(&policy).await?;
        say(Said::Retained(retained.horizon.0))?;
        tokio::time::sleep(RETAIN_PAUSE).await;
    }
}

/// Says one line, at once.
pub fn say(said: Said) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&said)?)?;
    Ok(out.flush()?)
}
