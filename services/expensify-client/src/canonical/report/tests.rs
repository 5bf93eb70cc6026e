use super::*;
use event_model::ReportState;
use serde_json::json;

/// A row whose cells are those given by name, the rest null.
fn cells(columns: &[&str], of: &Value) -> Value {
    columns.iter().map(|column| of.get(column).cloned().unwrap_or(Value::Null)).collect()
}

fn list(columns: &[&str], of: Option<&Value>) -> Value {
    match of {
        Some(Value::Array(items)) => items.iter().map(|item| cells(columns, item)).collect(),
        Some(other) => other.clone(),
        None => json!([]),
    }
}

fn read(model: Value) -> (Result<Report, RowFault>, Vec<String>) {
    let mut with_state = json!({ "reportID": "R009WqAY45L1", "status": "Open" });
    if let (Some(all), Some(given)) = (with_state.as_object_mut(), model.as_object()) {
        all.extend(given.clone());
    }
    let model = with_state;
    let row = json!({
        "t": "row", "i": 0,
        "report": cells(REPORT, &model),
        "approvers": list(APPROVER, model.get("approvers")),
        "actionList": list(ACTION, model.get("actionList")),
        "transactionList": list(EXPENSE, model.get("transactionList")),
    });
    let row: Row = serde_json::from_value(row).unwrap();
    let mut notices = Vec::new();
    let read = report(&row, &mut |text| notices.push(text));
    (read, notices)
}

fn good(model: Value) -> Report {
    read(model).0.unwrap()
}

#[test]
fn a_report_is_read_in_full() {
    let report = good(json!({
        "reportID": "R009WqAY45L1", "oldReportID": "2080715894610667", "reportName": "Lyon &amp; back",
        "status": "Approved", "state": "APPROVED", "stateNum": 2, "accountEmail": "sam@acme.example",
        "accountID": 77, "managerEmail": "lee@acme.example", "policyID": "a1b2c3d4e5f60718",
        "policyName": "Field", "currency": "EUR", "total": 22275, "created": "2026-04-01 08:00:00",
        "submitted": "2026-04-02", "approved": "2026-04-03 10:00:00", "reimbursed": "",
        "isACHReimbursed": false, "entryID": "",
        "approvers": [{ "email": "lee@acme.example", "date": "2026-04-03 10:00:00" }],
        "actionList": [{ "action": "approved", "accountEmail": "lee@acme.example", "created": "2026-04-03 10:00:00" },
            { "action": "SUBMITTED", "accountEmail": "sam@acme.example", "created": "2026-04-02 09:00:00" }],
        "transactionList": [{ "transactionID": "4056343049275634494", "amount": 20400, "modifiedTaxAmount": 5,
            "taxAmount": 9, "mcc": 0, "modifiedMCC": "5812", "reimbursable": true, "created": "2026-04-01",
            "taxRate": 20.0, "comment": " " }],
    }));
    assert_eq!(report.report_name.as_deref(), Some("Lyon & back"));
    assert_eq!((report.state, report.state_num), (ReportState::Approved, Some(2)));
    assert_eq!((report.account_id.as_deref(), report.policy_id.as_deref()), (Some("77"), Some("A1B2C3D4E5F60718")));
    assert_eq!(report.approved.unwrap().to_string(), "2026-04-03 10:00:00");
    assert_eq!((report.reimbursed, report.is_ach_reimbursed, report.entry_id), (None, Some(false), None));
    assert_eq!(report.approvers[0].email, "lee@acme.example");
    let expense = &report.expenses[0];
    assert_eq!((expense.amount, expense.tax_amount, expense.mcc.as_deref()), (Some(20400), Some(5), Some("5812")));
    assert_eq!((expense.tax_rate.as_deref(), expense.comment.as_deref()), (Some("20"), None));
    let actions: Vec<_> = report.history.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["SUBMITTED", "APPROVED"]);
}

#[test]
fn one_report_is_equal_in_all_its_spellings() {
    let new = good(json!({ "reportID": "R009WqAY45L1", "oldReportID": "2080715894610667", "total": 5, "mcc": null }));
    for other in [
        json!({ "reportID": "2080715894610667", "total": "5" }),
        json!({ "reportID": 2_080_715_894_610_667_i64, "total": 5.0, "entryID": "", "isACHReimbursed": null }),
        json!({ "reportID": null, "oldReportID": 2_080_715_894_610_667_i64, "total": 5, "isACHReimbursed": "false" }),
        json!({ "reportID": " R009WqAY45L1 ", "oldReportID": "2080715894610667", "total": 5, "status": "open",
            "transactionList": null, "approvers": "", "actionList": null }),
    ] {
        assert_eq!(good(other.clone()), new, "{other}");
    }
}

