//! The report exporter and the downloader.

use crate::harness::{Upstream, calm, export_job, job, start, template};
use expensify_sim::{Change, Trigger};
use serde_json::{Value, json};

async fn refused(up: &Upstream, job: &Value, template: &str) -> (u64, String) {
    up.post_with(job, &[("template", template)]).await.refusal()
}

#[tokio::test]
async fn an_export_answers_a_bare_name_and_the_file_can_be_read_twice() {
    let up = start(calm()).await;
    let named = up.post_with(&export_job(json!({}), json!({})), &[("template", &template())]).await;
    assert_eq!(named.content_type, "text/plain;charset=utf-8");
    let name = named.text();
    let uuid = name.strip_prefix("snap").unwrap().strip_suffix(".json").unwrap();
    assert_eq!(uuid.len(), 36);
    assert_eq!(uuid.as_bytes()[14], b'4', "version 4: {uuid}");
    let first = up.download(&name).await.text();
    assert_eq!(first, up.download(&name).await.text());
    let last: Value = serde_json::from_str(first.lines().last().unwrap()).unwrap();
    assert_eq!(last["rows"], 60);
    assert_eq!(up.sim.stats().exports_rendered, 1);
}

#[tokio::test]
async fn an_unknown_file_is_an_envelope_at_http_200() {
    let up = start(calm()).await;
    assert_eq!(up.download("snap.json").await.refusal(), (404, "File not found".into()));
    let mut other = job("download", json!({}));
    other["fileName"] =
        json!(up.post_with(&export_job(json!({}), json!({})), &[("template", &template())]).await.text());
    other["fileSystem"] = json!("reconciliation");
    assert_eq!(up.post(&other).await.refusal().0, 404, "the two file systems are apart");
}

#[tokio::test]
async fn only_our_templates_are_rendered() {
    let up = start(calm()).await;
    let job = export_job(json!({}), json!({}));
    assert_eq!(up.post(&job).await.refusal(), (410, "No Template Submitted".into()));
    let (code, message) = refused(&up, &job, "<#list reports as r>${r.reportID}</#list>").await;
    assert_eq!(code, 410);
    assert!(message.contains("only the templates of Expensewire"), "{message}");
    let altered = format!("{} ", template());
    assert_eq!(refused(&up, &job, &altered).await.0, 410);
    assert_eq!(up.sim.stats().exports_rendered, 0);
}

#[tokio::test]
async fn filters_without_an_anchor_or_with_bad_dates_are_refused() {
    let up = start(calm()).await;
    let with = |filters: Value| {
        let mut job = export_job(json!({}), json!({}));
        job["inputSettings"]["filters"] = filters;
        job
    };
    let t = template();
    assert_eq!(refused(&up, &with(json!({})), &t).await.0, 410);
    assert_eq!(refused(&up, &with(json!({ "reportState": "OPEN", "policyIDList": "A" })), &t).await.0, 410);
    let (code, message) = refused(&up, &with(json!({ "startDate": "16-01-01" })), &t).await;
    assert_eq!((code, message.as_str()), (410, "Malformed date '16-01-01'. Expected format is yyyy-MM-dd"));
    assert_eq!(refused(&up, &with(json!({ "startDate": "2020-01-01" })), &t).await.0, 410, "no end to an old start");
    let span = |end: &str| with(json!({ "startDate": "2020-01-01", "endDate": end }));
    assert_eq!(refused(&up, &span("2021-01-02"), &t).await.0, 410, "more than a year");
    assert!(up.post_with(&span("2021-01-01"), &[("template", &t)]).await.text().starts_with("snap"), "a year");
}

#[tokio::test]
async fn every_filter_keeps_what_it_says() {
    let up = start(calm()).await;
    let all = up.rows(json!({}), json!({})).await;
    assert_eq!(all.len(), 60);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();

    for state in ["OPEN", "SUBMITTED", "APPROVED", "REIMBURSED", "ARCHIVED"] {
        let rows = up.rows(json!({}), json!({ "reportState": state })).await;
        let expected = up.sim.reports().iter().filter(|line| line.state == state).count();
        assert_eq!(rows.len(), expected, "{state}");
        assert!(expected > 0, "the seed has {state}");
    }
    let two = up.rows(json!({}), json!({ "reportState": "OPEN,APPROVED" })).await.len();
    assert_eq!(two, all.iter().filter(|row| ["Open", "Approved"].contains(&row["status"].as_str().unwrap())).count());

    let old_and_new = format!("{},{}", text(&all[0], "reportID"), text(&all[1], "oldReportID"));
    let some = up
        .rows(
            json!({ "startDate": "", "reportIDList": format!("{old_and_new},R00000000000,{old_and_new}") }),
            json!({}),
        )
        .await;
    assert_eq!(some, all[..2]);

    let policy = text(&all[0], "policyID");
    let of_policy = up.rows(json!({ "policyIDList": policy }), json!({})).await;
    assert_eq!(of_policy.len(), all.iter().filter(|row| row["policyID"] == policy.as_str()).count());
    assert!(of_policy.len() < all.len());

    assert_eq!(up.rows(json!({}), json!({ "limit": "7" })).await.len(), 7);
    assert_eq!(up.rows(json!({}), json!({ "limit": 3 })).await.len(), 3);

    let day =
        all.iter().find_map(|row| row["approved"].as_str().filter(|day| !day.is_empty())).unwrap()[..10].to_owned();
    let after = up.rows(json!({ "startDate": "", "approvedAfter": day }), json!({})).await;
    assert_eq!(after.len(), all.iter().filter(|row| row["approved"].as_str().unwrap() >= day.as_str()).count());
}

