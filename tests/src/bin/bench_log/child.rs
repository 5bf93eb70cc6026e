//! The children: one that writes the long log until it is killed, one that opens and reads it.

use std::{
    io::{self, Read, Write},
    path::Path,
    time::Instant,
};

use anyhow::{Result, ensure};
use clap::ValueEnum;
use event_model::Sequence;
use event_store::{EventStore, StoreConfig};
use serde_json::json;
use tests::log_proof::{api::Served, story::Story};

/// Reports of the long log that live side by side: it has one for ten events.
const TOGETHER: u64 = 2_000;
const FILL_BATCH: u64 = 1_000;
/// Events of an append while the child waits for its end.
const LAST_BATCH: u64 = 10;
const READ_EVENTS: usize = 10_000;

/// What a child does.
#[derive(Clone, Copy, ValueEnum)]
pub enum Role {
    /// Append the events, say so, and go on until killed.
    Fill,
    /// Open, read everything, serve HTTP until standard input ends.
    Read,
}

impl Role {
    /// The name as an argument.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Read => "read",
        }
    }
}

pub async fn be(role: Role, store: &Path, events: u64) -> Result<()> {
    match role {
        Role::Fill => fill(store, events).await,
        Role::Read => read(store).await,
    }
}

async fn fill(path: &Path, events: u64) -> Result<()> {
    let store = EventStore::open(&StoreConfig::at(path))?;
    let story = Story::new(0, TOGETHER);
    let start = Instant::now();
    let mut next = 0;
    while next < events {
        let end = (next + FILL_BATCH).min(events);
        store.append((next..end).map(|n| story.draft(n)).collect()).await?;
        next = end;
    }
    say(&json!({ "filled": events, "took_s": start.elapsed().as_secs_f64() }))?;
    loop {
        store.append((next..next + LAST_BATCH).map(|n| story.draft(n)).collect()).await?;
        next += LAST_BATCH;
    }
}

async fn read(path: &Path) -> Result<()> {
    let start = Instant::now();
    let store = EventStore::open(&StoreConfig::at(path))?;
    let open_s = start.elapsed().as_secs_f64();
    let last = store.last_sequence().0;
    say(&json!({ "open_s": open_s, "last": last, "disk_bytes": store.disk_bytes() }))?;
    let start = Instant::now();
    let bytes = scan(&store).await?;
    say(&json!({ "scan_s": start.elapsed().as_secs_f64(), "events": last, "bytes": bytes }))?;
    serve(store).await
}

/// Reads everything, and makes sure that it is everything.
async fn scan(store: &EventStore) -> Result<usize> {
    let (mut after, mut bytes) = (Sequence::START, 0);
    loop {
        let events = store.read_after(after, READ_EVENTS).await?;
        let Some(last) = events.last() else { break };
        ensure!(last.head.sequence.0 == after.0 + events.len() as u64, "the log has gaps after {after}");
        after = last.head.sequence;
        bytes += events.iter().map(|event| event.body.len()).sum::<usize>();
    }
    ensure!(after == store.last_sequence(), "the log ended early, at {after}");
    Ok(bytes)
}

async fn serve(store: EventStore) -> Result<()> {
    let served = Served::start(store).await?;
    say(&json!({ "address": served.address.to_string() }))?;
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    served.stop().await
}

fn say(line: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
