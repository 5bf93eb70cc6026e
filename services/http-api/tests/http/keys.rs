//! Keys: made, shown once, no wider than their maker, expiring, deleted.

use std::time::Duration;

use event_model::{EventType, Subscription};
use event_store::TableName;
use http_api::ensure_admin_key;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    scopes::{made_key, narrow_grant},
    service::{DEADLINE, Service, draft, named, problem},
    stream::Reader,
};

fn everything() -> Value {
    json!({ "accounts": ["*"], "policies": ["*"], "events": ["*"], "actions": ["*"] })
}

/// `body` with `more`.
fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    body.as_object_mut().expect("an object").extend(more);
    body
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("a text")
}

async fn ask(service: &Service, key: &Value, method: Method, path: &str, body: Option<Value>) -> Response {
    let request = service.as_key(text(key, "key"), method, path);
    body.iter().fold(request, |request, body| request.json(body)).send().await.expect("an answer")
}

async fn subscribed(service: &Service, key: &Value) -> String {
    let body = json!({"url": "https://a.example", "events": ["report.*"]});
    let made = ask(service, key, Method::POST, "/v1/subscriptions", Some(body)).await;
    assert_eq!(made.status(), 201);
    text(&made.json().await.expect("json"), "id").to_owned()
}

#[tokio::test]
async fn a_key_is_shown_once_and_then_only_what_it_allows() {
    let service = Service::start().await;
    let body = with(narrow_grant(), json!({"description": "the ERP", "rate_per_s": 20, "expires_in_s": 3600}));
    let response = service.post("/v1/keys", &body).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let location = response.headers()["location"].to_str().expect("text").to_owned();
    let made: Value = response.json().await.expect("json");
    let token = text(&made, "key");
    assert!(token.starts_with("ew_") && token.len() > 40);
    let shown = service.get_json(&location).await;
    for (field, value) in body.as_object().expect("an object").iter().filter(|(field, _)| *field != "expires_in_s") {
        assert_eq!(shown[field], *value, "{field}");
    }
    assert!(shown["expires_at"].is_string() && shown["expired"] == json!(false) && shown.get("key").is_none());
    let list = service.get("/v1/keys").await.text().await.expect("text");
    assert!(list.contains(text(&made, "id")) && !list.contains(token));
    let page = service.get_json("/v1/keys?limit=1").await;
    let rest = service.get_json(&format!("/v1/keys?cursor={}", text(&page, "next"))).await;
    assert_eq!((rest["keys"].as_array().expect("a list").len(), &rest["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn any_key_may_ask_what_it_allows_itself() {
    let service = Service::start().await;
    let made: Value =
        service.post("/v1/keys", &json!({"description": "no more than itself"})).await.json().await.expect("json");
    let own: Value = ask(&service, &made, Method::GET, "/v1/keys/self", None).await.json().await.expect("json");
    assert_eq!(
        (&own["id"], &own["description"], &own["actions"]),
        (&made["id"], &json!("no more than itself"), &json!([]))
    );
    assert!(own.get("key").is_none(), "never what it is");
    assert_eq!(ask(&service, &made, Method::GET, "/v1/keys", None).await.status(), 403, "it allows nothing else");
    assert_eq!(service.get_json("/v1/keys/self").await["actions"], json!(["*"]));
}

#[tokio::test]
async fn a_repeated_creation_makes_one_key_and_shows_it_again() {
    let service = Service::start().await;
    let create = async || {
        let request = service.request(Method::POST, "/v1/keys").header("idempotency-key", "k1").json(&narrow_grant());
        request.send().await.expect("an answer").json::<Value>().await.expect("json")
    };
    let made = create().await;
    assert_eq!(create().await, made);
    let keys = service.get_json("/v1/keys").await;
    assert_eq!(keys["keys"].as_array().expect("a list").len(), 2, "the first one and this");
    let bytes = service.stored_bytes();
    let token = text(&made, "key").as_bytes();
    assert!(!bytes.windows(token.len()).any(|window| window == token), "the kept answer is sealed");
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_said_at_once() {
    let service = Service::start().await;
    let body = json!({
        "accounts": ["No Name"], "events": ["reprot.*"], "actions": ["event:read"], "expires_at": "2001-01-01T00:00:00Z",
        "expires_in_s": 0, "rate_per_s": 0, "colour": 1,
    });
    let told = problem(service.post("/v1/keys", &body).await, 422, "validation").await;
    let mut places = named(&told);
    places.sort_unstable();
    let expected = [
        "/accounts/0",
        "/actions/0",
        "/colour",
        "/events/0",
        "/expires_at",
        "/expires_in_s",
        "/policies",
        "/rate_per_s",
    ];
    assert_eq!(places, expected);
    assert!(told.to_string().contains("events:read"), "{told}");
    let half = json!({"accounts": ["acme"], "events": ["*"], "actions": ["*"]});
    let told = problem(service.post("/v1/keys", &half).await, 422, "validation").await;
    assert_eq!(named(&told), ["/policies"], "half a scope would silently see nothing");
}

#[tokio::test]
async fn a_key_makes_no_key_that_is_wider_or_lasts_longer_than_itself() {
    let service = Service::start().await;
    let own = with(narrow_grant(), json!({"expires_in_s": 600, "rate_per_s": 20}));
    let maker = made_key(&service, &own).await;
    let list = |name: &str, value: Value| with(narrow_grant(), json!({ name: value }));
    for (body, at) in [
        (list("accounts", json!(["acme", "beta"])), "/accounts"),
        (list("accounts", json!(["*"])), "/accounts"),
        (list("policies", json!(["*"])), "/policies"),
        (list("events", json!(["report.*", "card.added"])), "/events"),
        (list("expires_in_s", json!(601)), "/expires_at"),
        (list("rate_per_s", json!(21)), "/rate_per_s"),
    ] {
        let refused = ask(&service, &maker, Method::POST, "/v1/keys", Some(body)).await;
        assert_eq!(named(&problem(refused, 403, "forbidden").await), [at]);
    }
    let child = ask(&service, &maker, Method::POST, "/v1/keys", Some(narrow_grant())).await;
    assert_eq!(child.status(), 201);
    let child: Value = child.json().await.expect("json");
    assert_eq!((&child["expires_at"], &child["rate_per_s"]), (&maker["expires_at"], &json!(20)));
    assert_eq!(child["made_by"], maker["id"]);
    let limited = made_key(&service, &list("actions", json!(["keys:write"]))).await;
    let refused =
        ask(&service, &limited, Method::POST, "/v1/keys", Some(list("actions", json!(["events:read"])))).await;
    assert_eq!(named(&problem(refused, 403, "forbidden").await), ["/actions"]);
    // It sees and deletes what it made, and no other.
    let seen: Value = ask(&service, &maker, Method::GET, "/v1/keys", None).await.json().await.expect("json");
    let mut ids: Vec<_> = seen["keys"].as_array().expect("a list").iter().map(|key| text(key, "id")).collect();
    ids.sort_unstable();
    let mut expected = [text(&maker, "id"), text(&child, "id")];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let path = |key: &Value| format!("/v1/keys/{}", text(key, "id"));
    assert_eq!(ask(&service, &maker, Method::DELETE, &path(&limited), None).await.status(), 404);
    assert_eq!(ask(&service, &maker, Method::DELETE, &path(&maker), None).await.status(), 409);
    assert_eq!(ask(&service, &maker, Method::DELETE, &path(&child), None).await.status(), 204);
}

#[tokio::test]
async fn a_key_that_expires_ends_its_streams_and_is_then_as_unknown_as_any() {
    let service = Service::start().await;
    service.append(&["R1"]).await;
    let key = made_key(&service, &with(everything(), json!({"expires_in_s": 3}))).await;
    let stream = ask(&service, &key, Method::GET, "/v1/events/stream?after=0", None).await;
    let mut reader = Reader::of(stream);
    assert_eq!(reader.ids(1).await, [1]);
    let begun = std::time::Instant::now();
    assert_eq!(reader.next().await, None, "nothing was appended: the time alone ended it");
    assert!(begun.elapsed() < DEADLINE);
    service.append(&["R2"]).await;
    let refused = ask(&service, &key, Method::GET, "/v1/events", None).await;
    let refused = problem(refused, 401, "unauthorized").await;
    let unknown = service.as_key("ew_never", Method::GET, "/v1/events").send().await.expect("an answer");
    assert_eq!(refused["detail"], problem(unknown, 401, "unauthorized").await["detail"]);
    let shown = service.get_json(&format!("/v1/keys/{}", text(&key, "id"))).await;
    assert_eq!(shown["expired"], json!(true));
}

#[tokio::test]
async fn a_deleted_key_opens_nothing_at_once_and_its_streams_end() {
    let service = Service::start().await;
    let key = made_key(&service, &everything()).await;
    let mut reader = Reader::of(ask(&service, &key, Method::GET, "/v1/events/stream", None).await);
    service.append(&["R1"]).await;
    assert_eq!(reader.ids(1).await, [1]);
    let path = format!("/v1/keys/{}", text(&key, "id"));
    assert_eq!(service.request(Method::DELETE, &path).send().await.expect("an answer").status(), 204);
    assert_eq!(ask(&service, &key, Method::GET, "/v1/events", None).await.status(), 401);
    assert_eq!(reader.next().await, None);
    problem(service.get(&path).await, 404, "not-found").await;
}

#[tokio::test]
async fn an_export_breaks_off_where_its_key_is_deleted_or_expires() {
    const EVENT_BYTES: usize = 1 << 20;
    // More than the kernel holds for a client.
    const EVENTS: u64 = 40;
    let service = Service::start().await;
    for revision in 1..=EVENTS {
        let mut large = draft("R1", EventType::ReportUpdated, revision);
        large.data.object["reportName"] = json!("n".repeat(EVENT_BYTES));
        service.store.append(vec![large]).await.expect("appended");
    }
    let whole = service.get("/v1/log/export").await.text().await.expect("text");
    assert!(whole.trim_end().ends_with('}') && whole.contains(r#"{"expensewire":"end""#), "nothing ends it too early");
    for (grant, expires) in [(everything(), false), (with(everything(), json!({"expires_in_s": 2})), true)] {
        let key = made_key(&service, &grant).await;
        let mut export = ask(&service, &key, Method::GET, "/v1/log/export", None).await;
        let mut came = export.chunk().await.expect("a piece").expect("a beginning").to_vec();
        let path = format!("/v1/keys/{}", text(&key, "id"));
        if expires {
            let begun = std::time::Instant::now();
            while service.get_json(&path).await["expired"] != json!(true) {
                assert!(begun.elapsed() < DEADLINE);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        } else {
            assert_eq!(service.request(Method::DELETE, &path).send().await.expect("an answer").status(), 204);
        }
        // An end or an error: what matters is that no more comes.
        while let Ok(Some(piece)) = export.chunk().await {
            came.extend_from_slice(&piece);
        }
        assert!(came.len() < EVENTS as usize * EVENT_BYTES, "expires: {expires}");
        assert!(!String::from_utf8_lossy(&came).contains(r#"{"expensewire":"end""#), "expires: {expires}");
    }
}

#[tokio::test]
async fn what_a_deleted_key_owned_goes_too_or_passes_on_and_stays_as_narrow() {
    let service = Service::start().await;
    let key = made_key(&service, &narrow_grant()).await;
    let kept = subscribed(&service, &key).await;
    let path = format!("/v1/keys/{}", text(&key, "id"));
    let delete = async |query: &str| {
        let request = service.request(Method::DELETE, &format!("{path}{query}"));
        request.send().await.expect("an answer")
    };
    problem(delete("").await, 409, "conflict").await;
    problem(delete("?subscriptions=perhaps").await, 400, "parameters").await;
    assert_eq!(ask(&service, &key, Method::GET, "/v1/events", None).await.status(), 200, "nothing was done");
    assert_eq!(delete("?subscriptions=keep").await.status(), 204);
    let table = service.store.table::<Subscription>(TableName::Subscriptions);
    let owner = table.get(&kept).await.expect("read").expect("kept").owner.expect("an owner");
    assert_ne!(owner.key.as_str(), text(&key, "id"));
    assert_eq!(serde_json::to_value(&owner.reach).expect("json")["policies"], json!(["P1"]));
    let key = made_key(&service, &narrow_grant()).await;
    let gone = subscribed(&service, &key).await;
    let path = format!("/v1/keys/{}?subscriptions=delete", text(&key, "id"));
    assert_eq!(service.request(Method::DELETE, &path).send().await.expect("an answer").status(), 204);
    assert!(table.get(&gone).await.expect("read").is_none() && table.get(&kept).await.expect("read").is_some());
}

#[tokio::test]
async fn a_subscription_whose_owner_has_expired_is_paused_until_it_has_another() {
    let service = Service::start().await;
    let key = made_key(&service, &with(narrow_grant(), json!({"expires_in_s": 3}))).await;
    let path = format!("/v1/subscriptions/{}", subscribed(&service, &key).await);
    let at = std::time::Instant::now();
    let status = async || service.get_json(&path).await["status"].clone();
    while status().await["state"] == json!("active") {
        assert!(at.elapsed() < DEADLINE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!((&status().await["state"], &status().await["reason"]), (&json!("paused"), &json!("owner_expired")));
    problem(service.post(&format!("{path}/test"), &json!({})).await, 409, "conflict").await;
    let narrower = made_key(&service, &with(narrow_grant(), json!({"events": ["report.created"]}))).await;
    for (owner, at) in
        [(narrower["id"].clone(), "/owner"), (key["id"].clone(), "/owner"), (json!("key_none"), "/owner")]
    {
        let refused = problem(service.patch(&path, &json!({ "owner": owner })).await, 422, "validation").await;
        assert_eq!(named(&refused), [at]);
    }
    let next = made_key(&service, &narrow_grant()).await;
    let by_itself = ask(&service, &next, Method::PATCH, &path, Some(json!({"owner": next["id"]}))).await;
    problem(by_itself, 404, "not-found").await;
    let changed = service.patch(&path, &json!({"owner": next["id"]})).await;
    assert_eq!(changed.status(), 200);
    assert_eq!(changed.json::<Value>().await.expect("json")["owner"], next["id"]);
    assert_eq!(status().await["state"], json!("active"));
    assert_eq!(ask(&service, &next, Method::GET, &path, None).await.status(), 200);
    let other = made_key(&service, &everything()).await;
    let given = ask(&service, &next, Method::PATCH, &path, Some(json!({"owner": other["id"]}))).await;
    problem(given, 403, "forbidden").await;
}

#[tokio::test]
async fn the_configured_key_and_the_last_that_may_do_everything_cannot_be_deleted() {
    let service = Service::start().await;
    let keys = service.get_json("/v1/keys").await;
    let first = text(&keys["keys"][0], "id").to_owned();
    let passing = made_key(&service, &with(everything(), json!({"expires_in_s": 600}))).await;
    let path = format!("/v1/keys/{first}");
    problem(ask(&service, &passing, Method::DELETE, &path, None).await, 409, "conflict").await;
    let configured = "a-configured-key-of-the-operator";
    ensure_admin_key(&service.store, Some(configured)).await.expect("ok");
    let listed = service.get_json("/v1/keys").await;
    let of_configuration = listed["keys"].as_array().expect("a list").iter().find(|key| key["origin"] == "configured");
    let path_of_configured = format!("/v1/keys/{}", text(of_configuration.expect("listed"), "id"));
    problem(ask(&service, &passing, Method::DELETE, &path_of_configured, None).await, 409, "conflict").await;
    assert_eq!(ask(&service, &passing, Method::DELETE, &path, None).await.status(), 204, "there is another one now");
}

#[tokio::test]
async fn keys_with_a_scope_do_not_stand_in_for_the_key_of_an_administrator() {
    let service = Service::start().await;
    made_key(&service, &narrow_grant()).await;
    assert_eq!(ensure_admin_key(&service.store, Some("a-configured-key-of-the-operator")).await.expect("ok"), None);
    let table = service.store.table::<Value>(TableName::Keys);
    for (record, key) in table.list("").await.expect("listed") {
        if key["origin"] == "generated" {
            table.delete(&record, event_store::Durability::Durable).await.expect("deleted");
        }
    }
    let made = ensure_admin_key(&service.store, None).await.expect("ok");
    assert!(made.is_some(), "the scoped key alone would leave nobody who may do everything");
}
