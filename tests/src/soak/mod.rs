//! The whole pipeline as three processes: simulator, service, subscriber; and the question whether what arrived is what
//! the simulator made.
//!
//! The simulator's journal is the reference: one record per change it made. The subscriber verifies each signature with
//! the official library and writes down what it got. Nothing of the service's own is asked. The service may be killed (-9)
//! at intervals; the answer must be the same.

mod oracle;
mod processes;
pub mod receiver;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

pub use oracle::Verdict;
use processes::Stage;

use crate::wait;

/// How long the first sight of the tenant may take.
const BASELINE_LIMIT: Duration = Duration::from_secs(180);
/// How long the last changes may take to arrive once the tenant stands still.
const SETTLE_LIMIT: Duration = Duration::from_secs(240);

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `expensewire` program.
    pub program: PathBuf,
    /// The program that, given `receive`, is the subscriber: [`receiver::run`].
    pub subscriber: PathBuf,
    /// How long the tenant lives.
    pub length: Duration,
    /// Kill the service (-9) and start it again at these intervals.
    pub kill_every: Option<Duration>,
    /// Reports at the start.
    pub reports: u32,
    /// The tenant's pace.
    pub changes_per_minute: f64,
    /// How long the tenant leaves an entity alone after a change: what changes twice between two reads is told once.
    pub quiet: Duration,
    /// The upstream's limit, on the simulator's clock and in the configuration alike: in any 10 s.
    pub per_10s: u32,
    /// In any 60 s.
    pub per_60s: u32,
    /// Faults of the upstream while the tenant lives, as the simulator's control API takes them.
    pub faults: Value,
}

/// Runs the plan and compares.
pub async fn run(plan: &Plan) -> Result<Verdict> {
    let mut stage = Stage::set(plan).await.context("setting the stage")?;
    let outcome = play(plan, &mut stage).await;
    let logs = stage.clear().await;
    outcome.with_context(|| format!("the service said last:\n{logs}"))
}

async fn play(plan: &Plan, stage: &mut Stage) -> Result<Verdict> {
    stage.subscribe().await?;
    wait::until("the first sight of every watch", BASELINE_LIMIT, || async { stage.baselined().await.then_some(()) })
        .await?;
    stage.set_faults(&plan.faults).await?;
    stage.control("pace", &json!({ "changes_per_minute": plan.changes_per_minute })).await?;
    let kills = live(plan, stage).await?;
    stage.control("pace", &json!({ "changes_per_minute": 0.0 })).await?;
    stage.set_faults(&json!({})).await?;
    let changes = stage.journal().await?;
    let settled = wait::until("the last change to arrive", SETTLE_LIMIT, || async {
        let arrived = stage.arrived().ok()?;
        oracle::compare(&changes, &arrived).nothing_missing().then_some(())
    })
    .await;
    // What should not come has had its chance once two more rounds of reads have passed.
    sleep(Duration::from_secs_f64(4.0 * 60.0 * 2.0 / f64::from(plan.per_60s))).await;
    let mut verdict = oracle::compare(&changes, &stage.arrived()?);
    let stats: Value = stage.stats().await?;
    verdict.kills = kills;
    verdict.rate_violations = stats["rate_violations"].as_u64().unwrap_or(u64::MAX);
    verdict.answers_429 = stats["rate_limited_sent"].as_u64().unwrap_or(u64::MAX);
    verdict.requests = stats["requests"].as_u64().unwrap_or(0);
    let struck = stats["faults_struck"].as_object().into_iter().flat_map(|struck| struck.values());
    verdict.faults = struck.filter_map(Value::as_u64).sum();
    if settled.is_err() {
        eprintln!("what is missing did not come within {SETTLE_LIMIT:?}");
    }
    Ok(verdict)
}

/// Lets the tenant live, killing the service as the plan says. Answers how often it was killed.
async fn live(plan: &Plan, stage: &mut Stage) -> Result<u32> {
    let end = Instant::now() + plan.length;
    let mut kills = 0;
    while let Some(interval) = plan.kill_every.filter(|interval| Instant::now() + *interval < end) {
        sleep(interval).await;
        stage.kill_service().await?;
        stage.start_service().await?;
        kills += 1;
    }
    sleep_until(end).await;
    Ok(kills)
}
