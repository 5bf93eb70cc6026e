//! First sights: what is a snapshot and what is news.

use change_engine::plan::shape::ReportScope;
use event_model::{Report, UpstreamDate};
use jiff::{SignedDuration, ToSpan};

use super::desk::{Desk, POLICY, at, date, fresh, report, reports};
use crate::scribe::{ReportsEnded, Watch};

#[tokio::test]
async fn a_first_sight_is_snapshots_and_its_own_event_last() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY]).await;
    desk.export(1, &reports(2)).await;
    let told = desk.told(0).await;
    let snapshots = ["report.snapshot report/R00", "report.snapshot report/R01", "scope.snapshot scope/reports"];
    assert_eq!(told[2..], snapshots, "{told:?}");
    desk.export(10, &[&reports(2)[..], &[fresh("R02")]].concat()).await;
    assert_eq!(desk.told(5).await, ["report.created report/R02"]);
}

#[tokio::test]
async fn an_account_with_nothing_in_it_has_its_first_sight_too() {
    let mut desk = Desk::open().await;
    desk.export(1, &[]).await;
    desk.list(2, &[]).await;
    assert_eq!(desk.told(0).await, ["scope.snapshot scope/reports", "scope.snapshot scope/policies"]);
    desk.export(10, &[fresh("R00")]).await;
    assert_eq!(desk.told(2).await, ["report.created report/R00"]);
}

#[tokio::test]
async fn a_first_sight_that_was_cut_short_goes_on_as_one() {
    let mut desk = Desk::open().await;
    desk.read("reports", 1, &reports(2), false).await;
    desk.restart().await;
    desk.export(10, &reports(3)).await;
    let told = desk.told(0).await;
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|event| event.contains(".snapshot ")), "{told:?}");
}

#[tokio::test]
async fn what_a_first_sight_left_in_doubt_is_a_snapshot_when_it_is_judged() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY]).await;
    let other = Report { total: Some(7), ..fresh("R00") };
    desk.export(1, &[fresh("R00"), other.clone()]).await;
    desk.export(10, &[other]).await;
    assert_eq!(desk.told(2).await, ["scope.snapshot scope/reports", "report.snapshot report/R00"]);
}

#[tokio::test]
async fn what_stands_twice_in_the_first_sight_of_old_days_is_a_snapshot_when_it_is_judged() {
    let mut desk = split().await;
    let old = Report { created: date("2026-11-20"), ..report("R00", "APPROVED") };
    desk.read("reports:active", 1, &[], true).await;
    desk.read("reports:recent", 1, &[], true).await;
    let before = desk.count();
    desk.read("reports:2026-11", 5, &[Report { total: Some(7), ..old.clone() }, old.clone()], true).await;
    desk.read("reports:2026-11", 15, &[old], true).await;
    let told = desk.told(before).await;
    assert_eq!(told.last().map(String::as_str), Some("report.snapshot report/R00"), "{told:?}");
}

#[tokio::test]
async fn a_first_sight_is_appended_in_parts_and_lets_others_go_between() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY]).await;
    let asked = desk.ask("reports", 1);
    let mut reading = desk.begin(asked, 1);
    for n in 0..1_300 {
        desk.row(&mut reading, &report(&format!("R{n:05}"), "OPEN")).await;
    }
    let so_far = desk.count();
    assert!((1_024..1_300).contains(&so_far), "two parts of 512 stand already: {so_far}");
    desk.list_named(5, &[(POLICY, "Renamed")]).await;
    assert_eq!(desk.told(so_far).await, [format!("policy.changed policy/{POLICY}")], "while the first sight goes on");
    desk.end(reading, true).await;
    assert_eq!(desk.count(), 2 + 1_300 + 1 + 1);
}

#[tokio::test]
async fn what_comes_into_reach_is_a_snapshot() {
    let mut desk = Desk::open_with(|config| config.policies = vec![POLICY.into()]).await;
    desk.list(0, &[POLICY, "B2"]).await;
    desk.export(1, &reports(1)).await;
    let before = desk.count();
    desk.config.policies.clear();
    desk.restart().await;
    desk.list(10, &[POLICY, "B2"]).await;
    let other = Report { policy_id: Some("B2".into()), ..fresh("R01") };
    desk.export(11, &[report("R00", "OPEN"), other, fresh("R02")]).await;
    let told = ["policy.snapshot policy/B2", "report.snapshot report/R01", "report.created report/R02"];
    assert_eq!(desk.told(before).await[..3], told, "what is new where we looked before is news");
}

