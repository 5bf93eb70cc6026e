//! The whole pipeline over real HTTP, in three processes, against the simulator's own account of what it did.

use std::{path::PathBuf, time::Duration};

use tests::soak::{self, Plan};

/// A tenant that lives fast under a limit forty times the real one, so that a minute of it shows what an hour would.
fn fast(kill_every: Option<Duration>) -> Plan {
    Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_program")),
        subscriber: PathBuf::from(env!("CARGO_BIN_EXE_soak")),
        length: Duration::from_secs(20),
        kill_every,
        reports: 120,
        changes_per_minute: 240.0,
        quiet: Duration::from_secs(8),
        per_10s: 200,
        per_60s: 800,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_arrives_once_in_order_and_nothing_else_does() {
    let verdict = soak::run(&fast(None)).await.expect("the run");
    assert!(verdict.holds(), "{verdict:#?}");
    assert_eq!(verdict.duplicates, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_again_and_again_loses_and_invents_nothing() {
    let verdict = soak::run(&fast(Some(Duration::from_secs(4)))).await.expect("the run");
    assert!(verdict.holds(), "{verdict:#?}");
    assert!(verdict.kills >= 3, "{verdict:#?}");
}
