//! What is not shown any more.

use event_model::Report;

use super::desk::{Desk, POLICY, at, date, expense, report, reports};
use crate::scribe::ReleaseError;

#[tokio::test]
async fn a_report_is_removed_with_its_expenses_after_two_reads_by_id_that_do_not_show_it() {
    let lines = vec![expense("7", 5)];
    let with_line = Report { expenses: vec![], ..report("R00", "OPEN") };
    let mut desk = Desk::with(&[with_line, report("R01", "OPEN"), report("R02", "OPEN")]).await;
    desk.export(
        5,
        &[Report { expenses: lines, ..report("R00", "OPEN") }, report("R01", "OPEN"), report("R02", "OPEN")],
    )
    .await;
    let before = desk.count();
    desk.export(10, &reports(3)[1..]).await;
    assert_eq!(desk.follow_up(14, &[]).await, ["R00"]);
    desk.list(16, &[POLICY]).await;
    assert!(!desk.wants("reports:by-id", 20), "too soon");
    assert_eq!(desk.count(), before, "nothing is said before the second");
    assert_eq!(desk.follow_up(30, &[]).await, ["R00"]);
    assert_eq!(desk.count(), before, "nor before the list after it");
    desk.list(35, &[POLICY]).await;
    assert_eq!(desk.told(before).await, ["report.removed report/R00", "expense.removed expense/7"]);
    let events = desk.full_events().await.split_off(before);
    assert!(events.iter().all(|event| event.detection.not_before == Some(at(5))), "the last read that showed it");
    assert!(events.iter().all(|event| event.detection.observed_at == at(31)), "the read by id, not the list");
    desk.export(40, &reports(3)[1..]).await;
    assert_eq!((desk.count(), desk.wants("reports:by-id", 60)), (before + 2, false));
}

#[tokio::test]
async fn what_a_read_by_id_shows_is_not_missing() {
    let mut desk = Desk::with(&reports(3)).await;
    let before = desk.count();
    desk.export(10, &reports(3)[1..]).await;
    let moved = Report { policy_id: Some("B2".into()), ..report("R00", "OPEN") };
    desk.follow_up(11, &[moved]).await;
    assert_eq!(desk.told(before).await, ["report.updated report/R00"]);
    desk.export(20, &reports(3)[1..]).await;
    assert!(!desk.wants("reports:by-id", 40), "it is on a policy that is not in sight");
}

#[tokio::test]
async fn a_report_that_comes_back_in_between_starts_anew() {
    let mut desk = Desk::with(&reports(3)).await;
    let before = desk.count();
    desk.export(10, &reports(3)[1..]).await;
    desk.follow_up(14, &[]).await;
    desk.list(16, &[POLICY]).await;
    desk.export(20, &reports(3)).await;
    assert!(!desk.wants("reports:by-id", 40));
    desk.export(50, &reports(3)[1..]).await;
    desk.follow_up(54, &[]).await;
    desk.list(56, &[POLICY]).await;
    assert_eq!(desk.count(), before);
}

#[tokio::test]
async fn a_row_of_an_incomplete_file_shows_that_a_report_is_there() {
    let mut desk = Desk::with(&reports(3)).await;
    let before = desk.count();
    desk.export(10, &reports(3)[1..]).await;
    desk.follow_up(14, &[]).await;
    desk.list(16, &[POLICY]).await;
    desk.read("reports", 20, &reports(1), false).await;
    assert!(!desk.wants("reports:by-id", 40));
    assert_eq!(desk.count(), before);
}

#[tokio::test]
async fn what_was_removed_and_is_back_is_created_again_and_an_old_read_does_not_bring_it_back() {
    let mut desk = Desk::with(&reports(3)).await;
    let asked = desk.ask("reports", 2);
    let mut slow = desk.begin(asked, 2);
    desk.export(10, &reports(3)[1..]).await;
    desk.follow_up(14, &[]).await;
    desk.list(16, &[POLICY]).await;
    desk.follow_up(30, &[]).await;
    desk.list(32, &[POLICY]).await;
    let before = desk.count();
    desk.row(&mut slow, &report("R00", "OPEN")).await;
    desk.end(slow, false).await;
    assert_eq!(desk.count(), before, "the slow read began before it went");
    desk.export(40, &[report("R00", "OPEN"), report("R01", "OPEN"), report("R02", "OPEN")]).await;
    assert_eq!(desk.told(before).await, ["report.created report/R00"]);
}

