//! Edits, plain steps, removal and return.

use event_model::{Approver, TimestampSource};

use super::*;

#[test]
fn first_sight_of_a_scope_is_a_snapshot_without_a_before() {
    let drafts = drafts_of(&at_first_sight(), None, &report("APPROVED"));
    assert_eq!(told(&drafts), ["report.snapshot"], "and nothing of its lines");
    assert_eq!((drafts[0].revision, &drafts[0].detection.not_before), (Revision(1), &None));
    assert!(drafts[0].data.changed.is_empty() && drafts[0].data.previous.is_empty());
}

#[test]
fn an_approval_says_what_stood_before_when_it_was_and_by_whom() {
    let before = report("SUBMITTED");
    let mut after = Report { approved: date("2026-04-02 09:14:00"), ..report("APPROVED") };
    let drafts = drafts_of(&at_a_later_look(), Some(&known(&before)), &after);
    assert_eq!(told(&drafts), ["report.approved"]);
    assert_eq!(drafts[0].timestamp, time("2026-04-02T09:14:00Z"));
    assert_eq!(drafts[0].detection.timestamp_source, TimestampSource::Object);
    assert_eq!((drafts[0].revision, &drafts[0].actor), (Revision(5), &None));
    assert_eq!(drafts[0].data.changed, ["approved", "state"]);
    assert_eq!(Value::Object(drafts[0].data.previous.clone()), json!({"approved": null, "state": "SUBMITTED"}));
    let approver = |email: &str, at: &str| Approver { date: date(at), email: email.into() };
    after.approvers = vec![approver("kim", "2026-04-01 10:00:00"), approver("lee", "2026-04-02")];
    let actor = |report: &Report| drafts_of(&at_a_later_look(), Some(&known(&before)), report)[0].actor.clone();
    assert_eq!(actor(&after), Some("lee".into()));
    after.approvers.push(approver("ann", "2026-04-02 09:14:00"));
    assert_eq!(actor(&after), None, "one of two");
}

#[test]
fn several_steps_in_one_look_are_told_each_with_the_unseen_marked() {
    let mut after = report("REIMBURSED");
    after.submitted = date("2026-04-02 09:14:16");
    after.approved = date("2026-04-02 09:14:17");
    after.reimbursed = date("2026-04-02");
    after.approvers = vec![Approver { date: after.approved, email: "lee@acme.example".into() }];
    after.total = Some(2000);
    let before = Report { state_num: Some(0), ..report("OPEN") };
    let drafts = drafts_of(&at_a_later_look(), Some(&known(&before)), &after);
    assert_eq!(told(&drafts), ["report.updated", "report.submitted*", "report.approved*", "report.reimbursed"]);
    assert_eq!(drafts[0].data.changed, ["total"]);
    assert_eq!(drafts[1].data.changed, ["state", "stateNum", "submitted"], "its number is not known any more");
    assert_eq!(
        (drafts[2].timestamp, drafts[2].actor.as_deref()),
        (time("2026-04-02T09:14:17Z"), Some("lee@acme.example"))
    );
    assert_eq!(drafts[3].timestamp, time("2026-04-02T09:14:21Z"), "a day alone: the moment nearest to the look");
    assert_eq!(drafts[3].data.changed, ["approvers[lee@acme.example]", "reimbursed", "state"]);
    assert_eq!(drafts.iter().map(|d| d.revision.0).collect::<Vec<_>>(), [5, 6, 7, 8]);
}

#[test]
fn a_date_that_was_there_before_does_not_date_a_new_step() {
    for stale in ["2026-03-01 10:00:00", "2026-03-01"] {
        let before = Report { approved: date("2026-03-01 10:00:00"), ..report("SUBMITTED") };
        let after = Report { approved: date(stale), ..report("APPROVED") };
        let drafts = drafts_of(&at_a_later_look(), Some(&known(&before)), &after);
        assert_eq!(drafts[0].timestamp, time("2026-04-02T09:14:21Z"));
        assert_eq!(drafts[0].detection.timestamp_source, TimestampSource::Observation);
    }
}

#[test]
fn a_report_that_is_born_approved_was_created_and_submitted_too() {
    let after = Report { submitted: date("2026-04-02 08:00:00"), ..report("APPROVED") };
    let drafts = drafts_of(&at_a_later_look(), None, &after);
    assert_eq!(told(&drafts), ["report.created*", "expense.added", "report.submitted*", "report.approved"]);
    assert_eq!(drafts[0].data.object["state"], "OPEN");
    assert_eq!(drafts[0].data.object["submitted"], Value::Null);
    assert_eq!(drafts[0].timestamp, time("2026-04-02T08:00:00Z"));
}

