use http_api::Refresh;
use reqwest::Method;
use serde_json::{Value, json};

use crate::service::{Service, named, problem};

#[tokio::test]
async fn accounts_show_budget_watches_and_freshness() {
    let service = Service::start().await;
    let all = service.get_json("/v1/accounts").await;
    let names: Vec<_> = all["accounts"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["acme", "beta", "gone"]);
    let acme = service.get_json("/v1/accounts/acme").await;
    assert_eq!(acme["budget"]["windows"][0], json!({"window_s": 10, "used": 1, "limit": 5}));
    assert!(acme["freshness_s"].as_f64().expect("a number") < 60.0);
    assert_eq!(acme["watches"][0]["age_s"], acme["freshness_s"]);
    problem(service.get("/v1/accounts/gamma").await, 404, "not-found").await;
}

#[tokio::test]
async fn an_account_shows_what_is_planned_why_and_what_is_out_of_sight() {
    let service = Service::start().await;
    let acme = service.get_json("/v1/accounts/acme").await;
    let mut watch = acme["watches"][0].clone();
    let fields = watch.as_object_mut().expect("an object");
    assert!(fields.remove("fresh_as_of").is_some() && fields.remove("age_s").is_some());
    assert_eq!(
        fields["withheld"].as_object_mut().expect("an object").remove("since"),
        acme["lost"][0].get("since").cloned()
    );
    assert_eq!(
        watch,
        json!({
            "name": "reports", "why": "due", "cost_requests": 2, "read_s": 1.5, "read_bytes": 70000,
            "changes_per_hour": 3.5, "period_s": 8.0, "expected_delay_s": 5.5, "baselined": true, "entities": 120,
            "failures": 0, "withheld": {"missing": 20, "of": 120}, "set_aside": ["expenses[*].mcc"],
        })
    );
    assert_eq!((&acme["budget"]["share"], &acme["budget"]["configured_share"]), (&json!(0.5), &json!(1.0)));
    assert!(acme["budget"]["last_limited_at"].is_string());
    assert_eq!((&acme["lost"][0]["scope"], &acme["lost"][0]["reason"]), (&json!("policy/P1"), &json!("role")));
    assert_eq!((&acme["confirming"], &acme["clock_offset_s"]), (&json!(2), &json!(-1.25)));
    assert_eq!(acme["notices"][0]["message"], "a field nobody knew");
}

#[tokio::test]
async fn a_refresh_is_queued_for_everything_or_for_one_report() {
    let service = Service::start().await;
    let refresh = "/v1/accounts/acme/refresh";
    let bare = service.request(Method::POST, refresh).send().await.expect("an answer");
    assert_eq!(bare.status(), 202);
    assert_eq!(bare.json::<Value>().await.expect("json"), json!({"account": "acme", "queued": "account/acme"}));
    assert_eq!(service.post(refresh, &json!({})).await.status(), 202);
    for id in ["R00AbCdEf123", "2080715894610667"] {
        let one = service.post(refresh, &json!({ "report": id })).await;
        assert_eq!(one.status(), 202);
        assert_eq!(one.json::<Value>().await.expect("json")["queued"], format!("report/{id}"));
    }
    let one = |id: &str| Refresh::Report(id.to_owned());
    let asked = service.watcher.asked.lock().expect("lock").clone();
    assert_eq!(asked, [Refresh::All, Refresh::All, one("R00AbCdEf123"), one("2080715894610667")]);
}

#[tokio::test]
async fn a_refresh_that_cannot_be_meant_or_queued_is_refused() {
    let service = Service::start().await;
    for id in [
        json!("r1"),
        json!("R"),
        json!("R00 1"),
        json!("R00AbCdEf123R00AbCdEf123R"),
        json!(""),
        json!(7),
        json!("../x"),
    ] {
        let refused = service.post("/v1/accounts/acme/refresh", &json!({ "report": id })).await;
        assert_eq!(named(&problem(refused, 422, "validation").await), ["/report"], "{id}");
    }
    let misspelt = service.post("/v1/accounts/acme/refresh", &json!({"reprot": "R00AbCdEf123"})).await;
    assert_eq!(named(&problem(misspelt, 422, "validation").await), ["/reprot"]);
    problem(service.post("/v1/accounts/gamma/refresh", &json!({})).await, 404, "not-found").await;
    let busy = service.post("/v1/accounts/beta/refresh", &json!({})).await;
    assert!(busy.headers().contains_key("retry-after"));
    problem(busy, 503, "busy").await;
    problem(service.post("/v1/accounts/gone/refresh", &json!({})).await, 503, "stopping").await;
    let text = service.request(Method::POST, "/v1/accounts/acme/refresh").body("{}").send().await.expect("an answer");
    problem(text, 415, "media-type").await;
    let keyless = service.anonymous(Method::POST, "/v1/accounts/acme/refresh").send().await.expect("an answer");
    problem(keyless, 401, "unauthorized").await;
    assert!(service.watcher.asked.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_person_releases_what_is_withheld_up_to_a_ceiling() {
    let service = Service::start().await;
    let release = "/v1/accounts/acme/release";
    let released = service.post(release, &json!({"scope": "reports", "ceiling": 25})).await;
    assert_eq!(released.status(), 200);
    let expected = json!({"account": "acme", "scope": "reports", "removed": 0, "confirming": 20});
    assert_eq!(released.json::<Value>().await.expect("json"), expected);

    let over = problem(service.post(release, &json!({"scope": "reports", "ceiling": 19})).await, 409, "conflict").await;
    assert!(over["detail"].as_str().expect("text").contains("20 are missing"), "{over}");
    let none = problem(service.post(release, &json!({"scope": "policies", "ceiling": 1})).await, 409, "conflict").await;
    assert!(none["detail"].as_str().expect("text").contains("no disappearance is withheld in \"policies\""), "{none}");
}

#[tokio::test]
async fn a_release_names_its_scope_and_its_ceiling() {
    let service = Service::start().await;
    let refused = |body: Value| {
        let sent = service.request(Method::POST, "/v1/accounts/acme/release").json(&body).send();
        async move { problem(sent.await.expect("an answer"), 422, "validation").await }
    };
    assert_eq!(named(&refused(json!({})).await), ["/scope", "/ceiling"]);
    assert_eq!(named(&refused(json!({"scope": "", "ceiling": 0})).await), ["/scope", "/ceiling"]);
    assert_eq!(named(&refused(json!({"scope": 1, "ceiling": "25"})).await), ["/scope", "/ceiling"]);
    assert_eq!(named(&refused(json!({"scope": "reports", "ceiling": 1, "force": true})).await), ["/force"]);
    let unknown = service.post("/v1/accounts/gamma/release", &json!({"scope": "reports", "ceiling": 1})).await;
    problem(unknown, 404, "not-found").await;
    let bare = service.request(Method::POST, "/v1/accounts/acme/release").send().await.expect("an answer");
    problem(bare, 415, "media-type").await;
}

#[tokio::test]
async fn the_first_page_names_the_routes() {
    let service = Service::start().await;
    let text = service.get("/").await.text().await.expect("text");
    assert!(text.contains("Expensewire 1.2.3") && text.contains("/v1/events/stream"), "{text}");
}
