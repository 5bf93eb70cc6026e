use event_store::{EventStore, StoreConfig, TableName};
use http_api::{ApiError, ensure_admin_key};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::service::{Service, problem};

const ROUTES: &[(&str, &str)] = &[
    ("GET", "/v1/subscriptions"),
    ("POST", "/v1/subscriptions"),
    ("GET", "/v1/subscriptions/sub_a"),
    ("PATCH", "/v1/subscriptions/sub_a"),
    ("DELETE", "/v1/subscriptions/sub_a"),
    ("POST", "/v1/subscriptions/sub_a/pause"),
    ("POST", "/v1/subscriptions/sub_a/resume"),
    ("POST", "/v1/subscriptions/sub_a/test"),
    ("GET", "/v1/events"),
    ("GET", "/v1/events/1"),
    ("GET", "/v1/events/stream"),
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/acme"),
    ("GET", "/v1/event-types"),
    ("GET", "/v1/event-types/report.approved"),
    ("GET", "/v1/entities/report/R1"),
    // Routes and methods that there are not.
    ("GET", "/v1"),
    ("GET", "/v1/"),
    ("GET", "/v1/anything-unknown"),
    ("POST", "/v1/events/1/2/3"),
    ("PUT", "/v1/subscriptions"),
];

#[tokio::test]
async fn every_route_under_v1_needs_a_key() {
    let service = Service::start().await;
    for (method, path) in ROUTES {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let response = service.anonymous(method.clone(), path).send().await.expect("an answer");
        assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="expensewire""#, "{method} {path}");
        problem(response, 401, "unauthorized").await;
        let response = service.anonymous(method, path).bearer_auth("ew_wrong").send().await.expect("an answer");
        assert!(response.headers()["www-authenticate"].to_str().expect("text").contains("invalid_token"));
        problem(response, 401, "unauthorized").await;
    }
    service.stopped().await.expect("stopped");
}

#[tokio::test]
async fn what_machines_watch_needs_none() {
    let service = Service::start().await;
    for path in ["/", "/livez", "/readyz", "/metrics"] {
        let response = service.anonymous(Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_header_that_is_no_bearer_token_opens_nothing() {
    let service = Service::start().await;
    let key = service.key.clone();
    let long = format!("Bearer {}", "k".repeat(600));
    for value in ["", "Bearer", "Bearer ", &key, &format!("Basic {key}"), &long] {
        let request = service.anonymous(Method::GET, "/v1/accounts").header("authorization", value);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED, "{value:?}");
    }
    let request = service.anonymous(Method::GET, "/v1/accounts").header("authorization", format!("bEARER {key}"));
    assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn the_first_start_makes_one_key_and_later_ones_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = EventStore::open(&StoreConfig::at(directory.path())).expect("a store");
    let made = ensure_admin_key(&store, None).await.expect("ok").expect("a key");
    assert!(made.starts_with("ew_") && made.len() > 40, "{made}");
    assert_eq!(ensure_admin_key(&store, None).await.expect("ok"), None);
    let stored = store.table::<Value>(TableName::Keys).list("").await.expect("listed");
    assert_eq!(stored.len(), 1);
    assert!(!format!("{stored:?}").contains(&made[3..]), "only a hash is kept");
}

#[tokio::test]
async fn a_configured_key_opens_the_api_until_it_changes() {
    let service = Service::start().await;
    let (old, new) = ("a-configured-key-of-the-operator", "another-configured-key-of-theirs");
    let opens = async |key: &str| {
        let response = service.anonymous(Method::GET, "/v1/accounts").bearer_auth(key).send().await;
        response.expect("an answer").status() == StatusCode::OK
    };
    assert_eq!(ensure_admin_key(&service.store, Some(old)).await.expect("ok"), None);
    assert!(opens(old).await && opens(&service.key).await);
    ensure_admin_key(&service.store, Some(new)).await.expect("ok");
    assert!(!opens(old).await && opens(new).await && opens(&service.key).await);
    assert_eq!(ensure_admin_key(&service.store, None).await.expect("ok"), None);
    assert!(!opens(new).await && opens(&service.key).await);
}

#[tokio::test]
async fn a_configured_key_that_is_short_or_cannot_be_sent_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = EventStore::open(&StoreConfig::at(directory.path())).expect("a store");
    let weak = ensure_admin_key(&store, Some(&"k".repeat(23))).await;
    assert!(matches!(weak, Err(ApiError::WeakAdminKey { length: 23 })), "{weak:?}");
    let unusable = ensure_admin_key(&store, Some("a key with spaces in it, long")).await;
    assert!(matches!(unusable, Err(ApiError::UnusableAdminKey)), "{unusable:?}");
}
