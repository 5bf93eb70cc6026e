//! The log under kills, power cuts and damage, small: what `make kill-log`, `make power-cut` and `make damage` do at length.

use std::{path::Path, process::Command};

use event_store::DurabilityLevel;
use tests::log_proof::{damage, family::Family, kill};

const PROGRAM: &str = env!("CARGO_BIN_EXE_log_proof");
/// Others than those that the long runs begin with.
const SEED: u64 = 77;
const FIRST_DAMAGE: u64 = 1 << 40;
/// As many as take seconds in a debug build.
const KILLS: u32 = 5;
const DAMAGES: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_again_and_again_loses_nothing_and_leaves_a_whole_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let family = Family { program: PROGRAM.into(), writers: 1, durability: DurabilityLevel::PowerLoss };
    let outcome = kill::run(&family, folder.path().to_owned(), KILLS, SEED).await.expect("the run");
    assert!(outcome.failures.is_empty(), "{outcome:#?}");
    assert!(outcome.kills == KILLS && outcome.acknowledged > 0, "{outcome:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_or_harmless() {
    let folder = tempfile::tempdir().expect("a folder");
    let seen = damage::run(Path::new(PROGRAM), folder.path(), FIRST_DAMAGE, DAMAGES, 2).await.expect("the run");
    assert!(seen.holds(), "{seen:#?}");
    assert_eq!(seen.damages, DAMAGES);
    // Refused where a store is opened on it, found by readers where it was open already.
    assert!(seen.found > 0 && seen.refused > 0 && seen.harmless > 0 && seen.late > 0, "{seen:#?}");
}

/// Standard error goes where this test's goes: a SKIP is seen.
fn cuts(arguments: &[&str]) {
    let status = Command::new(PROGRAM).arg("cut").args(arguments).status().expect("the program runs");
    assert!(status.success(), "{arguments:?}: {status}");
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    cuts(&["--cuts", "2", "--seed", "77"]);
}

#[test]
fn the_same_cuts_take_acknowledged_events_where_commits_are_not_synced() {
    cuts(&["--cuts", "4", "--seed", "77", "--process-crash"]);
}