#[test]
fn the_order_of_lists_says_nothing() {
    let model = |turn: bool| {
        let mut expenses = vec![json!({ "transactionID": "2" }), json!({ "transactionID": "10" })];
        let mut approvers =
            vec![json!({ "email": "b", "date": "2026-01-02" }), json!({ "email": "a", "date": "2026-01-03" })];
        if turn {
            expenses.reverse();
            approvers.reverse();
        }
        json!({ "transactionList": expenses, "approvers": approvers })
    };
    assert_eq!(good(model(false)), good(model(true)));
}

#[test]
fn what_cannot_be_read_is_a_fault_and_never_a_blank() {
    for bad in [
        json!({ "reportID": null }),
        json!({ "reportID": {} }),
        json!({ "status": null }),
        json!({ "total": "1,234" }),
        json!({ "total": {} }),
        json!({ "approved": "yesterday" }),
        json!({ "isACHReimbursed": "perhaps" }),
        json!({ "policyName": {} }),
        json!({ "transactionList": "none" }),
        json!({ "transactionList": {} }),
        json!({ "transactionList": [{ "amount": 5 }] }),
        json!({ "transactionList": [null] }),
        json!({ "transactionList": [{ "transactionID": "1", "amount": "∞" }] }),
        json!({ "approvers": {} }),
        json!({ "approvers": [{ "email": "a", "date": "?" }] }),
    ] {
        assert!(read(bad.clone()).0.is_err(), "{bad}");
    }
}

#[test]
fn a_row_of_the_wrong_length_is_a_fault() {
    let row = |cells: Value, expenses: Value| {
        let row = json!({ "t": "row", "i": 0, "report": cells, "approvers": [], "actionList": [],
            "transactionList": expenses });
        report(&serde_json::from_value(row).unwrap(), &mut |_| {})
    };
    let whole = cells(REPORT, &json!({ "reportID": "R1", "status": "Open" }));
    assert!(row(whole.clone(), json!([])).is_ok());
    let mut short = whole.clone();
    short.as_array_mut().unwrap().pop();
    assert!(row(short, json!([])).is_err());
    assert!(row(whole.clone(), json!([[]])).is_err());
    assert!(row(whole, json!([["1"]])).is_err());
}

#[test]
fn nothing_depends_on_the_history() {
    let (observed, notices) = read(json!({ "actionList": [
        { "action": "APPROVED", "created": "soon" }, { "action": null }, { "action": {} },
        { "action": "closed", "created": "2026-04-02 10:00:00" },
    ] }));
    assert_eq!(observed.unwrap().history.len(), 1);
    assert_eq!(notices, ["R009WqAY45L1: 3 entries of the history cannot be read"]);
    let (observed, notices) = read(json!({ "actionList": {} }));
    assert!(observed.unwrap().history.is_empty());
    assert_eq!(notices.len(), 1);
}

#[test]
fn the_history_holds_the_steps_of_a_life_each_as_often_as_it_was_taken() {
    let entry = |action: &str, created: &str| json!({ "action": action, "accountEmail": "lee@acme.example", "created": created });
    let report = good(json!({ "actionList": [
        entry("APPROVED", "2026-04-03"), entry("Unapproved", "2026-04-03"), entry("approved", "2026-04-03"),
        entry("ADDCOMMENT", "2026-04-03"), entry("EXPORTCSV", "2026-04-03"), entry("FORWARDED", "2026-04-02"),
        entry("SUBMITTED", "2026-04-02 09:00:00"), entry(" reimbursed ", ""),
    ] }));
    let told: Vec<_> = report.history.iter().map(|e| (e.action.as_str(), e.at.map(|at| at.to_string()))).collect();
    let third = Some("2026-04-03".to_owned());
    assert_eq!(
        told,
        [
            ("REIMBURSED", None),
            ("SUBMITTED", Some("2026-04-02 09:00:00".to_owned())),
            ("APPROVED", third.clone()),
            ("APPROVED", third.clone()),
            ("UNAPPROVED", third),
        ]
    );
    assert_eq!(report.history[0].actor.as_deref(), Some("lee@acme.example"));
}

#[test]
fn a_long_history_keeps_its_latest_steps() {
    let entry =
        |n: usize| json!({ "action": "APPROVED", "created": format!("2026-04-02 10:{:02}:{:02}", n / 60, n % 60) });
    let comment = json!({ "action": "ADDCOMMENT", "created": "2026-05-02" });
    let entries = (0..MAX_HISTORY + 5).map(entry).chain(std::iter::repeat_n(comment, 500));
    let (report, notices) = read(json!({ "actionList": entries.collect::<Vec<_>>() }));
    let history = report.unwrap().history;
    assert_eq!((history.len(), history[0].at.unwrap().to_string().as_str()), (MAX_HISTORY, "2026-04-02 10:00:05"));
    assert_eq!(notices, ["R009WqAY45L1: 5 early steps of the history are left out"]);
}

