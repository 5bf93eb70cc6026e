//! What this process has used so far, from `/proc/self`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::sleep;

/// Clock ticks a second in `/proc`: 100 on every Linux that there is (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;
/// The store writes what it holds back within half a second.
const AT_REST: Duration = Duration::from_millis(700);
/// Longest such wait.
const REST_LIMIT: Duration = Duration::from_secs(20);

/// Processor and disk used since the start.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of processor time of all threads.
    pub cpu_s: f64,
    /// Bytes that went to the storage layer.
    pub disk_bytes: f64,
}

impl Usage {
    /// As of now.
    pub fn now() -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
        let after_name = stat.rsplit(')').next().context("fields")?;
        let ticks: f64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
        Ok(Self { cpu_s: ticks / TICKS_PER_S, disk_bytes: field("/proc/self/io", "write_bytes:")? })
    }

    /// What was used since `before`.
    pub fn since(self, before: Self) -> Self {
        Self { cpu_s: self.cpu_s - before.cpu_s, disk_bytes: self.disk_bytes - before.disk_bytes }
    }
}

/// Waits until nothing was written for a while: what the store does for earlier work is not counted as that of the next.
pub async fn rest() -> Result<()> {
    let began = Instant::now();
    let mut before = Usage::now()?;
    loop {
        sleep(AT_REST).await;
        let now = Usage::now()?;
        if now.disk_bytes == before.disk_bytes || began.elapsed() > REST_LIMIT {
            return Ok(());
        }
        before = now;
    }
}

/// Most memory that this process ever held, in MiB.
pub fn peak_mib() -> Result<f64> {
    Ok(field("/proc/self/status", "VmHWM:")? / 1024.0)
}

fn field(file: &str, name: &str) -> Result<f64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} in {file}"))?;
    line.split_whitespace().next().and_then(|word| word.parse().ok()).with_context(|| format!("a number in {line:?}"))
}
