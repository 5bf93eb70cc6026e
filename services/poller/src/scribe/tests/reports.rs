//! Rows: what is judged, parsed and told.

use event_model::{EventDraft, EventType, HistoryEntry, Report, Subject};

use super::desk::{Desk, POLICY, at, date, digest, expense, fresh, report, reports};

#[tokio::test]
async fn unchanged_rows_are_not_parsed_and_after_a_start_once() {
    let mut desk = Desk::with(&reports(5)).await;
    assert_eq!(desk.parsed, 5);
    desk.export(10, &reports(5)).await;
    assert_eq!(desk.parsed, 5, "no row was new");
    let told = desk.count();
    desk.restart().await;
    desk.export(20, &reports(5)).await;
    desk.export(30, &reports(5)).await;
    assert_eq!((desk.parsed, desk.count()), (10, told));
}

#[tokio::test]
async fn a_change_is_told_with_the_time_between_the_two_reads() {
    let mut desk = Desk::with(&reports(2)).await;
    let before = desk.count();
    let ingested = desk.export(10, &[report("R00", "SUBMITTED"), report("R01", "OPEN")]).await;
    assert_eq!((ingested.changes, ingested.entities), (1, 2));
    assert_eq!(desk.told(before).await, ["report.submitted report/R00"]);
    let detection = desk.full_events().await[before].detection.clone();
    assert_eq!((detection.not_before, detection.observed_at), (Some(at(1)), at(11)));
}

#[tokio::test]
async fn rows_of_an_incomplete_file_are_told_and_what_it_does_not_show_says_nothing() {
    let mut desk = Desk::with(&reports(3)).await;
    let before = desk.count();
    desk.read("reports", 10, &[report("R00", "SUBMITTED")], false).await;
    assert_eq!(desk.told(before).await, ["report.submitted report/R00"]);
    let standing = desk.scribe.standing();
    assert_eq!((standing.confirming, standing.scopes["reports"].fresh_as_of), (0, Some(at(1))));
    assert!(!desk.wants("reports:by-id", 10));
}

#[tokio::test]
async fn an_older_read_never_overwrites_a_newer_one() {
    let mut desk = Desk::with(&reports(2)).await;
    let before = desk.count();
    let (slow, quick) = (desk.ask("reports", 10), desk.ask("reports", 20));
    let (mut slow, mut quick) = (desk.begin(slow, 10), desk.begin(quick, 20));
    desk.row(&mut slow, &report("R01", "OPEN")).await;
    desk.row(&mut quick, &report("R00", "SUBMITTED")).await;
    desk.row(&mut quick, &report("R01", "SUBMITTED")).await;
    desk.end(quick, true).await;
    desk.row(&mut slow, &report("R00", "OPEN")).await;
    desk.end(slow, true).await;
    assert_eq!(desk.told(before).await, ["report.submitted report/R00", "report.submitted report/R01"]);
}

#[tokio::test]
async fn what_an_overlapping_read_showed_and_could_not_say_is_not_dated_after_it() {
    let mut desk = Desk::with(&reports(1)).await;
    let (slow, quick) = (desk.ask("reports", 10), desk.ask("reports", 11));
    let mut slow = desk.scribe.begin(slow, at(10), at(20));
    let mut quick = desk.begin(quick, 11);
    desk.row(&mut slow, &report("R00", "OPEN")).await;
    desk.row(&mut quick, &report("R00", "SUBMITTED")).await;
    desk.end(slow, true).await;
    desk.end(quick, true).await;
    let before = desk.count();
    desk.restart().await;
    desk.export(30, &[report("R00", "SUBMITTED")]).await;
    assert_eq!(desk.told(before).await, ["report.submitted report/R00"]);
    let detection = desk.full_events().await.pop().unwrap().detection;
    assert_eq!(detection.not_before, Some(at(10)), "the read of 11 s saw it");
}

#[tokio::test]
async fn reads_that_wait_with_the_same_report_settle_one_after_the_other() {
    let mut desk = Desk::with(&reports(1)).await;
    let before = desk.count();
    let (one, other) = (desk.ask("reports", 10), desk.ask("reports", 12));
    let (mut one, mut other) = (desk.begin(one, 10), desk.begin(other, 12));
    desk.row(&mut one, &report("R00", "SUBMITTED")).await;
    desk.row(&mut other, &report("R00", "APPROVED")).await;
    desk.end(other, true).await;
    desk.end(one, true).await;
    assert_eq!(desk.told(before).await, ["report.submitted report/R00", "report.approved report/R00"]);
}

