//! What this process has used so far, from `/proc` and `/sys`.
//!
//! The bytes that it wrote to disk are counted in two places, and each counts too many. To the process the kernel counts a piece of
//! memory that it dirties, of up to megabytes, for each small write into it; to the device, what everybody else writes too. So
//! the lower one of both is taken.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::{
    fs::syncfs,
    time::{ClockId, clock_gettime},
};
use tokio::time::sleep;

/// Bytes of a sector in `/sys`, whatever the device's own are.
const SECTOR_BYTES: f64 = 512.0;
/// The store writes what it holds back within half a second.
const AT_REST: Duration = Duration::from_millis(700);
/// Longest such wait.
const REST_LIMIT: Duration = Duration::from_secs(20);

/// Processor and disk used since the start.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of processor time of all threads.
    pub cpu_s: f64,
    /// Bytes that went to the storage layer for this process.
    process_bytes: f64,
    /// Bytes that went to the device of the temporary directory; none where it has none.
    device_bytes: Option<f64>,
}

impl Usage {
    /// As of now.
    pub fn now() -> Result<Self> {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu_s = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        let process_bytes = field("/proc/self/io", "write_bytes:")?;
        Ok(Self { cpu_s, process_bytes, device_bytes: device_bytes() })
    }

    /// What was used since `before`; also, what was used without `before`.
    pub fn since(self, before: Self) -> Self {
        let device_bytes = self.device_bytes.zip(before.device_bytes).map(|(now, before)| now - before);
        let process_bytes = self.process_bytes - before.process_bytes;
        Self { cpu_s: self.cpu_s - before.cpu_s, process_bytes, device_bytes }
    }

    /// What lies between the two.
    pub fn mean(one: Self, other: Self) -> Self {
        let mean = |one: f64, other: f64| (one + other) / 2.0;
        Self {
            cpu_s: mean(one.cpu_s, other.cpu_s),
            process_bytes: mean(one.process_bytes, other.process_bytes),
            device_bytes: one.device_bytes.zip(other.device_bytes).map(|(one, other)| mean(one, other)),
        }
    }

    /// Bytes written to disk: see the module's head.
    pub fn disk_bytes(self) -> f64 {
        self.device_bytes.map_or(self.process_bytes, |device| device.min(self.process_bytes)).max(0.0)
    }
}

/// What was written to the device that temporary files are on.
fn device_bytes() -> Option<f64> {
    let device = fs::metadata(env::temp_dir()).ok()?.dev();
    // As Linux packs them into 64 bits.
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & !0xff);
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    let sectors: f64 = stat.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * SECTOR_BYTES)
}

/// Waits until nothing was written for a while, and lets the device have all of it: what the store does for earlier work is not
/// counted as that of the next.
pub async fn rest() -> Result<()> {
    let began = Instant::now();
    let mut before = Usage::now()?;
    loop {
        sleep(AT_REST).await;
        let now = Usage::now()?;
        if now.process_bytes == before.process_bytes || began.elapsed() > REST_LIMIT {
            return Ok(syncfs(File::open(env::temp_dir())?)?);
        }
        before = now;
    }
}

/// Most memory that this process ever held, in MiB.
pub fn peak_mib() -> Result<f64> {
    Ok(field("/proc/self/status", "VmHWM:")? / 1024.0)
}

fn field(file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} in {file}"))?;
    line.split_whitespace().next().and_then(|word| word.parse().ok()).with_context(|| format!("a number in {line:?}"))
}
