//! What 100 endpoints that hang and one that catches up on a million events do to 1,000 healthy subscriptions: the 99th
//! percentile of their delay beside what it is without them. Prints a JSON line and one for each
//! bound; fails when one does not hold. `--backlog` makes the catching up shorter.
//!
//! Both halves run on the same log, the same store and the same dispatcher: first the healthy alone, then the others join.

use std::{collections::HashMap, env, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use event_model::Subscription;
use expensewire as _; // Its allocator is what all of it runs on.
use serde_json::json;
use tests::bench_delivery::{
    receiver::{self, Receipt, Receiver, now_ns},
    stage::{self, Stage},
    verdict::{Verdict, two},
};
use tokio::time::interval;

/// Healthy subscriptions; each wants the events of one policy, so that an event goes to five of them.
const HEALTHY: usize = 1_000;
const POLICIES: u64 = 200;
/// Endpoints that never answer; they want the same.
const HANGING: usize = 100;
/// Events that the laggard catches up on.
const BACKLOG: usize = 1_000_000;
/// Live events of each half, and the pause between them: 100 a second, 500 deliveries a second.
const EVENTS: usize = 2_000;
const PAUSE: Duration = Duration::from_millis(10);
/// The 99th percentile beside the others over that without them.
const RATIO: f64 = 1.5;
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == receiver::ROLE) {
        return tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(receiver::run());
    }
    let backlog = arguments.iter().position(|argument| argument == "--backlog");
    let backlog = backlog.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(BACKLOG);
    tokio::runtime::Runtime::new()?.block_on(run(&env::current_exe()?, backlog))
}

async fn run(program: &Path, backlog: usize) -> Result<()> {
    let (well, others) = (Receiver::start(program).await?, Receiver::start(program).await?);
    let mut stage = Stage::set()?;
    stage.append(backlog, POLICIES).await?;
    let last = stage.store.last_sequence();
    let mut healthy = Vec::new();
    for n in 0..HEALTHY {
        let made = stage.subscription(n, &well.url(&format!("/s/{n}")), Some(n as u64 % POLICIES))?;
        healthy.push(Subscription { start_after: last, ..made });
    }
    stage.subscribe(healthy).await?;
    stage.start(stage::config()?)?;
    let (_, warm) = half(&mut stage, &well).await?;
    let (alone_ms, _) = half(&mut stage, &well).await?;
    eprintln!("warmed up with {warm} deliveries; alone: {alone_ms:.2} ms");

    let mut joining = vec![stage.subscription(HEALTHY, &others.url("/s/laggard"), None)?];
    for n in 0..HANGING {
        let made =
            stage.subscription(HEALTHY + 1 + n, &others.url(&format!("/hang/{n}")), Some(n as u64 % POLICIES))?;
        joining.push(Subscription { start_after: last, ..made });
    }
    stage.subscribe(joining).await?;
    others.wait_for(1, LIMIT).await?;
    let (beside_ms, _) = half(&mut stage, &well).await?;
    let caught_up = others.receipts().await?.len();
    stage.stop().await?;
    let line = json!({
        "bench": "fairness", "healthy": HEALTHY, "hanging": HANGING, "backlog": backlog,
        "p99_alone_ms": two(alone_ms), "p99_beside_ms": two(beside_ms), "ratio": two(beside_ms / alone_ms),
        "caught_up_meanwhile": caught_up,
    });
    println!("{line}");
    let mut verdict = Verdict::of("fairness");
    verdict.at_most("p99 beside over p99 alone", beside_ms / alone_ms, RATIO);
    verdict.at_least("caught up meanwhile", caught_up as f64, 1.0);
    ensure!(verdict.holds(), "a bound does not hold");
    Ok(())
}

/// Appends live events; the 99th percentile from the append to the receipt by a healthy subscription, and how many there were.
async fn half(stage: &mut Stage, well: &Receiver) -> Result<(f64, usize)> {
    well.clear().await?;
    let (mut timer, mut appended) = (interval(PAUSE), HashMap::new());
    for _ in 0..EVENTS {
        timer.tick().await;
        let event = stage.append(1, POLICIES).await?;
        appended.insert(event[0].head.sequence.0, now_ns());
    }
    let deliveries = EVENTS * HEALTHY / POLICIES as usize;
    well.wait_for(deliveries, LIMIT).await?;
    let receipts = well.receipts().await?;
    let mut delays: Vec<f64> = receipts.iter().filter_map(|receipt| delay_ms(&appended, receipt)).collect();
    delays.sort_by(f64::total_cmp);
    let p99 = delays.get(delays.len() * 99 / 100).copied().context("delays")?;
    Ok((p99, deliveries))
}

fn delay_ms(appended: &HashMap<u64, u128>, receipt: &Receipt) -> Option<f64> {
    appended.get(&receipt.sequence).map(|at| (receipt.at_ns as f64 - *at as f64) / 1e6)
}
