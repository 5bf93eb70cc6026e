//! Durable appends: store and plain file in turns, with the same events.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use event_model::{EventDraft, Sequence};
use event_store::{EventStore, StoreConfig};
use serde_json::json;
use tests::log_proof::story::Story;

use crate::{
    place::Place,
    verdict::{self, Verdict, median, rounded},
};

const BATCHES: [usize; 4] = [1, 10, 100, 1_000];
const WRITERS: [usize; 2] = [1, 16];
/// Reports of one writer that live side by side.
const TOGETHER: u64 = 500;
/// Syncs of the plain file that its median is taken of.
const SYNCS: usize = 200;
/// Batches of a writer in the round that finds out how many a round should have.
const FIRST_ROUND: usize = 4;
/// Drafts that are held at once, about 4 kB each.
const MOST_DRAFTS: usize = 120_000;

/// What each writer appends in a round: its batches.
type Lots = Vec<Vec<Vec<EventDraft>>>;

/// How much is measured.
#[derive(Args)]
pub struct Appends {
    /// Rounds of each measurement of appends.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// About how long the plain file's part of a round takes.
    #[arg(long, default_value_t = 400)]
    round_ms: u64,
    /// Leave the other sizes of batches out.
    #[arg(long)]
    batch: Option<usize>,
    /// Leave the other numbers of writers out.
    #[arg(long)]
    writers: Option<usize>,
}

/// Measures each combination in `place`, and holds the ratios to the bounds.
pub async fn measure(place: &Place, appends: &Appends, verdict: &mut Verdict) -> Result<()> {
    let sync_us = sync_us(place)?;
    println!(
        "{}",
        json!({ "bench": "log", "what": "sync", "place": place.kind.to_string(), "median_us": rounded(sync_us) })
    );
    let mut singles = Vec::new();
    for batch in BATCHES.into_iter().filter(|batch| appends.batch.is_none_or(|only| only == *batch)) {
        for writers in WRITERS.into_iter().filter(|writers| appends.writers.is_none_or(|only| only == *writers)) {
            let cell = Cell::measure(place, batch, writers, appends).await?;
            let of = format!("{}: append in batches of {batch}, {writers} writers, over the file", place.kind);
            let bound = verdict::vs_file(sync_us, batch);
            verdict.counted_at_least(of, cell.vs_file, bound, place.kind.counts());
            if batch == 1 {
                singles.push(cell.per_s);
            }
        }
    }
    if let [one, sixteen] = singles[..] {
        let of = format!("{}: 16 writers over one, in batches of 1", place.kind);
        verdict.counted_at_least(of, sixteen / one, verdict::SHARED_COMMITS, place.kind.counts());
    }
    Ok(())
}

/// The median time of `fdatasync` after one event was appended to a plain file.
fn sync_us(place: &Place) -> Result<f64> {
    let folder = place.folder()?;
    let mut file = append_to(&folder.path().join("log.ndjson"))?;
    let story = Story::new(0, TOGETHER);
    let mut times = Vec::new();
    for n in 0..SYNCS as u64 {
        file.write_all(&story.body(n, Sequence(n + 1)))?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

struct Cell {
    per_s: f64,
    vs_file: f64,
}

impl Cell {
    async fn measure(place: &Place, batch: usize, writers: usize, appends: &Appends) -> Result<Self> {
        let folder = place.folder()?;
        let store = EventStore::open(&StoreConfig::at(folder.path().join("store")))?;
        let file = Plain::at(&folder.path().join("log.ndjson"))?;
        let mut source = Source::new(writers);
        // Neither side's first round counts: files grow from nothing, and it tells how long one must be.
        let lots = source.lots(FIRST_ROUND, batch);
        to_store(&store, lots.clone()).await?;
        let first = file.append(lots)?;
        let batches = (FIRST_ROUND as f64 * appends.round_ms as f64 / 1e3 / first.as_secs_f64()) as usize;
        let batches = batches.clamp(FIRST_ROUND, (MOST_DRAFTS / writers / batch).max(1));
        let events = (batches * batch * writers) as f64;
        let (mut stored, mut filed, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..appends.rounds.max(1) {
            let lots = source.lots(batches, batch);
            let copy = lots.clone();
            let took = to_store(&store, lots).await?;
            let file_took = file.append(copy)?;
            stored.push(events / took.as_secs_f64());
            filed.push(events / file_took.as_secs_f64());
            ratios.push(file_took.as_secs_f64() / took.as_secs_f64());
        }
        store.close().await?;
        let cell = Self { per_s: median(stored), vs_file: median(ratios) };
        let line = json!({
            "bench": "log", "what": "append", "place": place.kind.to_string(), "batch": batch, "writers": writers,
            "vs_file": rounded(cell.vs_file), "per_s": rounded(cell.per_s), "file_per_s": rounded(median(filed)),
        });
        println!("{line}");
        Ok(cell)
    }
}

/// Drafts for each writer, each going on where the last round ended.
struct Source {
    stories: Vec<(Story, u64)>,
}

impl Source {
    fn new(writers: usize) -> Self {
        Self { stories: (0..writers).map(|writer| (Story::new(writer as u16, TOGETHER), 0)).collect() }
    }

    fn lots(&mut self, batches: usize, batch: usize) -> Lots {
        let lot = |(story, next): &mut (Story, u64)| {
            let mut one = || {
                let from = *next;
                *next += batch as u64;
                (from..*next).map(|n| story.draft(n)).collect()
            };
            (0..batches).map(|_| one()).collect()
        };
        self.stories.iter_mut().map(lot).collect()
    }
}

async fn to_store(store: &EventStore, lots: Lots) -> Result<Duration> {
    let start = Instant::now();
    let writer = |lot: Vec<Vec<EventDraft>>| {
        let store = store.clone();
        tokio::spawn(async move {
            for batch in lot {
                store.append(batch).await?;
            }
            Ok::<_, event_store::StoreError>(())
        })
    };
    let writers: Vec<_> = lots.into_iter().map(writer).collect();
    for writer in writers {
        writer.await??;
    }
    Ok(start.elapsed())
}

/// The plain file. Its lines are in the order of their sequences, so a writer holds the file while it makes and writes the
/// lines of a batch; it syncs them when others may write already.
struct Plain {
    file: File,
    sequence: Mutex<Sequence>,
}

impl Plain {
    fn at(path: &Path) -> Result<Self> {
        Ok(Self { file: append_to(path)?, sequence: Mutex::new(Sequence::START) })
    }

    fn append(&self, lots: Lots) -> Result<Duration> {
        let start = Instant::now();
        thread::scope(|scope| {
            let writers: Vec<_> = lots.into_iter().map(|lot| scope.spawn(|| self.write(lot))).collect();
            writers.into_iter().try_for_each(|writer| writer.join().ok().context("a writer of the file panicked")?)
        })?;
        Ok(start.elapsed())
    }

    fn write(&self, lot: Vec<Vec<EventDraft>>) -> Result<()> {
        let mut lines = Vec::new();
        for batch in lot {
            lines.clear();
            let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
            for draft in batch {
                *sequence = sequence.next();
                serde_json::to_writer(&mut lines, &draft.at(*sequence))?;
                lines.push(b'\n');
            }
            (&self.file).write_all(&lines)?;
            drop(sequence);
            self.file.sync_data()?;
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> Result<File> {
    Ok(File::options().create(true).append(true).open(path)?)
}
