//! Several changes between two reads, and a history that is full, late, wrong or missing.

use crate::harness::{Upstream, calm, start};
use expensify_sim::{Burst, Change, Fault, Faults, Trigger};
use serde_json::{Value, json};

async fn actions(up: &Upstream, id: &str) -> Vec<String> {
    let row = up.row(id).await.unwrap();
    let entries = row["actionList"].as_array().unwrap();
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

fn all_of(id: &str, changes: &[Change]) -> Vec<Trigger> {
    changes.iter().map(|change| Trigger::report(*change, id)).collect()
}

fn with(up: &Upstream, faults: Faults) {
    up.sim.set_faults(faults).unwrap();
}

#[tokio::test]
async fn a_burst_is_several_changes_each_with_its_own_time() {
    let up = start(calm()).await;
    let id = up.in_state("SUBMITTED");
    let changes = [Change::Approved, Change::Unapproved, Change::Approved];
    let records = up.sim.burst(&Burst::of(all_of(&id, &changes))).unwrap();
    assert_eq!(records.iter().map(|record| record.change).collect::<Vec<_>>(), changes);
    for pair in records.windows(2) {
        assert_eq!(pair[1].at.duration_since(pair[0].at).as_millis(), 1_000);
    }
    let row = up.row(&id).await.unwrap();
    let entries = row["actionList"].as_array().unwrap();
    for (entry, record) in entries[entries.len() - 3..].iter().zip(&records) {
        assert_eq!(entry["created"], record.at.strftime("%Y-%m-%d %H:%M:%S").to_string().as_str());
    }
}

#[tokio::test]
async fn no_change_of_a_burst_is_dated_before_what_a_read_did_not_show() {
    let up = start(calm()).await;
    let id = up.in_state("OPEN");
    up.row(&id).await;
    let read_at = up.sim.exports(0)[0].read_at;
    let changes = [Change::Submitted, Change::Approved, Change::Reimbursed];
    let body = json!({ "changes": all_of(&id, &changes), "apart_ms": 3_600_000 });
    let answer = up.command("/bursts", body).await.json();
    let first = up.sim.changes(0).remove(0);
    assert!(first.at > read_at, "{} {read_at}", first.at);
    assert_eq!(answer["changes"].as_array().unwrap().len(), 3);
    assert_eq!(up.row(&id).await.unwrap()["status"], "Reimbursed");
}

#[tokio::test]
async fn a_burst_ends_at_the_first_change_that_cannot_be_made() {
    let up = start(calm()).await;
    let id = up.in_state("OPEN");
    let body = json!({ "changes": all_of(&id, &[Change::Submitted, Change::Reimbursed, Change::Approved]) });
    let answer = up.command("/bursts", body).await;
    assert_eq!(answer.status, 409);
    assert!(answer.json()["error"].as_str().unwrap().starts_with("change 2: "), "{}", answer.text());
    assert_eq!(up.sim.changes(0).len(), 1);
}

#[tokio::test]
async fn history_can_be_missing_shuffled_or_wrong() {
    let up = start(calm()).await;
    let id = up.in_state("REIMBURSED");
    let full = actions(&up, &id).await;
    with(&up, Faults { no_history: Fault::times(1), ..Faults::default() });
    assert!(actions(&up, &id).await.is_empty());
    with(&up, Faults { shuffled_history: Fault::always(), ..Faults::default() });
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(actions(&up, &id).await);
    }
    assert!(orders.iter().any(|order| *order != full));
    let sorted = |mut order: Vec<String>| {
        order.sort();
        order
    };
    assert!(orders.into_iter().all(|order| sorted(order) == sorted(full.clone())));
    with(&up, Faults { history_contradicts: Fault::always(), ..Faults::default() });
    for row in up.rows(json!({}), json!({})).await {
        let last = row["actionList"].as_array().unwrap().last().unwrap()["action"].clone();
        let contradicts = match row["status"].as_str().unwrap() {
            "Open" => last == "REIMBURSED" || last == "APPROVED",
            _ => last == "REJECTED" || last == "REIMBURSED" || last == "APPROVED",
        };
        assert!(contradicts, "{row}");
    }
    with(&up, Faults::default());
    assert_eq!(actions(&up, &id).await, full);
}

#[tokio::test]
async fn the_newest_entry_can_lag_behind_the_state() {
    let up = start(calm()).await;
    let (id, old) = (up.in_state("SUBMITTED"), up.in_state("ARCHIVED"));
    let (before, settled) = (actions(&up, &id).await, actions(&up, &old).await);
    with(&up, Faults { history_lag: Fault::always(), history_lag_s: 60, ..Faults::default() });
    up.sim.trigger(&Trigger::report(Change::Approved, &id)).unwrap();
    assert_eq!(up.row(&id).await.unwrap()["status"], "Approved");
    assert_eq!(actions(&up, &id).await, before);
    assert_eq!(actions(&up, &old).await, settled, "what is older than that is there");
    with(&up, Faults { history_lag: Fault::always(), ..Faults::default() });
    assert_eq!(actions(&up, &old).await.len(), settled.len() - 1, "without a bound the newest is always missing");
    with(&up, Faults::default());
    assert_eq!(actions(&up, &id).await.last().map(String::as_str), Some("APPROVED"));
}

#[tokio::test]
async fn exports_say_when_they_read_answered_and_were_asked_for() {
    let up = start(calm()).await;
    up.rows(json!({}), json!({ "reportState": "OPEN" })).await;
    let exports = up.control("/exports?after=0").await.json()["exports"].clone();
    let export: &Value = &exports[0];
    let open = up.sim.reports().iter().filter(|line| line.state == "OPEN").count();
    assert_eq!((&export["n"], &export["rows"]), (&json!(1), &json!(open)));
    let time = |key: &str| export[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("read_at") <= time("answered_at") && time("answered_at") <= time("asked_at"));
    assert!(up.sim.exports(1).is_empty());
    up.policies().await;
    up.row(&up.in_state("OPEN")).await;
    assert_eq!((&export["requests"], up.sim.exports(1)[0].requests), (&json!(1), 4), "a download and a list between");
}