#[tokio::test]
async fn a_refresh_tells_a_report_that_nobody_knew() {
    let mut desk = Desk::with(&reports(1)).await;
    let before = desk.count();
    let asked = desk.ask_for(&Watch::Report("R09".into()), 10);
    assert_eq!(asked.export.filter.report_ids, ["R09"]);
    let mut reading = desk.begin(asked, 10);
    desk.row(&mut reading, &fresh("R09")).await;
    desk.end(reading, true).await;
    assert_eq!(desk.told(before).await, ["report.created report/R09"]);

    let asked = desk.ask_for(&Watch::Report("R00".into()), 20);
    let reading = desk.begin(asked, 20);
    desk.end(reading, true).await;
    assert_eq!((desk.count(), desk.wants("reports:by-id", 40)), (before + 1, false), "nothing is concluded from it");
}

#[tokio::test]
async fn a_refresh_of_a_report_that_the_configuration_leaves_out_tells_nothing() {
    let mut desk = Desk::open_with(|config| config.policies = vec![POLICY.into()]).await;
    desk.list(0, &[POLICY]).await;
    desk.export(1, &reports(1)).await;
    let before = desk.count();
    let asked = desk.ask_for(&Watch::Report("R09".into()), 10);
    let mut reading = desk.begin(asked, 10);
    desk.row(&mut reading, &Report { policy_id: Some("B2".into()), ..fresh("R09") }).await;
    desk.end(reading, true).await;
    assert_eq!(desk.count(), before);
}

/// Reads every export of the shape once, with those of `all` that it shows.
async fn read_all(desk: &mut Desk, seconds: i64, all: &[Report]) {
    let wanted = desk.scribe.wanted(at(seconds));
    for watch in wanted.into_iter().map(|wanted| wanted.watch) {
        let Watch::Reports(_) = watch else { continue };
        let asked = desk.ask_for(&watch, seconds);
        let mut reading = desk.begin(asked.clone(), seconds);
        for report in all.iter().filter(|report| shows(&asked.export, report)) {
            desk.row(&mut reading, report).await;
        }
        desk.end(reading, true).await;
    }
}

fn shows(export: &expensify_client::ReportExport, report: &Report) -> bool {
    let day = report.created.max(report.submitted).map(UpstreamDate::day);
    export.states.contains(&report.state) && export.filter.start_date <= day && day <= export.filter.end_date
}

/// A desk whose exports are split: the whole timed out.
async fn split() -> Desk {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY]).await;
    let whole = desk.watch("reports", 1);
    for _ in 0..6 {
        let _ = desk.scribe.timed_out(&whole, at(1)).await.unwrap();
    }
    let names: Vec<String> = desk.scribe.wanted(at(1)).iter().map(|wanted| wanted.watch.name()).collect();
    assert!(names.contains(&"reports:active".to_owned()), "{names:?}");
    desk
}

#[tokio::test]
async fn a_split_account_has_a_first_sight_of_each_export_and_one_of_all() {
    let mut desk = split().await;
    let all = [report("R00", "OPEN"), Report { created: date("2026-11-20"), ..report("R01", "REIMBURSED") }];
    read_all(&mut desk, 2, &all).await;
    let scopes: Vec<String> =
        desk.told(0).await.into_iter().filter(|event| event.starts_with("scope.snapshot scope/reports")).collect();
    assert!(scopes.contains(&"scope.snapshot scope/reports:2026-11".to_owned()), "{scopes:?}");
    assert_eq!(scopes.iter().filter(|event| *event == "scope.snapshot scope/reports").count(), 1, "{scopes:?}");
    let before = desk.count();
    let all = [&all[..], &[fresh("R02")]].concat();
    read_all(&mut desk, 20, &all).await;
    assert_eq!(desk.told(before).await, ["report.created report/R02"]);
}

#[tokio::test]
async fn what_goes_from_many_small_exports_is_one_mass_disappearance() {
    let mut desk = split().await;
    let in_month = |month: usize, n: usize| Report {
        created: date(&format!("2026-{month:02}-15")),
        ..report(&format!("R{month:02}{n}"), "ARCHIVED")
    };
    let all: Vec<Report> = (10..13).flat_map(|month| (0..9).map(move |n| in_month(month, n))).collect();
    read_all(&mut desk, 2, &all).await;
    let before = desk.count();
    let left: Vec<Report> =
        all.iter().filter(|report| !report.report_id.ends_with(['1', '2', '3', '4'])).cloned().collect();
    for seconds in [20, 60, 100, 140] {
        read_all(&mut desk, seconds, &left).await;
        desk.list(seconds + 10, &[POLICY]).await;
        if desk.wants("reports:by-id", seconds + 20) {
            desk.follow_up(seconds + 20, &[]).await;
        }
    }
    assert_eq!(
        desk.told(before).await,
        ["account.access_changed account/acme"],
        "four of nine are few, twelve are not"
    );
}

