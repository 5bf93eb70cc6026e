//! What the service tells is what the catalogue says: everything happens, and each event is held to the schema of its type.

use axum::{Router, http::StatusCode, routing::post};
use event_model::{EventType, catalogue};
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::World;

/// What is left out: nothing here reverts a payment, a delivery is given up only after days, and events are removed only
/// when they are days old.
const NOT_HERE: [EventType; 3] =
    [EventType::ReportReimbursementReverted, EventType::SubscriptionExhausted, EventType::SubscriptionHistoryCut];

/// A receiver that is gone: who posts to it gets 410.
async fn gone() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(async || StatusCode::GONE));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Everything that can happen at once to different entities. Gives a card whose feed failed, and two new policies.
async fn make_things_happen(world: &World, cards: &[u64]) -> (u64, [String; 2]) {
    for change in ["created", "submitted", "approved", "reimbursed", "archived", "reopened", "unapproved", "removed"] {
        world.change(json!({ "entity": "report", "change": change })).await;
    }
    for edit in [json!({"add_expense": {}}), json!({"edit_expense": {"amount": 4711}}), json!({"remove_expense": {}})] {
        world.change(json!({ "entity": "report", "change": "updated", "edit": edit })).await;
    }
    world.change(json!({ "entity": "card", "change": "added" })).await;
    for (card, change) in cards.iter().zip(["changed", "removed"]) {
        world.change(json!({ "card": card, "change": change })).await;
    }
    world.change(json!({ "entity": "policy", "change": "changed" })).await;
    let created = json!({ "entity": "policy", "change": "created" });
    let policies = [world.change(created.clone()).await, world.change(created).await];
    (world.change(json!({ "entity": "card", "change": "feed_failed" })).await.parse().unwrap(), policies)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_that_a_service_tells_fits_the_schema_of_its_type() {
    let world = World::start().await;
    let cards = world.first_sight().await;
    let subscription = json!({ "url": gone().await, "events": ["*"] });
    world.answer(world.http.post(format!("{}/subscriptions", world.api)).json(&subscription)).await;
    let (card, [lost, removed]) = make_things_happen(&world, &cards).await;
    // While a policy is out of sight a report that is missing may have moved there: its removal waits for a day.
    world.told(&[EventType::CardFeedFailed, EventType::PolicyCreated, EventType::ReportRemoved]).await;
    world.change(json!({ "card": card, "change": "feed_recovered" })).await;
    world.change(json!({ "policy": removed, "change": "removed" })).await;
    let access = json!({ "policy": { "id": lost, "role": "user" } });
    world.answer(world.control("access", &access)).await;
    world.told(&[EventType::CardFeedRecovered, EventType::AccountAccessChanged]).await;
    world.change(json!({ "change": "feed_failed", "edit": { "bank": { "bank": "vcf", "share": 0.9 } } })).await;
    let all: Vec<_> = EventType::ALL.iter().copied().filter(|wanted| !NOT_HERE.contains(wanted)).collect();
    let events = world.told(&all).await;
    for event_type in EventType::ALL.iter().copied() {
        let schema = jsonschema::options().should_validate_formats(true).build(&catalogue::schema(event_type)).unwrap();
        for event in events.iter().filter(|event| event["type"] == event_type.as_str()) {
            if let Err(error) = schema.validate(event) {
                panic!("{error} at {} of {event}", error.instance_path());
            }
        }
    }
    assert!(events.iter().any(|event| event["subject"].as_str().unwrap().starts_with("feed/")), "one event for a bank");
    world.stopped().await;
}
