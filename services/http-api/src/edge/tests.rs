use std::future::pending;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use futures_util::stream;
use serde_json::Value;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use super::*;
use crate::{fields::JsonObject, state::testing};

/// What `GET /` is answered where `app` is the inside of the edge.
async fn answered(app: Router, id: &str) -> (Response, Value) {
    let (api, _directory) = testing::api();
    let app = app.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(api, around));
    let request = Request::builder().uri("/").header(REQUEST_ID, id).body(Body::empty()).expect("a request");
    let mut response = app.oneshot(request).await.expect("an answer");
    let body = std::mem::take(response.body_mut());
    let body = axum::body::to_bytes(body, 64 * 1024).await.expect("a body");
    (response, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_answered_with_a_problem() {
    let app = Router::new().route("/", get(async || pending::<String>().await));
    let begun = tokio::time::Instant::now();
    let (response, problem) = answered(app, "abc").await;
    assert!(begun.elapsed() < REQUEST_TIMEOUT + Duration::from_secs(1));
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(problem["type"], "/problems/timeout");
    assert_eq!(problem["request_id"], "abc");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_waited_for_within_the_same_bound() {
    let (api, _directory) = testing::api();
    let app = Router::new().route("/", post(async |_: JsonObject| "read")).layer(from_fn_with_state(api, around));
    let drip = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::convert::Infallible>("{"), ()))
    });
    let request = Request::builder().method("POST").uri("/").header("content-type", "application/json");
    let begun = tokio::time::Instant::now();
    let response = app.oneshot(request.body(Body::from_stream(drip)).expect("a request")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert!(begun.elapsed() < REQUEST_TIMEOUT + Duration::from_secs(1));
}

async fn panics() -> String {
    panic!("the secret cause")
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_with_a_problem_that_hides_the_cause() {
    let (response, problem) = answered(Router::new().route("/", get(panics)), "abc").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(problem["type"], "/problems/internal");
    assert!(!problem.to_string().contains("secret"));
}

#[tokio::test]
async fn a_request_id_that_is_no_plain_word_is_replaced() {
    for bad in ["", "a b", &"x".repeat(65)] {
        let (response, _) = answered(Router::new().route("/", get(async || "ok")), bad).await;
        let id = response.headers()[REQUEST_ID].to_str().expect("visible");
        assert_ne!(id, bad);
        assert_eq!(id.len(), 32, "{id}");
    }
}

#[tokio::test]
async fn a_failure_of_ours_is_not_shown() {
    let failing = async || -> Result<String, Refusal> {
        Err(Refusal::Store(event_store::StoreError::Corrupt { sequence: event_model::Sequence(9) }))
    };
    let (response, problem) = answered(Router::new().route("/", get(failing)), "abc").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!problem.to_string().contains("corrupt"), "{problem}");
}