/// Much is hidden; the window that is read first misses one of it.
#[tokio::test]
async fn nothing_is_removed_before_the_exports_that_show_what_moves_were_read_again() {
    let mut desk = split().await;
    let old = Report { created: date("2026-11-20"), ..report("R50", "ARCHIVED") };
    let all = [&reports(20)[..], std::slice::from_ref(&old)].concat();
    read_all(&mut desk, 2, &all).await;
    let before = desk.count();
    for wanted in desk.scribe.wanted(at(20)) {
        let Watch::Reports(ReportScope::Window { .. }) = wanted.watch else { continue };
        let asked = desk.ask_for(&wanted.watch, 20);
        if shows(&asked.export, &old) {
            let reading = desk.begin(asked, 20);
            // Not so cheap that the exports are joined again.
            let ended = ReportsEnded { complete: true, took: SignedDuration::from_secs(100), bytes: 1_000 };
            desk.scribe.end_reports(reading, ended).await.unwrap();
        }
    }
    for seconds in [22, 40, 60] {
        if desk.wants("reports:by-id", seconds) {
            assert_eq!(desk.follow_up(seconds, &[]).await, ["R50"]);
        }
        desk.list(seconds + 5, &[POLICY]).await;
    }
    assert_eq!(desk.count(), before);
    desk.read("reports:active", 70, &[], true).await;
    desk.read("reports:recent", 80, &[], true).await;
    for seconds in [90, 110, 130] {
        if desk.wants("reports:by-id", seconds) {
            desk.follow_up(seconds, &[]).await;
        }
        desk.list(seconds + 5, &[POLICY]).await;
    }
    assert_eq!(desk.told(before).await, ["account.access_changed account/acme"]);
}

#[tokio::test]
async fn a_report_that_leaves_the_active_set_is_read_by_its_id_and_told() {
    let mut desk = split().await;
    let old = Report { created: date("2026-11-20"), ..report("R00", "APPROVED") };
    read_all(&mut desk, 2, &[old.clone(), report("R01", "OPEN")]).await;
    let before = desk.count();
    desk.read("reports:active", 20, &[report("R01", "OPEN")], true).await;
    assert!(desk.wants("reports:by-id", 20));
    let paid = Report { created: date("2026-11-20"), ..report("R00", "REIMBURSED") };
    assert_eq!(desk.follow_up(21, &[paid]).await, ["R00"]);
    assert_eq!(desk.told(before).await, ["report.reimbursed report/R00"]);
    let event = desk.full_events().await.pop().unwrap();
    assert!(
        event.detection.not_before.is_some_and(|at_most| at_most <= at(3)),
        "the read that missed it saw nothing of it"
    );
    assert_eq!(desk.scribe.standing().confirming, 0);
}

#[tokio::test]
async fn a_path_that_was_set_aside_stays_so_when_the_exports_are_others() {
    let mut desk = Desk::with(&reports(4)).await;
    let moved = |n: i64| {
        let moved = |report: Report| Report { manager_email: Some(format!("m{n}@acme.example")), ..report };
        reports(4).into_iter().map(moved).collect::<Vec<_>>()
    };
    for n in 1..4 {
        desk.export(10 * n, &moved(n)).await;
    }
    let whole = desk.watch("reports", 50);
    for _ in 0..6 {
        let _ = desk.scribe.timed_out(&whole, at(50)).await.unwrap();
    }
    desk.read("reports:2026-12", 55, &[], true).await;
    desk.restart().await;
    let told = desk.count();
    desk.read("reports:recent", 60, &moved(9), true).await;
    assert_eq!(desk.told(told).await, ["scope.snapshot scope/reports:recent"; 0]);
}

#[tokio::test]
async fn windows_of_days_go_by_the_servers_clock() {
    let mut desk = Desk::open().await;
    desk.scribe.set_clock_offset(SignedDuration::from_hours(20));
    let filter = desk.ask("reports", 0).export.filter;
    let tomorrow = jiff::civil::date(2027, 1, 16);
    assert_eq!(filter.end_date, Some(tomorrow.saturating_add(1.day())), "and a day further: its zone is not known");
}

#[tokio::test]
async fn an_export_that_is_too_slow_is_split() {
    let mut desk = Desk::with(&reports(1)).await;
    let mut reshaped = false;
    for n in 1..4 {
        let asked = desk.ask("reports", n * 100);
        let reading = desk.begin(asked, n * 100);
        let ended = ReportsEnded { complete: true, took: SignedDuration::from_secs(300), bytes: 1_000 };
        reshaped |= desk.scribe.end_reports(reading, ended).await.unwrap().reshaped;
        if reshaped {
            break;
        }
    }
    assert!(reshaped);
    desk.watch("reports:active", 500);
}
