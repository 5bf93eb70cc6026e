//! Expenses as entities.

use event_model::TimestampSource;

use super::*;

fn on(report_id: &str, lines: &[(&str, i64)]) -> Report {
    let expenses = lines.iter().map(|(id, amount)| line(id, *amount)).collect();
    Report { report_id: report_id.into(), expenses, ..report("OPEN") }
}

#[test]
fn each_line_that_changed_is_one_event_after_its_reports_and_before_the_steps() {
    let mut log = Log::default();
    log.see(&at_first_sight(), &on("A", &[("1", 10), ("2", 20), ("3", 30), ("5", 50)]));
    let mut after = on("A", &[("1", 10), ("2", 21), ("4", 40), ("5", 50)]);
    after.expenses[3].category_gl_code = Some("6000".into());
    after.expenses[2].inserted = date("2026-04-02 09:14:18");
    after.state = ReportState::Submitted;
    let drafts = log.see(&at_a_later_look(), &after);
    let expected =
        ["report.updated A", "expense.updated 2", "expense.removed 3", "expense.added 4", "report.submitted A"];
    assert_eq!(types_and_subjects(&drafts), expected);
    assert_eq!(drafts[0].data.changed, ["expenses[2].amount", "expenses[3]", "expenses[4]"]);
    let updated = &drafts[1].data;
    assert_eq!((updated.changed.join(" "), &updated.previous["amount"]), ("amount".to_owned(), &json!(20)));
    assert_eq!((&updated.object["reportID"], &updated.object["policyID"]), (&json!("A"), &json!("A1")));
    assert_eq!((drafts[2].revision, &drafts[2].data.object["amount"]), (Revision(1), &json!(30)));
    assert_eq!(drafts[3].timestamp, time("2026-04-02T09:14:18Z"));
    assert_eq!(drafts[3].detection.timestamp_source, TimestampSource::Object);
    assert_eq!(told(&log.see(&at_a_later_look(), &after)), [""; 0]);
    let drafts = log.see(&at_a_later_look(), &Report { expenses: vec![line("2", 22)], ..after });
    assert_eq!((drafts[2].subject.id.as_str(), drafts[2].revision), ("2", Revision(2)));
}

#[test]
fn a_created_report_tells_each_of_its_lines() {
    let drafts = Log::default().see(&at_a_later_look(), &on("A", &[("1", 10), ("2", 20)]));
    assert_eq!(types_and_subjects(&drafts), ["report.created A", "expense.added 1", "expense.added 2"]);
}

#[test]
fn a_line_that_moves_is_told_where_it_goes_and_leaves_in_silence() {
    let mut log = Log::default();
    log.see(&at_first_sight(), &on("A", &[("1", 10)]));
    log.see(&at_first_sight(), &on("B", &[]));
    let drafts = log.see(&at_a_later_look(), &on("B", &[("1", 10)]));
    assert_eq!(types_and_subjects(&drafts), ["report.updated B", "expense.added 1"]);
    let drafts = log.see(&at_a_later_look(), &on("A", &[]));
    assert_eq!(types_and_subjects(&drafts), ["report.updated A"]);
    let drafts = log.remove("A");
    assert_eq!(types_and_subjects(&drafts), ["report.removed A"]);
    // The other way about: it goes before it comes.
    let drafts = log.see(&at_a_later_look(), &on("B", &[]));
    assert_eq!(types_and_subjects(&drafts), ["report.updated B", "expense.removed 1"]);
    let drafts = log.see(&at_a_later_look(), &on("C", &[("1", 10)]));
    assert_eq!(types_and_subjects(&drafts), ["report.created C", "expense.added 1"]);
    let line = log.known(EntityKind::Expense, "1").expect("known");
    assert_eq!((line.revision, &line.object["reportID"]), (Revision(3), &json!("C")));
}

#[test]
fn what_is_asked_of_the_log_is_only_the_lines_that_moved() {
    let before = known(&on("A", &[("1", 10), ("2", 20), ("3", 30)]));
    assert_eq!(touched_expenses(Some(&before), &on("A", &[("1", 10), ("2", 21), ("4", 40)])), ["2", "3", "4"]);
    assert_eq!(touched_expenses(None, &on("A", &[("1", 10)])), ["1"]);
    assert_eq!(touched_expenses(Some(&Known { removed: true, ..before.clone() }), &on("A", &[])), ["1", "2", "3"]);
    assert_eq!(lines_of(&before), ["1", "2", "3"]);
}
