//! What reads show of what is there: roles, the domain, hidden entities, an empty account.

use crate::harness::{Upstream, answer, calm, job, start};
use expensify_sim::{
    AccessChange, Change, DomainAccess, EntityKind, Fault, Faults, Hide, LostPolicy, Role, Settings, SimConfig, Trigger,
};
use serde_json::{Value, json};

async fn list(up: &Upstream, admin_only: bool) -> Vec<Value> {
    let answer = up.post(&job("get", json!({ "type": "policyList", "adminOnly": admin_only }))).await.json();
    answer["policyList"].as_array().unwrap().clone()
}

fn details(id: &str, sections: &[&str]) -> Value {
    json!({ "type": "policy", "policyIDList": [id], "fields": sections })
}

async fn everything(up: &Upstream) -> Vec<Value> {
    up.rows(json!({}), json!({})).await
}

fn role(id: &str, role: Role) -> AccessChange {
    AccessChange::Policy { id: id.to_owned(), role }
}

#[tokio::test]
async fn a_lower_role_leaves_the_admin_list_and_takes_the_reports_of_others_with_it() {
    let up = start(calm()).await;
    let all = everything(&up).await;
    let id = all[0]["policyID"].as_str().unwrap().to_owned();
    let record = up.sim.change_access(&role(&id, Role::User)).unwrap();
    assert_eq!((record.entity, record.change), (format!("policy/{id}"), Change::AccessLost));
    assert_eq!((&record.detail["from"], &record.detail["to"]), (&json!("admin"), &json!("user")));
    assert!(list(&up, true).await.iter().all(|policy| policy["id"] != id.as_str()));
    assert!(list(&up, false).await.iter().any(|policy| policy["id"] == id.as_str() && policy["role"] == "user"));

    let shown = everything(&up).await;
    let stays = |row: &&Value| row["policyID"] != id.as_str() || row["accountEmail"] == "finance@acme.example";
    assert_eq!(shown.iter().collect::<Vec<_>>(), all.iter().filter(stays).collect::<Vec<_>>());
    assert!(shown.len() < all.len());
    let other = all.iter().find(|row| !stays(row)).unwrap()["reportID"].as_str().unwrap();
    assert!(up.row(other).await.is_none(), "nor by its id");
    assert_eq!(up.refusal("get", details(&id, &["employees"])).await.0, 403, "only admins see members");
    assert!(up.post(&job("get", details(&id, &["tags"]))).await.json()["policyInfo"][&id]["tags"].is_array());

    up.sim.change_access(&role(&id, Role::Auditor)).unwrap();
    assert_eq!(everything(&up).await, all, "an auditor sees all reports");
    let record = up.sim.change_access(&role(&id, Role::Admin)).unwrap();
    assert_eq!(record.change, Change::AccessRegained);
    assert!(up.sim.change_access(&role(&id, Role::Admin)).is_err(), "it is so already");
}

#[tokio::test]
async fn a_policy_without_a_role_is_in_no_list_and_its_details_are_refused_as_set() {
    let up = start(calm()).await;
    let ids: Vec<String> = list(&up, true).await.iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect();
    let lost = json!({ "policy": { "id": ids[0], "role": "none" } });
    assert_eq!(up.command("/access", lost).await.json()["change"], "access_lost");
    assert_eq!(up.control("/access").await.json()["policies"][&ids[0]], "none");
    assert!(list(&up, false).await.iter().all(|policy| policy["id"] != ids[0].as_str()));
    let both = json!({ "type": "policy", "policyIDList": [ids[0], ids[1]], "fields": ["tags"] });
    assert_eq!(up.refusal("get", both.clone()).await.0, 403);
    up.sim.set_settings(Settings { lost_policy: LostPolicy::NotFound, ..Settings::default() }).unwrap();
    assert_eq!(up.refusal("get", both.clone()).await.0, 404);
    up.sim.set_settings(Settings { lost_policy: LostPolicy::Omitted, ..Settings::default() }).unwrap();
    let infos = up.post(&job("get", both)).await.json()["policyInfo"].clone();
    assert_eq!(infos.as_object().unwrap().keys().collect::<Vec<_>>(), [&ids[1]]);
    assert_eq!(up.command("/access", json!({ "policy": { "id": "00", "role": "none" } })).await.status, 404);
}