#[tokio::test]
async fn a_report_that_one_file_shows_twice_and_differently_is_not_judged_by_it() {
    let mut desk = Desk::with(&reports(2)).await;
    let before = desk.count();
    let file = [report("R00", "SUBMITTED"), report("R00", "APPROVED"), report("R01", "OPEN"), report("R01", "OPEN")];
    desk.export(10, &file).await;
    assert_eq!(desk.count(), before, "neither of the two, nor that it is missing");
    assert!(!desk.wants("reports:by-id", 10));
    assert!(desk.scribe.standing().notices[0].message.contains("R00"), "a person is told");
    desk.export(20, &[report("R00", "APPROVED"), report("R01", "OPEN")]).await;
    let events = desk.full_events().await.split_off(before);
    assert_eq!(
        events.iter().map(|e| e.event_type.as_str()).collect::<Vec<_>>(),
        ["report.submitted", "report.approved"]
    );
    assert!(
        events.iter().all(|event| event.detection.not_before == Some(at(1))),
        "the doubtful file may have shown it"
    );
}

#[tokio::test]
async fn a_report_that_a_file_repeats_is_told_once_and_the_first_stands_when_it_is_told_already() {
    let mut desk = Desk::with(&[]).await;
    let before = desk.count();
    let asked = desk.ask("reports", 10);
    let mut reading = desk.begin(asked, 10);
    desk.row(&mut reading, &fresh("R00")).await;
    desk.row(&mut reading, &fresh("R00")).await;
    desk.scribe.flush().await.unwrap();
    desk.row(&mut reading, &event_model::Report { total: Some(7), ..fresh("R00") }).await;
    desk.end(reading, true).await;
    assert_eq!(desk.told(before).await, ["report.created report/R00"]);
}

#[tokio::test]
async fn rows_that_come_again_after_a_broken_download_say_nothing_new() {
    let mut desk = Desk::with(&reports(3)).await;
    let before = desk.count();
    let asked = desk.ask("reports", 10);
    let mut reading = desk.begin(asked, 10);
    desk.row(&mut reading, &report("R00", "SUBMITTED")).await;
    desk.scribe.restarted(&mut reading);
    for row in [report("R00", "SUBMITTED"), report("R01", "OPEN"), report("R02", "OPEN")] {
        desk.row(&mut reading, &row).await;
    }
    let ingested = desk.end(reading, true).await;
    assert_eq!((ingested.entities, desk.told(before).await.len()), (3, 1));
    assert!(desk.scribe.standing().notices.is_empty());
}

#[tokio::test]
async fn ids_that_differ_in_case_are_two_reports() {
    let mut desk = Desk::with(&[report("R0a", "OPEN"), report("R0A", "OPEN")]).await;
    let before = desk.count();
    desk.export(10, &[report("R0A", "SUBMITTED"), report("R0a", "OPEN")]).await;
    assert_eq!(desk.told(before).await, ["report.submitted report/R0A"]);
}

#[tokio::test]
async fn an_expense_that_moves_within_one_file_is_told_in_the_order_of_the_rows() {
    let with = |id: &str, lines: &[&str]| event_model::Report {
        expenses: lines.iter().map(|line| expense(line, 5)).collect(),
        ..report(id, "OPEN")
    };
    for turn in [false, true] {
        let mut desk = Desk::with(&[with("R00", &["7", "8"]), with("R01", &["9"])]).await;
        let before = desk.count();
        let mut file = vec![with("R00", &["8"]), with("R01", &["7", "9"])];
        if turn {
            file.reverse();
        }
        desk.export(10, &file).await;
        let told = desk.told(before).await;
        let of_the_line: Vec<&String> = told.iter().filter(|event| event.ends_with("expense/7")).collect();
        assert!(!of_the_line.is_empty(), "{told:?}");
        let last = of_the_line[of_the_line.len() - 1].as_str();
        assert_ne!(last, "expense.removed expense/7", "it is on the other report: {told:?}");
        desk.export(20, &file).await;
        assert_eq!(desk.told(before).await, told);
    }
}

