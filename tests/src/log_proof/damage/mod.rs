//! Damage: bits, pages and ends of files of a small store. One in ten in a copy of its own, any file of it, which is opened then; the others
//! in the packs and the tail of a copy that is open, which are read again for each.
//!
//! Whatever is damaged, the store says so, when it opens or when what was damaged is read, or it gives everything as it was.
//! It never panics and never gives anything else. Many damages run in one process, several processes at once: a process that
//! dies or hangs has found one that must never be, and another goes on behind it.

pub mod hurt;
pub mod small;
pub mod worker;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep},
};

use worker::Seen;

/// Damages that one process does before another takes its place: whatever an engine leaks stays small.
const DAMAGES_PER_PROCESS: u64 = 10_000;
/// Looking at one damage takes milliseconds. One that takes longer than this is a process that hangs.
const HANGS: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Failures after which no more is tried.
const ENOUGH_FAILURES: usize = 50;

/// Does the damages of the numbers from `from` on, `count` of them, by `processes` at a time of `program`, under `folder`.
pub async fn run(program: &Path, folder: &Path, from: u64, count: u64, processes: usize) -> Result<Seen> {
    let (mut next, end) = (from, from + count);
    let (mut seen, mut running) = (Seen::default(), JoinSet::new());
    loop {
        while next < end && running.len() < processes && seen.failures.len() < ENOUGH_FAILURES {
            let until = (next + DAMAGES_PER_PROCESS).min(end);
            running.spawn(range(program.to_owned(), folder.join(format!("from-{next}")), next, until));
            next = until;
        }
        let Some(ended) = running.join_next().await else { return Ok(seen) };
        seen.add(ended??);
        eprintln!("{} of {count} damages", seen.damages);
    }
}

/// A range, by as many processes as it takes.
async fn range(program: PathBuf, folder: PathBuf, mut from: u64, until: u64) -> Result<Seen> {
    let mut seen = Seen::default();
    while from < until {
        fs::create_dir_all(&folder)?;
        let progress = folder.join("progress");
        let child = Command::new(&program)
            .args(["damage-some", "--from", &from.to_string(), "--until", &until.to_string(), "--folder"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        from = match finished(child, &progress).await? {
            Ok(some) => {
                seen.add(some);
                until
            }
            Err(why) => {
                let number = read(&progress).unwrap_or(from);
                seen.damages += number + 1 - from;
                seen.failures.push(format!("damage {number}: {why}"));
                number + 1
            }
        };
        fs::remove_dir_all(&folder)?;
        if seen.failures.len() >= ENOUGH_FAILURES {
            break;
        }
    }
    Ok(seen)
}

/// What the process saw; or why it did not come to its end.
async fn finished(child: Child, progress: &Path) -> Result<Result<Seen, String>> {
    let mut output = std::pin::pin!(child.wait_with_output());
    let mut moved = (None, Instant::now());
    let output = loop {
        tokio::select! {
            output = &mut output => break output?,
            () = sleep(LOOK_EVERY) => {}
        }
        let now = read(progress);
        if now != moved.0 {
            moved = (now, Instant::now());
        } else if moved.1.elapsed() > HANGS {
            return Ok(Err("the process hangs".to_owned()));
        }
    };
    if !output.status.success() {
        return Ok(Err(format!("the process died: {}", output.status)));
    }
    Ok(Ok(serde_json::from_slice(&output.stdout).context("what a process saw")?))
}

fn read(progress: &Path) -> Option<u64> {
    Some(u64::from_be_bytes(fs::read(progress).ok()?.try_into().ok()?))
}
