use event_model::{Approver, Expense, Report, ReportState, UpstreamDate, policy::Employee};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn account() -> AccountName {
    "acme".parse().expect("a name")
}

fn seen(account: &AccountName, baselined: bool) -> Seen<'_> {
    Seen {
        account,
        observed_at: time("2026-04-02T09:14:21Z"),
        not_before: Some(time("2026-04-02T09:14:15Z")),
        baselined,
    }
}

fn date(text: &str) -> Option<UpstreamDate> {
    UpstreamDate::parse_blank(text).expect(text)
}

fn report(state: &str) -> Report {
    Report {
        report_id: "R00AbCdEf123".into(),
        old_report_id: None,
        report_name: Some("Lyon".into()),
        state: ReportState::from_upstream(state),
        state_num: None,
        account_email: Some("sam@acme.example".into()),
        account_id: None,
        manager_email: None,
        policy_id: Some("A1".into()),
        policy_name: None,
        currency: Some("EUR".into()),
        total: Some(1875),
        created: date("2026-04-02 08:00:00"),
        submitted: None,
        approved: None,
        reimbursed: None,
        is_ach_reimbursed: None,
        entry_id: None,
        approvers: Vec::new(),
        expenses: vec![Expense { transaction_id: "7".into(), amount: Some(1875), ..Expense::default() }],
    }
}

fn known(report: &Report) -> Known {
    Known { revision: Revision(4), removed: false, object: serde_json::to_value(report).expect("json") }
}

fn told(drafts: &[EventDraft]) -> Vec<(&str, bool)> {
    drafts.iter().map(|d| (d.event_type.as_str(), d.detection.inferred)).collect()
}

#[test]
fn first_sight_of_a_scope_is_a_snapshot_without_a_before() {
    let account = account();
    let drafts = report_drafts(&seen(&account, false), None, &report("APPROVED"));
    assert_eq!(told(&drafts), [("report.snapshot", false)]);
    assert_eq!((drafts[0].revision, &drafts[0].detection.not_before), (Revision(1), &None));
    assert!(drafts[0].data.changed.is_empty() && drafts[0].data.previous.is_empty());
}

#[test]
fn an_approval_says_what_stood_before_and_when_the_upstream_says_it_was() {
    let account = account();
    let before = report("SUBMITTED");
    let after = Report { approved: date("2026-04-02 09:14:00"), ..report("APPROVED") };
    let drafts = report_drafts(&seen(&account, true), Some(&known(&before)), &after);
    assert_eq!(told(&drafts), [("report.approved", false)]);
    assert_eq!(drafts[0].timestamp, time("2026-04-02T09:14:00Z"));
    assert_eq!(drafts[0].revision, Revision(5));
    assert_eq!(drafts[0].data.changed, ["approved", "state"]);
    assert_eq!(Value::Object(drafts[0].data.previous.clone()), json!({"approved": null, "state": "SUBMITTED"}));
}

#[test]
fn several_steps_in_one_look_are_told_each_with_the_unseen_marked() {
    let account = account();
    let mut after = report("REIMBURSED");
    after.submitted = date("2026-04-02 09:14:16");
    after.approved = date("2026-04-02 09:14:17");
    after.reimbursed = date("2026-04-02");
    after.approvers = vec![Approver { date: after.approved, email: "lee@acme.example".into() }];
    after.total = Some(2000);
    let drafts = report_drafts(&seen(&account, true), Some(&known(&report("OPEN"))), &after);
    assert_eq!(
        told(&drafts),
        [
            ("report.updated", false),
            ("report.submitted", true),
            ("report.approved", true),
            ("report.reimbursed", false)
        ]
    );
    assert_eq!(drafts[0].data.changed, ["total"]);
    assert_eq!(drafts[1].data.changed, ["state", "submitted"]);
    assert_eq!(drafts[2].timestamp, time("2026-04-02T09:14:17Z"));
    assert_eq!(drafts[3].timestamp, time("2026-04-02T09:14:21Z"), "a day alone: the moment nearest to the look");
    assert_eq!(drafts[3].data.changed, ["approvers[lee@acme.example]", "reimbursed", "state"]);
    assert_eq!(drafts.iter().map(|d| d.revision.0).collect::<Vec<_>>(), [5, 6, 7, 8]);
}

#[test]
fn a_date_that_was_there_before_does_not_date_a_new_step() {
    let account = account();
    let stale = date("2026-03-01 10:00:00");
    let before = Report { approved: stale, ..report("SUBMITTED") };
    let after = Report { approved: stale, ..report("APPROVED") };
    let drafts = report_drafts(&seen(&account, true), Some(&known(&before)), &after);
    assert_eq!(drafts[0].timestamp, time("2026-04-02T09:14:21Z"));
}

#[test]
fn a_report_that_is_born_approved_was_created_and_submitted_too() {
    let account = account();
    let after = Report { submitted: date("2026-04-02 08:00:00"), ..report("APPROVED") };
    let drafts = report_drafts(&seen(&account, true), None, &after);
    assert_eq!(told(&drafts), [("report.created", true), ("report.submitted", true), ("report.approved", false)]);
    assert_eq!(drafts[0].data.object["state"], "OPEN");
    assert_eq!(drafts[0].data.object["submitted"], Value::Null);
    assert_eq!(drafts[0].timestamp, time("2026-04-02T08:00:00Z"));
}

