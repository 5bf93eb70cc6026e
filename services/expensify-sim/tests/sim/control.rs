//! The control API.

use crate::harness::{answer, calm, start};
use expensify_sim::{Change, Trigger};
use serde_json::json;

#[tokio::test]
async fn one_named_change_is_made_and_written_down_once() {
    let up = start(calm()).await;
    let id = up.in_state("SUBMITTED");
    let record = up.change(json!({ "change": "approved", "report": id })).await.json();
    assert_eq!(
        (&record["n"], &record["entity"], &record["change"]),
        (&json!(1), &json!(format!("report/{id}")), &json!("approved"))
    );
    assert!(record["at"].as_str().unwrap().ends_with('Z'));
    let actor = up.sim.report(&id).unwrap()["managerEmail"].clone();
    let detail = json!({ "by": "control", "actor": actor, "from": "SUBMITTED", "to": "APPROVED", "state": "APPROVED" });
    assert_eq!(record["detail"], detail);
    let again = up.change(json!({ "change": "approved", "report": id })).await;
    assert_eq!((again.status, again.json()["error"].as_str().unwrap()), (409, "Report is in status 'Approved'"));
    let listed = up.control("/changes?after=0").await.json();
    assert_eq!(listed, json!({ "changes": [record], "first": 1, "last": 1 }));
    assert_eq!(up.control("/changes?after=1").await.json()["changes"], json!([]));
}

#[tokio::test]
async fn every_change_can_be_made_to_an_entity_of_the_simulators_choice() {
    let up = start(calm()).await;
    let bodies = [
        json!({ "change": "created" }),
        json!({ "change": "submitted" }),
        json!({ "change": "approved" }),
        json!({ "change": "reimbursed" }),
        json!({ "change": "archived" }),
        json!({ "change": "reopened" }),
        json!({ "change": "unapproved" }),
        json!({ "change": "updated" }),
        json!({ "change": "removed" }),
        json!({ "change": "changed" }),
        json!({ "change": "created", "entity": "policy" }),
        json!({ "change": "removed", "entity": "policy" }),
        json!({ "change": "added" }),
        json!({ "change": "changed", "entity": "card" }),
        json!({ "change": "removed", "entity": "card" }),
    ];
    for (at, body) in bodies.iter().enumerate() {
        let record = up.change(body.clone()).await;
        assert_eq!(record.status, 200, "{body}: {}", record.text());
        assert_eq!((&record.json()["n"], &record.json()["change"]), (&json!(at + 1), &body["change"]));
    }
    assert_eq!(up.sim.stats().last_change, bodies.len() as u64);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_a_reason() {
    let up = start(calm()).await;
    assert_eq!(up.change(json!({ "change": "approved", "report": "R00000000000" })).await.status, 404);
    assert_eq!(up.change(json!({ "change": "removed", "report": up.in_state("APPROVED") })).await.status, 409);
    assert_eq!(up.change(json!({ "change": "removed", "policy": up.policies().await[0]["id"] })).await.status, 409);
    assert_eq!(up.change(json!({ "change": "approved", "card": 1 })).await.status, 409);
    assert_eq!(up.change(json!({ "change": "exploded" })).await.status, 422);
    assert!(up.sim.changes(0).is_empty());
}

#[tokio::test]
async fn reports_can_be_looked_at() {
    let up = start(calm()).await;
    let reports = up.control("/reports").await.json();
    assert_eq!(reports.as_array().unwrap().len(), 60);
    let id = reports[0]["id"].as_str().unwrap();
    assert_eq!(up.control(&format!("/reports/{id}")).await.json()["reportID"], id);
    assert_eq!(up.control("/reports/R00000000000").await.status, 404);
}

#[tokio::test]
async fn faults_and_pace_are_set_and_read_back() {
    let up = start(calm()).await;
    let url = format!("{}/faults", up.sim.control_url());
    let set = answer(up.http.put(&url).json(&json!({ "http_502": { "next": 1 } }))).await.json();
    assert_eq!(set["http_502"]["next"], 1);
    assert_eq!(answer(up.http.put(&url).json(&json!({ "http_5": { "next": 1 } }))).await.status, 422);
    assert_eq!(answer(up.http.put(&url).json(&json!({ "bom": { "probability": 2 } }))).await.status, 422);
    assert_eq!(up.control("/faults").await.json()["http_502"]["next"], 1, "a bad request changed nothing");
    let url = format!("{}/pace", up.sim.control_url());
    assert_eq!(answer(up.http.post(&url).json(&json!({ "changes_per_minute": -1 }))).await.status, 422);
    answer(up.http.post(&url).json(&json!({ "changes_per_minute": 30_000 }))).await;
    assert_eq!(up.control("/stats").await.json()["changes_per_minute"], 30_000.0);
    up.changes(3).await;
}

#[tokio::test]
async fn stats_count_by_job() {
    let up = start(calm()).await;
    up.policies().await;
    up.rows(json!({}), json!({})).await;
    let stats = up.control("/stats").await.json();
    assert_eq!(stats["by_job"], json!({ "get/policyList": 1, "file/combinedReportData": 1, "download": 1 }));
    assert_eq!((&stats["requests"], &stats["rows_exported"], &stats["downloads"]), (&json!(3), &json!(60), &json!(1)));
    assert_eq!(stats["reports"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 60);
}

#[tokio::test]
async fn the_handle_does_the_same_in_process() {
    let up = start(calm()).await;
    let id = up.in_state("OPEN");
    let record = up.sim.trigger(&Trigger::report(Change::Submitted, &id)).unwrap();
    assert_eq!(up.sim.changes(0), [record]);
    assert!(up.sim.set_pace(f64::NAN).is_err());
}
