use event_model::{Subscription, secret::parse_secret};
use event_store::{Sealer, TableName};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::service::{SEALING_KEY, Service, named, problem};

const IMPORTED: &str = "whsec_Hn7vP2xq0sT9wYb4LkZc6RfGmJd1UeVa8oXiQ5NhBtM=";

async fn stored(service: &Service, created: &Value) -> Subscription {
    let id = created["id"].as_str().expect("an id");
    service.store.table(TableName::Subscriptions).get(id).await.expect("read").expect("stored")
}

/// The secrets that sign now, as receivers write them.
async fn signing(service: &Service, created: &Value) -> Vec<String> {
    let (stands, sealer) = (stored(service, created).await, Sealer::new(SEALING_KEY));
    let text = |sealed: &str| {
        let opened = sealer.open(stands.id.as_str(), sealed).expect("opens");
        event_model::secret::secret_text(&opened).to_string()
    };
    stands.secrets_at(Timestamp::now()).map(text).collect()
}

fn path(created: &Value, action: &str) -> String {
    format!("/v1/subscriptions/{}/{action}", created["id"].as_str().expect("an id"))
}

fn creation(more: Value) -> Value {
    let mut body = json!({"url": "https://a.example/hook", "events": ["*"]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

async fn created(service: &Service, more: Value) -> Value {
    let response = service.post("/v1/subscriptions", &creation(more)).await;
    assert_eq!(response.status(), 201);
    response.json().await.expect("json")
}

async fn rotated(service: &Service, created: &Value, body: Value) -> Value {
    let response = service.post(&path(created, "rotate-secret"), &body).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.status(), 200);
    response.json().await.expect("json")
}

#[tokio::test]
async fn a_rotated_secret_is_shown_once_and_the_old_one_overlaps_for_a_day() {
    let service = Service::start().await;
    let made = created(&service, json!({})).await;
    let before = Timestamp::now();
    let new = service.request(Method::POST, &path(&made, "rotate-secret")).send().await.expect("an answer");
    let new: Value = new.json().await.expect("json");
    assert_eq!(
        signing(&service, &made).await,
        [&new["secret"], &made["secret"]].map(|one| one.as_str().expect("text"))
    );
    assert_eq!(parse_secret(new["secret"].as_str().expect("text")).expect("a secret").len(), 32);
    let until: Timestamp = new["overlap_until"].as_str().expect("text").parse().expect("a time");
    let overlap = until.duration_since(before);
    assert!((SignedDuration::from_hours(24)..SignedDuration::from_hours(25)).contains(&overlap), "{overlap}");
    let shown = service.get_json(&path(&made, "")[..path(&made, "").len() - 1]).await;
    assert_eq!((&shown["overlap_until"], shown.get("secret")), (&new["overlap_until"], None));
}

#[tokio::test]
async fn several_overlap_until_a_rotation_without_overlap_ends_them_all() {
    let service = Service::start().await;
    let made = created(&service, json!({"secret": IMPORTED})).await;
    assert_eq!(made["secret"], IMPORTED);
    for _ in 0..4 {
        rotated(&service, &made, json!({"overlap_s": 604_800})).await;
    }
    assert_eq!(signing(&service, &made).await.len(), 5);
    let refused = service.post(&path(&made, "rotate-secret"), &json!({})).await;
    let told = problem(refused, 409, "conflict").await;
    assert!(told["detail"].as_str().expect("text").contains("overlap_s"), "{told}");
    let last = rotated(&service, &made, json!({"overlap_s": 0})).await;
    assert_eq!(signing(&service, &made).await, [last["secret"].as_str().expect("text")]);
    let kept = String::from_utf8_lossy(&service.stored_bytes()).into_owned();
    assert!(!kept.contains(&IMPORTED[6..]), "no secret lies in the store in the clear");
}

#[tokio::test]
async fn what_is_wrong_with_a_rotation_is_said_and_nothing_changes() {
    let service = Service::start().await;
    let made = created(&service, json!({"secret": IMPORTED})).await;
    for (body, places) in [
        (json!({"overlap_s": 604_801}), vec!["/overlap_s"]),
        (json!({"overlap_s": -1, "scheme": "v2"}), vec!["/scheme", "/overlap_s"]),
        (json!({"secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}), vec!["/secret"]),
        (json!({"secret": "whsec_c2hvcnQ="}), vec!["/secret"]),
        (json!({"secret": IMPORTED}), vec!["/secret"]),
        (json!({"secret": IMPORTED, "scheme": "v1a"}), vec!["/secret"]),
        (json!({"overlap": 5}), vec!["/overlap"]),
    ] {
        let told = problem(service.post(&path(&made, "rotate-secret"), &body).await, 422, "validation").await;
        assert_eq!(named(&told), places, "{body}: {told}");
        assert!(!told.to_string().contains("whsec_A"), "{told}");
    }
    problem(service.post(&path(&made, "rotate-secret"), &json!({"scheme": "v1a"})).await, 409, "conflict").await;
    problem(service.post("/v1/subscriptions/sub_none/rotate-secret", &json!({})).await, 404, "not-found").await;
    assert_eq!(signing(&service, &made).await, [IMPORTED]);
    let weak = service.post("/v1/subscriptions", &creation(json!({"secret": "whsec_hunter2"}))).await;
    let told = problem(weak, 422, "validation").await;
    assert!(named(&told) == ["/secret"] && !told.to_string().contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_rotation_that_is_asked_for_again_with_its_key_rotates_once() {
    let service = Service::start().await;
    let made = created(&service, json!({})).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = service.request(Method::POST, &path(&made, "rotate-secret")).header("idempotency-key", "k");
        answers.push(request.send().await.expect("an answer").text().await.expect("text"));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(signing(&service, &made).await.len(), 2);
}

#[tokio::test]
async fn ed25519_is_signed_with_only_where_asked_for_and_its_public_keys_are_shown() {
    let service = Service::start().await;
    let plain = created(&service, json!({})).await;
    assert_eq!((&plain["ed25519"], plain.get("public_key")), (&json!(false), None));
    assert_eq!(service.get_json(&path(&plain, "public-keys")).await, json!({"keys": []}));

    let made = created(&service, json!({"ed25519": true})).await;
    let first = json!({"algorithm": "ed25519", "key": made["public_key"], "until": null});
    assert_eq!(service.get_json(&path(&made, "public-keys")).await["keys"], json!([first]));
    let new = rotated(&service, &made, json!({"scheme": "v1a", "overlap_s": 3600})).await;
    assert_eq!((&new["scheme"], new.get("secret")), (&json!("v1a"), None));
    let keys = service.get_json(&path(&made, "public-keys")).await;
    let shown = |at: usize| (keys["keys"][at]["key"].clone(), keys["keys"][at]["until"].clone());
    assert_eq!(shown(0), (new["public_key"].clone(), Value::Null));
    assert_eq!(shown(1), (made["public_key"].clone(), new["overlap_until"].clone()));
    assert_eq!(signing(&service, &made).await.len(), 1, "the secret of v1 stands");
    assert!(!keys.to_string().contains("sealed"));

    let address = format!("/v1/subscriptions/{}", plain["id"].as_str().expect("an id"));
    for (asked, count) in [(true, 1), (true, 1), (false, 0)] {
        assert_eq!(service.patch(&address, &json!({"ed25519": asked})).await.status(), 200);
        let keys = service.get_json(&path(&plain, "public-keys")).await["keys"].clone();
        assert_eq!(keys.as_array().expect("a list").len(), count);
    }
}

#[tokio::test]
async fn cloudevents_are_taken_and_headers_of_ours_are_not_in_any_spelling() {
    let service = Service::start().await;
    for format in ["cloudevents-structured", "cloudevents-binary"] {
        assert_eq!(created(&service, json!({"format": format})).await["format"], format);
    }
    let headers = json!({"headers": {"Webhook_Id": "x", "CE-type": "x", "content_length": "1", "x-mine": "y"}});
    let told = problem(service.post("/v1/subscriptions", &creation(headers)).await, 422, "validation").await;
    assert_eq!(named(&told), ["/headers/CE-type", "/headers/Webhook_Id", "/headers/content_length"]);
}

#[tokio::test]
async fn who_does_not_meet_the_challenge_is_not_subscribed_and_changes_to_no_other_url() {
    let service = Service::start().await;
    let unwilling = |more: Value| {
        let mut body = creation(more);
        body["url"] = json!("https://unwilling.example/hook");
        body
    };
    let told =
        problem(service.post("/v1/subscriptions", &unwilling(json!({"challenge": true}))).await, 422, "validation");
    let told = told.await;
    assert!(named(&told) == ["/url"] && told.to_string().contains("token"), "{told}");
    assert_eq!(service.get_json("/v1/subscriptions").await["subscriptions"], json!([]));

    let made = created(&service, json!({"challenge": true})).await;
    let address = format!("/v1/subscriptions/{}", made["id"].as_str().expect("an id"));
    let away = service.patch(&address, &json!({"url": "https://unwilling.example/hook"})).await;
    problem(away, 422, "validation").await;
    assert_eq!(service.get_json(&address).await["url"], "https://a.example/hook");
    assert_eq!(service.patch(&address, &json!({"description": "no other endpoint"})).await.status(), 200);
    let asked = service.challenged.lock().expect("lock").clone();
    assert_eq!(asked, ["unwilling.example", "a.example", "unwilling.example"], "only a new endpoint is asked");

    assert_eq!(service.post("/v1/subscriptions", &unwilling(json!({}))).await.status(), 201, "it is asked for");
}
