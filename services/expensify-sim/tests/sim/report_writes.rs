//! Jobs that write reports: expenses, reports, states.

use crate::harness::{calm, job, start};
use expensify_sim::{Change, SimConfig};
use serde_json::{Value, json};

fn expense() -> Value {
    json!({ "created": "2026-04-02", "currency": "USD", "merchant": "Northside Cab", "amount": 1875 })
}

fn expenses(list: Value) -> Value {
    json!({ "type": "expenses", "employeeEmail": "sam@acme.example", "transactionList": list })
}

#[tokio::test]
async fn expenses_that_name_no_report_open_a_new_one() {
    let up = start(calm()).await;
    let answer = up.post(&job("create", expenses(json!([expense(), expense()])))).await;
    assert_eq!(answer.content_type, "text/plain;charset=utf-8");
    let made = answer.json()["transactionList"].clone();
    let report = made[0]["reportID"].as_str().unwrap();
    assert_eq!(made[1]["reportID"], report);
    assert_eq!(
        (&made[0]["category"], &made[0]["mcc"], &made[0]["amount"]),
        (&json!("Uncategorized"), &json!(0), &json!(1875))
    );
    let model = up.sim.report(report).unwrap();
    assert_eq!((&model["total"], &model["status"]), (&json!(3750), &json!("Open")));
    let changes = up.sim.changes(0);
    assert_eq!(changes.len(), 1, "one report, one change: {changes:?}");
    assert_eq!((changes[0].change, changes[0].entity.as_str()), (Change::Created, format!("report/{report}").as_str()));
    assert_eq!(changes[0].detail["by"], "job");
}

#[tokio::test]
async fn an_expense_joins_the_report_that_it_names() {
    let up = start(calm()).await;
    let id = up.in_state("OPEN");
    let before = up.sim.report(&id).unwrap();
    let mut item = expense();
    item["reportID"] = json!(id);
    item["externalID"] = json!("inv-778");
    let made = up.post(&job("create", expenses(json!([item])))).await.json()["transactionList"][0].clone();
    assert_eq!(made["reportID"], id.as_str());
    let after = up.sim.report(&id).unwrap();
    assert_eq!(after["total"].as_i64().unwrap() - before["total"].as_i64().unwrap(), 1875);
    let last = after["transactionList"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["externalID"], &last["transactionID"]), (&json!("inv-778"), &made["transactionID"]));
    let changes = up.sim.changes(0);
    assert_eq!((changes.len(), changes[0].change), (1, Change::Updated));
}

#[tokio::test]
async fn bad_expenses_are_refused_in_the_recorded_words_and_nothing_is_written() {
    let up = start(calm()).await;
    let mut nobody = expenses(json!([expense()]));
    nobody.as_object_mut().unwrap().remove("employeeEmail");
    let said = up.refusal("create", nobody).await;
    assert_eq!(said, (410, "'employeeEmail' parameter is missing or malformed".into()));
    let mut dated = expense();
    dated["created"] = json!("16-01-01");
    let said = up.refusal("create", expenses(json!([expense(), dated]))).await;
    assert_eq!(said, (410, "Malformed date '16-01-01'. Expected format is yyyy-MM-dd".into()));
    let mut foreign = expenses(json!([expense()]));
    foreign["employeeEmail"] = json!("user@domain.com");
    let said = up.refusal("create", foreign).await;
    assert_eq!(said, (500, "Not authorized to authenticate as user user@domain.com".into()));
    let mut paid = expense();
    paid["reportID"] = json!(up.in_state("REIMBURSED"));
    assert_eq!(up.refusal("create", expenses(json!([expense(), paid]))).await.0, 410);
    assert!(up.sim.changes(0).is_empty());
    assert_eq!(up.sim.reports().len(), 60);
}

#[tokio::test]
async fn tax_is_taken_from_the_policys_rates() {
    let up = start(calm()).await;
    let policies = up.policies().await;
    let mut item = expense();
    item["tax"] = json!({ "rateID": "id_TAX_OPTION_20" });
    item["policyID"] =
        policies.iter().find(|policy| policy["name"].as_str().unwrap().contains("France")).unwrap()["id"].clone();
    let mut codes = Vec::new();
    for policy in &policies {
        item["policyID"] = policy["id"].clone();
        let answer = up.post(&job("create", expenses(json!([item])))).await.json();
        codes.push(answer["responseCode"].as_u64().unwrap());
        if let Some(report) = answer["transactionList"][0]["reportID"].as_str() {
            let line = up.sim.report(report).unwrap()["transactionList"][0].clone();
            assert_eq!((&line["hasTax"], &line["taxAmount"]), (&json!(true), &json!(312)));
        }
    }
    codes.sort_unstable();
    assert_eq!(codes, [200, 410, 410]);
}

