//! The forms of what a doctor says.

use std::{fs, io::Write};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn each_form_is_for_its_reader() {
    let world = World::new().await.started().await.stopped().await;
    let told = |form: &str| {
        let mut command = world.command(&["-o", form, "--skip", "upstream"]);
        command.env("EXPENSEWIRE__ACCOUNTS__ACME__BUDGET__PER_10S", "5");
        let output = command.env("EXPENSEWIRE__ACCOUNTS__ACME__BUDGET__PER_60S", "20").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = told("text");
    assert!(code == 0 && text.contains("\nok       log: ") && text.contains(" 0 failed"), "{text}");
    let (code, nagios) = told("nagios");
    assert!(metrics_once(&told("prometheus").1), "each series once");
    assert!(code == 0 && nagios.starts_with("EXPENSEWIRE OK - ") && nagios.contains("_free_bytes'="), "{nagios}");
    let (code, metrics) = told("prometheus");
    assert!(code == 0 && metrics.contains("expensewire_doctor_check_state{check=\"log\",about=\"\",state=\"ok\"} 1\n"));
    fs::remove_file(world.data().join("sealing.key")).unwrap();
    assert_eq!((told("nagios").0, told("prometheus").0), (2, 6));
    promtool(&metrics);
}

fn metrics_once(metrics: &str) -> bool {
    let mut series: Vec<_> =
        metrics.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ')).collect();
    let all = series.len();
    series.sort();
    series.dedup_by_key(|one| one.map(|(name, _)| name));
    series.len() == all
}

/// What promtool says of `metrics`, where it is installed.
pub fn promtool(metrics: &str) {
    let mut command = std::process::Command::new("promtool");
    if let Some(path) = std::env::var_os("EXPENSEWIRE_OPS_PATH") {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let all = std::env::split_paths(&path).chain(std::env::split_paths(&own));
        command.env("PATH", std::env::join_paths(all).unwrap());
    }
    let piped = std::process::Stdio::piped;
    let Ok(mut child) = command.args(["check", "metrics"]).stdin(piped()).stdout(piped()).stderr(piped()).spawn()
    else {
        return skip("doctor's metrics: there is no promtool");
    };
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Says loudly, past the capture of the test runner, what was not tested; fails where nothing may be skipped.
fn skip(what: &str) {
    assert!(std::env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    let _ = std::io::stderr().write_all(format!("SKIP {what}\n").as_bytes());
}