#[tokio::test]
async fn a_report_that_leaves_the_window_is_not_missing() {
    let old = Report { created: date("2026-10-20"), ..report("R00", "ARCHIVED") };
    let mut desk = Desk::with(&[old, report("R01", "OPEN"), report("R02", "OPEN")]).await;
    let a_month = 30 * 86_400;
    desk.export(a_month, &reports(3)[1..]).await;
    assert!(!desk.wants("reports:by-id", a_month + 20));
}

#[tokio::test]
async fn reports_that_still_move_beyond_the_window_are_read_by_their_ids_in_turn() {
    let old = Report { created: date("2026-10-20"), ..report("R00", "APPROVED") };
    let mut desk = Desk::with(&[old.clone(), report("R01", "OPEN"), report("R02", "OPEN")]).await;
    let before = desk.count();
    let a_month = 30 * 86_400;
    let asked = desk.ask("reports:aged", a_month);
    assert_eq!(asked.export.filter.report_ids, ["R00"]);
    let mut reading = desk.begin(asked, a_month);
    desk.row(&mut reading, &Report { state: event_model::ReportState::Reimbursed, ..old }).await;
    desk.end(reading, true).await;
    assert_eq!(desk.told(before).await, ["report.reimbursed report/R00"]);
}

#[tokio::test]
async fn a_mass_disappearance_is_withheld_told_once_and_over_when_they_are_back() {
    let mut desk = Desk::with(&reports(40)).await;
    let before = desk.count();
    desk.export(10, &reports(20)).await;
    assert_eq!(desk.follow_up(14, &[]).await.len(), 20, "their ids may show them elsewhere");
    desk.list(16, &[POLICY]).await;
    for seconds in [20, 40, 60] {
        assert!(desk.export(seconds, &reports(20)).await.withheld);
        assert!(!desk.wants("reports:by-id", seconds + 15));
    }
    assert_eq!(desk.told(before).await, ["account.access_changed account/acme"]);
    let lost = desk.scribe.standing().lost;
    assert_eq!((lost[0].scope.as_str(), lost[0].missing, lost[0].of), ("reports", Some(20), Some(40)));
    desk.restart().await;
    assert_eq!(desk.scribe.standing().lost, lost, "a start does not forget it");
    desk.export(90, &reports(40)).await;
    let changed = "account.access_changed account/acme";
    assert_eq!(desk.told(before).await, [changed, changed]);
    assert!(desk.scribe.standing().lost.is_empty());
}

#[tokio::test]
async fn a_person_releases_what_is_withheld_up_to_a_ceiling_and_it_is_confirmed_then() {
    let mut desk = Desk::with(&reports(40)).await;
    desk.export(10, &reports(20)).await;
    desk.follow_up(14, &[]).await;
    desk.list(16, &[POLICY]).await;
    let before = desk.count();
    let refused = desk.scribe.release("reports", 19, at(20)).await;
    assert!(matches!(refused, Err(ReleaseError::OverCeiling { missing: 20, ceiling: 19 })), "{refused:?}");
    let nothing = desk.scribe.release("policies", 19, at(20)).await;
    assert!(matches!(nothing, Err(ReleaseError::NothingWithheld { .. })), "{nothing:?}");
    let released = desk.scribe.release("reports", 20, at(20)).await.unwrap();
    assert_eq!((released.confirming, desk.count()), (20, before + 1), "the scope is in sight again, says the log");
    for seconds in [30, 50, 70] {
        if desk.wants("reports:by-id", seconds) {
            desk.follow_up(seconds, &[]).await;
        }
        desk.list(seconds + 5, &[POLICY]).await;
    }
    let told = desk.told(before + 1).await;
    assert_eq!(told.len(), 20);
    assert!(told.iter().all(|event| event.starts_with("report.removed ")), "{told:?}");
}

#[tokio::test]
async fn many_that_leave_an_export_at_once_are_read_by_their_ids_and_told() {
    let mut desk = Desk::with(&reports(40)).await;
    desk.export(10, &reports(40)[..10]).await;
    let before = desk.count();
    let moved: Vec<Report> = (10..40).map(|n| report(&format!("R{n:02}"), "SUBMITTED")).collect();
    assert_eq!(desk.follow_up(11, &moved).await.len(), 30);
    let told = desk.told(before).await;
    assert_eq!(told.len(), 30);
    assert!(told.iter().all(|event| event.starts_with("report.submitted ")), "{told:?}");
    assert!(desk.scribe.standing().lost.is_empty());
}

