//! Sight that is lost and regained.

use event_model::{LossReason, Report};
use expensify_client::PolicyOutcome;

use super::desk::{Desk, POLICY, at, report, summary};

const OTHER: &str = "B2";
const ACCESS: &str = "account.access_changed account/acme";

fn on_other(id: &str, state: &str) -> Report {
    Report { policy_id: Some(OTHER.to_owned()), ..report(id, state) }
}

/// Twenty reports on a policy that stays in sight, and one on another.
fn in_sight() -> Vec<Report> {
    (0..20).map(|n| report(&format!("R{n:02}"), "OPEN")).collect()
}

async fn desk() -> Desk {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY, OTHER]).await;
    let all = [&in_sight()[..], &[on_other("R99", "OPEN")]].concat();
    desk.export(1, &all).await;
    desk
}

#[tokio::test]
async fn reads_by_id_count_only_once_a_later_list_still_shows_the_policy() {
    let mut desk = desk().await;
    let before = desk.count();
    desk.export(10, &in_sight()).await;
    desk.follow_up(11, &[]).await;
    assert!(desk.wants("policies", 12), "a list is asked for ahead of the queue");
    assert!(!desk.wants("reports:by-id", 30), "and until then nothing more");
    // The role was lost: the list does not show the policy.
    desk.list(31, &[POLICY]).await;
    desk.export(40, &in_sight()).await;
    assert!(!desk.wants("reports:by-id", 60) && !desk.wants("policies", 60));
    assert_eq!(desk.count(), before, "nothing is removed");
}

#[tokio::test]
async fn a_report_that_may_have_moved_to_a_lost_policy_is_removed_after_a_day_only() {
    let mut desk = desk().await;
    // It moves to the other policy, and the role there is lost before anybody looks.
    desk.list(10, &[POLICY]).await;
    desk.confirm(11, &[summary(OTHER, "user")], PolicyOutcome::Denied).await;
    let before = desk.count();
    desk.export(20, &in_sight()[1..]).await;
    desk.list(22, &[POLICY]).await;
    desk.follow_up(24, &[]).await;
    assert!(!desk.wants("reports:by-id", 60));
    desk.export(70, &in_sight()[1..]).await;
    assert!(!desk.wants("reports:by-id", 90));
    assert_eq!(desk.count(), before);
    let a_day = 86_400;
    desk.list(a_day + 100, &[POLICY]).await;
    desk.export(a_day + 110, &in_sight()[1..]).await;
    for seconds in [120, 140] {
        assert_eq!(desk.count(), before, "the read by id of the day before does not count any more");
        desk.follow_up(a_day + seconds, &[]).await;
        desk.list(a_day + seconds + 10, &[POLICY]).await;
    }
    assert_eq!(desk.told(before).await, ["report.removed report/R00"]);
}

#[tokio::test]
async fn what_was_asked_in_vain_while_a_policy_was_out_of_sight_does_not_count() {
    let mut desk = desk().await;
    let before = desk.count();
    desk.list(10, &[POLICY]).await;
    desk.export(12, &[&in_sight()[1..], &[on_other("R99", "OPEN")]].concat()).await;
    desk.follow_up(14, &[]).await;
    desk.list(30, &[POLICY, OTHER]).await;
    for seconds in [40, 60] {
        assert_eq!(desk.count(), before, "it may have been there");
        desk.follow_up(seconds, &[]).await;
        desk.list(seconds + 2, &[POLICY, OTHER]).await;
    }
    assert_eq!(desk.told(before).await, ["report.removed report/R00"]);
}

#[tokio::test]
async fn a_policy_whose_role_is_lost_is_frozen_and_on_return_only_the_difference_is_told() {
    let mut desk = desk().await;
    let before = desk.count();
    desk.list(10, &[POLICY]).await;
    assert_eq!(
        desk.confirm(11, &[summary(POLICY, "admin"), summary(OTHER, "user")], PolicyOutcome::Absent).await,
        [OTHER]
    );
    assert_eq!(desk.told(before).await, [ACCESS]);
    let lost = desk.scribe.standing().lost;
    assert_eq!((lost[0].scope.as_str(), lost[0].reason), ("policy/B2", LossReason::Role));
    for seconds in [20, 40, 60] {
        desk.list(seconds, &[POLICY]).await;
        desk.export(seconds + 2, &in_sight()).await;
    }
    desk.restart().await;
    assert_eq!(desk.told(before).await, [ACCESS], "neither the policy nor its report is removed");

    desk.list_named(100, &[(POLICY, "Field Ops"), (OTHER, "Renamed")]).await;
    let all = [&in_sight()[..], &[on_other("R99", "SUBMITTED")]].concat();
    desk.export(102, &all).await;
    let told = desk.told(before + 1).await;
    assert_eq!(told, ["policy.changed policy/B2", ACCESS, "report.submitted report/R99"]);
    let submitted = desk.full_events().await.pop().unwrap();
    assert!(submitted.detection.not_before <= Some(at(1)), "no read looked at it since: {:?}", submitted.detection);
}

#[tokio::test]
async fn what_was_lost_twice_with_no_export_in_between_was_last_seen_before_the_first_time() {
    let mut desk = desk().await;
    desk.list(5, &[POLICY, OTHER]).await;
    desk.list(10, &[POLICY]).await;
    desk.export(12, &in_sight()).await;
    desk.list(14, &[POLICY, OTHER]).await;
    desk.list(20, &[POLICY]).await;
    // From here on only what is kept tells when it was seen.
    desk.restart().await;
    desk.list(30, &[POLICY, OTHER]).await;
    desk.export(32, &[&in_sight()[..], &[on_other("R99", "SUBMITTED")]].concat()).await;
    let submitted = desk.full_events().await.pop().unwrap();
    assert_eq!(submitted.event_type, event_model::EventType::ReportSubmitted);
    assert!(submitted.detection.not_before <= Some(at(1)), "{:?}", submitted.detection);
}

#[tokio::test]
async fn a_scope_that_is_refused_twice_is_lost_and_back_when_it_is_read() {
    let mut desk = desk().await;
    let before = desk.count();
    let watch = desk.watch("reports", 10);
    desk.scribe.refused(&watch, at(10), at(11)).await.unwrap();
    desk.scribe.refused(&watch, at(15), at(16)).await.unwrap();
    assert_eq!(desk.count(), before, "the two were too near");
    desk.restart().await;
    desk.scribe.refused(&watch, at(25), at(26)).await.unwrap();
    desk.scribe.refused(&watch, at(40), at(41)).await.unwrap();
    assert_eq!(desk.told(before).await, [ACCESS], "once");
    assert_eq!(desk.scribe.standing().lost[0].reason, LossReason::Refused);
    let all = [&in_sight()[..], &[on_other("R99", "OPEN")]].concat();
    desk.export(50, &all).await;
    assert_eq!(desk.told(before).await, [ACCESS, ACCESS]);
    desk.scribe.refused(&watch, at(60), at(61)).await.unwrap();
    assert_eq!(desk.count(), before + 2, "a refusal after it was read is a first one");
}
