//! The same content in another form.

use crate::harness::{Upstream, calm, job, start};
use expensify_sim::{Change, Fault, Faults, Trigger};
use serde_json::{Value, json};

const ALWAYS: Fault = Fault { next: 0, probability: 1.0 };

async fn rows(up: &Upstream, faults: Faults) -> Vec<Value> {
    up.sim.set_faults(faults).unwrap();
    up.rows(json!({}), json!({})).await
}

/// The details of every policy, by id.
async fn details(up: &Upstream, faults: Faults) -> Value {
    up.sim.set_faults(Faults::default()).unwrap();
    let ids: Vec<Value> = up.policies().await.iter().map(|policy| policy["id"].clone()).collect();
    up.sim.set_faults(faults).unwrap();
    let sections = ["categories", "reportFields", "tags", "tax", "employees"];
    let input = json!({ "type": "policy", "policyIDList": ids, "fields": sections });
    up.post(&job("get", input)).await.json()["policyInfo"].clone()
}

#[tokio::test]
async fn dates_are_days_or_moments() {
    let up = start(calm()).await;
    let plain = rows(&up, Faults::default()).await;
    for (row, plain) in rows(&up, Faults { dates_as_days: ALWAYS, ..Faults::default() }).await.iter().zip(&plain) {
        for key in ["created", "submitted", "approved", "reimbursed"] {
            let day = plain[key].as_str().unwrap();
            assert_eq!(row[key], day[..day.len().min(10)]);
        }
        assert_eq!(row["actionList"], plain["actionList"], "history has moments");
    }
    for row in rows(&up, Faults { dates_as_moments: ALWAYS, ..Faults::default() }).await {
        assert!(row["transactionList"][0]["created"].as_str().unwrap().ends_with(" 00:00:00"));
    }
    up.sim.set_faults(Faults { dates_as_days: ALWAYS, dates_as_moments: ALWAYS, ..Faults::default() }).unwrap();
    let cards = up.cards().await;
    assert!(cards.iter().all(|card| card["created"].as_str().unwrap().len() == 10));
    assert!(cards.iter().any(|card| card["scrapeMinDate"].as_str().unwrap().len() == 19));
}

#[tokio::test]
async fn ids_numbers_and_blanks_change_their_form_and_nothing_else() {
    let up = start(calm()).await;
    let plain = rows(&up, Faults::default()).await;
    let faults = Faults { old_ids: ALWAYS, numbers_as_text: ALWAYS, blank_missing: ALWAYS, ..Faults::default() };
    let odd = rows(&up, faults).await;
    for (row, plain) in odd.iter().zip(&plain) {
        assert_eq!(row["reportID"], plain["oldReportID"]);
        assert_eq!(row["total"], plain["total"].to_string());
        assert_eq!(row["transactionList"][0]["amount"], plain["transactionList"][0]["amount"].to_string());
        assert_eq!(row["submitted"] == Value::Null, plain["submitted"] == "");
    }
    assert!(odd.iter().any(|row| row["reimbursed"] == Value::Null));
    let cards = up.cards().await;
    assert!(cards.iter().all(|card| card["cardID"].is_string()));
    assert!(cards.iter().any(|card| card.get("externalEmployeeID").is_none()));
}

#[tokio::test]
async fn lists_within_come_in_another_order_with_the_same_content() {
    let up = start(calm()).await;
    let plain = rows(&up, Faults::default()).await;
    let shuffled = rows(&up, Faults { shuffled_lists: ALWAYS, ..Faults::default() }).await;
    assert_ne!(plain, shuffled);
    let sorted = |row: &Value| {
        let mut lines: Vec<String> = row["transactionList"].as_array().unwrap().iter().map(Value::to_string).collect();
        lines.sort();
        lines
    };
    assert!(plain.iter().zip(&shuffled).all(|(plain, row)| sorted(plain) == sorted(row)));
    let (plain, shuffled) = (
        details(&up, Faults::default()).await,
        details(&up, Faults { shuffled_lists: ALWAYS, ..Faults::default() }).await,
    );
    for (id, info) in plain.as_object().unwrap() {
        assert_ne!(info["categories"], shuffled[id]["categories"]);
        assert_ne!(info["employees"], shuffled[id]["employees"]);
        if info["tags"][0].get("tags").is_some() {
            assert_eq!(info["tags"][0]["name"], shuffled[id]["tags"][0]["name"], "levels keep their order");
        }
    }
}

