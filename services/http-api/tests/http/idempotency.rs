use event_store::{Durability, TableName};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::service::{Service, problem};

async fn create(service: &Service, key: &str, body: &Value) -> Response {
    let request = service.request(Method::POST, "/v1/subscriptions").header("idempotency-key", key);
    request.json(body).send().await.expect("an answer")
}

async fn listed(service: &Service) -> usize {
    service.get_json("/v1/subscriptions").await["subscriptions"].as_array().expect("a list").len()
}

/// The only record of a kept answer, changed by `change`.
async fn edit_record(service: &Service, change: impl Fn(&mut Value)) {
    let table = service.store.table::<Value>(TableName::Idempotency);
    let [(key, record)] = &table.list("").await.expect("listed")[..] else { panic!("one record") };
    let mut record = record.clone();
    change(&mut record);
    table.put(key, &record, Durability::Durable).await.expect("written");
}

#[tokio::test]
async fn the_same_key_with_the_same_body_is_answered_the_same_and_creates_once() {
    let service = Service::start().await;
    let body = json!({"url": "https://a.example", "events": ["*"]});
    let first = create(&service, "k1", &body).await;
    let location = first.headers()["location"].clone();
    let first = first.text().await.expect("text");
    let again = create(&service, "k1", &body).await;
    assert_eq!((again.status().as_u16(), &again.headers()["location"]), (201, &location));
    assert_eq!(again.text().await.expect("text"), first, "the secret included");
    assert_eq!(listed(&service).await, 1);
    assert_eq!(create(&service, "k2", &body).await.status(), 201);
    assert_eq!(listed(&service).await, 2);
    let kept = service.store.table::<Value>(TableName::Idempotency).list("").await.expect("listed");
    assert!(!format!("{kept:?}").contains("whsec_"), "kept sealed");
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let service = Service::start().await;
    create(&service, "k1", &json!({"url": "https://a.example", "events": ["*"]})).await;
    let other = create(&service, "k1", &json!({"url": "https://b.example", "events": ["*"]})).await;
    problem(other, 422, "idempotency-key-reused").await;
    assert_eq!(listed(&service).await, 1);
}

#[tokio::test]
async fn a_refused_request_does_not_use_its_key_up() {
    let service = Service::start().await;
    problem(create(&service, "k1", &json!({"url": "https://a.example"})).await, 422, "validation").await;
    assert_eq!(create(&service, "k1", &json!({"url": "https://a.example", "events": ["*"]})).await.status(), 201);
}

#[tokio::test]
async fn of_two_requests_at_once_one_creates_and_the_other_is_told_to_wait() {
    let service = Service::start().await;
    let body = json!({"url": "https://slow.example", "events": ["*"]});
    let (a, b) = tokio::join!(create(&service, "k1", &body), create(&service, "k1", &body));
    let mut statuses = [a.status().as_u16(), b.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(listed(&service).await, 1);
}

#[tokio::test]
async fn a_creation_that_a_crash_cut_short_is_finished_by_the_repeated_request() {
    let service = Service::start().await;
    let body = json!({"url": "https://a.example", "events": ["*"]});
    let first: Value = create(&service, "k1", &body).await.json().await.expect("json");
    // As after a crash between storing the plan and carrying it out.
    let table = service.store.table::<Value>(TableName::Subscriptions);
    table.delete(first["id"].as_str().expect("an id"), Durability::Durable).await.expect("deleted");
    edit_record(&service, |record| record["done"] = json!(false)).await;
    let again: Value = create(&service, "k1", &body).await.json().await.expect("json");
    assert_eq!(again, first);
    assert_eq!(listed(&service).await, 1);
}

#[tokio::test]
async fn what_was_deleted_since_stays_deleted() {
    let service = Service::start().await;
    let body = json!({"url": "https://a.example", "events": ["*"]});
    let first: Value = create(&service, "k1", &body).await.json().await.expect("json");
    let path = format!("/v1/subscriptions/{}", first["id"].as_str().expect("an id"));
    service.request(Method::DELETE, &path).send().await.expect("an answer");
    assert_eq!(create(&service, "k1", &body).await.json::<Value>().await.expect("json"), first);
    assert_eq!(listed(&service).await, 0);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let service = Service::start().await;
    let body = json!({"url": "https://a.example", "events": ["*"]});
    create(&service, "k1", &body).await;
    edit_record(&service, |record| record["at"] = json!("2026-04-02T09:14:00Z")).await;
    assert_eq!(create(&service, "k1", &body).await.status(), 201);
    assert_eq!(listed(&service).await, 2);
}

#[tokio::test]
async fn a_key_that_is_no_key_is_refused() {
    let service = Service::start().await;
    let body = json!({"url": "https://a.example", "events": ["*"]});
    for key in ["", "a b", &"k".repeat(256)] {
        problem(create(&service, key, &body).await, 400, "parameters").await;
    }
}

#[tokio::test]
async fn a_repeated_test_is_queued_once() {
    let service = Service::start().await;
    let created = service.subscribed().await;
    let path = format!("/v1/subscriptions/{}/test", created["id"].as_str().expect("an id"));
    let test = async || -> Value {
        let request = service.request(Method::POST, &path).header("idempotency-key", "k1");
        request.send().await.expect("an answer").json().await.expect("json")
    };
    assert_eq!(test().await, test().await);
    assert_eq!(service.store.table::<Value>(TableName::Pending).list("").await.expect("listed").len(), 1);
}

#[tokio::test]
async fn a_test_that_a_crash_cut_short_is_not_queued_for_what_was_deleted_since() {
    let service = Service::start().await;
    let created = service.subscribed().await;
    let path = format!("/v1/subscriptions/{}", created["id"].as_str().expect("an id"));
    let test = async || {
        let request = service.request(Method::POST, &format!("{path}/test")).header("idempotency-key", "k1");
        request.send().await.expect("an answer")
    };
    assert_eq!(test().await.status(), 202);
    edit_record(&service, |record| record["done"] = json!(false)).await;
    service.request(Method::DELETE, &path).send().await.expect("an answer");
    problem(test().await, 404, "not-found").await;
    assert!(service.store.table::<Value>(TableName::Pending).list("").await.expect("listed").is_empty());
}
