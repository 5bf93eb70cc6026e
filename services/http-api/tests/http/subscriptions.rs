use data_encoding::BASE64;
use event_model::{
    EventId, Sequence, Subscription, SubscriptionId,
    delivery::{Attempt, Outcome, Payload, PendingDelivery, PendingState, Progress, Trouble},
    subscription::Status,
};
use event_store::{Durability, Sealer, TableName};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::service::{SEALING_KEY, Service, named, problem};

async fn stored(service: &Service, id: &str) -> Option<Subscription> {
    service.store.table::<Subscription>(TableName::Subscriptions).get(id).await.expect("read")
}

fn path(subscription: &Value) -> String {
    format!("/v1/subscriptions/{}", subscription["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_creation_answers_with_the_subscription_and_a_secret_that_is_kept_sealed() {
    let service = Service::start().await;
    service.append(&["R1", "R2", "R3"]).await;
    let body = json!({
        "url": "https://a.example/hook", "events": ["report.*", "policy.changed"], "accounts": ["acme"],
        "policies": ["P1"], "from": 2, "ordering": "strict", "rate_per_s": 7,
        "headers": {"X-Tenant": "very-secret"}, "description": "the ledger",
    });
    let response = service.post("/v1/subscriptions", &body).await;
    assert_eq!(response.status(), 201);
    let location = response.headers()["location"].to_str().expect("text").to_owned();
    let created: Value = response.json().await.expect("json");
    assert_eq!(location, path(&created));
    for field in ["url", "events", "accounts", "policies", "ordering", "rate_per_s", "description"] {
        assert_eq!(created[field], body[field], "{field}");
    }
    assert_eq!((&created["cursor"], &created["lag_events"]), (&json!(2), &json!(1)));
    assert_eq!(created["headers"], json!({"x-tenant": "[hidden]"}));

    let kept = stored(&service, created["id"].as_str().expect("an id")).await.expect("stored");
    assert_eq!(kept.start_after, Sequence(2));
    let place = Subscription::header_place(&kept.id, "x-tenant");
    let header = Sealer::new(SEALING_KEY).open(&place, &kept.sealed_headers["x-tenant"]).expect("opened");
    assert_eq!(header.as_slice(), b"very-secret");
    let opened = Sealer::new(SEALING_KEY).open(kept.id.as_str(), &kept.sealed_secrets[0]).expect("opened");
    assert_eq!(opened.len(), 32);
    assert_eq!(created["secret"], format!("whsec_{}", BASE64.encode(&opened)));

    let shown = service.get_json(&location).await;
    assert_eq!(shown.get("secret"), None);
    assert!(!shown.to_string().contains("very-secret"));
}

#[tokio::test]
async fn where_a_subscription_begins_is_the_end_of_the_log_unless_said() {
    let service = Service::start().await;
    service.append(&["R1", "R2"]).await;
    for (from, cursor) in [(json!(null), 2), (json!("now"), 2), (json!("beginning"), 0), (json!(1), 1)] {
        let body = json!({"url": "https://a.example", "events": ["*"], "from": from});
        let created: Value = service.post("/v1/subscriptions", &body).await.json().await.expect("json");
        assert_eq!(created["cursor"], cursor, "{from}");
    }
}

#[tokio::test]
async fn a_creation_with_faults_names_them_all_and_makes_nothing() {
    let service = Service::start().await;
    let body = json!({"url": "https://inside.example", "events": ["reprot.*"], "rate_per_s": 0, "colour": "red"});
    let told = problem(service.post("/v1/subscriptions", &body).await, 422, "validation").await;
    let mut places = named(&told);
    places.sort_unstable();
    assert_eq!(places, ["/colour", "/events/0", "/rate_per_s", "/url"]);
    assert!(told.to_string().contains("10.0.0.0/8"), "the caller is told which range: {told}");
    assert_eq!(service.get_json("/v1/subscriptions").await["subscriptions"], json!([]));
}

#[tokio::test]
async fn a_list_is_paged_by_cursor_and_link() {
    let service = Service::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(service.subscribed().await["id"].clone());
    }
    let (mut listed, mut address) = (Vec::new(), "/v1/subscriptions?limit=2".to_owned());
    loop {
        let response = service.get(&address).await;
        let link = response.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
        let page: Value = response.json().await.expect("json");
        let ids: Vec<_> =
            page["subscriptions"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
        assert!(ids.len() <= 2);
        listed.extend(ids);
        let Some(link) = link else {
            assert_eq!(page["next"], Value::Null);
            break;
        };
        assert!(link.contains(page["next"].as_str().expect("a cursor")));
        address = link.trim_start_matches('<').split('>').next().expect("an address").to_owned();
        assert!(address.contains("limit=2") && link.ends_with("rel=\"next\""), "{link}");
    }
    assert_eq!(listed, made);
    let told = problem(service.get("/v1/subscriptions?cursor=zzz&limit=1001").await, 400, "parameters").await;
    assert_eq!(named(&told), ["limit", "cursor"]);
}

#[tokio::test]
async fn a_view_counts_what_waits_and_what_was_given_up() {
    let service = Service::start().await;
    service.append(&["R1", "R2", "R3", "R4"]).await;
    let created = service.subscribed().await;
    let id: SubscriptionId = created["id"].as_str().expect("an id").parse().expect("an id");
    let at: Timestamp = "2026-04-02T09:14:00Z".parse().expect("a time");
    let last_failure = Attempt { at, duration_ms: 12, outcome: Outcome::Status { status: 500 } };
    let progress = Progress {
        delivered: 2,
        last_success_at: Some(at),
        last_failure: Some(last_failure),
        trouble: Some(Trouble::since(at)),
        ..Progress::starting_after(Sequence(3))
    };
    let table = service.store.table::<Progress>(TableName::Progress);
    table.put(id.as_str(), &progress, Durability::Durable).await.expect("written");
    for (key, state) in
        [("1", PendingState::Due { at }), ("2", PendingState::Waiting), ("3", PendingState::Dead { at })]
    {
        put_pending(&service, &id, key, state).await;
    }
    let view = service.get_json(&path(&created)).await;
    let counts = ["cursor", "lag_events", "pending", "dead_letters", "delivered"].map(|field| view[field].as_u64());
    assert_eq!(counts, [3, 1, 2, 1, 2].map(Some));
    assert_eq!(view["last_success_at"], "2026-04-02T09:14:00Z");
    assert_eq!(view["trouble"]["since"], "2026-04-02T09:14:00Z");
    assert_eq!(view["last_failure"]["outcome"], json!({"kind": "status", "status": 500}));

    let deleted = service.request(Method::DELETE, &path(&created)).send().await.expect("an answer");
    assert_eq!(deleted.status(), 204);
    assert_eq!(table.get(id.as_str()).await.expect("read"), None);
    let pending = service.store.table::<PendingDelivery>(TableName::Pending);
    assert!(pending.list(&format!("{id}/")).await.expect("read").is_empty());
    problem(service.get(&path(&created)).await, 404, "not-found").await;
    let again = service.request(Method::DELETE, &path(&created)).send().await.expect("an answer");
    problem(again, 404, "not-found").await;
}

async fn put_pending(service: &Service, id: &SubscriptionId, key: &str, state: PendingState) {
    let since = "2026-04-02T09:14:00Z".parse().expect("a time");
    let payload = Payload::Test { id: "evt_test1".parse::<EventId>().expect("an id"), body: "{}".to_owned() };
    let delivery =
        PendingDelivery { subscription: id.clone(), payload, state, attempts: 1, history: Vec::new(), since };
    let table = service.store.table::<PendingDelivery>(TableName::Pending);
    table.put(&format!("{id}/{key}"), &delivery, Durability::Durable).await.expect("written");
}

#[tokio::test]
async fn a_change_merges_and_a_wrong_one_changes_nothing() {
    let service = Service::start().await;
    let created = service.subscribed().await;
    let change = json!({"events": ["card.*"], "headers": {"x-a": "1", "x-b": "2"}, "description": "cards"});
    let changed: Value = service.patch(&path(&created), &change).await.json().await.expect("json");
    assert_eq!((&changed["events"], &changed["url"]), (&json!(["card.*"]), &created["url"]));
    assert_ne!(changed["updated_at"], created["updated_at"]);
    let change = json!({"headers": {"x-a": null}, "description": null});
    let changed: Value = service.patch(&path(&created), &change).await.json().await.expect("json");
    assert_eq!((&changed["headers"], &changed["description"]), (&json!({"x-b": "[hidden]"}), &Value::Null));
    let nothing: Value = service.patch(&path(&created), &json!({})).await.json().await.expect("json");
    assert_eq!(nothing, changed);

    let wrong = json!({"url": "https://inside.example", "format": "standard", "events": ["card.removed"]});
    let told = problem(service.patch(&path(&created), &wrong).await, 422, "validation").await;
    assert_eq!(named(&told), ["/format", "/url"]);
    assert_eq!(service.get_json(&path(&created)).await, changed);
    problem(service.patch("/v1/subscriptions/sub_none", &json!({})).await, 404, "not-found").await;
}

#[tokio::test]
async fn pausing_and_resuming_are_idempotent_and_resuming_enables_what_was_disabled() {
    let service = Service::start().await;
    let created = service.subscribed().await;
    let post = async |what: &str| -> Value {
        let response = service.request(Method::POST, &format!("{}/{what}", path(&created))).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 200, "{what}");
        response.json().await.expect("json")
    };
    let paused = post("pause").await;
    assert_eq!(paused["status"], json!({"state": "paused"}));
    assert_eq!(post("pause").await, paused);
    assert_eq!(post("resume").await["status"], json!({"state": "active"}));
    assert_eq!(post("resume").await["status"], json!({"state": "active"}));

    let table = service.store.table::<Subscription>(TableName::Subscriptions);
    let disable = |old: Option<Subscription>| {
        let status = Status::Disabled { reason: "five days".to_owned(), at: Timestamp::UNIX_EPOCH };
        old.map(|old| Subscription { status, ..old })
    };
    table.update(created["id"].as_str().expect("an id"), Durability::Durable, disable).await.expect("disabled");
    assert_eq!(post("pause").await["status"]["reason"], "five days", "the reason stays in sight");
    assert_eq!(post("resume").await["status"], json!({"state": "active"}));
    let response = service.request(Method::POST, "/v1/subscriptions/sub_none/pause").send().await.expect("an answer");
    problem(response, 404, "not-found").await;
}

#[tokio::test]
async fn a_test_is_queued_for_the_dispatcher_within_a_bound() {
    let service = Service::start().await;
    let body = json!({"url": "https://a.example", "events": ["card.*"], "accounts": ["beta"]});
    let created: Value = service.post("/v1/subscriptions", &body).await.json().await.expect("json");
    let test = format!("{}/test", path(&created));
    let response = service.request(Method::POST, &test).send().await.expect("an answer");
    assert_eq!(response.status(), 202);
    let answer: Value = response.json().await.expect("json");
    let (id, sub) = (answer["id"].as_str().expect("an id"), created["id"].as_str().expect("an id"));
    let pending = service.store.table::<PendingDelivery>(TableName::Pending);
    let queued = pending.get(&format!("{sub}/test-{id}")).await.expect("read").expect("queued");
    let Payload::Test { id: queued_id, body } = queued.payload else { panic!("a test") };
    assert!(id.starts_with("evt_test") && queued_id.as_str() == id && matches!(queued.state, PendingState::Due { .. }));
    let event: Value = body.parse().expect("json");
    assert_eq!(
        (&event["type"], &event["account"], &event["test"]),
        (&json!("card.added"), &json!("beta"), &json!(true))
    );

    for _ in 1..16 {
        assert_eq!(service.request(Method::POST, &test).send().await.expect("an answer").status(), 202);
    }
    problem(service.request(Method::POST, &test).send().await.expect("an answer"), 409, "conflict").await;
}

#[tokio::test]
async fn a_test_of_what_is_paused_is_refused_since_it_would_wait() {
    let service = Service::start().await;
    let created = service.subscribed().await;
    service.request(Method::POST, &format!("{}/pause", path(&created))).send().await.expect("an answer");
    let test = format!("{}/test", path(&created));
    let told = problem(service.request(Method::POST, &test).send().await.expect("an answer"), 409, "conflict").await;
    assert!(told["detail"].as_str().expect("text").contains("paused"));
}

#[tokio::test]
async fn the_values_of_headers_are_nowhere_in_the_stores_files() {
    let service = Service::start().await;
    let body = json!({"url": "https://a.example/hook", "events": ["*"], "headers": {"x-token": "hush-created"}});
    let request = service.request(Method::POST, "/v1/subscriptions").header("idempotency-key", "k1");
    let created: Value = request.json(&body).send().await.expect("an answer").json().await.expect("json");
    let change = json!({"headers": {"x-token": "hush-changed", "x-other": "hush-added"}});
    assert_eq!(service.patch(&path(&created), &change).await.status(), 200);
    service.store.close().await.expect("closed");
    let stored = service.stored_bytes();
    let has = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("https://a.example/hook") && has("x-token"), "what is not secret is found there");
    assert!(!has("hush-"), "a value is stored in the clear");
    assert!(!has(&BASE64.encode(b"hush-changed")));
}
