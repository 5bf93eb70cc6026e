//! Changes told exactly: moves, lines, dates, strange states, old reports, returns, twins; and what the journal says.

use crate::harness::{Upstream, calm, start};
use expensify_sim::{Change, Edit, Line, Record, SimConfig, Trigger};
use serde_json::{Value, json};

fn updated(id: &str, edit: Edit) -> Trigger {
    Trigger::report(Change::Updated, id).with(edit)
}

fn lines(record: &Record) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = record.detail["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|line| (text(&line["transactionID"]), text(&line["change"]))).collect()
}

async fn transactions(up: &Upstream, id: &str) -> Vec<String> {
    let row = up.row(id).await.unwrap();
    let lines = row["transactionList"].as_array().unwrap();
    lines.iter().map(|line| line["transactionID"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_report_moves_to_another_policy() {
    let up = start(calm()).await;
    let id = up.in_state("APPROVED");
    let from = up.row(&id).await.unwrap()["policyID"].clone();
    let to = up.policies().await.iter().find(|policy| policy["id"] != from).unwrap()["id"].clone();
    let body = json!({ "change": "updated", "report": id, "edit": { "move_to": to } });
    let record = up.change(body.clone()).await.json();
    assert_eq!((&record["detail"]["from"], &record["detail"]["to"]), (&from, &to));
    assert_eq!((&record["detail"]["field"], &record["detail"]["state"]), (&json!("policyID"), &json!("APPROVED")));
    assert_eq!(up.row(&id).await.unwrap()["policyID"], to);
    assert_eq!(up.change(body).await.status, 409, "it is there already");
    let nowhere = json!({ "change": "updated", "report": id, "edit": { "move_to": "00" } });
    assert_eq!(up.change(nowhere).await.status, 404);
}

#[tokio::test]
async fn lines_are_added_edited_removed_and_moved_one_by_one_and_the_journal_names_each() {
    let up = start(calm()).await;
    let (one, two) = (up.in_state("OPEN"), up.in_state("SUBMITTED"));
    let before = transactions(&up, &one).await;
    let added =
        up.sim.trigger(&updated(&one, Edit::AddExpense(Line { amount: Some(777), ..Line::default() }))).unwrap();
    let new = added.detail["transactionID"].as_str().unwrap().to_owned();
    assert_eq!(lines(&added), [(new.clone(), "added".to_owned())]);
    assert_eq!(transactions(&up, &one).await.len(), before.len() + 1);

    let line = Line { transaction: Some(new.clone()), merchant: Some("Elsewhere".to_owned()), ..Line::default() };
    let edited = up.sim.trigger(&updated(&one, Edit::EditExpense(line))).unwrap();
    assert_eq!(lines(&edited), [(new.clone(), "updated".to_owned())]);
    let row = up.row(&one).await.unwrap();
    let shown = row["transactionList"].as_array().unwrap().iter().find(|line| line["transactionID"] == new.as_str());
    assert_eq!((&shown.unwrap()["amount"], &shown.unwrap()["modifiedMerchant"]), (&json!(777), &json!("Elsewhere")));

    let moved = Edit::MoveExpense { transaction: Some(new.clone()), to: two.clone() };
    up.sim.trigger(&updated(&one, moved)).unwrap();
    let changes = up.sim.changes(2);
    assert_eq!(
        changes.iter().map(|record| record.entity.clone()).collect::<Vec<_>>(),
        [format!("report/{one}"), format!("report/{two}")]
    );
    assert_eq!(lines(&changes[0]), [(new.clone(), "removed".to_owned())]);
    assert_eq!(lines(&changes[1]), [(new.clone(), "added".to_owned())]);
    assert_eq!(transactions(&up, &one).await, before);
    assert!(transactions(&up, &two).await.contains(&new));

    let gone = up.sim.trigger(&updated(&one, Edit::RemoveExpense(Line::default()))).unwrap();
    let id = gone.detail["transactionID"].as_str().unwrap();
    assert_eq!(lines(&gone), [(id.to_owned(), "removed".to_owned())]);
    assert_eq!(transactions(&up, &one).await.len(), before.len() - 1);
    let missing = Line { transaction: Some(new), ..Line::default() };
    assert!(up.sim.trigger(&updated(&one, Edit::RemoveExpense(missing))).is_err(), "it is on the other report");
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_shown_until_the_next_step_and_no_state_filter_has_it() {
    let up = start(calm()).await;
    let id = up.in_state("SUBMITTED");
    let record = up.sim.trigger(&updated(&id, Edit::Status("Escalated".to_owned()))).unwrap();
    assert_eq!(record.detail["state"], "Escalated");
    let row = up.row(&id).await.unwrap();
    assert_eq!((&row["status"], &row["state"]), (&json!("Escalated"), &json!("ESCALATED")));
    let states = json!({ "reportState": "OPEN,SUBMITTED,APPROVED,REIMBURSED,ARCHIVED" });
    assert_eq!(up.rows(json!({}), states).await.len(), 59);
    assert_eq!(up.rows(json!({}), json!({})).await.len(), 60);
    let record = up.sim.trigger(&Trigger::report(Change::Approved, &id)).unwrap();
    assert_eq!((&record.detail["from"], &record.detail["to"]), (&json!("Escalated"), &json!("APPROVED")));
    assert_eq!(up.row(&id).await.unwrap()["status"], "Approved");
}

#[tokio::test]
async fn dates_are_set_and_age_a_report_out_of_a_window() {
    let up = start(calm()).await;
    let id = up.in_state("APPROVED");
    let dates = json!({ "created": "2020-01-02T03:04:05Z", "submitted": "2020-01-03T00:00:00Z" });
    let record = up.change(json!({ "change": "updated", "report": id, "edit": { "dates": dates } })).await;
    assert_eq!(record.status, 200, "{}", record.text());
    assert_eq!(up.rows(json!({}), json!({})).await.len(), 59);
    let row = up.row(&id).await.unwrap();
    assert_eq!((&row["created"], &row["submitted"]), (&json!("2020-01-02 03:04:05"), &json!("2020-01-03 00:00:00")));
}

#[tokio::test]
async fn old_reports_are_in_no_window_of_a_year_and_can_be_reimbursed() {
    let up = start(SimConfig { old_reports: 5, ..calm() }).await;
    let lately = up.rows(json!({}), json!({})).await;
    assert_eq!((lately.len(), up.sim.reports().len()), (60, 65));
    let planted = json!({ "change": "created", "edit": { "aged": { "days": 500, "state": "APPROVED" } } });
    let record = up.change(planted).await.json();
    assert_eq!((&record["change"], &record["detail"]["state"]), (&json!("created"), &json!("APPROVED")));
    assert_eq!(up.rows(json!({}), json!({})).await, lately);
    let id = record["entity"].as_str().unwrap().strip_prefix("report/").unwrap().to_owned();
    up.sim.trigger(&Trigger::report(Change::Reimbursed, &id)).unwrap();
    assert_eq!(up.rows(json!({}), json!({})).await, lately, "no window shows the reimbursement");
    assert_eq!(up.row(&id).await.unwrap()["status"], "Reimbursed");
}

#[tokio::test]
async fn what_was_removed_comes_back_as_it_was() {
    let up = start(calm()).await;
    let id = up.in_state("OPEN");
    let before = up.sim.report(&id).unwrap();
    let gone = up.sim.trigger(&Trigger::report(Change::Removed, &id)).unwrap();
    assert_eq!(gone.detail["state"], Value::Null);
    assert!(lines(&gone).iter().all(|(_, change)| change == "removed") && !lines(&gone).is_empty());
    assert!(up.row(&id).await.is_none());
    let back = up.sim.trigger(&Trigger::report(Change::Created, &id)).unwrap();
    assert_eq!((&back.detail["resurrected"], up.sim.report(&id).unwrap()), (&json!(true), before));
    assert!(up.sim.trigger(&Trigger::report(Change::Created, &id)).is_err(), "it is there already");

    let card = up.cards().await[0].clone();
    let number = card["cardID"].as_u64().unwrap();
    up.sim.trigger(&Trigger::card(Change::Removed, number)).unwrap();
    assert_eq!(up.cards().await.len(), 19);
    let back = up.sim.trigger(&Trigger::card(Change::Added, number)).unwrap();
    assert_eq!(back.detail["resurrected"], true);
    assert_eq!(up.cards().await[0]["cardName"], card["cardName"]);

    let made = up.change(json!({ "change": "created", "entity": "policy" })).await.json();
    let policy = made["entity"].as_str().unwrap().strip_prefix("policy/").unwrap().to_owned();
    up.sim.trigger(&Trigger::policy(Change::Removed, &policy)).unwrap();
    assert_eq!(up.policies().await.len(), 3);
    let back = up.sim.trigger(&Trigger::policy(Change::Created, &policy)).unwrap();
    assert_eq!((&back.detail["resurrected"], up.policies().await.len()), (&json!(true), 4));
    assert_eq!(up.change(json!({ "change": "created", "report": "R00000000000" })).await.status, 404);
}

#[tokio::test]
async fn twins_differ_in_the_case_of_a_letter_and_are_two_reports() {
    let up = start(SimConfig { case_twins: 4, ..calm() }).await;
    let mut folded: Vec<String> = up.sim.reports().iter().map(|line| line.id.to_ascii_lowercase()).collect();
    assert_eq!(folded.len(), 64);
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), 60);
    let ids: Vec<String> = up.sim.reports().into_iter().map(|line| line.id).collect();
    let namesakes = |id: &str| ids.iter().filter(|other| other.eq_ignore_ascii_case(id)).count();
    let single = ids.iter().find(|id| namesakes(id) == 1).unwrap().clone();
    let record = up.change(json!({ "change": "created", "edit": { "twin_of": single } })).await;
    let twin = record.json()["entity"].as_str().unwrap().strip_prefix("report/").unwrap().to_owned();
    assert!(twin != single && twin.eq_ignore_ascii_case(&single));
    assert_ne!(up.row(&twin).await.unwrap()["oldReportID"], up.row(&single).await.unwrap()["oldReportID"]);
}

#[tokio::test]
async fn the_journal_says_who_did_it_and_how_the_report_stands_afterwards() {
    let up = start(calm()).await;
    let id = up.in_state("SUBMITTED");
    let row = up.row(&id).await.unwrap();
    let record = up.sim.trigger(&Trigger::report(Change::Approved, &id)).unwrap();
    assert_eq!((&record.detail["actor"], &record.detail["state"]), (&row["managerEmail"], &json!("APPROVED")));
    let after = up.row(&id).await.unwrap();
    let entry = after["actionList"].as_array().unwrap().last().unwrap();
    assert_eq!((&entry["action"], &entry["accountEmail"]), (&json!("APPROVED"), &record.detail["actor"]));
    let told = record.at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    assert_eq!(entry["created"], told.as_str());
    let created = up.sim.trigger(&Trigger::any(Change::Created)).unwrap();
    assert!(created.detail["actor"].as_str().unwrap().contains('@'));
    assert_eq!(lines(&created).len() as u64, created.detail["expenses"].as_u64().unwrap());
}
