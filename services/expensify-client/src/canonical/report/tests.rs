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

fn read(model: Value) -> (Result<ObservedReport, RowFault>, Vec<String>) {
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
    let read = observed(&row, &mut |text| notices.push(text));
    (read, notices)
}

fn good(model: Value) -> ObservedReport {
    read(model).0.unwrap()
}

#[test]
fn a_report_is_read_in_full() {
    let observed = good(json!({
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
    let report = observed.report;
    assert_eq!(report.report_name.as_deref(), Some("Lyon & back"));
    assert_eq!((report.state, report.state_num), (ReportState::Approved, Some(2)));
    assert_eq!((report.account_id.as_deref(), report.policy_id.as_deref()), (Some("77"), Some("A1B2C3D4E5F60718")));
    assert_eq!(report.approved.unwrap().to_string(), "2026-04-03 10:00:00");
    assert_eq!((report.reimbursed, report.is_ach_reimbursed, report.entry_id), (None, Some(false), None));
    assert_eq!(report.approvers[0].email, "lee@acme.example");
    let expense = &report.expenses[0];
    assert_eq!((expense.amount, expense.tax_amount, expense.mcc.as_deref()), (Some(20400), Some(5), Some("5812")));
    assert_eq!((expense.tax_rate.as_deref(), expense.comment.as_deref()), (Some("20"), None));
    let actions: Vec<_> = observed.history.iter().map(|entry| entry.action.as_str()).collect();
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
    let row = |report: Value, expenses: Value| {
        let row = json!({ "t": "row", "i": 0, "report": report, "approvers": [], "actionList": [],
            "transactionList": expenses });
        observed(&serde_json::from_value(row).unwrap(), &mut |_| {})
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
fn a_long_history_keeps_its_latest_entries() {
    let entry = |n: usize| json!({ "action": format!("A{n:05}"), "created": "2026-04-02 10:00:00" });
    let (observed, notices) = read(json!({ "actionList": (0..MAX_HISTORY + 5).map(entry).collect::<Vec<_>>() }));
    let history = observed.unwrap().history;
    assert_eq!((history.len(), history[0].action.as_str()), (MAX_HISTORY, "A00005"));
    assert_eq!(notices.len(), 1);
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
