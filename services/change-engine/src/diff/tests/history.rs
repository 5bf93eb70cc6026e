//! Steps that the history tells, as events.

use event_model::TimestampSource;

use super::*;

fn with_history(state: &str, history: &[&str]) -> Report {
    Report { history: history.iter().map(|text| entry(text)).collect(), ..report(state) }
}

const TWICE: [&str; 4] =
    ["SUBMITTED 07:00:00 sam", "APPROVED 09:00:00 lee", "UNAPPROVED 09:10:00 kim", "APPROVED 09:12:00 ann"];

#[test]
fn approved_unapproved_and_approved_again_are_three_events_with_their_times_and_actors() {
    let before = with_history("SUBMITTED", &TWICE[..1]);
    let after = Report { approved: date("2026-04-02 09:12:00"), ..with_history("APPROVED", &TWICE) };
    let drafts = drafts_of(&at_a_later_look(), Some(&known(&before)), &after);
    assert_eq!(told(&drafts), ["report.approved", "report.unapproved", "report.approved"]);
    let times = ["2026-04-02T09:00:00Z", "2026-04-02T09:10:00Z", "2026-04-02T09:12:00Z"];
    assert_eq!(drafts.iter().map(|d| d.timestamp).collect::<Vec<_>>(), times.map(time));
    assert_eq!(drafts.iter().map(|d| d.actor.as_deref()).collect::<Vec<_>>(), [Some("lee"), Some("kim"), Some("ann")]);
    assert!(drafts.iter().all(|d| d.detection.timestamp_source == TimestampSource::History));
    let ids: BTreeSet<_> = drafts.iter().cloned().map(|draft| draft.at(Sequence(1)).id).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(drafts[0].data.object["approved"], "2026-04-02 09:00:00");
    assert_eq!(
        (&drafts[1].data.object["state"], &drafts[1].data.object["approved"]),
        (&json!("SUBMITTED"), &Value::Null)
    );
    assert_eq!(drafts[2].data.object, json!(after));
    for draft in &drafts {
        assert_eq!(draft.data.changed, ["approved", "state"], "and never the history");
    }
}

#[test]
fn a_crash_between_two_steps_loses_none() {
    let before = known(&with_history("SUBMITTED", &TWICE[..1]));
    let after = Report { approved: date("2026-04-02 09:12:00"), ..with_history("APPROVED", &TWICE) };
    let all = drafts_of(&at_a_later_look(), Some(&before), &after);
    for done in 1..=all.len() {
        let last = &all[done - 1];
        let known = Known { revision: last.revision, removed: false, object: last.data.object.clone() };
        let rest = drafts_of(&at_a_later_look(), Some(&known), &after);
        let ids = |drafts: &[EventDraft]| drafts.iter().cloned().map(|d| d.at(Sequence(1)).id).collect::<Vec<_>>();
        assert_eq!(ids(&rest), ids(&all[done..]), "after {done}");
    }
}

#[test]
fn a_new_report_is_walked_from_its_creation() {
    let after = with_history("OPEN", &["SUBMITTED 09:00:00 sam", "REJECTED 09:10:00 lee"]);
    let drafts = drafts_of(&at_a_later_look(), None, &after);
    assert_eq!(told(&drafts), ["report.created*", "expense.added", "report.submitted", "report.reopened"]);
    assert_eq!(drafts[0].data.object["history"], json!([]));
    assert_eq!(drafts[2].data.object["submitted"], "2026-04-02 09:00:00");
    assert_eq!(drafts[3].data.object, json!(after));
}

#[test]
fn an_entry_that_knows_only_the_day_takes_the_moment_of_the_reports_own_date() {
    let before = with_history("SUBMITTED", &TWICE[..1]);
    let mut after = Report { approved: date("2026-04-02 09:12:00"), ..before.clone() };
    after.state = ReportState::Approved;
    after.history.push(HistoryEntry { at: date("2026-04-02"), ..entry("APPROVED 09:00:00 lee") });
    let drafts = drafts_of(&at_a_later_look(), Some(&known(&before)), &after);
    assert_eq!((drafts[0].timestamp, drafts[0].actor.as_deref()), (time("2026-04-02T09:12:00Z"), Some("lee")));
    assert_eq!(drafts[0].detection.timestamp_source, TimestampSource::Object);
    let undated = Report { approved: None, ..after };
    let drafts = drafts_of(&at_a_later_look(), Some(&known(&before)), &undated);
    assert_eq!(drafts[0].timestamp, at_a_later_look().observed_at, "the moment of the day nearest to the look");
    assert_eq!(drafts[0].detection.timestamp_source, TimestampSource::History);
}

#[test]
fn a_history_that_falls_silent_is_not_told_again_when_it_speaks() {
    let mut log = Log::default();
    log.see(&at_first_sight(), &with_history("SUBMITTED", &TWICE[..1]));
    log.see(&at_a_later_look(), &with_history("SUBMITTED", &TWICE[..3]));
    let silent = Report { total: Some(5), ..with_history("SUBMITTED", &[]) };
    assert_eq!(told(&log.see(&at_a_later_look(), &silent)), ["report.updated"]);
    let speaks = Report { total: Some(5), ..with_history("APPROVED", &TWICE) };
    let drafts = log.see(&at_a_later_look(), &speaks);
    assert_eq!(told(&drafts), ["report.approved"]);
    assert_eq!(drafts[0].timestamp, time("2026-04-02T09:12:00Z"));
    assert_eq!(told(&log.see(&at_a_later_look(), &speaks)), [""; 0]);
}

#[test]
fn an_object_of_older_software_has_its_history_taken_in_without_a_word() {
    let mut old = known(&report("SUBMITTED"));
    old.object.as_object_mut().expect("an object").remove("history");
    assert_eq!(drafts_of(&at_a_later_look(), Some(&old), &with_history("SUBMITTED", &TWICE[..3])), []);
    let after = with_history("REIMBURSED", &TWICE);
    let drafts = drafts_of(&at_a_later_look(), Some(&old), &after);
    assert_eq!(told(&drafts), ["report.approved*", "report.reimbursed"]);
    assert_eq!(drafts[0].actor.as_deref(), Some("ann"));
    assert_eq!(drafts[0].data.object.get("history"), None);
    assert_eq!(drafts[1].data.object, json!(Report { history_behind: true, ..after }));
}

#[test]
fn a_step_that_was_told_before_its_entry_came_is_not_told_again_when_the_state_has_come_back_meanwhile() {
    let mut log = Log::default();
    let early = ["SUBMITTED 07:00:00 sam", "APPROVED 08:00:00 lee"];
    log.see(&at_first_sight(), &with_history("APPROVED", &early));
    assert_eq!(told(&log.see(&at_a_later_look(), &with_history("REIMBURSED", &early))), ["report.reimbursed"]);
    let reverted = log.see(&at_a_later_look(), &with_history("APPROVED", &early));
    assert_eq!(told(&reverted), ["report.reimbursement_reverted"]);
    let late = ["REIMBURSED 09:00:00 lee", "REIMBURSEMENTACHBOUNCE 09:10:00"];
    let all: Vec<&str> = early.into_iter().chain(late).collect();
    assert_eq!(log.see(&at_a_later_look(), &with_history("APPROVED", &all)), []);
    let again: Vec<&str> = all.into_iter().chain(["REIMBURSED 09:14:17 lee"]).collect();
    let drafts = log.see(&at_a_later_look(), &with_history("REIMBURSED", &again));
    assert_eq!(told(&drafts), ["report.reimbursed"]);
    assert_eq!(drafts[0].data.object["historyBehind"], false);
}
