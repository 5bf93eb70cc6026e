//! The dispatcher killed in the midst of deliveries: `make bench-kills` in small.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_killed_dispatcher_loses_nothing_overtakes_nothing_and_repeats_little() {
    let run = Command::new(env!("CARGO_BIN_EXE_bench_kills")).args(["--kills", "6", "--events", "400"]).output();
    let output = run.expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let told: Value = out.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("a line of JSON");
    assert_eq!((&told["lost"], &told["out_of_order"]), (&Value::from(0), &Value::from(0)), "{told}");
    assert!(told["most_repeated_by_a_kill_to_one"].as_u64() <= told["bound"].as_u64(), "{told}");
}
