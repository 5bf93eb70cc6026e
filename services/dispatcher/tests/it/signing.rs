//! What a delivery is signed with, in which form it comes, and what a subscription may not set of it.

use std::time::Duration;

use dispatcher::{
    challenge::{ChallengeFailure, Challenger},
    guard::Resolver,
    signature::{VerifyFailure, parse_secret, sign_ed25519, verify, verify_ed25519},
};
use ed25519_dalek::SigningKey;
use event_model::{
    Subscription,
    secret::public_key_text,
    subscription::{Ed25519Key, Format, RetiringSecret},
};
use event_store::Sealer;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    receiver::{Received, Receiver, Reply},
    world::{OLD_SECRET, SECRET, World},
};

const LAPSED_SECRET: &str = "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH";
const SEED: [u8; 32] = [9; 32];

fn sealer() -> Sealer {
    Sealer::new([7; 32])
}

fn verified(one: &Received, secret: &str) -> Result<(), VerifyFailure> {
    let secret = parse_secret(secret).expect("secret");
    let [id, at, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| one.header(name));
    verify(&secret, id, at, signature, &one.body, Timestamp::now().as_second(), 60)
}

/// The one delivery of an event to a subscription that `change` has changed.
async fn delivery(change: impl FnOnce(&World, Subscription) -> Subscription) -> Received {
    let receiver = Receiver::start(|_| Reply::Status(200)).await;
    let mut world = World::new();
    world.append(&["a"]).await;
    world.put(change(&world, world.subscription("1", &receiver.url))).await;
    world.start();
    let received = receiver.wait_for(1).await;
    world.stop().await;
    received[0].clone()
}

#[tokio::test]
async fn every_secret_that_overlaps_signs_and_none_that_has_lapsed() {
    let one = delivery(|_, subscription| {
        let seal =
            |text: &str| sealer().seal(subscription.id.as_str(), &parse_secret(text).expect("secret")).expect("sealed");
        let until = |hours| Timestamp::now() + SignedDuration::from_hours(hours);
        let retiring_secrets = vec![
            RetiringSecret { sealed: seal(OLD_SECRET), until: until(1) },
            RetiringSecret { sealed: seal(LAPSED_SECRET), until: until(-1) },
        ];
        Subscription { sealed_secrets: vec![seal(SECRET)], retiring_secrets, ..subscription }
    });
    let one = one.await;
    assert_eq!(one.header("webhook-signature").split(' ').count(), 2);
    assert_eq!((verified(&one, SECRET), verified(&one, OLD_SECRET)), (Ok(()), Ok(())));
    assert_eq!(verified(&one, LAPSED_SECRET), Err(VerifyFailure::Mismatch));
}

#[tokio::test]
async fn who_asks_for_it_gets_an_ed25519_signature_beside_the_other() {
    let public = SigningKey::from_bytes(&SEED).verifying_key().to_bytes();
    let one = delivery(|_, subscription| {
        let sealed_seed = sealer().seal(&Subscription::ed25519_place(&subscription.id), &SEED).expect("sealed");
        let key = Ed25519Key { sealed_seed, public_key: public_key_text(&public), until: None };
        Subscription { ed25519_keys: vec![key], ..subscription }
    });
    let one = one.await;
    let [id, at, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| one.header(name));
    let now_s = Timestamp::now().as_second();
    assert_eq!(verify_ed25519(&public, id, at, signature, &one.body, now_s, 60), Ok(()));
    assert_eq!(verified(&one, SECRET), Ok(()), "whoever checks v1 notices nothing");
    let at_s = at.parse().expect("a number");
    assert!(signature.contains(&sign_ed25519(&SEED, id, at_s, &one.body).expect("a seed")));
}

