//! From a change in the upstream to its event in the log, by the clock: must show 4 of the change detection.
//!
//! The simulator lives with one policy, which does not change, and no cards: one merged export of all reports is all there
//! is to read. (The service cannot be told to leave policies alone; what it spends on them is in the answer.) The plan then
//! cannot do better than half the time between two exports, plus the rendering, plus the round trips: its floor, taken from
//! what the simulator saw. What the log has is taken from the stream of events, each noted when it arrives there.
//!
//! Prints one JSON line. Fails when the mean is too far above the floor, or a change was missed, or one invented.

mod stage;
mod tail;
mod verdict;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use jiff::Timestamp;
use serde_json::json;
use tests::wait;
use tokio::time::sleep;

use stage::{Alone, Floor, Stage};
use tail::Tail;
use verdict::Verdict;

/// The first sight of everything may take this long.
const BASELINE_LIMIT: Duration = Duration::from_secs(180);
/// The last changes have this long to be told once the tenant stands still.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// So many reads more are waited for after that: what should not come has had its chance.
const READS_AFTER: usize = 3;
/// The bound on the mean over the floor.
const MOST_OVER_FLOOR: f64 = 1.15;

#[derive(Parser)]
struct Arguments {
    /// How long the tenant lives.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Reports at the start.
    #[arg(long, default_value_t = 2_000)]
    reports: u32,
    /// The tenant's pace.
    #[arg(long, default_value_t = 60.0)]
    changes_per_minute: f64,
    /// The program under test; the `expensewire` beside this one if not given.
    #[arg(long)]
    program: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let beside = std::env::current_exe()?.parent().context("a folder")?.join("expensewire");
    let mut stage = Stage::set(arguments.program.as_ref().unwrap_or(&beside), arguments.reports).await?;
    let outcome = play(&arguments, &mut stage).await;
    let (verdict, line) = outcome.with_context(|| format!("the service said last:\n{}", stage.log_tail()))?;
    println!("{line}");
    verdict.examples.iter().for_each(|example| eprintln!("{example}"));
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play(arguments: &Arguments, stage: &mut Stage) -> Result<(Verdict, serde_json::Value)> {
    wait::until("the first sight of every watch", BASELINE_LIMIT, || async { stage.baselined().await.then_some(()) })
        .await?;
    let tail = Tail::follow(stage.stream().await?);
    let (before, began) = (stage.stats().await?, Timestamp::now());
    stage.set_pace(arguments.changes_per_minute).await?;
    sleep(Duration::from_secs_f64(arguments.minutes * 60.0)).await;
    stage.set_pace(0.0).await?;
    let (after, ended) = (stage.stats().await?, Timestamp::now());
    let journal = stage.journal().await?;
    let settled = wait::until("the last change to be told", SETTLE_LIMIT, || async {
        (verdict::compare(&journal, &tail.arrived()).missed == 0).then_some(())
    });
    if settled.await.is_err() {
        eprintln!("what is missing did not come within {SETTLE_LIMIT:?}");
    }
    let forever = Timestamp::MAX;
    let reads = stage.reads(ended, forever).await?.len();
    let more = wait::until("a few more reads", SETTLE_LIMIT, || async {
        stage.reads(ended, forever).await.ok().filter(|now| now.len() >= reads + READS_AFTER)
    });
    if more.await.is_err() {
        eprintln!(
            "fewer than {READS_AFTER} reads came in {SETTLE_LIMIT:?} more: what was invented may not have come yet"
        );
    }
    let mut verdict = verdict::compare(&journal, &tail.arrived());
    let violations = stage::count(&stage.stats().await?, &["rate_violations"]);
    verdict.forbid(violations, "requests over the upstream's limit");
    let reads = stage.reads(began, ended).await?;
    let floor = stage.floor(&reads).await?;
    verdict.judge(floor.seconds(), MOST_OVER_FLOOR);
    let minutes = ended.duration_since(began).as_secs_f64() / 60.0;
    let spent = |job: &[&str]| stage::count(&after, job).saturating_sub(stage::count(&before, job));
    let requests = spent(&["requests"]);
    let alone = Alone::among(&reads);
    let alone_floor = Floor { period_s: alone.period_s(), ..floor };
    let line = json!({
        "bench": "live",
        "reports": arguments.reports,
        "changes": journal.len(),
        "mean_s": verdict.mean_s,
        "p99_s": verdict.p99_s,
        "requests": requests,
        "requests_per_minute": requests as f64 / minutes,
        "policy_requests": spent(&["by_job", "get/policyList"]) + spent(&["by_job", "get/policy"]),
        "period_s": floor.period_s,
        "render_s": floor.render_s,
        "round_trips_s": floor.round_trips_s,
        "download_wait_s": floor.download_wait_s,
        "floor_s": floor.seconds(),
        "vs_floor": verdict.mean_s / floor.seconds(),
        "alone_vs_floor": verdict.mean_within(&alone.spans).map(|mean_s| mean_s / alone_floor.seconds()),
        "missed": verdict.missed,
        "invented": verdict.invented,
        "rate_violations": violations,
    });
    Ok((verdict, line))
}
