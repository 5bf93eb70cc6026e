//! The memory of a process that holds 10,000 subscriptions: in a process of its own, because a peak is that of a process.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};

use super::{receiver::Receiver, stage, stage::Stage, usage};
use crate::program::Running;

/// The argument that makes a bench this process.
pub const ROLE: &str = "--memory";
/// How many there are.
pub const SUBSCRIPTIONS: usize = 10_000;
/// Events that all of them want.
const EVENTS: usize = 2;
/// How many are stored at once.
const BATCH: usize = 200;
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the process and gives its peak in MiB.
pub async fn measured(program: &Path) -> Result<f64> {
    let mut process = Running::start(program, &[ROLE])?;
    let line = process.line_with("peak_mib", LIMIT).await?;
    // It takes its receiver with it.
    process.ended(LIMIT).await?;
    line.rsplit(' ').next().and_then(|word| word.parse().ok()).with_context(|| format!("a number in {line:?}"))
}

/// The process itself: every event goes to every subscription.
pub async fn run(program: &Path) -> Result<()> {
    let receiver = Receiver::start(program).await?;
    let mut stage = Stage::set()?;
    // A service is told of them one by one: all at once, they would be held several times over for a moment.
    for first in (0..SUBSCRIPTIONS).step_by(BATCH) {
        let batch = (first..first + BATCH).map(|n| stage.subscription(n, &receiver.url(&format!("/s/{n}")), None));
        stage.subscribe(batch.collect::<Result<_>>()?).await?;
    }
    stage.start(stage::config()?)?;
    stage.append(EVENTS, 1).await?;
    receiver.wait_for(SUBSCRIPTIONS * EVENTS, LIMIT).await?;
    stage.stop().await?;
    println!("peak_mib {:.1}", usage::peak_mib()?);
    Ok(())
}
