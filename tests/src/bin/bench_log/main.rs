//! What the log costs and gives, beside a plain file to which the same events are appended.
//!
//! The plain file is the same drafts, given their sequences and serialised to the same JSON as lines, written to one file
//! opened for appending, with one `fdatasync` for each batch; 16 writers write in turns and sync side by side. Store and file
//! take turns, round by round with the same events, so that whatever else the machine does meets both; a ratio is the median
//! over the rounds. Making the drafts is counted on neither side.
//!
//! The drafts are those of [`tests::log_proof::story`]: histories of ten events of each report, 2,000 reports side by side in the long log
//! and 500 for each writer elsewhere, of about 870 bytes of JSON with two expenses, a person, the changed and the previous values. Ids and
//! amounts are drawn by a generator that is the same every time; merchants, categories, trips and people come from lists of five to eight, so
//! they compress better than a large company's would. The size of the long log is that of these.
//!
//! It runs on a disk, on one with slow syncs, and twice in memory ([`place`]). Which bound holds where, the measured sync of the
//! plain file decides. The million events are appended by a child that is killed (-9) afterwards, and read by a second one:
//! their peak memory is theirs alone. Prints one JSON line per measurement, then one per bound; fails when one does not hold.

mod append;
mod child;
mod million;
mod place;
mod verdict;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, ValueEnum};

use expensewire as _; // Its allocator is what the store runs on.
use place::{Kind, Place};
use verdict::Verdict;

/// Measures the log beside a plain file.
#[derive(Parser)]
struct Arguments {
    /// Events of the long log.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    #[command(flatten)]
    appends: append::Appends,
    /// A folder on a disk; beside this program if not given.
    #[arg(long)]
    disk: Option<PathBuf>,
    /// A folder in memory.
    #[arg(long, default_value = "/dev/shm")]
    memory: PathBuf,
    /// Leave the other part out.
    #[arg(long)]
    only: Option<Part>,
    /// Leave the other places out.
    #[arg(long)]
    place: Option<Kind>,
    /// Be the child that measures in this place.
    #[arg(long, hide = true)]
    here: Option<Kind>,
    /// Be a child of this program.
    #[arg(long, hide = true, requires = "store")]
    role: Option<child::Role>,
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Appends in batches.
    Appends,
    /// Size, replay and restart of the long log.
    Long,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some((role, store)) = arguments.role.zip(arguments.store.as_deref()) {
        return child::be(role, store, arguments.events).await.map(|()| ExitCode::SUCCESS);
    }
    match arguments.here {
        Some(kind) => measure(kind, &arguments).await,
        None => Ok(if in_all_places(arguments.place)? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

/// One place after the other, each in a process of its own. All are measured before it fails.
fn in_all_places(only: Option<Kind>) -> Result<bool> {
    let places = Kind::value_variants().iter().filter(|kind| only.is_none_or(|only| only == **kind));
    places.map(|kind| kind.run()).try_fold(true, |all, held| Ok(held? && all))
}

async fn measure(kind: Kind, arguments: &Arguments) -> Result<ExitCode> {
    let place = Place::new(kind, arguments.disk.as_deref(), &arguments.memory)?;
    let mut verdict = Verdict::default();
    if arguments.only != Some(Part::Long) {
        append::measure(&place, &arguments.appends, &mut verdict).await?;
    }
    if arguments.only != Some(Part::Appends) && kind.has_long_log() {
        million::measure(&place, arguments.events, &mut verdict).await?;
    }
    place.close()?;
    Ok(if verdict.say() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