#[tokio::test]
async fn a_report_is_created_with_its_title_fields_and_expenses() {
    let up = start(calm()).await;
    let policy = up.policies().await[0]["id"].clone();
    let input = json!({
        "type": "report", "policyID": policy, "employeeEmail": "sam@acme.example",
        "report": { "title": "Lyon visit", "fields": { "Reason of trip": "Audit" } },
        "expenses": [{ "date": "2026-04-02", "currency": "USD", "merchant": "Northside Cab", "amount": 1875 }],
    });
    let made = up.post(&job("create", input.clone())).await.json();
    assert_eq!((&made["responseCode"], &made["reportName"]), (&json!(200), &json!("Lyon visit")));
    let model = up.sim.report(made["reportID"].as_str().unwrap()).unwrap();
    assert_eq!((&model["total"], &model["customField"]["Reason_of_trip"]), (&json!(1875), &json!("Audit")));
    assert_eq!(up.sim.changes(0).len(), 1);

    let broken = |key: &str, value: Value| {
        let mut input = input.clone();
        input[key] = value;
        input
    };
    let foreign = broken("employeeEmail", json!("sam@other.example"));
    assert_eq!(
        up.refusal("create", foreign).await,
        (500, "Not authorized to authenticate as user sam@other.example".into())
    );
    assert_eq!(up.refusal("create", broken("policyID", json!("nope"))).await.0, 404);
    assert_eq!(up.refusal("create", broken("report", json!({}))).await.0, 410);
    assert_eq!(
        up.refusal("create", broken("expenses", json!([expense()]))).await.0,
        410,
        "the date's key is 'date' here"
    );
    assert_eq!(up.sim.changes(0).len(), 1);
}

fn status(status: &str, ids: &str) -> Value {
    json!({ "type": "reportStatus", "status": status, "filters": { "reportIDList": ids } })
}

#[tokio::test]
async fn reimbursing_skips_what_is_not_approved_and_still_answers_200() {
    let up = start(calm()).await;
    let (open, approved) = (up.in_state("OPEN"), up.in_state("APPROVED"));
    let answer = up.post(&job("update", status("REIMBURSED", &format!("{open},{approved}")))).await;
    assert_eq!(answer.content_type, "text/plain;charset=utf-8");
    let skipped = json!([{ "reason": "Report is in status 'Open'", "reportID": open }]);
    assert_eq!(answer.json(), json!({ "skippedReports": skipped, "reportIDs": [approved], "responseCode": 200 }));
    assert_eq!(up.sim.report(&approved).unwrap()["state"], "MANUALREIMBURSED");
    let all_skipped = up.post(&job("update", status("REIMBURSED", &open))).await.json();
    assert_eq!(all_skipped, json!({ "skippedReports": skipped, "reportIDs": [], "responseCode": 200 }));
    let changes = up.sim.changes(0);
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].change, changes[0].entity.clone()), (Change::Reimbursed, format!("report/{approved}")));
}

#[tokio::test]
async fn code_207_comes_only_when_switched_on() {
    let up = start(SimConfig { partial_is_207: true, ..calm() }).await;
    let (open, approved) = (up.in_state("OPEN"), up.in_state("APPROVED"));
    let answer = up.post(&job("update", status("REIMBURSED", &format!("{open},{approved}")))).await.json();
    assert_eq!((&answer["responseCode"], &answer["failedReports"]), (&json!(207), &json!([])));
}

#[tokio::test]
async fn other_states_cannot_be_set() {
    let up = start(calm()).await;
    let approved = up.in_state("APPROVED");
    for word in ["SUBMITTED", "APPROVED", "CLOSED"] {
        let said = up.refusal("update", status(word, &approved)).await;
        assert_eq!(said, (410, format!("Status '{word}' is not supported")));
    }
    assert_eq!(
        up.refusal("update", json!({ "type": "reportStatus", "status": "REIMBURSED", "filters": {} })).await.0,
        410
    );
    assert!(up.sim.changes(0).is_empty());
}
