//! schemathesis asks the running service what its document says, and what it does not.

use std::{env, fs};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    foreign::{line, of_python, said, script},
    service::Service,
};

/// Cases of one operation and kind, unless `CONTRACT_EXAMPLES` says otherwise: a minute or so in all.
const EXAMPLES: &str = "10";

/// The seed of a run, of 128 bits: [`Value`] would make it a fraction that gives no run again.
#[derive(Deserialize)]
struct Seeded {
    seed: u128,
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let who = "schemathesis (Python)";
    let service = Service::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json");
    let mut asking = of_python("schemathesis");
    asking.current_dir(folder.path()).arg("--config-file").arg(script("schemathesis.toml"));
    asking.arg("run").arg(format!("{}/openapi.json", service.url));
    asking.args(["--max-examples", &env::var("CONTRACT_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned())]);
    asking.args(["--report", "json", "--report-json-path"]).arg(&report).arg("--no-color");
    if let Ok(seed) = env::var("CONTRACT_SEED") {
        asking.args(["--seed", &seed]);
    }
    asking.env("EXPENSEWIRE_KEY", &service.key).envs(service.seeded().await);
    let output = tokio::task::spawn_blocking(move || said(who, &mut asking, "")).await.expect("no panic");
    let Some(output) = output else { return };
    let told = String::from_utf8_lossy(&output.stdout);
    let written = fs::read(&report).unwrap_or_default();
    let report: Value = serde_json::from_slice(&written)
        .unwrap_or_else(|error| panic!("{error}\n{told}{}", String::from_utf8_lossy(&output.stderr)));
    let cases = &report["test_cases"];
    assert!(output.status.success() && cases["with_failures"] == 0 && cases["errored"] == 0, "{told}");
    assert_eq!((&report["complete"], &report["operations"]["errored"]), (&true.into(), &0.into()), "{told}");
    let generated = cases["generated"].as_u64().expect("a number");
    let least = number("CONTRACT_AT_LEAST").unwrap_or(1000);
    assert!(generated >= least, "{generated} cases, wanted {least}");
    // The service lives, and its log is whole.
    let verified = service.get("/v1/accounts").await;
    assert!(verified["accounts"].is_array(), "{verified}");
    let operations = &report["operations"]["tested"];
    let Seeded { seed } = serde_json::from_slice(&written).expect("a report has its seed");
    line(who, &format!("{operations} operations, {generated} cases, 0 failures, seed {seed}"));
}