#[test]
fn what_is_odd_but_readable_is_noticed() {
    for (model, wanted) in [
        (json!({ "status": "Mystery" }), "R009WqAY45L1: unknown state MYSTERY"),
        (json!({ "approvers": [{ "date": "2026-01-01" }] }), "R009WqAY45L1: an approver without email is left out"),
        (
            json!({ "transactionList": [{ "transactionID": "1" }, { "transactionID": "1", "amount": 1 }] }),
            "R009WqAY45L1: expense 1 stands twice and differs; the last is taken",
        ),
    ] {
        let (observed, notices) = read(model);
        assert!(observed.is_ok());
        assert_eq!(notices, [wanted]);
    }
}

#[test]
fn a_date_is_read_in_both_forms_and_keeps_its_own() {
    let dated = |date: &str| {
        good(json!({ "submitted": date, "transactionList": [{ "transactionID": "1", "inserted": date }] }))
    };
    let told = |report: &Report| [report.submitted, report.expenses[0].inserted].map(|date| date.unwrap().to_string());
    assert_eq!(told(&dated("2026-04-02")), ["2026-04-02"; 2]);
    assert_eq!(told(&dated("2026-04-02 09:14:00")), ["2026-04-02 09:14:00"; 2]);
    assert_eq!(dated("2026-04-02 09:14:00"), dated("2026-04-02T09:14:00"));
    assert_ne!(dated("2026-04-02"), dated("2026-04-02 00:00:00"), "a day is not its first moment");
}

#[test]
fn lists_are_in_order_of_time_whatever_the_form_of_their_dates() {
    let entry = |at: &str| json!({ "action": "APPROVED", "email": "lee@acme.example", "date": at, "created": at });
    let (first, noon, second) = (entry("2026-04-01 12:00:00"), entry("2026-04-02"), entry("2026-04-02 12:00:00"));
    let entries = json!([second, noon, first]);
    let report = good(json!({ "actionList": entries, "approvers": entries }));
    let wanted = ["2026-04-01 12:00:00", "2026-04-02", "2026-04-02 12:00:00"];
    assert_eq!(report.history.iter().map(|e| e.at.unwrap().to_string()).collect::<Vec<_>>(), wanted);
    assert_eq!(report.approvers.iter().map(|a| a.date.unwrap().to_string()).collect::<Vec<_>>(), wanted);
}

#[test]
fn blank_and_missing_are_one_in_every_column() {
    let blank = |blank: Value| {
        let all = |columns: &[&str], key: &str, id: &str| -> Value {
            columns.iter().map(|c| ((*c).to_owned(), if *c == key { json!(id) } else { blank.clone() })).collect()
        };
        let mut report = all(REPORT, "reportID", "R009WqAY45L1");
        report["status"] = json!("Open");
        report["approvers"] = json!([all(APPROVER, "email", "lee@acme.example")]);
        report["transactionList"] = json!([all(EXPENSE, "transactionID", "1")]);
        report["actionList"] = json!([all(ACTION, "action", "SUBMITTED")]);
        good(report)
    };
    let missing = blank(Value::Null);
    assert_eq!((missing.expenses.len(), missing.approvers.len(), missing.history.len()), (1, 1, 1));
    assert_eq!(blank(json!("")), missing);
    assert_eq!(blank(json!("  ")), missing);
}

#[test]
fn texts_that_the_server_escapes_are_what_people_wrote() {
    let escaped = |name: &str, merchant: &str| {
        good(
            json!({ "reportName": name, "transactionList": [{ "transactionID": "1", "merchant": merchant, "tag": merchant }] }),
        )
    };
    assert_eq!(escaped("Tom &amp; Jerry&#39;s", "&lt;Bar&gt; &quot;9&quot;"), escaped("Tom & Jerry's", "<Bar> \"9\""));
}

#[test]
fn a_state_that_nobody_knows_is_kept_and_ids_that_differ_in_case_are_two() {
    let report = good(json!({ "status": "On hold", "stateNum": 9 }));
    assert_eq!((report.state, report.state_num), (ReportState::Other("ON HOLD".into()), Some(9)));
    let upper = good(json!({ "reportID": "R009WqAY45L1" }));
    let lower = good(json!({ "reportID": "R009wqay45l1" }));
    assert_ne!(upper.report_id, lower.report_id);
}