#[tokio::test]
async fn what_else_moved_the_log_meanwhile_is_compared_again() {
    let mut desk = Desk::with(&reports(1)).await;
    let asked = desk.ask("reports", 10);
    let mut reading = desk.begin(asked, 10);
    desk.row(&mut reading, &report("R00", "SUBMITTED")).await;
    let known = desk.full_events().await.pop().unwrap();
    let subject: Subject = "report/R00".parse().unwrap();
    let of_report = desk.full_events().await.into_iter().find(|event| event.subject == subject).unwrap();
    desk.store
        .append(vec![EventDraft {
            event_type: EventType::ReportUpdated,
            timestamp: at(5),
            account: known.account,
            subject,
            revision: of_report.revision.next(),
            actor: None,
            data: of_report.data,
            detection: of_report.detection,
        }])
        .await
        .unwrap();
    let before = desk.count();
    desk.end(reading, true).await;
    assert_eq!(desk.told(before).await, ["report.submitted report/R00"]);
    desk.export(20, &[report("R00", "SUBMITTED")]).await;
    assert_eq!(desk.count(), before + 1);
}

#[tokio::test]
async fn a_path_that_moves_at_every_read_is_set_aside_and_told_to_people() {
    let mut desk = Desk::with(&reports(4)).await;
    let moved = |n: i64| {
        let moved = |report: event_model::Report| event_model::Report {
            manager_email: Some(format!("m{n}@acme.example")),
            ..report
        };
        reports(4).into_iter().map(moved).collect::<Vec<_>>()
    };
    for n in 0..3 {
        desk.export(10 * (n + 1), &moved(n)).await;
    }
    let told = desk.count();
    desk.export(50, &moved(7)).await;
    assert_eq!(desk.count(), told, "it makes no event any more");
    let standing = desk.scribe.standing();
    assert_eq!(standing.scopes["reports"].set_aside, ["managerEmail"]);
    assert!(standing.notices[0].message.contains("managerEmail"));
    desk.restart().await;
    desk.export(60, &moved(8)).await;
    assert_eq!(desk.count(), told, "nor after a start");
}

#[test]
fn two_reports_of_a_test_have_two_digests() {
    assert_ne!(digest(&report("R00", "OPEN")), digest(&report("R00", "SUBMITTED")));
}

#[tokio::test]
async fn a_row_of_a_read_that_is_older_than_the_one_that_missed_it_does_not_date_what_comes_next() {
    let mut desk = Desk::with(&reports(3)).await;
    let asked = desk.ask("reports", 5);
    let mut slow = desk.begin(asked, 5);
    desk.export(10, &reports(3)[1..]).await;
    desk.row(&mut slow, &report("R00", "SUBMITTED")).await;
    desk.end(slow, false).await;
    desk.list(12, &[POLICY]).await;
    desk.restart().await;
    desk.export(20, &[report("R00", "APPROVED"), report("R01", "OPEN"), report("R02", "OPEN")]).await;
    let approved = desk.full_events().await.pop().unwrap();
    assert_eq!(approved.event_type, EventType::ReportApproved);
    assert!(approved.detection.not_before <= Some(at(5)), "the read at 10 s did not show it");
}

/// The clock is set back between two processes, and then the history speaks of what the first has told by the state alone.
#[tokio::test]
async fn a_history_that_comes_late_says_nothing_twice_when_the_last_look_is_forgotten() {
    let mut desk = Desk::with(&reports(2)).await;
    desk.export(3_600, &[report("R00", "APPROVED"), report("R01", "OPEN")]).await;
    let before = desk.count();
    desk.restart().await;
    let history = ["08:20:00 APPROVED", "08:30:00 UNAPPROVED", "08:40:00 APPROVED"];
    let entry = |text: &&str| HistoryEntry {
        at: date(&format!("2027-01-15 {}", &text[..8])),
        action: text[9..].to_owned(),
        actor: None,
    };
    let late = Report { history: history.iter().map(entry).collect(), ..report("R00", "APPROVED") };
    desk.export(1_800, &[late, report("R01", "OPEN")]).await;
    assert_eq!(desk.told(before).await, [""; 0]);
}