#[tokio::test]
async fn a_lost_domain_refuses_or_shows_nothing_as_switched() {
    let up = start(calm()).await;
    let domain = |access| AccessChange::Domain(access);
    let cards = up.cards().await;
    let record = up.sim.change_access(&domain(DomainAccess::Refused)).unwrap();
    assert_eq!((record.entity.as_str(), record.change), ("domain/acme.example", Change::AccessLost));
    let input = json!({ "type": "domainCardList", "domain": "acme.example" });
    assert_eq!(up.refusal("get", input).await.0, 403);
    up.command("/access", json!({ "domain": "empty" })).await;
    assert!(up.cards().await.is_empty());
    let record = up.sim.change_access(&domain(DomainAccess::Held)).unwrap();
    assert_eq!(record.change, Change::AccessRegained);
    assert_eq!(up.cards().await.len(), cards.len());
}

#[tokio::test]
async fn hidden_entities_are_in_no_read_and_in_no_journal_and_come_back_unchanged() {
    let up = start(calm()).await;
    let (reports, policies, cards) = (everything(&up).await, up.policies().await, up.cards().await);
    let hidden = up.sim.hide(&Hide::count(EntityKind::Report, 20)).unwrap();
    assert_eq!((hidden.len(), everything(&up).await.len()), (20, 40));
    assert!(up.row(&hidden[0]).await.is_none());
    let answer = up.command("/hidden", json!({ "entity": "card", "share": 0.5 })).await.json();
    assert_eq!((answer["hidden"].as_array().unwrap().len(), up.cards().await.len()), (10, 10));
    let id = policies[0]["id"].as_str().unwrap();
    up.command("/hidden", json!({ "entity": "policy", "ids": [id] })).await;
    assert_eq!(up.policies().await, policies[1..]);
    assert_eq!(up.refusal("get", details(id, &["tags"])).await.0, 404);
    assert_eq!(up.control("/hidden").await.json()["policies"], json!([id]));
    assert_eq!(up.command("/hidden", json!({ "entity": "report", "ids": ["R00000000000"] })).await.status, 404);
    assert_eq!(up.sim.stats().reports.values().sum::<u64>(), 60, "they are still there");

    let url = format!("{}/hidden?entity=report", up.sim.control_url());
    assert_eq!(answer_json(&up, &url).await, json!({ "shown": 20 }));
    assert_eq!(up.sim.show(None), 11);
    assert_eq!((everything(&up).await, up.policies().await, up.cards().await.len()), (reports, policies, cards.len()));
    assert!(up.sim.changes(0).is_empty());
}

async fn answer_json(up: &Upstream, url: &str) -> Value {
    answer(up.http.delete(url)).await.json()
}

#[tokio::test]
async fn the_same_seed_hides_the_same_and_all_can_be_hidden() {
    let (one, two) = (start(calm()).await, start(calm()).await);
    let some = Hide::count(EntityKind::Report, 7);
    assert_eq!(one.sim.hide(&some).unwrap(), two.sim.hide(&some).unwrap());
    assert_eq!(one.sim.hide(&Hide::all(EntityKind::Report)).unwrap().len(), 53);
    assert!(everything(&one).await.is_empty());
}

#[tokio::test]
async fn an_account_with_nothing_in_it_answers_empty_lists() {
    let up = start(SimConfig { reports: 0, policies: 0, cards: 0, ..calm() }).await;
    assert!(everything(&up).await.is_empty() && up.policies().await.is_empty() && up.cards().await.is_empty());
    assert!(up.sim.trigger(&Trigger::any(Change::Created)).is_err());
    up.sim.set_pace(60_000.0).unwrap();
    assert!(up.sim.changes(0).is_empty());
}

#[tokio::test]
async fn whole_scopes_can_be_refused() {
    let faults = Faults { export_forbidden: Fault::times(1), policies_forbidden: Fault::times(2), ..Faults::default() };
    let up = start(SimConfig { faults, ..calm() }).await;
    let job = crate::harness::export_job(json!({}), json!({}));
    assert_eq!(up.post_with(&job, &[("template", &crate::harness::template())]).await.refusal().0, 403);
    assert_eq!(up.refusal("get", json!({ "type": "policyList" })).await.0, 403);
    assert_eq!(up.refusal("get", details("00", &["tags"])).await.0, 403);
    assert_eq!((everything(&up).await.len(), up.policies().await.len()), (60, 3));
}