#[test]
fn an_old_report_that_comes_into_reach_did_not_come_into_being() {
    for created in ["2026-03-01 10:00:00", "2026-03-01", "2026-04-01 09:00:00"] {
        let old = Report { created: date(created), ..report("REIMBURSED") };
        assert_eq!(told(&drafts_of(&at_a_later_look(), None, &old)), ["report.snapshot"], "{created}");
    }
    for created in ["2026-04-01 10:00:00", "2026-04-01", "2026-04-02"] {
        let new = Report { created: date(created), ..report("OPEN") };
        let drafts = drafts_of(&at_a_later_look(), None, &new);
        assert_eq!(told(&drafts), ["report.created", "expense.added"], "{created}");
    }
}

#[test]
fn an_unknown_state_is_told_as_an_update_and_loses_nothing() {
    let seen = at_a_later_look();
    let drafts = drafts_of(&seen, Some(&known(&report("SUBMITTED"))), &report("Escalated"));
    assert_eq!(told(&drafts), ["report.updated"]);
    assert_eq!(drafts[0].data.object["state"], "ESCALATED");
    assert_eq!(told(&drafts_of(&seen, None, &report("Escalated")))[0], "report.created");
    let drafts = drafts_of(&seen, Some(&known(&report("Escalated"))), &report("REIMBURSED"));
    assert_eq!(told(&drafts), ["report.reimbursed"]);
}

#[test]
fn a_report_that_moves_to_another_policy_or_ages_is_an_edit_of_it_and_of_its_lines() {
    let mut log = Log::default();
    log.see(&at_first_sight(), &report("OPEN"));
    let moved = Report { policy_id: Some("B2".into()), policy_name: Some("Ops".into()), ..report("OPEN") };
    let drafts = log.see(&at_a_later_look(), &moved);
    assert_eq!(told(&drafts), ["report.updated", "expense.updated"]);
    assert_eq!(drafts[0].data.changed, ["policyID"], "its name belongs to the policy");
    assert_eq!(drafts[1].data.changed, ["policyID"]);
}

#[test]
fn what_a_report_only_carries_and_its_history_make_no_event_alone_and_go_with_the_next() {
    let before = report("OPEN");
    let mut after = Report { policy_name: Some("Renamed".into()), ..report("OPEN") };
    after.expenses[0].category_gl_code = Some("6000".into());
    after.history = vec![entry("CLOSED 07:00:00"), entry("REOPENED 07:10:00")];
    let at = |report: &Report| drafts_of(&at_a_later_look(), Some(&known(&before)), report);
    assert_eq!(told(&at(&Report { history: Vec::new(), ..after.clone() })), [""; 0]);
    after.history = vec![entry("REOPENED 07:10:00")];
    assert_eq!(told(&at(&after)), [""; 0]);
    after.total = Some(1);
    let drafts = at(&after);
    assert_eq!(told(&drafts), ["report.updated"]);
    assert_eq!((drafts[0].data.changed.join(" "), &drafts[0].data.object), ("total".to_owned(), &json!(after)));
}

#[test]
fn what_was_removed_and_is_back_is_created_with_what_was_known_and_steps_are_not_told_twice() {
    let mut log = Log::default();
    let before = Report { approved: date("2026-04-02 07:00:00"), ..report("APPROVED") };
    log.see(&at_first_sight(), &before);
    assert_eq!(told(&log.remove("R00AbCdEf123")), ["report.removed", "expense.removed"]);
    assert_eq!(log.known(EntityKind::Report, "R00AbCdEf123").expect("known").object, json!(before));
    let removed = log.known(EntityKind::Report, "R00AbCdEf123").expect("known");
    assert_eq!(report_removed(&at_a_later_look(), &removed, "R00AbCdEf123", &BTreeMap::new()), []);

    let after = Report { reimbursed: date("2026-04-02 09:14:20"), total: Some(2), ..before.clone() };
    let mut after = Report { state: ReportState::Reimbursed, ..after };
    after.expenses = vec![line("8", 2)];
    let drafts = log.see(&at_a_later_look(), &after);
    assert_eq!(told(&drafts), ["report.created", "report.updated", "expense.added", "report.reimbursed"]);
    assert_eq!(drafts[0].data.object, json!(before));
    assert_eq!(drafts[1].data.changed, ["expenses[7]", "expenses[8]", "total"]);
    let told_so = Report { history_behind: true, ..after.clone() };
    assert_eq!(log.known(EntityKind::Report, "R00AbCdEf123").expect("known").object, json!(told_so));
    assert!(log.known(EntityKind::Expense, "7").expect("known").removed, "it did not come back");
    assert_eq!(told(&log.see(&at_a_later_look(), &after)), [""; 0]);
}