#[tokio::test]
async fn dates_look_at_the_later_of_created_and_submitted_with_both_ends_inside() {
    let up = start(calm()).await;
    let all = up.rows(json!({}), json!({})).await;
    let anchor =
        |row: &Value| std::cmp::max(row["created"].to_string(), row["submitted"].to_string())[1..11].to_owned();
    let moved = all.iter().find(|row| {
        row["submitted"] != "" && row["submitted"].as_str().unwrap()[..10] > row["created"].as_str().unwrap()[..10]
    });
    let day = anchor(moved.unwrap());
    let found = up.rows(json!({ "startDate": day, "endDate": day }), json!({})).await;
    let expected: Vec<&Value> = all.iter().filter(|row| anchor(row) == day).collect();
    assert!(!expected.is_empty());
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn marked_reports_are_left_out_unless_it_was_a_test() {
    let up = start(calm()).await;
    let mut job = export_job(json!({}), json!({ "reportState": "APPROVED" }));
    job["onFinish"] = json!([{ "actionName": "markAsExported", "label": "ledger" }]);
    job["test"] = json!("true");
    up.exported(&job).await;
    let unmarked = json!({ "markedAsExported": "ledger" });
    assert_eq!(up.rows(unmarked.clone(), json!({})).await.len(), 60, "a test marks nothing");
    job["test"] = json!("false");
    up.exported(&job).await;
    let approved = up.sim.reports().iter().filter(|line| line.state == "APPROVED").count();
    assert_eq!(up.rows(unmarked, json!({})).await.len(), 60 - approved);
    assert_eq!(up.rows(json!({ "markedAsExported": "other" }), json!({})).await.len(), 60);
    assert!(up.sim.changes(0).is_empty(), "a label is no change that a read shows");
}

#[tokio::test]
async fn another_persons_account_shows_only_their_reports_and_no_open_ones() {
    let up = start(calm()).await;
    let all = up.rows(json!({}), json!({})).await;
    let email =
        all.iter().find(|row| row["status"] == "Reimbursed" && row["accountEmail"] != "finance@acme.example").unwrap()
            ["accountEmail"]
            .clone();
    let theirs = up.rows(json!({}), json!({ "employeeEmail": email })).await;
    let expected = all.iter().filter(|row| row["accountEmail"] == email && row["status"] != "Open").count();
    assert_eq!(theirs.len(), expected);
    let stranger = export_job(json!({}), json!({ "employeeEmail": "x@else.example" }));
    let said = refused(&up, &stranger, &template()).await;
    assert_eq!(said, (500, "Not authorized to authenticate as user x@else.example".into()));
}

#[tokio::test]
async fn a_report_shows_its_life_in_dates_and_history() {
    let up = start(calm()).await;
    let id = up.in_state("OPEN");
    for change in [Change::Submitted, Change::Approved, Change::Unapproved, Change::Approved, Change::Reimbursed] {
        up.sim.trigger(&Trigger::report(change, &id)).unwrap();
    }
    let row = up.rows(json!({ "reportIDList": id }), json!({})).await.remove(0);
    assert_eq!(row["status"], "Reimbursed");
    for date in ["created", "submitted", "approved", "reimbursed"] {
        assert_eq!(row[date].as_str().unwrap().len(), 19, "{date}: {row}");
    }
    let model = up.sim.report(&id).unwrap();
    let actions: Vec<&str> =
        model["actionList"].as_array().unwrap().iter().map(|action| action["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions[..actions.len() - 1].iter().rev().take(4).rev().copied().collect::<Vec<_>>(),
        ["SUBMITTED", "APPROVED", "UNAPPROVED", "APPROVED"]
    );
    assert!(["REIMBURSED", "MARKEDREIMBURSED"].contains(actions.last().unwrap()));
    assert_eq!(model["approvers"].as_array().unwrap().len(), 1);
    assert_eq!(up.sim.report(row["oldReportID"].as_str().unwrap()).unwrap(), model);
}
