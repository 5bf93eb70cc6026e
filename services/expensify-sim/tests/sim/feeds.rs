//! Bank feeds that fail.

use crate::harness::{Upstream, calm, start};
use expensify_sim::{Change, Edit, Trigger};
use serde_json::json;
use std::collections::BTreeMap;

/// `lastImportResult` by card.
async fn results(up: &Upstream) -> BTreeMap<u64, u64> {
    let line =
        |card: &serde_json::Value| (card["cardID"].as_u64().unwrap(), card["lastImportResult"].as_u64().unwrap());
    up.cards().await.iter().map(line).collect()
}

#[tokio::test]
async fn the_feed_of_one_card_fails_and_recovers() {
    let up = start(calm()).await;
    let id = *results(&up).await.keys().next().unwrap();
    let record = up.change(json!({ "change": "feed_failed", "card": id })).await.json();
    assert_eq!((&record["entity"], &record["change"]), (&json!(format!("card/{id}")), &json!("feed_failed")));
    let now = results(&up).await;
    assert_eq!(now.values().filter(|result| **result != 200).count(), 1);
    assert_eq!(record["detail"]["result"], now[&id]);
    assert!(up.sim.trigger(&Trigger::card(Change::FeedFailed, id)).is_err(), "it fails already");
    let record = up.sim.trigger(&Trigger::any(Change::FeedRecovered)).unwrap();
    assert_eq!(record.entity, format!("card/{id}"), "the only one that can");
    assert!(results(&up).await.values().all(|result| *result == 200));
}

#[tokio::test]
async fn the_feed_of_a_bank_fails_for_most_of_its_cards_as_one_change() {
    let up = start(calm()).await;
    let mut banks: BTreeMap<String, usize> = BTreeMap::new();
    for card in up.cards().await {
        *banks.entry(card["bank"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let (bank, cards) = banks.into_iter().max_by_key(|(_, cards)| *cards).unwrap();
    let feed = |share| Edit::Bank { bank: bank.clone(), share };
    assert!(up.sim.trigger(&Trigger::any(Change::FeedFailed).with(feed(0.4))).is_err(), "that is not most of them");
    let record = up.sim.trigger(&Trigger::any(Change::FeedFailed).with(feed(0.8))).unwrap();
    assert_eq!((record.entity.as_str(), record.n), (format!("feed/acme.example:{bank}").as_str(), 1));
    let failing: Vec<u64> = results(&up).await.into_iter().filter(|(_, r)| *r != 200).map(|(id, _)| id).collect();
    assert_eq!((&record.detail["cards"], &record.detail["of"]), (&json!(failing), &json!(cards)));
    assert!(failing.len() * 2 > cards && failing.len() < cards);
    let body = json!({ "change": "feed_recovered", "edit": { "bank": { "bank": bank } } });
    assert_eq!(up.change(body.clone()).await.json()["detail"]["cards"], json!(failing));
    assert!(results(&up).await.values().all(|result| *result == 200));
    assert_eq!(up.change(body).await.status, 409);
    let nobody = json!({ "change": "feed_failed", "edit": { "bank": { "bank": "nobody" } } });
    assert_eq!(up.change(nobody).await.status, 404);
}
