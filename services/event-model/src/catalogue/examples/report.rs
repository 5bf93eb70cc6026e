//! The life of one report, revision by revision, and of its first expense.

use serde_json::{Value, json};

use super::{LEE, POLICY_ID, POLICY_NAME, REPORT_ID, SAM, Told, date, text};
use crate::{
    date::UpstreamDate,
    entity::EntityKind,
    event::{Event, TimestampSource},
    event_type::EventType,
    history::HistoryEntry,
    report::{Approver, Expense, Report, ReportState, ReportedExpense},
};

const LUNCH: &str = "4056343049275634494";
const FLIGHT: &str = "4056343049275634495";
const SUBMITTED: &str = "2026-03-31 16:30:00";
const SUBMITTED_AGAIN: &str = "2026-04-01 11:20:00";
const APPROVED: &str = "2026-04-02 09:14:00";
const APPROVED_AGAIN: &str = "2026-04-02 10:40:00";
const REIMBURSED: &str = "2026-04-03 06:00:00";

/// An event of the report's life.
pub(super) fn example(event_type: EventType) -> Event {
    let told = |revision, at| {
        Told::new(event_type, EntityKind::Report, REPORT_ID, revision, at, &report_at(revision))
            .news()
            .before(before(revision))
    };
    let (history, object) = (TimestampSource::History, TimestampSource::Object);
    match event_type {
        EventType::ReportCreated => told(1, "2026-03-30T08:02:31Z").at(1018).dated(object, None),
        EventType::ReportUpdated => told(2, "2026-03-30T08:40:09Z").at(1021),
        EventType::ReportSubmitted => told(3, "2026-03-31T16:30:21Z").at(1029).dated(history, Some(SAM)),
        EventType::ReportReopened => told(4, "2026-04-01T10:05:21Z").at(1036).dated(history, Some(LEE)),
        EventType::ReportApproved => told(7, "2026-04-02T09:14:21Z").at(1042).dated(history, Some(LEE)),
        EventType::ReportUnapproved => told(8, "2026-04-02T10:02:21Z").at(1043).dated(history, Some(LEE)),
        EventType::ReportReimbursed => told(10, "2026-04-03T06:00:21Z").at(1051).dated(object, None),
        EventType::ReportReimbursementReverted => told(11, "2026-04-06T07:30:21Z").at(1067).dated(history, None),
        EventType::ReportArchived => told(12, "2026-04-08T15:45:21Z").at(1080).dated(history, Some(LEE)),
        EventType::ReportRemoved => told(13, "2026-05-04T12:00:44Z").at(1150),
        // The first sight of another report, long before.
        _ => Told::new(event_type, EntityKind::Report, &standing().report_id, 1, "2026-03-02T07:00:12Z", &standing())
            .at(3),
    }
    .event()
}

/// An event about the first line of the report.
pub(super) fn expense_example(event_type: EventType) -> Event {
    let told = |revision, at, report| {
        let object = ReportedExpense {
            report_id: REPORT_ID.to_owned(),
            policy_id: text(POLICY_ID),
            expense: report_at(report).expenses.swap_remove(0),
        };
        Told::new(event_type, EntityKind::Expense, LUNCH, revision, at, &object).news()
    };
    match event_type {
        EventType::ExpenseUpdated => told(2, "2026-03-30T08:40:09Z", 2).at(1022).before(json!({ "category": null })),
        EventType::ExpenseRemoved => told(3, "2026-05-04T12:00:44Z", 13).at(1151),
        _ => told(1, "2026-03-30T08:02:31Z", 1).at(1019),
    }
    .event()
}

/// The report as it stands after its event of `revision`.
pub(super) fn report_at(revision: u64) -> Report {
    let mut report = draft();
    (2..=revision).for_each(|step| advance(&mut report, step));
    report
}

fn advance(report: &mut Report, revision: u64) {
    match revision {
        2 => {
            report.expenses[0].category = text("Meals");
            report.expenses[0].category_gl_code = text("6420");
        }
        3 => submit(report, SUBMITTED),
        4 => {
            (report.state, report.submitted) = (ReportState::Open, None);
            note(report, "2026-04-01 10:05:00", "REJECTED", Some(LEE));
        }
        5 => report.expenses[1].comment = text("return, economy"),
        6 => submit(report, SUBMITTED_AGAIN),
        7 => approve(report, APPROVED),
        8 => {
            (report.state, report.approved) = (ReportState::Submitted, None);
            report.approvers.clear();
            note(report, "2026-04-02 10:02:00", "UNAPPROVED", Some(LEE));
        }
        9 => approve(report, APPROVED_AGAIN),
        10 => {
            (report.state, report.reimbursed) = (ReportState::Reimbursed, date(REIMBURSED));
            (report.is_ach_reimbursed, report.entry_id) = (Some(true), text("8842071"));
        }
        11 => {
            (report.state, report.reimbursed, report.is_ach_reimbursed) = (ReportState::Approved, None, Some(false));
            note(report, "2026-04-06 07:30:00", "REIMBURSEMENTACHBOUNCE", None);
        }
        12 => {
            report.state = ReportState::Archived;
            note(report, "2026-04-08 15:45:00", "CLOSED", Some(LEE));
        }
        // The last is that it is gone: the object stays as it was known.
        _ => {}
    }
}

