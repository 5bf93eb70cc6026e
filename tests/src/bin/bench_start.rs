//! How long the demo takes from process start to its promised deliveries, and from Ctrl-C to its end: one JSON line.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tests::program::Running;

/// Far beyond what is promised (15 s and 5 s): this measures, it does not judge.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    let program = std::env::current_exe()?.parent().context("a folder")?.join("expensewire");
    for real_limits in [false, true] {
        let mut arguments = vec!["demo", "--listen", "127.0.0.1:0"];
        arguments.extend(real_limits.then_some("--real-limits"));
        let started = Instant::now();
        let mut demo = Running::start(&program, &arguments)?;
        demo.line_with("have arrived, signed and verified", LIMIT).await?;
        let verified = started.elapsed();
        let asked = Instant::now();
        let status = demo.interrupt(LIMIT).await?;
        let line = json!({
            "bench": "start",
            "real_limits": real_limits,
            "verified_s": verified.as_secs_f64(),
            "stop_s": asked.elapsed().as_secs_f64(),
            "exit": status.code(),
        });
        println!("{line}");
    }
    Ok(())
}