#[test]
fn a_new_field_is_told_as_a_snapshot_and_goes_along_with_a_change_unmentioned() {
    let after = Report { manager_email: Some("lee".into()), ..report("OPEN") };
    let mut old = known(&report("OPEN"));
    let object = old.object.as_object_mut().expect("an object");
    object.remove("managerEmail");
    object["expenses"][0].as_object_mut().expect("a line").remove("mcc");
    let mut after_with_mcc = after.clone();
    after_with_mcc.expenses[0].mcc = Some("5812".into());
    let drafts = drafts_of(&at_a_later_look(), Some(&old), &after_with_mcc);
    assert_eq!(told(&drafts), ["report.snapshot"]);
    assert_eq!((drafts[0].revision, &drafts[0].detection.not_before), (Revision(5), &None));
    assert_eq!(drafts[0].data.changed, ["expenses[7].mcc", "managerEmail"]);
    assert_eq!(drafts[0].data.object, json!(after_with_mcc));

    after_with_mcc.total = Some(5);
    let drafts = drafts_of(&at_a_later_look(), Some(&old), &after_with_mcc);
    assert_eq!(told(&drafts), ["report.updated"]);
    assert_eq!(drafts[0].data.changed, ["total"]);
    assert_eq!(drafts[0].data.object, json!(after_with_mcc));

    // Our types had the key all along, the template asks for it only now.
    let paths = Paths { new: ["managerEmail".to_owned()].into(), ..Paths::default() };
    let seen = Seen { paths: &paths, ..at_a_later_look() };
    assert_eq!(told(&drafts_of(&seen, Some(&known(&report("OPEN"))), &after)), ["report.snapshot"]);
    let approved = Report { state: ReportState::Submitted, ..after };
    let drafts = drafts_of(&seen, Some(&known(&report("OPEN"))), &approved);
    assert_eq!((told(&drafts), drafts[0].data.changed.join(" ")), (vec!["report.submitted".into()], "state".into()));
}

#[test]
fn a_path_that_is_set_aside_makes_no_event_and_is_carried_by_the_next() {
    let paths = Paths { set_aside: ["expenses[].receiptID".to_owned()].into(), ..Paths::default() };
    let seen = Seen { paths: &paths, ..at_a_later_look() };
    let mut after = report("OPEN");
    after.expenses[0].receipt_id = Some("9".into());
    assert_eq!(told(&drafts_of(&seen, Some(&known(&report("OPEN"))), &after)), [""; 0]);
    after.expenses[0].merchant = Some("Cab".into());
    let drafts = drafts_of(&seen, Some(&known(&report("OPEN"))), &after);
    assert_eq!(told(&drafts), ["report.updated", "expense.updated"]);
    assert_eq!(drafts[1].data.changed, ["merchant"]);
    assert_eq!(drafts[1].data.object["receiptID"], "9");
}

#[test]
fn both_forms_of_a_date_say_the_same() {
    let precise = Report { approved: date("2026-04-02 07:00:00"), ..report("APPROVED") };
    let of_a_day = Report { approved: date("2026-04-02"), ..report("APPROVED") };
    let at = |before: &Report, after: &Report| drafts_of(&at_a_later_look(), Some(&known(before)), after);
    assert_eq!(told(&at(&precise, &of_a_day)), [""; 0]);
    let drafts = at(&of_a_day, &precise);
    assert_eq!((told(&drafts), drafts[0].data.changed.join(" ")), (vec!["report.snapshot".into()], "approved".into()));
    let edited = Report { total: Some(5), ..of_a_day };
    let drafts = at(&precise, &edited);
    assert_eq!((told(&drafts), drafts[0].data.changed.join(" ")), (vec!["report.updated".into()], "total".into()));
    assert_eq!(drafts[0].data.object["approved"], "2026-04-02 07:00:00", "the better date stands");
}

#[test]
fn what_comes_back_into_sight_tells_what_changed_since_it_was_last_seen_and_nothing_more() {
    let mut log = Log::default();
    log.see(&at_first_sight(), &report("SUBMITTED"));
    // Ten days without a role on its policy. The reads of the others went on, so `not_before` is a moment ago.
    let seen = Seen {
        observed_at: time("2026-04-12T09:00:10Z"),
        not_before: Some(time("2026-04-12T09:00:00Z")),
        ..at_a_later_look()
    };
    assert_eq!(told(&log.see(&seen, &report("SUBMITTED"))), [""; 0]);
    let after = Report { total: Some(5), approved: date("2026-04-07 10:00:00"), ..report("APPROVED") };
    let drafts = log.see(&seen, &after);
    assert_eq!(told(&drafts), ["report.updated", "report.approved"]);
    assert_eq!(drafts[1].timestamp, time("2026-04-07T10:00:00Z"));
}

#[test]
fn the_order_of_the_lines_says_nothing() {
    let with = |ids: [&str; 2]| Report { expenses: ids.map(|id| line(id, 1)).to_vec(), ..report("OPEN") };
    assert_eq!(drafts_of(&at_a_later_look(), Some(&known(&with(["1", "2"]))), &with(["2", "1"])), []);
}

#[test]
fn ids_that_collide_in_case_are_two_reports() {
    let mut log = Log::default();
    let other = Report { report_id: "R00abcdef123".into(), total: Some(7), expenses: Vec::new(), ..report("OPEN") };
    log.see(&at_first_sight(), &report("OPEN"));
    log.see(&at_first_sight(), &other);
    assert_eq!(told(&log.see(&at_a_later_look(), &report("OPEN"))), [""; 0]);
    assert_eq!(log.last.len(), 2);
}
