//! Does to a store what must not harm it, and says how it went as one JSON line: kills, power cuts, damage.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use event_store::DurabilityLevel;
use serde_json::json;
use tests::{
    log_proof::{
        child::{self, Work},
        cut, damage,
        family::Family,
        kill,
    },
    mounted::own_mounts,
};

/// Linux's folder in memory.
const MEMORY: &str = "/dev/shm";
/// Opening and closing a store waits for threads to meet.
const PROCESSES_PER_PROCESSOR: usize = 3;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Kill (-9) a process that appends, retains and backs up.
    Kill {
        /// How often.
        #[arg(long, default_value_t = 300)]
        kills: u32,
        #[command(flatten)]
        run: Run,
    },
    /// Cut the power under processes that append (Linux, root, loop devices).
    Cut {
        /// How often.
        #[arg(long, default_value_t = 100)]
        cuts: u32,
        /// Without `fdatasync`, as `durability = "process-crash"`: then losses are expected, and none is a failure.
        #[arg(long)]
        process_crash: bool,
        /// Already in a mount namespace of its own.
        #[arg(long, hide = true)]
        inside: bool,
        #[command(flatten)]
        run: Run,
    },
    /// Damage copies of a small store: bits, pages, ends of files.
    Damage {
        /// How many damages.
        #[arg(long, default_value_t = 1_000_000)]
        count: u64,
        /// The number of the first.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Processes at a time; some for each processor if not given, since each often waits.
        #[arg(long)]
        processes: Option<usize>,
        /// Where the copies are; in memory if there is such a folder.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Be a child that does some of it.
    #[command(hide = true)]
    DamageSome {
        #[arg(long)]
        from: u64,
        #[arg(long)]
        until: u64,
        #[arg(long)]
        folder: PathBuf,
    },
    /// Be a child that works on a store.
    #[command(hide = true)]
    Work {
        #[arg(long)]
        work: Work,
        #[arg(long)]
        process_crash: bool,
        #[command(flatten)]
        child: Child,
    },
    /// Be a child that looks at a store.
    #[command(hide = true)]
    Look {
        #[command(flatten)]
        child: Child,
    },
}

#[derive(Args)]
struct Run {
    /// Decides the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the stores are; a folder for temporary files if not given.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Args)]
struct Child {
    #[arg(long)]
    store: PathBuf,
    #[arg(long)]
    writers: u16,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    match Arguments::parse().role {
        Role::Work { work, process_crash, child } => {
            child::work(&child.store, work, child.writers, level(process_crash)).await?;
            Ok(ExitCode::SUCCESS)
        }
        Role::Look { child } => {
            println!("{}", serde_json::to_string(&child::look(&child.store, child.writers).await?)?);
            Ok(ExitCode::SUCCESS)
        }
        Role::Kill { kills, run } => {
            let folder = folder(run.folder)?;
            let outcome = kill::run(&family(1, false)?, folder.path().to_owned(), kills, run.seed).await?;
            println!("{}", json!({ "proof": "kill", "seed": run.seed, "outcome": outcome }));
            Ok(exit(outcome.failures.is_empty()))
        }
        Role::Damage { count, from, processes, folder: place } => {
            let folder = in_memory(place)?;
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let processes = processes.unwrap_or(PROCESSES_PER_PROCESSOR * processors);
            let seen = damage::run(&env::current_exe()?, folder.path(), from, count, processes).await?;
            println!("{}", json!({ "proof": "damage", "from": from, "outcome": seen }));
            Ok(exit(seen.holds() && seen.damages == count))
        }
        Role::DamageSome { from, until, folder } => {
            let seen = damage::worker::run(&folder, from..until, &folder.join("progress")).await?;
            println!("{}", serde_json::to_string(&seen)?);
            Ok(ExitCode::SUCCESS)
        }
        Role::Cut { inside: false, .. } => in_a_namespace(),
        Role::Cut { cuts, process_crash, run, .. } => {
            let folder = in_memory(run.folder)?;
            if let Err(missing) = cut::Stack::build(&folder.path().join("probe")).and_then(cut::Stack::take_down) {
                return skip(&format!("{missing:#}"));
            }
            let outcome = cut::run(&family(4, process_crash)?, folder.path(), cuts, run.seed).await?;
            let durability = if process_crash { "process-crash" } else { "power-loss" };
            println!(
                "{}",
                json!({ "proof": "power-cut", "durability": durability, "seed": run.seed, "outcome": outcome })
            );
            Ok(exit((outcome.failed > 0) == process_crash))
        }
    }
}

/// Runs this again where mounts are its own.
fn in_a_namespace() -> Result<ExitCode> {
    let Some(mut command) = own_mounts() else { return skip("a mount namespace takes root, on Linux") };
    let status = command.arg(env::current_exe()?).args(env::args_os().skip(1)).arg("--inside").status()?;
    Ok(exit(status.success()))
}

fn level(process_crash: bool) -> DurabilityLevel {
    if process_crash { DurabilityLevel::ProcessCrash } else { DurabilityLevel::PowerLoss }
}

fn family(writers: u16, process_crash: bool) -> Result<Family> {
    let program = env::current_exe().context("this program")?;
    Ok(Family { program, writers, durability: level(process_crash) })
}

fn folder(place: Option<PathBuf>) -> Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("log-proof-").tempdir_in(place.unwrap_or_else(env::temp_dir))?)
}

/// In memory, where there is such a folder: what is not synced there is as well not synced.
fn in_memory(place: Option<PathBuf>) -> Result<tempfile::TempDir> {
    let memory = PathBuf::from(MEMORY);
    folder(place.or_else(|| memory.is_dir().then_some(memory)))
}

/// Says loudly what was not shown; a failure where nothing may be skipped.
fn skip(why: &str) -> Result<ExitCode> {
    writeln!(io::stderr(), "SKIP power cuts: {why}")?;
    Ok(exit(env::var_os("STRICT").is_none_or(|strict| strict != "1")))
}

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
