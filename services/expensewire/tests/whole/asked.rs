//! What a person asks of an account reaches whoever watches it.

use std::time::Instant;

use event_model::EventType;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::world::{DEADLINE, LOOK_EVERY, World};

async fn ask(world: &World, what: &str, body: Value) -> (u16, Value) {
    world.tried(world.http.post(format!("{}/accounts/acme/{what}", world.api)).json(&body)).await
}

/// Waits until a watch withholds something, and gives what.
async fn withheld(world: &World) -> Value {
    let started = Instant::now();
    loop {
        let account = world.answer(world.http.get(format!("{}/accounts/acme", world.api))).await;
        let watches = account["watches"].as_array().unwrap().iter();
        if let Some(watch) = watches.into_iter().find(|watch| watch["withheld"].is_object()) {
            return watch.clone();
        }
        assert!(started.elapsed() < DEADLINE, "nothing is withheld");
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_disappearance_is_withheld_until_a_person_confirms_it() {
    let world = World::start().await;
    let cards = world.first_sight().await.len();
    let (status, _) = ask(&world, "release", json!({ "scope": "cards:acme.example", "ceiling": 100 })).await;
    assert_eq!(status, 409, "nothing is withheld yet");

    world.answer(world.control("hidden", &json!({ "entity": "card" }))).await;
    let watch = withheld(&world).await;
    assert_eq!((&watch["name"], &watch["withheld"]["missing"]), (&json!("cards:acme.example"), &json!(cards)));
    let scope = &watch["name"];
    let (status, refused) = ask(&world, "release", json!({ "scope": scope, "ceiling": cards - 1 })).await;
    assert_eq!(status, 409);
    assert!(refused["detail"].as_str().unwrap().starts_with(&format!("{cards} are missing")), "{refused}");
    let told = world.told(&[EventType::AccountAccessChanged]).await;
    assert!(!told.iter().any(|event| event["type"] == "card.removed"), "withheld means untold");

    let (status, released) = ask(&world, "release", json!({ "scope": scope, "ceiling": cards })).await;
    assert_eq!((status, &released["scope"]), (200, scope), "{released}");
    let removed = |events: &[Value]| events.iter().filter(|event| event["type"] == "card.removed").count();
    let started = Instant::now();
    while removed(&world.events().await) < cards {
        assert!(started.elapsed() < DEADLINE, "what was confirmed is told as removed");
        sleep(LOOK_EVERY).await;
    }
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_reads_one_report_or_everything_before_its_turn() {
    let world = World::start().await;
    world.first_sight().await;
    let report = world.simulator.reports()[0].id.clone();
    let before = world.simulator.exports(0).len() as u64;
    let (status, queued) = ask(&world, "refresh", json!({ "report": report })).await;
    assert_eq!((status, &queued["queued"]), (202, &json!(format!("report/{report}"))));
    let started = Instant::now();
    while !world.simulator.exports(before).iter().any(|export| export.rows == 1) {
        assert!(started.elapsed() < DEADLINE, "the report is read by itself");
        sleep(LOOK_EVERY).await;
    }
    assert_eq!(ask(&world, "refresh", json!({})).await.0, 202);
    world.stopped().await;
}