#[test]
fn an_old_report_that_comes_into_reach_did_not_come_into_being() {
    let account = account();
    for created in ["2026-03-01 10:00:00", "2026-03-01", "2026-04-01 09:00:00"] {
        let old = Report { created: date(created), ..report("REIMBURSED") };
        let drafts = report_drafts(&seen(&account, true), None, &old);
        assert_eq!(told(&drafts), [("report.snapshot", false)], "{created}");
    }
    for created in ["2026-04-01 10:00:00", "2026-04-01", "2026-04-02"] {
        let new = Report { created: date(created), ..report("OPEN") };
        assert_eq!(told(&report_drafts(&seen(&account, true), None, &new)), [("report.created", false)], "{created}");
    }
}

#[test]
fn an_unknown_state_is_told_as_an_update_and_loses_nothing() {
    let account = account();
    let drafts = report_drafts(&seen(&account, true), Some(&known(&report("SUBMITTED"))), &report("Escalated"));
    assert_eq!(told(&drafts), [("report.updated", false)]);
    assert_eq!(drafts[0].data.object["state"], "ESCALATED");
    let drafts = report_drafts(&seen(&account, true), None, &report("Escalated"));
    assert_eq!(told(&drafts), [("report.created", false)]);
}

#[test]
fn policies_come_change_and_go() {
    let account = account();
    let seen = seen(&account, true);
    let policy = Policy { policy_id: "A1".into(), name: Some("Field".into()), ..Policy::default() };
    assert_eq!(told(&policy_drafts(&seen, None, &policy)), [("policy.created", false)]);
    let before = Known { revision: Revision(1), removed: false, object: json!(policy) };
    assert_eq!(policy_drafts(&seen, Some(&before), &policy), []);
    let renamed = Policy { name: Some("Ops".into()), ..policy.clone() };
    assert_eq!(policy_drafts(&seen, Some(&before), &renamed)[0].data.changed, ["name"]);
    let subject = Subject::new(EntityKind::Policy, "A1");
    let removal = removal_draft(&seen, &subject, &before).expect("a removal");
    assert_eq!((removal.event_type, removal.revision), (EventType::PolicyRemoved, Revision(2)));
    assert_eq!(removal.data.object["name"], "Field");
    let gone = Known { removed: true, ..before };
    assert_eq!(removal_draft(&seen, &subject, &gone), None);
    assert_eq!(told(&policy_drafts(&seen, Some(&gone), &policy)), [("policy.created", false)]);
}

#[test]
fn a_section_that_is_not_told_is_not_an_empty_one() {
    let account = account();
    let seen = seen(&account, true);
    let member = Employee { email: "sam@acme.example".into(), ..Employee::default() };
    let policy = Policy { policy_id: "A1".into(), employees: Some(vec![member]), ..Policy::default() };
    let before = Known { revision: Revision(1), removed: false, object: json!(policy) };
    let silent = Policy { employees: None, ..policy.clone() };
    assert_eq!(policy_drafts(&seen, Some(&before), &silent), []);
    let renamed = Policy { name: Some("Ops".into()), ..silent };
    let drafts = policy_drafts(&seen, Some(&before), &renamed);
    assert_eq!(drafts[0].data.changed, ["name"]);
    assert_eq!(drafts[0].data.object["employees"], json!(policy.employees));
    let emptied = Policy { employees: Some(Vec::new()), ..policy };
    assert_eq!(policy_drafts(&seen, Some(&before), &emptied)[0].data.changed, ["employees[sam@acme.example]"]);
}

#[test]
fn nothing_of_an_unchanged_card_is_told() {
    let account = account();
    let seen = seen(&account, true);
    let card = Card { card_id: "5190011".into(), domain: "acme.example".into(), ..Card::default() };
    assert_eq!(told(&card_drafts(&seen, None, &card)), [("card.added", false)]);
    let before = Known { revision: Revision(1), removed: false, object: json!(card) };
    assert_eq!(card_drafts(&seen, Some(&before), &card), []);
}

proptest! {
    /// Whatever two observations, the chain of events starts at the one, ends at the other, and each link says truly what it
    /// changed.
    #[test]
    fn the_events_lead_exactly_from_the_old_object_to_the_new(
        from in 0..6usize, to in 0..6usize, totals in any::<(i64, i64)>(), dates in any::<[bool; 4]>(),
    ) {
        let states = ["OPEN", "SUBMITTED", "APPROVED", "REIMBURSED", "ARCHIVED", "ESCALATED"];
        let some = |on: bool, text| if on { date(text) } else { None };
        let before = Report { total: Some(totals.0), submitted: some(dates[0], "2026-04-01"), ..report(states[from]) };
        let after = Report {
            total: Some(totals.1),
            submitted: some(dates[1], "2026-04-02 09:00:00"),
            approved: some(dates[2], "2026-04-02"),
            reimbursed: some(dates[3], "2026-04-02 09:14:20"),
            ..report(states[to])
        };
        let account = account();
        let drafts = report_drafts(&seen(&account, true), Some(&known(&before)), &after);
        let mut object = as_map(json!(before));
        for draft in &drafts {
            let next = as_map(draft.data.object.clone());
            let previous = differences(&object, &next);
            prop_assert!(!previous.is_empty());
            prop_assert_eq!(previous.keys().cloned().collect::<Vec<_>>(), draft.data.changed.clone());
            prop_assert_eq!(previous.into_iter().collect::<Map<_, _>>(), draft.data.previous.clone());
            object = next;
        }
        prop_assert_eq!(object, as_map(json!(after)));
        prop_assert_eq!(drafts.last().is_some_and(|d| d.detection.inferred), false);
    }
}
