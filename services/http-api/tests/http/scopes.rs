//! A scoped key sees and touches nothing outside of its scope, by any route.

use std::collections::BTreeSet;

use event_model::{
    AccountName, Action, EntityKind, EventDraft, EventType, Sequence, Subject, Subscription,
    delivery::{Payload, PendingDelivery, PendingState},
};
use event_store::{Durability, TableName};
use http_api::{Needs, Route, keyed_routes};
use jiff::Timestamp;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    service::{Service, draft, problem},
    stream::Reader,
};

/// What is only in things that the narrow key may not see.
const OUTSIDE: &str = "from-outside";

/// Each route aimed at what is outside of the narrow key: the path, the body, and how the narrow key (which may do
/// everything, to reports of the policy P1 of acme) and one that may do everything are answered.
///
/// `{sub}`, `{delivery}` and `{key}` stand for things of another key. A new route has to have its line here.
const AIMED: &[(&str, &str, &str, &str, u16, u16)] = &[
    ("GET", "/v1/subscriptions", "/v1/subscriptions", "", 200, 200),
    ("POST", "/v1/subscriptions", "/v1/subscriptions", r#"{"url":"https://a.example","events":["card.*"]}"#, 403, 201),
    ("GET", "/v1/subscriptions/{id}", "/v1/subscriptions/{sub}", "", 404, 200),
    ("PATCH", "/v1/subscriptions/{id}", "/v1/subscriptions/{sub}", r#"{"description":"mine now"}"#, 404, 200),
    ("POST", "/v1/subscriptions/{id}/pause", "/v1/subscriptions/{sub}/pause", "", 404, 200),
    ("POST", "/v1/subscriptions/{id}/resume", "/v1/subscriptions/{sub}/resume", "", 404, 200),
    ("POST", "/v1/subscriptions/{id}/test", "/v1/subscriptions/{sub}/test", "", 404, 202),
    ("POST", "/v1/subscriptions/{id}/rotate-secret", "/v1/subscriptions/{sub}/rotate-secret", "", 404, 200),
    ("GET", "/v1/subscriptions/{id}/public-keys", "/v1/subscriptions/{sub}/public-keys", "", 404, 200),
    ("GET", "/v1/subscriptions/{id}/deliveries", "/v1/subscriptions/{sub}/deliveries", "", 404, 200),
    ("POST", "/v1/subscriptions/{id}/deliveries/retry", "/v1/subscriptions/{sub}/deliveries/retry", "", 404, 202),
    ("POST", "/v1/subscriptions/{id}/replay", "/v1/subscriptions/{sub}/replay", r#"{"failed":true}"#, 404, 202),
    ("GET", "/v1/subscriptions/{id}/replays", "/v1/subscriptions/{sub}/replays", "", 404, 200),
    ("GET", "/v1/subscriptions/{id}/replays/{replay}", "/v1/subscriptions/{sub}/replays/rpl_1", "", 404, 200),
    (
        "POST",
        "/v1/subscriptions/{id}/replays/{replay}/cancel",
        "/v1/subscriptions/{sub}/replays/rpl_1/cancel",
        "",
        404,
        200,
    ),
    ("GET", "/v1/deliveries/{id}", "/v1/deliveries/{delivery}", "", 404, 200),
    ("POST", "/v1/deliveries/{id}/retry", "/v1/deliveries/{delivery}/retry", "", 404, 202),
    ("GET", "/v1/events", "/v1/events?type=*", "", 200, 200),
    ("GET", "/v1/events/stream", "/v1/events/stream?after=0", "", 200, 200),
    ("GET", "/v1/events/{id}", "/v1/events/2", "", 404, 200),
    ("GET", "/v1/entities/{kind}/{id}", "/v1/entities/report/R2?account=acme", "", 404, 200),
    ("GET", "/v1/accounts", "/v1/accounts", "", 403, 200),
    ("GET", "/v1/accounts/{name}", "/v1/accounts/acme", "", 403, 200),
    ("POST", "/v1/accounts/{name}/refresh", "/v1/accounts/acme/refresh", "", 403, 202),
    (
        "POST",
        "/v1/accounts/{name}/release",
        "/v1/accounts/acme/release",
        r#"{"scope":"reports","ceiling":20}"#,
        403,
        200,
    ),
    ("GET", "/v1/event-types", "/v1/event-types", "", 200, 200),
    ("GET", "/v1/event-types/{type}", "/v1/event-types/card.added", "", 200, 200),
    ("GET", "/v1/event-types/{type}/schema", "/v1/event-types/card.added/schema", "", 200, 200),
    ("GET", "/v1/keys", "/v1/keys", "", 200, 200),
    ("POST", "/v1/keys", "/v1/keys", r#"{"accounts":["*"],"policies":["*"],"events":["*"],"actions":["*"]}"#, 403, 201),
    ("GET", "/v1/keys/self", "/v1/keys/self", "", 200, 200),
    ("GET", "/v1/keys/{id}", "/v1/keys/{key}", "", 404, 200),
    ("POST", "/v1/log/verify", "/v1/log/verify", "", 403, 200),
    ("GET", "/v1/log/export", "/v1/log/export", "", 403, 200),
    ("GET", "/v1/log/tables", "/v1/log/tables", "", 403, 200),
    ("POST", "/v1/state/check", "/v1/state/check", "", 403, 200),
    ("POST", "/v1/state/rebuild", "/v1/state/rebuild", "", 403, 200),
    ("DELETE", "/v1/subscriptions/{id}", "/v1/subscriptions/{sub}", "", 404, 204),
    ("DELETE", "/v1/keys/{id}", "/v1/keys/{key}?subscriptions=delete", "", 404, 204),
];

/// A service with events inside and outside of a narrow key, and things of another key.
pub struct Scene {
    pub service: Service,
    /// The token of the narrow key.
    pub narrow: String,
    /// Another key's id, its subscription, a dead letter of that.
    key: String,
    sub: String,
    delivery: String,
}

pub fn narrow_grant() -> Value {
    json!({ "accounts": ["acme"], "policies": ["P1"], "events": ["report.*"], "actions": ["*"] })
}

/// A new key of this grant, as it was answered.
pub async fn made_key(service: &Service, body: &Value) -> Value {
    let response = service.post("/v1/keys", body).await;
    assert_eq!(response.status(), 201);
    response.json().await.expect("json")
}

fn token(key: &Value) -> String {
    key["key"].as_str().expect("a token").to_owned()
}

fn of(
    account: &str,
    kind: EntityKind,
    id: &str,
    event_type: EventType,
    policy: Option<&str>,
    mark: &str,
) -> EventDraft {
    let mut event = draft(id, event_type, 1);
    event.account = account.parse::<AccountName>().expect("a name");
    event.subject = Subject::new(kind, id);
    event.data.object = json!({ "id": id, "policyID": policy, "mark": mark });
    event
}

impl Scene {
    /// Events 1 and 7 are inside, 2 to 6 are not.
    pub async fn new() -> Self {
        use EntityKind::{Card, Policy, Report, Subscription as About};
        let service = Service::start().await;
        let other = made_key(
            &service,
            &json!({
                "accounts": ["*"], "policies": ["*"], "events": ["*"], "actions": ["*"], "description": OUTSIDE,
                "expires_in_s": 3600,
            }),
        )
        .await;
        let body = json!({"url": "https://a.example", "events": ["*"], "description": OUTSIDE});
        let foreign = service.as_key(&token(&other), Method::POST, "/v1/subscriptions").json(&body).send().await;
        let foreign: Value = foreign.expect("an answer").json().await.expect("json");
        let sub = foreign["id"].as_str().expect("an id").to_owned();
        let drafts = vec![
            of("acme", Report, "R1", EventType::ReportCreated, Some("P1"), "inside"),
            of("acme", Report, "R2", EventType::ReportCreated, Some("P2"), OUTSIDE),
            of("beta", Report, "R3", EventType::ReportCreated, Some("P1"), OUTSIDE),
            of("acme", Policy, "P1", EventType::PolicyChanged, Some("P1"), OUTSIDE),
            of("acme", Card, "C1", EventType::CardAdded, None, OUTSIDE),
            of("acme", About, &sub, EventType::SubscriptionDisabled, None, OUTSIDE),
            of("acme", Report, "R4", EventType::ReportCreated, Some("P1"), "inside"),
        ];
        service.store.append(drafts).await.expect("appended");
        let at = Timestamp::now();
        let payload = Payload::Event {
            sequence: Sequence(2),
            id: "evt_2".parse().expect("an id"),
            event_type: EventType::ReportCreated,
            subject: format!("report/{OUTSIDE}"),
            account: "acme".to_owned(),
        };
        let id = sub.parse().expect("an id");
        let record = PendingDelivery {
            subscription: id,
            payload,
            state: PendingState::Dead { at },
            attempts: 10,
            history: Vec::new(),
            since: at,
        };
        let pending = service.store.table::<PendingDelivery>(TableName::Pending);
        pending.put(&format!("{sub}/{:020}", 2), &record, Durability::Durable).await.expect("written");
        let replay = json!({
            "id": "rpl_1", "subscription": sub, "after": 0, "up_to": 2, "rate_per_s": null, "count": 1,
            "state": { "kind": "done", "at": at }, "created_at": at,
        });
        let replays = service.store.table::<Value>(TableName::Replays);
        replays.put(&format!("{sub}/rpl_1"), &replay, Durability::Durable).await.expect("written");
        let narrow = token(&made_key(&service, &narrow_grant()).await);
        let key = other["id"].as_str().expect("an id").to_owned();
        Self { service, narrow, key, delivery: format!("{sub}.2"), sub }
    }

    async fn aim(&self, token: &str, (method, path, body): (&str, &str, &str)) -> Response {
        let path = path.replace("{sub}", &self.sub).replace("{delivery}", &self.delivery).replace("{key}", &self.key);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.service.as_key(token, method, &path);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        request.send().await.expect("an answer")
    }

    /// Everything that is kept beside the log, apart from answers kept for repeated requests.
    async fn kept(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for table in
            [TableName::Subscriptions, TableName::Progress, TableName::Pending, TableName::Keys, TableName::Replays]
        {
            all.extend(self.service.store.table::<Value>(table).list("").await.expect("listed"));
        }
        all
    }

    pub async fn get(&self, path: &str) -> Response {
        self.service.as_key(&self.narrow, Method::GET, path).send().await.expect("an answer")
    }
}

fn aimed_at(route: &Route) -> Option<&'static (&'static str, &'static str, &'static str, &'static str, u16, u16)> {
    AIMED.iter().find(|(method, template, ..)| *method == route.method.as_str() && *template == route.path)
}

#[tokio::test]
async fn every_route_shows_and_touches_nothing_outside_of_the_scope() {
    let scene = Scene::new().await;
    let known: BTreeSet<_> = keyed_routes().iter().map(|route| (route.method.to_string(), route.path)).collect();
    let aimed: BTreeSet<_> = AIMED.iter().map(|(method, template, ..)| ((*method).to_owned(), *template)).collect();
    assert_eq!(known, aimed, "each route has its line, and each line its route");
    let before = scene.kept().await;
    for &(method, template, path, body, narrow, _) in AIMED {
        let response = scene.aim(&scene.narrow, (method, path, body)).await;
        assert_eq!(response.status(), narrow, "{method} {template}");
        if response.headers()["content-type"] != "text/event-stream" {
            let text = response.text().await.expect("a body");
            assert!(!text.contains(OUTSIDE), "{method} {template}: {text}");
        }
        assert_eq!(scene.kept().await, before, "{method} {template}");
    }
    // The same requests do something for those who may: none of them was refused for another reason.
    for &(method, template, path, body, _, admin) in AIMED {
        let response = scene.aim(&scene.service.key, (method, path, body)).await;
        assert_eq!(response.status(), admin, "{method} {template}");
        if response.headers().get("content-type").is_some_and(|kind| kind == "application/x-ndjson") {
            // Work on the whole log is done one at a time.
            response.text().await.expect("a body");
        }
    }
}

#[tokio::test]
async fn a_route_is_open_to_keys_with_its_action_and_to_no_other() {
    let scene = Scene::new().await;
    let wide = |actions: Value| json!({"accounts": ["*"], "policies": ["*"], "events": ["*"], "actions": actions});
    let nothing = token(&made_key(&scene.service, &json!({})).await);
    let mut keys = vec![(None, nothing)];
    for action in Action::ALL {
        keys.push((Some(action), token(&made_key(&scene.service, &wide(json!([action.as_str()]))).await)));
    }
    for (held, token) in &keys {
        for route in keyed_routes() {
            let (method, _, path, body, ..) = aimed_at(&route).expect("a line");
            let response = scene.aim(token, (method, path, body)).await;
            let needed = route.needs.action();
            if needed.is_none() || needed == *held {
                // It may make keys, but not one that may do more than itself.
                let is_wider = route.path == "/v1/keys" && route.method == Method::POST;
                assert!(is_wider || response.status() != 403, "{held:?} {route:?}");
                continue;
            }
            let told = problem(response, 403, "forbidden").await;
            assert_eq!(told["missing"].as_str(), needed.map(Action::as_str), "{held:?} {route:?}");
        }
    }
    assert!(keyed_routes().iter().any(|route| matches!(route.needs, Needs::WholeLog(_))));
}

#[tokio::test]
async fn what_is_about_the_whole_needs_a_key_that_sees_the_whole() {
    let scene = Scene::new().await;
    let partly = json!({"accounts": ["acme"], "policies": ["*"], "events": ["*"], "actions": ["*"]});
    let partly = token(&made_key(&scene.service, &partly).await);
    for route in keyed_routes() {
        let (method, _, path, body, ..) = aimed_at(&route).expect("a line");
        let by_narrow = scene.aim(&scene.narrow, (method, path, body)).await.status();
        let by_partly = scene.aim(&partly, (method, path, body)).await.status();
        match route.needs {
            Needs::WholeLog(_) => assert_eq!((by_narrow.as_u16(), by_partly.as_u16()), (403, 403), "{route:?}"),
            Needs::AllPolicies(_) => assert!(by_narrow == 403 && by_partly.is_success(), "{route:?}"),
            Needs::AnyKey | Needs::Action(_) => {}
        }
    }
    let accounts = scene.service.as_key(&partly, Method::GET, "/v1/accounts").send().await.expect("an answer");
    let accounts: Value = accounts.json().await.expect("json");
    let names: Vec<_> = accounts["accounts"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["acme"]);
    for (method, path) in [(Method::GET, "/v1/accounts/beta"), (Method::POST, "/v1/accounts/beta/refresh")] {
        let response = scene.service.as_key(&partly, method, path).send().await.expect("an answer");
        problem(response, 404, "not-found").await;
    }
}

#[tokio::test]
async fn pulling_shows_what_is_inside_page_by_page_and_nothing_else() {
    let scene = Scene::new().await;
    let sequences = |page: &Value| -> Vec<u64> {
        page["events"].as_array().expect("a list").iter().filter_map(|event| event["sequence"].as_u64()).collect()
    };
    let all: Value = scene.get("/v1/events").await.json().await.expect("json");
    assert_eq!((sequences(&all), &all["next"]), (vec![1, 7], &json!(7)));
    let (mut after, mut seen) = (0, Vec::new());
    while after < 7 {
        let page: Value = scene.get(&format!("/v1/events?limit=1&after={after}")).await.json().await.expect("json");
        after = page["next"].as_u64().filter(|next| *next > after).expect("it goes on");
        seen.extend(sequences(&page));
    }
    assert_eq!(seen, [1, 7]);
    for query in
        ["account=beta", "subject=report/R2", "account=acme&subject=report/R2", "type=card.*", "type=subscription.*"]
    {
        let page: Value = scene.get(&format!("/v1/events?{query}")).await.json().await.expect("json");
        assert_eq!(sequences(&page), [0; 0], "{query}");
    }
    for sequence in 1..=7 {
        let status = scene.get(&format!("/v1/events/{sequence}")).await.status();
        assert_eq!(status.as_u16(), if matches!(sequence, 1 | 7) { 200 } else { 404 }, "{sequence}");
    }
    for (entity, found) in [("report/R1", 200), ("report/R2", 404), ("policy/P1", 404), ("card/C1", 404)] {
        assert_eq!(scene.get(&format!("/v1/entities/{entity}")).await.status(), found, "{entity}");
    }
    assert_eq!(scene.get("/v1/entities/report/R3?account=beta").await.status(), 404);
}

#[tokio::test]
async fn a_stream_shows_what_is_inside_of_the_past_and_of_what_comes() {
    let scene = Scene::new().await;
    let mut reader = Reader::of(scene.get("/v1/events/stream?after=0").await);
    assert_eq!(reader.ids(2).await, [1, 7]);
    let more = vec![
        of("acme", EntityKind::Report, "R5", EventType::ReportCreated, Some("P2"), OUTSIDE),
        of("acme", EntityKind::Report, "R6", EventType::ReportCreated, Some("P1"), "inside"),
    ];
    scene.service.store.append(more).await.expect("appended");
    let block = reader.next().await.expect("an event");
    assert!(block.starts_with("id: 9\n") && !block.contains(OUTSIDE), "{block}");
}

#[tokio::test]
async fn events_about_a_subscription_are_shown_to_its_owner_by_pull_and_by_stream() {
    let service = Service::start().await;
    let grant = json!({ "accounts": ["acme"], "policies": ["P1"], "events": ["*"], "actions": ["*"] });
    let keys = [made_key(&service, &grant).await, made_key(&service, &grant).await];
    let body = json!({"url": "https://a.example", "events": ["*"]});
    let made = service.as_key(&token(&keys[0]), Method::POST, "/v1/subscriptions").json(&body).send().await;
    let made: Value = made.expect("an answer").json().await.expect("json");
    let id = made["id"].as_str().expect("an id");
    let about = of("acme", EntityKind::Subscription, id, EventType::SubscriptionDisabled, None, "");
    service.store.append(vec![about]).await.expect("appended");
    for (key, found) in [(&keys[0], 200), (&keys[1], 404)] {
        let response = service.as_key(&token(key), Method::GET, "/v1/events/1").send().await.expect("an answer");
        assert_eq!(response.status(), found);
    }
    let stream = service.as_key(&token(&keys[0]), Method::GET, "/v1/events/stream?after=0").send().await;
    assert_eq!(Reader::of(stream.expect("an answer")).ids(1).await, [1]);
}

#[tokio::test]
async fn a_subscription_of_a_scoped_key_is_narrowed_to_it_and_cannot_be_widened() {
    let scene = Scene::new().await;
    let ask = async |token: &str, method: Method, path: &str, body: Value| {
        scene.service.as_key(token, method, path).json(&body).send().await.expect("an answer")
    };
    let url = "https://a.example";
    for (body, pointers) in [
        (json!({"url": url, "events": ["*"]}), vec!["/events/0"]),
        (json!({"url": url, "events": ["report.*", "card.added"]}), vec!["/events/1"]),
        (json!({"url": url, "events": ["report.*"], "accounts": ["acme", "beta"]}), vec!["/accounts/1"]),
        (json!({"url": url, "events": ["report.*"], "accounts": ["never-heard-of"]}), vec!["/accounts/0"]),
        (json!({"url": url, "events": ["report.*"], "policies": ["P2"]}), vec!["/policies/0"]),
    ] {
        let told = problem(ask(&scene.narrow, Method::POST, "/v1/subscriptions", body).await, 403, "forbidden").await;
        assert_eq!(crate::service::named(&told), pointers);
    }
    let made = ask(&scene.narrow, Method::POST, "/v1/subscriptions", json!({"url": url, "events": ["report.*"]})).await;
    let made: Value = made.json().await.expect("json");
    assert_eq!((&made["accounts"], &made["policies"]), (&json!(["acme"]), &json!(["P1"])));
    let path = format!("/v1/subscriptions/{}", made["id"].as_str().expect("an id"));
    // Not by its owner, nor by an administrator: what its owner may not see stays out.
    for token in [&scene.narrow, &scene.service.key] {
        for change in [json!({"events": ["*"]}), json!({"accounts": ["beta"]}), json!({"policies": ["P2"]})] {
            problem(ask(token, Method::PATCH, &path, change).await, 403, "forbidden").await;
        }
        let reset = ask(token, Method::PATCH, &path, json!({"accounts": null, "policies": []})).await;
        let reset: Value = reset.json().await.expect("json");
        assert_eq!((&reset["accounts"], &reset["policies"]), (&json!(["acme"]), &json!(["P1"])));
    }
    let nothing = token(&made_key(&scene.service, &json!({"actions": ["subscriptions:write"]})).await);
    let refused = ask(&nothing, Method::POST, "/v1/subscriptions", json!({"url": url, "events": ["report.*"]})).await;
    problem(refused, 403, "forbidden").await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let table = scene.service.store.table::<Subscription>(TableName::Subscriptions);
    let stored = table.get(&id).await.expect("read").expect("stored");
    let reach = stored.owner.expect("an owner").reach;
    assert_eq!(serde_json::to_value(&reach).expect("json")["policies"], json!(["P1"]), "what the dispatcher goes by");
}