/// The role on the policy is lost after the list that showed it: the reads by id look the same as after a removal.
#[tokio::test]
async fn a_list_that_began_before_the_first_read_by_id_clears_no_removal() {
    let mut desk = Desk::with(&reports(3)).await;
    let before = desk.count();
    desk.export(10, &reports(3)[1..]).await;
    desk.list(12, &[POLICY]).await;
    desk.follow_up(14, &[]).await;
    assert!(desk.wants("policies", 15), "a list is asked for ahead of the queue");
    assert!(!desk.wants("reports:by-id", 30), "and until then nothing more");
    desk.list(31, &[]).await;
    desk.list(40, &[POLICY]).await;
    desk.export(50, &reports(3)[1..]).await;
    assert_eq!(desk.follow_up(60, &[]).await, ["R00"], "what was asked while it was out of sight says nothing");
    assert_eq!(desk.count(), before);
    desk.list(62, &[POLICY]).await;
    desk.follow_up(80, &[]).await;
    assert_eq!(desk.count(), before, "a role that is lost now looks the same");
    desk.list(82, &[POLICY]).await;
    assert_eq!(desk.told(before).await, ["report.removed report/R00"]);
}

#[tokio::test]
async fn an_expense_of_two_reports_that_go_together_is_removed_once() {
    let with_line = |id: &str| Report { expenses: vec![expense("7", 5)], ..report(id, "OPEN") };
    // A first sight tells no expenses: nobody knows which of the two has it.
    let mut desk =
        Desk::with(&[with_line("R00"), with_line("R01"), report("R02", "OPEN"), report("R03", "OPEN")]).await;
    let before = desk.count();
    desk.export(10, &reports(4)[2..]).await;
    for seconds in [14, 30] {
        desk.follow_up(seconds, &[]).await;
        desk.list(seconds + 2, &[POLICY]).await;
    }
    let mut told = desk.told(before).await;
    told.sort();
    assert_eq!(told, ["expense.removed expense/7", "report.removed report/R00", "report.removed report/R01"]);
}

#[tokio::test]
async fn an_aged_report_is_looked_for_again_when_its_policy_is_back_in_sight() {
    let other = |id: &str| Report { policy_id: Some("B2".into()), ..report(id, "APPROVED") };
    let old = Report { created: date("2026-10-20"), ..other("R90") };
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY, "B2"]).await;
    desk.export(1, &[&reports(3)[..], &[old]].concat()).await;
    let a_month = 30 * 86_400;
    desk.list(a_month, &[POLICY]).await;
    let is_wanted = |desk: &mut Desk, seconds| {
        desk.scribe.wanted(at(seconds)).iter().any(|wanted| wanted.watch.name() == "reports:aged")
    };
    assert!(!is_wanted(&mut desk, a_month + 5));
    desk.list(a_month + 10, &[POLICY, "B2"]).await;
    assert!(is_wanted(&mut desk, a_month + 15), "not only tomorrow");
}

/// Much is hidden; then a list leaves the policy of most of it out.
#[tokio::test]
async fn what_went_with_many_stays_withheld_when_the_others_go_out_of_sight() {
    let hidden = |n: usize| Report { policy_id: Some("B2".into()), ..report(&format!("R9{n}"), "OPEN") };
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY, "B2"]).await;
    desk.export(1, &[&reports(20)[..], &(0..9).map(hidden).collect::<Vec<_>>()].concat()).await;
    let before = desk.count();
    desk.export(10, &reports(18)).await;
    desk.follow_up(14, &[]).await;
    desk.list(16, &[POLICY, "B2"]).await;
    desk.list(20, &[POLICY]).await;
    desk.export(30, &reports(18)).await;
    for seconds in [40, 60, 80] {
        desk.list(seconds, &[POLICY, "B2"]).await;
        if desk.wants("reports:by-id", seconds + 5) {
            desk.follow_up(seconds + 5, &[]).await;
        }
    }
    assert_eq!(desk.told(before).await, ["account.access_changed account/acme"]);
}
