//! The whole pipeline over real HTTP, in three processes, against the simulator's own account of what it did.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
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
        faults: json!({}),
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

/// Faults of the upstream that time heals: each strikes now and then, together in about every other read. Answers 429 are
/// left out: they would pause the account for minutes.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_in_every_way_makes_nothing_lost_and_nothing_up() {
    let names = [
        "html_page",
        "http_502",
        "http_503",
        "reset_after_job",
        "error_instead_of_file_name",
        "empty_download",
        "truncated_download",
        "duplicate_rows",
        "reordered_rows",
        "blank_value",
        "debug_text",
        "two_blocks",
        "no_header",
        "html_escaped",
        "crlf",
        "bom",
        "trimmed",
        "latin1",
    ];
    let faults = names.map(|name| (name.to_owned(), json!({ "probability": 0.05 }))).into_iter().collect();
    // Reads that fail come far apart: no entity changes twice, or the two would be told as one.
    let plan = Plan { faults, quiet: Duration::from_secs(300), changes_per_minute: 120.0, ..fast(None) };
    let verdict = soak::run(&plan).await.expect("the run");
    assert!(verdict.holds(), "{verdict:#?}");
    assert!(verdict.faults > 10, "{verdict:#?}");
}
