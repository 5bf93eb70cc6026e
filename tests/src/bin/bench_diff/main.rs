//! What it costs to find the reports that changed among a million, against only splitting and hashing the same lines.
//!
//! An export streams in pieces through both, piece by piece in turns, so that whatever else the machine does meets both. On
//! one side are a line splitter and BLAKE3. On the other is what the service does: the client's row reader, the index of
//! fingerprints, and of the one report in a thousand that changed the parse, the comparison with the object in the log (made
//! here, where the service reads its store) and the events. Making the lines is not counted on either side.
//!
//! Prints one JSON line per size and fails when a bound of the issue is passed.

mod differ;
mod lines;

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use expensify_client::{lines::LineSplitter, template::Nonce};
use serde_json::json;

use differ::Differ;
use lines::{CHANGES_ONE_IN, File, Rows};

/// Time of the diff over that of splitting and hashing, at most.
const MAX_VS_HASH: f64 = 1.5;
/// Memory of the whole process while it holds a million reports, at most.
const MAX_PEAK_MIB: f64 = 160.0;
/// Time of ten times as many reports, at most.
const MAX_VS_TENTH: f64 = 10.5;

/// Finds what changed in generated exports and says how long it takes.
#[derive(Parser)]
struct Arguments {
    /// Reports of the export; a second one has ten times as many.
    #[arg(long, default_value_t = 1_000_000)]
    reports: u64,
    /// Rounds of the first size; the second has a third of them.
    #[arg(long, default_value_t = 9)]
    rounds: u64,
    /// Leave out the second size.
    #[arg(long)]
    only_first: bool,
}

/// What one round took.
#[derive(Clone, Copy, Default)]
struct Took {
    hash: Duration,
    diff: Duration,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let rows = Rows::new();
    let mut small = Bench::new(&rows, arguments.reports)?;
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        rounds.push(small.round()?);
    }
    let (vs_hash, peak_mib) = (median(rounds.iter().map(Took::vs_hash)), peak_mib());
    let line = json!({ "bench": "diff", "reports": arguments.reports, "vs_hash": hundredths(vs_hash),
        "peak_mib": peak_mib.map(hundredths), "line_bytes": rows.bytes(), "changed": arguments.reports / CHANGES_ONE_IN,
        "hash_s": hundredths(median(rounds.iter().map(|took| took.hash.as_secs_f64()))),
        "diff_s": hundredths(median(rounds.iter().map(|took| took.diff.as_secs_f64()))) });
    println!("{line}");
    ensure!(vs_hash <= MAX_VS_HASH, "the diff takes {vs_hash:.2} times as long as hashing, {MAX_VS_HASH} is the bound");
    ensure!(peak_mib.is_none_or(|mib| mib <= MAX_PEAK_MIB), "the peak of memory is above {MAX_PEAK_MIB} MiB");
    if arguments.only_first { Ok(()) } else { ten_times(&mut small, &rows, &arguments) }
}

/// The second size: ten rounds of the first beside each of its own, a tenth after a tenth.
fn ten_times(small: &mut Bench<'_>, rows: &Rows, arguments: &Arguments) -> Result<()> {
    let reports = arguments.reports * 10;
    let mut large = Bench::new(rows, reports)?;
    let (mut vs_hash, mut vs_tenth) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds.div_ceil(3) {
        let mut tenths = Took::default();
        let took = large.round_with(&mut || {
            let took = small.round()?;
            tenths = Took { hash: tenths.hash + took.hash, diff: tenths.diff + took.diff };
            Ok(())
        })?;
        vs_hash.push(took.vs_hash());
        vs_tenth.push(10.0 * took.diff.as_secs_f64() / tenths.diff.as_secs_f64());
    }
    let (vs_hash, vs_tenth) = (median(vs_hash), median(vs_tenth));
    let line = json!({ "bench": "diff", "reports": reports, "vs_hash": hundredths(vs_hash),
        "peak_mib": peak_mib().map(hundredths), "vs_tenth": hundredths(vs_tenth) });
    println!("{line}");
    ensure!(
        vs_tenth <= MAX_VS_TENTH,
        "ten times the reports take {vs_tenth:.2} times as long, {MAX_VS_TENTH} is the bound"
    );
    Ok(())
}

impl Took {
    fn vs_hash(&self) -> f64 {
        self.diff.as_secs_f64() / self.hash.as_secs_f64()
    }
}

/// One size: the account as it was last seen, and the rounds so far.
struct Bench<'a> {
    rows: &'a Rows,
    reports: u64,
    rounds: u64,
    differ: Differ,
}

impl<'a> Bench<'a> {
    /// Takes in the first sight, which is not measured.
    fn new(rows: &'a Rows, reports: u64) -> Result<Self> {
        let mut bench = Self { rows, reports, rounds: 0, differ: Differ::new(reports) };
        let (mut file, nonce) = bench.file(0);
        let mut read = bench.differ.begin(nonce);
        while let Some(piece) = file.piece() {
            read.take(piece)?;
        }
        ensure!(read.end()? == 0, "a first sight tells no change");
        Ok(bench)
    }

    fn file(&self, round: u64) -> (File<'a>, Nonce) {
        let nonce = Nonce::from_bits(u128::from(round));
        (File::new(self.rows, nonce.clone(), self.reports, round), nonce)
    }

    fn round(&mut self) -> Result<Took> {
        self.round_with(&mut || Ok(()))
    }

    /// One export through both sides; calls `tenth` ten times on the way.
    fn round_with(&mut self, tenth: &mut dyn FnMut() -> Result<()>) -> Result<Took> {
        self.rounds += 1;
        let (mut file, nonce) = self.file(self.rounds);
        let mut hashing = Hashing::default();
        let mut read = self.differ.begin(nonce);
        let (mut took, mut tenths, mut diff_first) = (Took::default(), 0, false);
        while let Some(piece) = file.piece() {
            // Whoever comes second finds the bytes closer at hand: they take turns.
            diff_first = !diff_first;
            if diff_first {
                took.diff += timed(|| read.take(piece.clone()))?;
                took.hash += timed(|| hashing.take(piece))?;
            } else {
                took.hash += timed(|| hashing.take(piece.clone()))?;
                took.diff += timed(|| read.take(piece))?;
            }
            while read.rows() * 10 > tenths * self.reports && tenths < 10 {
                tenth()?;
                tenths += 1;
            }
        }
        ensure!(hashing.lines == self.reports + 2, "every line is hashed");
        let mut told = 0;
        took.diff += timed(|| {
            told = read.end()?;
            Ok(())
        })?;
        let changed = (self.reports + CHANGES_ONE_IN - self.rounds) / CHANGES_ONE_IN;
        ensure!(told == changed, "{told} reports were found to have changed, not {changed}");
        Ok(took)
    }
}

/// The other side: splitting and hashing.
#[derive(Default)]
struct Hashing {
    splitter: LineSplitter,
    lines: u64,
    /// Keeps the hashes from being left out as unused.
    mixed: u8,
}

impl Hashing {
    fn take(&mut self, piece: Bytes) -> Result<()> {
        self.splitter.push(piece);
        while let Some(line) = self.splitter.line()? {
            self.lines += 1;
            self.mixed = std::hint::black_box(self.mixed ^ blake3::hash(&line).as_bytes()[0]);
        }
        Ok(())
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The most memory that this process ever held; where the system does not tell, nobody knows.
fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM").ok()?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
