use reqwest::Method;
use serde_json::json;

use crate::service::{Service, named, problem};

#[tokio::test]
async fn what_no_route_takes_is_a_problem() {
    let service = Service::start().await;
    problem(service.get("/nowhere").await, 404, "no-route").await;
    for path in ["/v1", "/v1/", "/v1/nowhere", "/v1/events/1/2"] {
        problem(service.get(path).await, 404, "no-route").await;
    }
    let without_key = service.anonymous(Method::GET, "/nowhere").send().await.expect("an answer");
    problem(without_key, 404, "no-route").await;
    let response = service.request(Method::PUT, "/v1/subscriptions").send().await.expect("an answer");
    let allow = response.headers()["allow"].to_str().expect("text").to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    problem(response, 405, "method").await;
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_problem() {
    let service = Service::start().await;
    let post = |content_type: &'static str, body: Vec<u8>| {
        let request = service.request(Method::POST, "/v1/subscriptions").header("content-type", content_type);
        async move { request.body(body).send().await.expect("an answer") }
    };
    problem(post("text/plain", b"{}".to_vec()).await, 415, "media-type").await;
    problem(post("application/json", b"{".to_vec()).await, 400, "json").await;
    problem(post("application/json", b"\"\xff\"".to_vec()).await, 400, "json").await;
    problem(post("application/json", vec![b'['; 100_000]).await, 400, "json").await;
    problem(post("application/json", b"[]".to_vec()).await, 422, "validation").await;
    problem(post("application/json", vec![b' '; 1024 * 1024 + 1]).await, 413, "body-too-large").await;
}

#[tokio::test]
async fn a_path_that_is_no_text_is_a_problem() {
    let service = Service::start().await;
    problem(service.get("/v1/subscriptions/%ff").await, 400, "parameters").await;
    problem(service.get("/v1/subscriptions/nonsense").await, 404, "not-found").await;
    let huge = format!("/v1/subscriptions/sub_{}", "a".repeat(5000));
    let told = problem(service.get(&huge).await, 404, "not-found").await;
    assert!(told.to_string().len() < 500, "the answer repeats a bounded part");
}

#[tokio::test]
async fn a_list_of_faults_is_bounded() {
    let service = Service::start().await;
    let wrong = vec!["acmo"; 200];
    let body = json!({"url": "https://a.example", "events": ["*"], "accounts": wrong});
    let told = problem(service.post("/v1/subscriptions", &body).await, 422, "validation").await;
    assert_eq!(named(&told).len(), 50);
    assert!(told["detail"].as_str().expect("text").contains("200 things"));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_service_goes_on() {
    let service = Service::start().await;
    let body = json!({"url": "https://panics.example", "events": ["*"]});
    problem(service.post("/v1/subscriptions", &body).await, 500, "internal").await;
    service.subscribed().await;
}

#[tokio::test]
async fn a_request_id_comes_back() {
    let service = Service::start().await;
    let request = service.request(Method::GET, "/v1/accounts").header("x-request-id", "from-the-caller");
    let response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["x-request-id"], "from-the-caller");
}

#[tokio::test]
async fn requests_are_counted_by_template_method_and_status() {
    let service = Service::start().await;
    service.get("/v1/subscriptions/sub_1").await;
    service.get("/v1/subscriptions/sub_2").await;
    service.get("/invented/by/a/caller").await;
    service.request(Method::from_bytes(b"INVENTED").expect("a method"), "/v1/events").send().await.expect("an answer");
    let text = service.get("/metrics").await.text().await.expect("text");
    for line in [
        r#"expensewire_http_requests_total{method="GET",route="/v1/subscriptions/{id}",status="404"} 2"#,
        r#"expensewire_http_requests_total{method="GET",route="(none)",status="404"} 1"#,
        r#"expensewire_http_requests_total{method="other",route="/v1/events",status="405"} 1"#,
        "expensewire_sse_streams 0",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(text.contains("expensewire_http_request_duration_seconds_count"));
    assert!(!text.contains("invented"));
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_not_ready_and_the_process_lives() {
    let service = Service::start().await;
    service.store.close().await.expect("closed");
    problem(service.get("/readyz").await, 503, "store-closed").await;
    assert_eq!(service.get("/livez").await.status(), 200);
    let body = json!({"url": "https://a.example", "events": ["*"]});
    problem(service.post("/v1/subscriptions", &body).await, 503, "store-closed").await;
}
