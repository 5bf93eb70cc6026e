//! Deliveries to 1, 10 and 100 subscriptions beside a bare client that posts the same bytes to the same receiver in the
//! same run: a JSON line for each, then one for delay and memory. `--events` makes it shorter.

use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tests::bench_delivery::{
    bare, memory,
    receiver::{self, Receipt, Receiver, now_ns},
    stage::{self, Stage},
    usage::Usage,
};
use tokio::time::interval;

const EVENTS: usize = 20_000;
/// Deliveries in one measurement at the most: 100 subscriptions get fewer events each.
const MAX_DELIVERIES: usize = 400_000;
const LIMIT: Duration = Duration::from_secs(600);
/// Events of the measurement of the delay, and the pause between them: 50 a second.
const SLOW_EVENTS: usize = 500;
const SLOW_PAUSE: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let program = env::current_exe()?;
    if arguments.iter().any(|argument| argument == receiver::ROLE) {
        return tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(receiver::run());
    }
    let service = tokio::runtime::Runtime::new()?;
    if arguments.iter().any(|argument| argument == memory::ROLE) {
        return service.block_on(memory::run(&program));
    }
    let events = arguments.iter().position(|argument| argument == "--events");
    let events = events.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(EVENTS);
    service.block_on(all(program, events))
}

async fn all(program: PathBuf, events: usize) -> Result<()> {
    let receiver = Receiver::start(&program).await?;
    for subscriptions in [1, 10, 100] {
        full_speed(&receiver, subscriptions, events.min(MAX_DELIVERIES / subscriptions)).await?;
    }
    let (ours_ms, bare_ms) = delay(&receiver).await?;
    let peak_mib = memory::measured(&program).await?;
    let line = json!({
        "bench": "delivery", "subscriptions": 1, "p99_ms": two(ours_ms), "bare_p99_ms": two(bare_ms),
        "p99_over_bare_ms": two(ours_ms - bare_ms), "peak_mib_10k_subscriptions": two(peak_mib),
    });
    println!("{line}");
    Ok(())
}

fn two(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// One way of making so many deliveries.
struct Measured {
    per_s: f64,
    cpu_s_per_1000: f64,
    disk_bytes: f64,
}

fn measured(deliveries: usize, began_ns: u128, receipts: &[Receipt], used: Usage) -> Result<Measured> {
    let last = receipts.iter().map(|receipt| receipt.at_ns).max().context("receipts")?;
    let deliveries = deliveries as f64;
    Ok(Measured {
        per_s: deliveries / ((last - began_ns) as f64 / 1e9),
        cpu_s_per_1000: used.cpu_s / deliveries * 1_000.0,
        disk_bytes: used.disk_bytes / deliveries,
    })
}

async fn full_speed(receiver: &Receiver, subscriptions: usize, events: usize) -> Result<()> {
    let (mut stage, config) = (Stage::set()?, stage::config()?);
    let urls: Vec<String> = (0..subscriptions).map(|n| receiver.url(&format!("/s/{n}"))).collect();
    let in_flight = (config.limits.in_flight * subscriptions).min(config.max_connections);
    let (began, before) = (Instant::now(), Usage::now()?);
    let stored = stage.append(events, 1).await?;
    // What the log itself takes: the same appends with nobody to deliver to. It is taken out of what is measured live.
    let log = Usage::now()?.since(before);
    let appended_per_s = events as f64 / began.elapsed().as_secs_f64();
    let bodies = stage::bodies(&stored);
    let deliveries = events * subscriptions;

    let (began, before) = (now_ns(), Usage::now()?);
    bare::post_all(urls.clone(), bodies, in_flight).await?;
    let bare = measured(deliveries, began, &receiver.receipts().await?, Usage::now()?.since(before))?;
    receiver.clear().await?;

    let made = urls.iter().enumerate().map(|(n, url)| stage.subscription(n, url, None)).collect::<Result<Vec<_>>>()?;
    stage.subscribe(made).await?;
    let (began, before) = (now_ns(), Usage::now()?);
    stage.start(config)?;
    receiver.wait_for(deliveries, LIMIT).await?;
    let used = Usage::now()?.since(before);
    let ours = measured(deliveries, began, &receiver.receipts().await?, used)?;
    receiver.clear().await?;

    let (began, before) = (now_ns(), Usage::now()?);
    stage.append(events, 1).await?;
    receiver.wait_for(deliveries, LIMIT).await?;
    let used = Usage::now()?.since(before).since(log);
    let live = measured(deliveries, began, &receiver.receipts().await?, used)?;
    let rows = stage.rows().await?;
    stage.stop().await?;
    receiver.clear().await?;
    tell(subscriptions, &[("stored", ours), ("live", live)], &bare, rows, appended_per_s);
    ensure!(rows == 0, "{rows} rows are kept");
    Ok(())
}

fn tell(subscriptions: usize, ways: &[(&str, Measured)], bare: &Measured, rows: usize, appended_per_s: f64) {
    for (from, ours) in ways {
        let line = json!({
            "bench": "delivery", "subscriptions": subscriptions, "from": from,
            "per_s": ours.per_s.round(), "bare_per_s": bare.per_s.round(), "vs_bare": two(ours.per_s / bare.per_s),
            "cpu_s_per_1000": ours.cpu_s_per_1000, "cpu_vs_bare": two(ours.cpu_s_per_1000 / bare.cpu_s_per_1000),
            "disk_bytes_per_delivery": two(ours.disk_bytes), "rows": rows,
            "appended_per_s": appended_per_s.round(),
        });
        println!("{line}");
    }
}

/// The 99th percentile from the durable append, or from the bare post, to the receipt; in milliseconds.
async fn delay(receiver: &Receiver) -> Result<(f64, f64)> {
    let mut stage = Stage::set()?;
    stage.subscribe(vec![stage.subscription(0, &receiver.url("/s/slow"), None)?]).await?;
    stage.start(stage::config()?)?;
    let warm = stage.append(1, 1).await?;
    receiver.wait_for(1, LIMIT).await?;
    receiver.clear().await?;
    let (mut timer, mut appended) = (interval(SLOW_PAUSE), Vec::new());
    for _ in 0..SLOW_EVENTS {
        timer.tick().await;
        stage.append(1, 1).await?;
        appended.push(now_ns());
    }
    receiver.wait_for(SLOW_EVENTS, LIMIT).await?;
    let ours = p99_ms(&appended, &receiver.receipts().await?);
    stage.stop().await?;
    receiver.clear().await?;
    let bodies = vec![warm[0].body.clone(); SLOW_EVENTS];
    let left = bare::post_slowly(&receiver.url("/s/bare"), &bodies, SLOW_PAUSE).await?;
    let bare = p99_ms(&left, &receiver.receipts().await?);
    receiver.clear().await?;
    Ok((ours, bare))
}

fn p99_ms(left: &[u128], receipts: &[Receipt]) -> f64 {
    let delays = left.iter().zip(receipts).map(|(left, receipt)| (receipt.at_ns as f64 - *left as f64) / 1e6);
    let mut delays: Vec<f64> = delays.collect();
    delays.sort_by(f64::total_cmp);
    delays.get(delays.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}