#[tokio::test]
async fn tags_come_flat_or_in_levels() {
    let up = start(calm()).await;
    let plain = details(&up, Faults::default()).await;
    let levelled = details(&up, Faults { tags_levelled: ALWAYS, ..Faults::default() }).await;
    for (id, info) in plain.as_object().unwrap() {
        let was_flat = info["tags"][0].get("tags").is_none();
        let wanted = if was_flat { json!([{ "name": "", "tags": info["tags"] }]) } else { info["tags"].clone() };
        assert_eq!(levelled[id]["tags"], wanted);
    }
    let made = up.post(&job("create", json!({ "type": "policy", "policyName": "new" }))).await.json();
    let id = made["policyID"].as_str().unwrap();
    assert_eq!(up.section(id, "tags").await, json!([{ "name": "Tags", "tags": [] }]));
    up.sim.set_faults(Faults { tags_flat: ALWAYS, ..Faults::default() }).unwrap();
    assert_eq!(up.section(id, "tags").await, json!([]));
}

#[tokio::test]
async fn unknown_fields_are_constant_or_move_at_every_read() {
    let up = start(calm()).await;
    up.sim.set_faults(Faults { extra_field: ALWAYS, volatile_field: ALWAYS, ..Faults::default() }).unwrap();
    let (cards, again) = (up.cards().await, up.cards().await);
    for (card, again) in cards.iter().zip(&again) {
        assert_eq!(card["cardProgram"], again["cardProgram"]);
        assert_ne!(card["lastSeen"], again["lastSeen"]);
    }
    let (policies, again) = (up.policies().await, up.policies().await);
    for (policy, again) in policies.iter().zip(&again) {
        assert!(policy["autoReporting"].is_string());
        assert_ne!(policy["preferredPlan"], again["preferredPlan"]);
    }
    assert!(up.sim.changes(0).is_empty());
}

#[tokio::test]
async fn a_report_that_comes_twice_can_differ_from_itself() {
    let up = start(calm()).await;
    let all = rows(&up, Faults { differing_rows: Fault::times(1), ..Faults::default() }).await;
    assert_eq!(all.len(), 61);
    let last = all.last().unwrap();
    let first = all.iter().find(|row| row["reportID"] == last["reportID"]).unwrap();
    assert_ne!(first["reportName"], last["reportName"]);
}

#[tokio::test]
async fn forms_combine_and_can_be_switched_one_by_one() {
    let up = start(calm()).await;
    let url = format!("{}/faults", up.sim.control_url());
    let patch = |body: Value| up.http.patch(&url).json(&body);
    let always = json!({ "probability": 1.0 });
    crate::harness::answer(patch(json!({ "old_ids": always }))).await;
    let now = crate::harness::answer(patch(json!({ "dates_as_days": always, "crlf": always }))).await.json();
    assert_eq!((&now["old_ids"]["probability"], &now["crlf"]["probability"]), (&json!(1.0), &json!(1.0)));
    assert_eq!(crate::harness::answer(patch(json!({ "old_idz": always }))).await.status, 422);
    let row = up.rows(json!({}), json!({})).await.remove(0);
    assert!(row["reportID"].as_str().unwrap().bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(row["created"].as_str().unwrap().len(), 10);
    up.sim.trigger(&Trigger::report(Change::Updated, row["reportID"].as_str().unwrap())).unwrap();
}