/// What the event of `revision` changed, with the values before.
pub(super) fn before(revision: u64) -> Value {
    let approver = format!("approvers[{LEE}]");
    match revision {
        2 => json!({ (format!("expenses[{LUNCH}].category")): null }),
        3 | 6 => json!({ "state": "OPEN", "submitted": null }),
        4 => json!({ "state": "SUBMITTED", "submitted": SUBMITTED }),
        5 => json!({ (format!("expenses[{FLIGHT}].comment")): null }),
        7 | 9 => json!({ "approved": null, approver: null, "state": "SUBMITTED" }),
        8 => json!({ "approved": APPROVED, approver: { "date": APPROVED, "email": LEE }, "state": "APPROVED" }),
        10 => json!({ "entryID": null, "isACHReimbursed": null, "reimbursed": null, "state": "APPROVED" }),
        11 => json!({ "isACHReimbursed": true, "reimbursed": REIMBURSED, "state": "REIMBURSED" }),
        12 => json!({ "state": "APPROVED" }),
        _ => json!({}),
    }
}

fn submit(report: &mut Report, at: &str) {
    (report.state, report.submitted) = (ReportState::Submitted, date(at));
    note(report, at, "SUBMITTED", Some(SAM));
}

fn approve(report: &mut Report, at: &str) {
    (report.state, report.approved) = (ReportState::Approved, date(at));
    report.approvers = vec![approval(date(at))];
    note(report, at, "APPROVED", Some(LEE));
}

fn approval(date: Option<UpstreamDate>) -> Approver {
    Approver { date, email: LEE.to_owned() }
}

fn note(report: &mut Report, at: &str, action: &str, actor: Option<&str>) {
    report.history.push(HistoryEntry { at: date(at), action: action.to_owned(), actor: actor.map(str::to_owned) });
}

/// The report as Sam makes it.
fn draft() -> Report {
    Report {
        report_id: REPORT_ID.to_owned(),
        old_report_id: text("2314418344930235"),
        report_name: text("March, customer visits"),
        state: ReportState::Open,
        state_num: None,
        account_email: text(SAM),
        account_id: text("1042177"),
        manager_email: text(LEE),
        policy_id: text(POLICY_ID),
        policy_name: text(POLICY_NAME),
        currency: text("USD"),
        total: Some(35_450),
        created: date("2026-03-30 08:02:10"),
        submitted: None,
        approved: None,
        reimbursed: None,
        is_ach_reimbursed: None,
        entry_id: None,
        approvers: Vec::new(),
        expenses: vec![lunch(), flight()],
        history: Vec::new(),
        history_behind: false,
    }
}

fn lunch() -> Expense {
    Expense {
        transaction_id: LUNCH.to_owned(),
        expense_type: text("expense"),
        merchant: text("Café Zoë"),
        amount: Some(4_200),
        converted_amount: Some(4_200),
        currency: text("USD"),
        created: date("2026-03-29"),
        inserted: date("2026-03-29 19:11:42"),
        tag: text("Sales:West"),
        tag_gl_code: text("410"),
        reimbursable: Some(true),
        billable: Some(false),
        mcc: text("5812"),
        receipt_id: text("6720309558248016"),
        ..Expense::default()
    }
}

fn flight() -> Expense {
    Expense {
        transaction_id: FLIGHT.to_owned(),
        expense_type: text("expense"),
        merchant: text("Delta"),
        amount: Some(31_250),
        converted_amount: Some(31_250),
        currency: text("USD"),
        created: date("2026-03-27"),
        inserted: date("2026-03-28 02:14:07"),
        category: text("Travel"),
        category_gl_code: text("6410"),
        reimbursable: Some(false),
        billable: Some(true),
        bank: text(super::BANK),
        ..Expense::default()
    }
}

/// A report that stood when the account was first looked at.
fn standing() -> Report {
    let mut report = draft();
    report.report_id = "R00ZyXwVu987".to_owned();
    (report.old_report_id, report.report_name) = (text("7855128586770251"), text("February"));
    (report.created, report.total, report.expenses) = (date("2026-02-27 17:20:05"), Some(31_250), vec![flight()]);
    report.expenses[0].transaction_id = "4031150227700150133".to_owned();
    submit(&mut report, "2026-02-28 09:00:30");
    report
}
