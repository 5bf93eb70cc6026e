//! Policies, cards, reconciliation.

use crate::harness::{calm, job, start};
use expensify_sim::{SimConfig, UnknownPolicy};
use serde_json::{Value, json};

#[tokio::test]
async fn the_policy_list_has_six_texts_for_each_policy() {
    let up = start(calm()).await;
    let answer = up.post(&job("get", json!({ "type": "policyList", "adminOnly": true }))).await;
    assert_eq!(answer.content_type, "application/json");
    assert_eq!(answer.json()["responseCode"], 200);
    for policy in answer.json()["policyList"].as_array().unwrap() {
        for key in ["id", "name", "owner", "role", "type", "outputCurrency"] {
            assert!(policy[key].is_string(), "{key}");
        }
        assert_eq!(policy["id"].as_str().unwrap().len(), 16);
    }
}

#[tokio::test]
async fn another_persons_list_has_their_role() {
    let up = start(calm()).await;
    let input = json!({ "type": "policyList", "userEmail": "maria@acme.example" });
    let list = up.post(&job("get", input)).await.json();
    assert!(list["policyList"].as_array().unwrap().iter().all(|policy| policy["role"] == "auditor"));
    let input = json!({ "type": "policyList", "userEmail": "maria@acme.example", "adminOnly": true });
    assert_eq!(up.post(&job("get", input)).await.json()["policyList"], json!([]));
    let (code, _) = up.refusal("get", json!({ "type": "policyList", "userEmail": "x@y.z" })).await;
    assert_eq!(code, 500);
}

#[tokio::test]
async fn a_policy_shows_the_sections_asked_for_and_tags_come_in_both_shapes() {
    let up = start(calm()).await;
    let ids: Vec<String> = up.policies().await.iter().map(|policy| policy["id"].as_str().unwrap().to_owned()).collect();
    let input = json!({ "type": "policy", "policyIDList": ids, "fields": ["tags", "tax"] });
    let infos = up.post(&job("get", input)).await.json()["policyInfo"].clone();
    let mut shapes = Vec::new();
    let mut taxed = 0;
    for id in &ids {
        let keys: Vec<&String> = infos[id].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["tags", "tax"]);
        shapes.push(infos[id]["tags"][0].get("tags").is_some());
        taxed += usize::from(infos[id]["tax"] != json!({}));
    }
    assert!(shapes.contains(&true) && shapes.contains(&false), "{shapes:?}");
    assert_eq!(taxed, 1);
    let employees = up.section(&ids[0], "employees").await;
    assert!(employees.as_array().unwrap().iter().any(|employee| employee["role"] == "admin"));
}

#[tokio::test]
async fn the_policy_getter_refuses_in_the_recorded_words() {
    let up = start(calm()).await;
    let missing = (410, "Required parameter 'policyIDList' is missing".to_owned());
    assert_eq!(up.refusal("get", json!({ "type": "policy", "fields": ["tax"] })).await, missing);
    let comma = json!({ "type": "policy", "policyIDList": "A,B", "fields": ["tax"] });
    assert_eq!(up.refusal("get", comma).await, missing, "a comma string is not the list");
    let id = up.policies().await[0]["id"].clone();
    assert_eq!(up.refusal("get", json!({ "type": "policy", "policyIDList": [id] })).await.0, 410);
    let unknown = json!({ "type": "policy", "policyIDList": [id, "00"], "fields": ["tax"] });
    assert_eq!(up.refusal("get", unknown.clone()).await.0, 404);
    let lenient = start(SimConfig { unknown_policy: UnknownPolicy::Omit, ..calm() }).await;
    let infos = lenient.post(&job("get", unknown)).await.json()["policyInfo"].clone();
    assert_eq!(infos.as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn cards_come_for_the_own_domain_only() {
    let up = start(calm()).await;
    let answer = up.post(&job("get", json!({ "type": "domainCardList", "domain": "acme.example" }))).await.json();
    let cards = answer["domainCardList"].as_array().unwrap();
    assert_eq!(cards.len(), 20);
    assert!(cards.iter().all(|card| card["cardID"].is_u64() && card["lastImport"].as_str().unwrap().len() == 19));
    assert_eq!(up.refusal("get", json!({ "type": "domainCardList", "domain": "other.example" })).await.0, 403);
    let said = up.refusal("get", json!({ "type": "domainCardList" })).await;
    assert_eq!(said, (410, "Domain name is missing or malformed".into()));
}

fn reconciliation(kind: &str) -> Value {
    json!({ "type": kind, "startDate": "2020-01-01", "endDate": "2099-12-31", "domain": "acme.example", "async": false })
}

#[tokio::test]
async fn reconciliation_leaves_a_table_in_its_own_file_system() {
    let up = start(calm()).await;
    let mut lines = Vec::new();
    for kind in ["Unreported", "All"] {
        let done = up.post_with(&job("reconciliation", reconciliation(kind)), &[("template", "anything")]).await.json();
        assert_eq!((&done["responseMessage"], &done["responseCode"]), (&json!("OK"), &json!(200)));
        let name = done["filename"].as_str().unwrap();
        assert!(name.starts_with("is_reconciliation_") && name.ends_with(".csv"));
        let mut download = job("download", json!({}));
        download["fileName"] = json!(name);
        assert_eq!(up.post(&download).await.refusal().0, 404);
        download["fileSystem"] = json!("reconciliation");
        lines.push(up.post(&download).await.text().lines().count());
    }
    assert!(1 < lines[0] && lines[0] < lines[1], "{lines:?}");
}

#[tokio::test]
async fn reconciliation_refuses_what_is_incomplete() {
    let up = start(calm()).await;
    let refused = |mut input: Value, key: &str, value: Value| {
        input[key] = value;
        job("reconciliation", input)
    };
    let all = reconciliation("All");
    let template = [("template", "x")];
    for (key, value, code) in [
        ("type", json!("all"), 410),
        ("async", json!(true), 410),
        ("domain", json!("x.example"), 403),
        ("startDate", json!("1"), 410),
    ] {
        let answer = up.post_with(&refused(all.clone(), key, value), &template).await;
        assert_eq!(answer.refusal().0, code, "{key}");
    }
    assert_eq!(up.post(&job("reconciliation", all)).await.refusal().1, "No Template Submitted");
}
