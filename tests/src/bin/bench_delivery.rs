//! Deliveries to 1, 10 and 100 subscriptions beside a bare client that posts the same bytes to the same receiver in the
//! same run: a JSON line for each, then one for delay and memory, and one for each bound; fails when one does not hold.
//! `--events` makes it shorter.

use std::{env, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use event_model::{Sequence, Subscription};
use event_store::StoredEvent;
use expensewire as _; // Its allocator is what all of it runs on.
use serde_json::json;
use tests::bench_delivery::{
    bare, memory,
    receiver::{self, Receipt, Receiver, now_ns},
    stage::{self, Stage},
    usage::{self, Usage},
    verdict::{Verdict, two},
};
use tokio::time::interval;

const EVENTS: usize = 20_000;
/// Deliveries in one measurement at the most: 100 subscriptions get fewer events each.
const MAX_DELIVERIES: usize = 400_000;
/// Deliveries a second over those of the bare client, with fewer than ten subscriptions.
const VS_BARE_ALONE: f64 = 0.7;
/// The same with ten or more.
const VS_BARE: f64 = 0.8;
/// Processor time over that of the bare client.
const CPU_VS_BARE: f64 = 1.4;
/// Bytes written to disk per delivery.
const DISK_BYTES: f64 = 64.0;
/// From the durable append to the receipt, above the bare client's time, at the 99th percentile.
const P99_OVER_BARE_MS: f64 = 2.0;
/// Peak memory with 10,000 subscriptions.
const PEAK_MIB: f64 = 150.0;
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
    let mut verdict = Verdict::of("delivery");
    for subscriptions in [1, 10, 100] {
        full_speed(&receiver, subscriptions, events.min(MAX_DELIVERIES / subscriptions), &mut verdict).await?;
    }
    let (ours_ms, bare_ms) = delay(&receiver).await?;
    let peak_mib = memory::measured(&program).await?;
    let line = json!({
        "bench": "delivery", "subscriptions": 1, "p99_ms": two(ours_ms), "bare_p99_ms": two(bare_ms),
        "p99_over_bare_ms": two(ours_ms - bare_ms), "peak_mib_10k_subscriptions": two(peak_mib),
    });
    println!("{line}");
    verdict.at_most("p99_over_bare_ms", ours_ms - bare_ms, P99_OVER_BARE_MS);
    verdict.at_most("peak_mib_10k_subscriptions", peak_mib, PEAK_MIB);
    ensure!(verdict.holds(), "a bound does not hold");
    Ok(())
}

/// One way of making so many deliveries.
struct Measured {
    deliveries: f64,
    per_s: f64,
    used: Usage,
}

impl Measured {
    /// Without what `log` took of the processor and the disk.
    fn without(self, log: Usage) -> Self {
        Self { used: self.used.since(log), ..self }
    }

    fn cpu_s_per_1000(&self) -> f64 {
        self.used.cpu_s / self.deliveries * 1_000.0
    }

    fn disk_bytes(&self) -> f64 {
        self.used.disk_bytes() / self.deliveries
    }
}

/// `work`, after which so many deliveries arrive.
async fn measured(receiver: &Receiver, deliveries: usize, work: impl Future<Output = Result<()>>) -> Result<Measured> {
    usage::rest().await?;
    let (began_ns, before) = (now_ns(), Usage::now()?);
    work.await?;
    receiver.wait_for(deliveries, LIMIT).await?;
    // To the end of what the log does afterwards: how much of that falls before the last receipt depends on how fast we are.
    usage::rest().await?;
    let used = Usage::now()?.since(before);
    let last = receiver.receipts().await?.iter().map(|receipt| receipt.at_ns).max().context("receipts")?;
    receiver.clear().await?;
    let deliveries = deliveries as f64;
    Ok(Measured { deliveries, per_s: deliveries / ((last - began_ns) as f64 / 1e9), used })
}

async fn full_speed(receiver: &Receiver, subscriptions: usize, events: usize, verdict: &mut Verdict) -> Result<()> {
    let (mut stage, config) = (Stage::set()?, stage::config()?);
    let urls: Vec<String> = (0..subscriptions).map(|n| receiver.url(&format!("/s/{n}"))).collect();
    let in_flight = (config.limits.in_flight * subscriptions).min(config.max_connections);
    let deliveries = events * subscriptions;
    let (stored, before) = only_appended(&mut stage, events).await?;
    let bodies = stage::bodies(&stored);

    let post = || bare::post_all(urls.clone(), Arc::clone(&bodies), in_flight);
    let bare = measured(receiver, deliveries, post()).await?;
    let beside = async { tokio::try_join!(stage.append(events, 1), post()).map(drop) };
    let bare_live = measured(receiver, deliveries, beside).await?;

    let start_after = Sequence(stage.store.last_sequence().0 - events as u64);
    let made = urls.iter().enumerate().map(|(n, url)| {
        let made = stage.subscription(n, url, None)?;
        Ok(Subscription { start_after, ..made })
    });
    stage.subscribe(made.collect::<Result<Vec<_>>>()?).await?;
    let ours = measured(receiver, deliveries, async { stage.start(config) }).await?;
    let append = async { stage.append(events, 1).await.map(drop) };
    let live = measured(receiver, deliveries, append).await?;
    let rows = stage.rows().await?;
    stage.stop().await?;
    // The log does more the longer it is.
    let (_, after) = only_appended(&mut stage, events).await?;
    let log = Usage::mean(before, after);
    let (bare_live, live) = (bare_live.without(log), live.without(log));
    for (from, ours, bare) in [("stored", ours, bare), ("live", live, bare_live)] {
        tell(subscriptions, from, &ours, &bare, rows, verdict);
    }
    Ok(())
}

/// What the log itself takes: the same appends with nobody to deliver to. They are taken out of
/// what is measured live.
async fn only_appended(stage: &mut Stage, events: usize) -> Result<(Vec<StoredEvent>, Usage)> {
    usage::rest().await?;
    let before = Usage::now()?;
    let stored = stage.append(events, 1).await?;
    usage::rest().await?;
    Ok((stored, Usage::now()?.since(before)))
}

fn tell(subscriptions: usize, from: &str, ours: &Measured, bare: &Measured, rows: usize, verdict: &mut Verdict) {
    let (vs_bare, cpu_vs_bare) = (ours.per_s / bare.per_s, ours.cpu_s_per_1000() / bare.cpu_s_per_1000());
    let line = json!({
        "bench": "delivery", "subscriptions": subscriptions, "from": from,
        "per_s": ours.per_s.round(), "bare_per_s": bare.per_s.round(), "vs_bare": two(vs_bare),
        "cpu_s_per_1000": ours.cpu_s_per_1000(), "cpu_vs_bare": two(cpu_vs_bare),
        "disk_bytes_per_delivery": two(ours.disk_bytes()), "rows": rows,
    });
    println!("{line}");
    let of = |what: &str| format!("{what} with {subscriptions} subscriptions, {from}");
    verdict.at_least(&of("vs_bare"), vs_bare, if subscriptions < 10 { VS_BARE_ALONE } else { VS_BARE });
    verdict.at_most(&of("cpu_vs_bare"), cpu_vs_bare, CPU_VS_BARE);
    verdict.at_most(&of("disk_bytes_per_delivery"), ours.disk_bytes(), DISK_BYTES);
    verdict.at_most(&of("rows"), rows as f64, 0.0);
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
