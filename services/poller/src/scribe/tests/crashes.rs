//! What a crash leaves: see the head of [`scribe`](crate::scribe).

use super::desk::{Desk, POLICY, at, fresh, report, reports};

#[tokio::test]
async fn a_power_cut_after_the_append_says_nothing_twice_and_loses_nothing() {
    let mut desk = Desk::with(&reports(2)).await;
    desk.export(10, &[report("R00", "SUBMITTED"), report("R01", "OPEN")]).await;
    let told = desk.count();
    desk.power_cut().await;
    assert_eq!(desk.count(), told, "what was told is on disk");
    desk.export(20, &[report("R00", "SUBMITTED"), report("R01", "APPROVED")]).await;
    assert_eq!(desk.told(told).await, ["report.submitted report/R01", "report.approved report/R01"]);
    let event = desk.full_events().await.pop().unwrap();
    assert!(event.detection.not_before <= Some(at(10)), "{:?}", event.detection);
}

#[tokio::test]
async fn a_power_cut_after_a_first_sight_does_not_hide_what_comes_next() {
    let mut desk = Desk::with(&reports(1)).await;
    desk.power_cut().await;
    desk.export(10, &[report("R00", "OPEN"), fresh("R01")]).await;
    desk.list(12, &[POLICY, "B2"]).await;
    let told = desk.told(0).await;
    assert_eq!(told[told.len() - 2..], ["report.created report/R01", "policy.created policy/B2"]);
}

#[tokio::test]
async fn a_power_cut_in_a_confirmation_costs_another_one() {
    let mut desk = Desk::with(&reports(3)).await;
    let before = desk.count();
    desk.export(10, &reports(3)[1..]).await;
    desk.follow_up(14, &[]).await;
    desk.list(16, &[POLICY]).await;
    desk.power_cut().await;
    assert_eq!(desk.count(), before);
    desk.list(20, &[POLICY]).await;
    desk.export(21, &reports(3)[1..]).await;
    for seconds in [30, 50, 70] {
        if desk.wants("reports:by-id", seconds) {
            desk.follow_up(seconds, &[]).await;
        }
        desk.list(seconds + 5, &[POLICY]).await;
    }
    assert_eq!(desk.told(before).await, ["report.removed report/R00"]);
}

#[tokio::test]
async fn a_commit_that_fails_leaves_a_change_to_be_told_by_the_next_start() {
    for stands in [false, true] {
        let mut desk = Desk::with(&reports(1)).await;
        let before = desk.count();
        let asked = desk.ask("reports", 10);
        let mut reading = desk.begin(asked, 10);
        desk.row(&mut reading, &report("R00", "SUBMITTED")).await;
        desk.disk.fail_commit_after(0, stands);
        let ended = crate::scribe::ReportsEnded { complete: true, took: jiff::SignedDuration::ZERO, bytes: 0 };
        desk.scribe.end_reports(reading, ended).await.expect_err("the store fails");
        let (asked, parsed) = (desk.ask("reports", 15), desk.parsed);
        let mut again = desk.begin(asked, 15);
        desk.row(&mut again, &report("R00", "SUBMITTED")).await;
        assert_eq!(desk.parsed, parsed + 1, "its digest is not stored: nobody knows whether its events stand");
        desk.power_cut().await;
        desk.export(20, &[report("R00", "SUBMITTED")]).await;
        assert_eq!(desk.told(before).await, ["report.submitted report/R00"], "stands: {stands}");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_dates_nothing_after_it_was_observed() {
    let mut desk = Desk::open().await;
    desk.list(3_600, &[POLICY]).await;
    desk.export(3_601, &reports(2)).await;
    let before = desk.count();
    desk.restart().await;
    desk.export(10, &[report("R00", "SUBMITTED"), report("R01", "OPEN")]).await;
    desk.list_named(12, &[(POLICY, "Renamed")]).await;
    desk.export(20, &[report("R00", "SUBMITTED"), report("R01", "SUBMITTED")]).await;
    let events = desk.full_events().await.split_off(before);
    let not_before: Vec<_> = events.iter().map(|event| event.detection.not_before).collect();
    assert_eq!(not_before, [None, None, Some(at(10))]);
}

#[tokio::test]
async fn a_read_that_streams_while_the_clock_is_set_back_says_nothing_and_hides_nothing() {
    let mut desk = Desk::with(&reports(2)).await;
    let asked = desk.ask("reports", 3_600);
    let mut reading = desk.begin(asked, 3_600);
    desk.list(10, &[POLICY]).await;
    let before = desk.count();
    desk.row(&mut reading, &report("R00", "SUBMITTED")).await;
    desk.row(&mut reading, &report("R01", "OPEN")).await;
    desk.end(reading, true).await;
    assert_eq!(desk.count(), before);
    assert!(!desk.wants("reports:by-id", 20), "nor is what it did not show missing");
    desk.export(20, &[report("R00", "SUBMITTED"), report("R01", "SUBMITTED")]).await;
    assert_eq!(desk.told(before).await, ["report.submitted report/R00", "report.submitted report/R01"]);
}
