//! Policies that are listed and that are not.

use expensify_client::PolicyOutcome;

use event_model::Policy;
use serde_json::json;

use super::desk::{Desk, POLICY, at, policy, summary};
use crate::scribe::PoliciesSeen;

#[tokio::test]
async fn a_policy_is_removed_when_two_reads_by_id_do_not_find_it() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY, "B2", "C3"]).await;
    let before = desk.count();
    desk.list(10, &[POLICY, "B2"]).await;
    assert_eq!(desk.confirm(11, &[summary(POLICY, "admin")], PolicyOutcome::Absent).await, ["C3"]);
    assert_eq!(desk.count(), before);
    assert!(!desk.wants("policies:by-id", 15), "too soon");
    desk.confirm(30, &[summary(POLICY, "admin")], PolicyOutcome::Absent).await;
    assert_eq!(desk.told(before).await, ["policy.removed policy/C3"]);
    desk.list(40, &[POLICY, "B2"]).await;
    assert!(!desk.wants("policies:by-id", 60));
    desk.list(70, &[POLICY, "B2", "C3"]).await;
    assert_eq!(desk.told(before + 1).await, ["policy.created policy/C3"]);
}

#[tokio::test]
async fn a_policy_that_may_not_be_read_by_id_is_out_of_sight_not_removed() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY, "B2", "C3"]).await;
    let before = desk.count();
    desk.list(10, &[POLICY, "B2"]).await;
    desk.confirm(11, &[], PolicyOutcome::Denied).await;
    desk.list(30, &[POLICY, "B2"]).await;
    assert!(!desk.wants("policies:by-id", 60));
    assert_eq!(desk.told(before).await, ["account.access_changed account/acme"]);
}

#[tokio::test]
async fn a_policy_with_reports_that_is_not_found_is_out_of_sight_until_a_person_says_otherwise() {
    let mut desk = Desk::with(&super::desk::reports(3)).await;
    desk.list(10, &[POLICY, "B2", "C3"]).await;
    let before = desk.count();
    desk.list(20, &["B2", "C3"]).await;
    for seconds in [21, 40, 60] {
        if desk.wants("policies:by-id", seconds) {
            desk.confirm(seconds, &[], PolicyOutcome::Absent).await;
        }
    }
    desk.export(70, &[]).await;
    desk.list(80, &["B2", "C3"]).await;
    assert_eq!(desk.told(before).await, ["account.access_changed account/acme"], "nothing says that it is gone");
    let scope = format!("policy/{POLICY}");
    assert!(desk.scribe.release(&scope, 0, super::desk::at(90)).await.is_err());
    let released = desk.scribe.release(&scope, 1, super::desk::at(90)).await.unwrap();
    assert_eq!((released.removed, released.confirming), (1, 0));
    let said = [format!("policy.removed policy/{POLICY}"), "account.access_changed account/acme".to_owned()];
    assert_eq!(desk.told(before + 1).await, said);
    assert!(desk.scribe.release(&scope, 1, super::desk::at(91)).await.is_err(), "once");
    desk.list(100, &["B2", "C3", POLICY]).await;
    assert_eq!(desk.told(before + 3).await, [format!("policy.created policy/{POLICY}")], "and it may come back");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_confirms_nothing() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY, "B2", "C3"]).await;
    let before = desk.count();
    desk.list(10, &[POLICY, "B2"]).await;
    for seconds in [11, 30, 50] {
        desk.confirm(seconds, &[], PolicyOutcome::Unreadable("7".into())).await;
    }
    assert_eq!(desk.count(), before);
}

#[tokio::test]
async fn a_policy_that_was_listed_and_never_read_has_its_first_sight_when_it_is() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY]).await;
    let before = desk.count();
    let seen = PoliciesSeen {
        started_at: at(10),
        observed_at: at(11),
        listed: vec![summary(POLICY, "admin"), summary("B2", "admin")],
        outcomes: [("B2".to_owned(), PolicyOutcome::Unreadable("7".into()))].into(),
    };
    desk.scribe.policies(seen).await.unwrap();
    desk.restart().await;
    desk.list(20, &[POLICY, "B2"]).await;
    assert_eq!(desk.told(before).await, ["policy.snapshot policy/B2"]);
}

#[tokio::test]
async fn a_policy_that_was_never_read_and_is_gone_holds_no_removal_up() {
    let mut desk = Desk::with(&super::desk::reports(3)).await;
    let seen = PoliciesSeen {
        started_at: at(10),
        observed_at: at(11),
        listed: vec![summary(POLICY, "admin"), summary("B2", "admin")],
        outcomes: [("B2".to_owned(), PolicyOutcome::Unreadable("7".into()))].into(),
    };
    desk.scribe.policies(seen).await.unwrap();
    let before = desk.count();
    desk.list(20, &[POLICY]).await;
    desk.export(30, &super::desk::reports(3)[1..]).await;
    desk.follow_up(34, &[]).await;
    desk.list(36, &[POLICY]).await;
    desk.follow_up(50, &[]).await;
    desk.list(52, &[POLICY]).await;
    assert_eq!(desk.told(before).await, ["report.removed report/R00"]);
}

#[tokio::test]
async fn when_all_policies_vanish_at_once_it_is_told_and_none_is_removed() {
    let mut desk = Desk::open().await;
    desk.list(0, &[POLICY, "B2", "C3"]).await;
    let before = desk.count();
    for seconds in [10, 30, 50] {
        desk.list(seconds, &[]).await;
        if desk.wants("policies:by-id", seconds) {
            desk.confirm(seconds, &[], PolicyOutcome::Absent).await;
        }
    }
    assert_eq!(desk.told(before).await, ["account.access_changed account/acme"]);
}

/// A list with the details of those that have some.
async fn list_with(desk: &mut Desk, seconds: i64, policies: &[(&str, Option<Policy>)]) {
    let outcome = |details: &Option<Policy>| match details {
        Some(details) => PolicyOutcome::Details(Box::new(details.clone())),
        None => PolicyOutcome::Unreadable("7".into()),
    };
    let seen = PoliciesSeen {
        started_at: at(seconds),
        observed_at: at(seconds + 1),
        listed: policies.iter().map(|(id, _)| summary(id, "admin")).collect(),
        outcomes: policies.iter().map(|(id, details)| ((*id).to_owned(), outcome(details))).collect(),
    };
    desk.scribe.policies(seen).await.unwrap();
}

#[tokio::test]
async fn a_field_that_came_while_a_policy_was_out_of_sight_is_no_change_of_it() {
    let with_mode = |id: &str, name: &str| {
        let other = [("approvalMode".to_owned(), json!("BASIC"))].into();
        Some(Policy { other, ..policy(id, name) })
    };
    for unreadable in [false, true] {
        let mut desk = Desk::open().await;
        desk.list(0, &[POLICY, "B2", "C3"]).await;
        let now = [(POLICY, with_mode(POLICY, "Field Ops")), ("B2", with_mode("B2", "Field Ops"))];
        let out_of_sight = if unreadable { vec![("C3", None)] } else { vec![] };
        list_with(&mut desk, 10, &[&now[..], &out_of_sight[..]].concat()).await;
        let before = desk.count();
        desk.restart().await;
        list_with(&mut desk, 20, &[&now[..], &[("C3", with_mode("C3", "Renamed"))]].concat()).await;
        assert_eq!(desk.told(before).await, ["policy.changed policy/C3"]);
        let event = desk.full_events().await.pop().unwrap();
        assert_eq!(event.data.changed, ["name"], "unreadable: {unreadable}");
        assert_eq!(event.detection.not_before, Some(at(0)), "the last read that showed its details");
    }
}
