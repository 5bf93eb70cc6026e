//! The living tenant, seen from outside: what the journal says is what the reads show.

use crate::harness::{Upstream, calm, job, start};
use expensify_sim::{Change, Quiet, SimConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn lively(seed: u64) -> SimConfig {
    SimConfig { seed, changes_per_minute: 60_000.0, quiet: Quiet::all(Duration::ZERO), ..calm() }
}

async fn view(up: &Upstream) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for row in up.rows(json!({ "endDate": "" }), json!({})).await {
        let id = row["reportID"].as_str().unwrap();
        all.insert(format!("report/{id}"), up.sim.report(id).unwrap());
    }
    for policy in up.policies().await {
        let id = policy["id"].as_str().unwrap().to_owned();
        let input = json!({ "type": "policy", "policyIDList": [id], "fields": ["categories", "reportFields", "tags", "tax", "employees"] });
        let info = up.post(&job("get", input)).await.json()["policyInfo"][&id].clone();
        all.insert(format!("policy/{id}"), json!([policy, info]));
    }
    let cards = up.post(&job("get", json!({ "type": "domainCardList", "domain": "acme.example" }))).await.json();
    for card in cards["domainCardList"].as_array().unwrap() {
        let mut card = card.clone();
        card.as_object_mut().unwrap().remove("lastImport");
        all.insert(format!("card/{}", card["cardID"]), card);
    }
    all
}

#[tokio::test]
async fn exactly_the_entities_of_the_journal_differ() {
    let up = start(SimConfig { changes_per_minute: 0.0, ..lively(5) }).await;
    let before = view(&up).await;
    up.sim.set_pace(60_000.0).unwrap();
    up.changes(40).await;
    up.sim.set_pace(0.0).unwrap();
    let after = view(&up).await;
    let changes = up.sim.changes(0);
    let mut touched: Vec<&String> = changes.iter().map(|record| &record.entity).collect();
    touched.sort();
    touched.dedup();
    let all: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ: Vec<&String> = all.into_iter().filter(|id| before.get(*id) != after.get(*id)).collect();
    // A role or a flag switched twice is two changes and no difference.
    let back =
        touched.iter().filter(|id| !differ.contains(*id) && changes.iter().filter(|c| &c.entity == **id).count() > 1);
    assert_eq!(touched.len() - back.count(), differ.len(), "{changes:#?}");
    assert!(differ.iter().all(|id| touched.contains(id)));
    assert!(changes.iter().enumerate().all(|(at, record)| record.n == at as u64 + 1));
}

#[tokio::test]
async fn the_same_seed_lives_the_same_life() {
    let (one, two) = (start(lively(9)).await, start(lively(9)).await);
    let told = async |up: &Upstream| -> Vec<(String, Change)> {
        let changes = up.changes(60).await;
        changes[..60].iter().map(|record| (record.entity.clone(), record.change)).collect()
    };
    // Policies that are quiet in one run and not in the other would show here.
    assert_eq!(told(&one).await, told(&two).await);
    let other = start(lively(10)).await;
    assert_ne!(told(&one).await, told(&other).await);
}

#[tokio::test]
async fn a_still_tenant_does_not_change() {
    let up = start(calm()).await;
    let first = view(&up).await;
    assert_eq!(first.len(), 60 + 3 + 20);
    assert_eq!(first, view(&up).await);
    assert!(up.sim.changes(0).is_empty());
}