#[tokio::test]
async fn cloudevents_are_signed_as_they_are_sent() {
    let structured = delivery(|_, one| Subscription { format: Format::CloudeventsStructured, ..one }).await;
    assert_eq!(structured.header("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!(verified(&structured, SECRET), Ok(()));
    let envelope: Value = serde_json::from_slice(&structured.body).expect("json");
    assert_eq!((&envelope["id"], &envelope["specversion"]), (&json!(structured.header("webhook-id")), &json!("1.0")));

    let binary = delivery(|_, one| Subscription { format: Format::CloudeventsBinary, ..one }).await;
    assert_eq!((binary.header("content-type"), binary.header("ce-specversion")), ("application/json", "1.0"));
    assert_eq!(verified(&binary, SECRET), Ok(()));
    let event = serde_json::to_value(binary.event()).expect("json");
    for (header, member) in [("ce-id", "id"), ("ce-type", "type"), ("ce-subject", "subject"), ("ce-time", "timestamp")]
    {
        assert_eq!(binary.header(header), event[member], "{header} is under the signature too");
    }
    let data = |one: &Value| (one["type"].clone(), one["data"]["object"].clone());
    assert_eq!(data(&envelope["data"]), data(&event), "both forms carry the event");
}

#[tokio::test]
async fn no_header_of_ours_is_overridden_in_any_form_or_spelling() {
    for format in [Format::Standard, Format::CloudeventsStructured, Format::CloudeventsBinary] {
        let plain = delivery(|_, one| Subscription { format, ..one }).await;
        let ours: Vec<String> = plain.headers.keys().map(|name| name.as_str().to_owned()).collect();
        assert!(ours.len() >= 6, "{ours:?}");
        let spelt = |name: &String| [name.clone(), name.to_ascii_uppercase(), name.replace('-', "_")];
        let evil: Vec<_> = ours.iter().flat_map(spelt).collect();
        let more =
            ["transfer-encoding", "connection", "te", "upgrade", "expect", "trailer", "ce-id", "proxy-authorization"];
        let own: Vec<_> = evil.iter().map(String::as_str).chain(more).map(|name| (name, "evil")).collect();
        let one = delivery(|world, one| {
            let one = world.with_headers(one, &own);
            world.with_headers(Subscription { format, ..one.clone() }, &[&own[..], &[("x-tenant", "t")]].concat())
        });
        let one = one.await;
        let evil: Vec<_> = one.headers.iter().filter(|(_, value)| value.as_bytes() == b"evil").collect();
        assert!(evil.is_empty(), "{format:?}: {evil:?}");
        assert_eq!(one.header("x-tenant"), "t", "its own are sent");
        assert_eq!(verified(&one, SECRET), Ok(()));
        let mut names: Vec<_> = one.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.retain(|name| name != "x-tenant");
        assert_eq!((names.len(), one.headers.len()), (ours.len(), ours.len() + 1), "nothing came twice");
    }
}

/// How the challenge of a receiver that answers with `reply` ends, and what it was sent.
async fn challenged(
    answer: impl Fn(&Value) -> (u16, String) + Send + Sync + 'static,
) -> (Result<(), ChallengeFailure>, Received) {
    let receiver = Receiver::start(move |one| {
        let (status, text) = answer(&serde_json::from_slice(&one.body).expect("json"));
        Reply::Text(status, text)
    });
    let receiver = receiver.await;
    let world = World::new();
    let mut subscription = world.with_headers(world.subscription("1", &receiver.url), &[("authorization", "Bearer x")]);
    subscription.format = Format::CloudeventsBinary;
    let ended = Challenger::new(&world.config, sealer()).expect("a client").ask(&subscription).await;
    (ended, receiver.received().remove(0))
}

fn token(body: &Value) -> String {
    body["challenge"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn who_gives_the_token_back_passes_the_challenge() {
    for json_answer in [false, true] {
        let answer = move |body: &Value| {
            (200, if json_answer { json!({"challenge": token(body)}).to_string() } else { token(body) })
        };
        let (ended, one) = challenged(answer).await;
        assert!(ended.is_ok(), "{ended:?}");
        assert_eq!(verified(&one, SECRET), Ok(()), "it is signed as a delivery is");
        assert_eq!((one.header("authorization"), one.header("content-type")), ("Bearer x", "application/json"));
        let body: Value = serde_json::from_slice(&one.body).expect("json");
        assert_eq!((&body["type"], &body["subscription"]), (&json!("subscription.challenge"), &json!("sub_1")));
        assert!(token(&body).len() >= 43);
    }
}

#[tokio::test]
async fn who_does_not_is_refused_by_what_went_wrong() {
    let (ended, _) = challenged(|_| (200, "ok".to_owned())).await;
    assert!(matches!(ended, Err(ChallengeFailure::NotEchoed)), "{ended:?}");
    let (ended, _) = challenged(|body| (200, body.to_string())).await;
    assert!(matches!(ended, Err(ChallengeFailure::NotEchoed)), "an echo server owns nothing: {ended:?}");
    let (ended, _) = challenged(|body| (404, token(body))).await;
    assert!(matches!(ended, Err(ChallengeFailure::Status(404))), "{ended:?}");
}

#[tokio::test]
async fn a_challenge_ends_at_the_deadline_and_goes_nowhere_that_a_delivery_may_not() {
    let receiver = Receiver::start(|_| Reply::Hang).await;
    let mut world = World::new();
    world.config.timeout = Duration::from_millis(300);
    let ask = async |world: &World| {
        Challenger::new(&world.config, sealer()).expect("a client").ask(&world.subscription("1", &receiver.url)).await
    };
    let ended = ask(&world).await;
    assert!(matches!(ended, Err(ChallengeFailure::Unanswered("timeout"))), "{ended:?}");
    world.config.allow_cidrs.clear();
    world.config.resolver = Resolver::default();
    let ended = ask(&world).await;
    assert!(matches!(&ended, Err(ChallengeFailure::Blocked(why)) if why.contains("loopback")), "{ended:?}");
    assert_eq!(receiver.received().len(), 1);
}
