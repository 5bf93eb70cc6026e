//! Parameters, credentials, rate windows.

use crate::harness::{Answer, answer, calm, job, start};
use expensify_sim::{RateLimitForm, RateLimits, SimConfig};
use serde_json::{Value, json};

const LIST: &str = "policyList";

fn is_list(answer: &Answer) -> bool {
    answer.json()["policyList"].as_array().is_some_and(|list| list.len() == 3)
}

#[tokio::test]
async fn parameters_are_read_from_query_form_and_multipart_by_get_and_post() {
    let up = start(calm()).await;
    let text = job("get", json!({ "type": LIST })).to_string();
    let url = up.sim.endpoint();
    let pair = [("requestJobDescription", text.as_str())];
    assert!(is_list(&answer(up.http.get(&url).query(&pair)).await));
    assert!(is_list(&answer(up.http.post(&url).query(&pair)).await));
    assert!(is_list(&answer(up.http.post(&url).query(&pair).header("content-type", "text/weird")).await));
    assert!(is_list(&answer(up.http.post(&url).form(&pair)).await));
    let form = reqwest::multipart::Form::new().text("requestJobDescription", text.clone());
    assert!(is_list(&answer(up.http.post(&url).multipart(form)).await));
}

#[tokio::test]
async fn a_job_without_credentials_or_with_wrong_ones_says_so_at_http_200() {
    let up = start(calm()).await;
    let mut job = job("get", json!({ "type": LIST }));
    job["credentials"]["partnerUserSecret"] = json!("wrong");
    assert_eq!(up.post(&job).await.refusal(), (404, "Authentication error".into()));
    job.as_object_mut().unwrap().remove("credentials");
    assert_eq!(up.post(&job).await.refusal(), (403, "No authentication method specified".into()));
    job["type"] = json!("nonsense");
    assert_eq!(up.post(&job).await.refusal().1, "No authentication method specified", "credentials come first");
    assert_eq!(up.sim.stats().authentication_failures, 3);
}

#[tokio::test]
async fn what_names_no_job_is_refused() {
    let up = start(SimConfig { unknown_type_code: 418, ..calm() }).await;
    assert_eq!(up.refusal("nonsense", json!({})).await.0, 418);
    let (code, message) = up.refusal("get", json!({})).await;
    assert_eq!((code, message.as_str()), (410, "Argument 'type' is missing or malformed"));
    assert_eq!(answer(up.http.post(up.sim.endpoint())).await.refusal().0, 500);
    assert_eq!(
        answer(up.http.post(up.sim.endpoint()).form(&[("requestJobDescription", "{'a':1}")])).await.refusal().0,
        500
    );
    assert_eq!(up.sim.stats().by_job["unknown"], 4);
}

#[tokio::test]
async fn a_key_without_effect_changes_nothing() {
    let up = start(calm()).await;
    assert!(is_list(&up.post(&job("get", json!({ "type": LIST, "colour": "blue" }))).await));
}

#[tokio::test]
async fn a_body_over_the_bound_is_not_read() {
    let up = start(calm()).await;
    let big = "x".repeat(17 * 1024 * 1024);
    let sent = up.http.post(up.sim.endpoint()).form(&[("data", big.as_str())]).send().await;
    // The server may close before the client has sent everything.
    assert!(sent.is_err() || sent.is_ok_and(|response| response.status() == 413));
}

#[tokio::test]
async fn the_sixth_request_within_ten_seconds_is_refused_downloads_and_errors_counted() {
    let up = start(SimConfig::default()).await;
    up.download("nothing").await;
    up.refusal("get", json!({})).await;
    for _ in 0..3 {
        assert!(is_list(&up.post(&job("get", json!({ "type": LIST }))).await));
    }
    let over = up.post(&job("get", json!({ "type": LIST }))).await;
    assert_eq!(over.status, 429);
    assert_eq!(over.json()["responseCode"], 429);
    assert!(over.json()["responseMessage"].as_str().unwrap().starts_with("You have been rate-limited."));
    let stats = up.sim.stats();
    assert_eq!((stats.requests, stats.rate_violations, stats.rate_limited_sent), (6, 1, 1));
}

#[tokio::test]
async fn the_refusal_can_come_with_http_200_and_each_credential_has_its_own_window() {
    let limits = RateLimits { per_10s: 1, per_60s: 20 };
    let up = start(SimConfig { limits, rate_limit_form: RateLimitForm::Http200, ..calm() }).await;
    let mine = job("get", json!({ "type": LIST }));
    assert!(is_list(&up.post(&mine).await));
    assert_eq!(up.post(&mine).await.refusal().0, 429);
    let mut theirs: Value = mine.clone();
    theirs["credentials"]["partnerUserID"] = json!("somebody_else");
    assert_eq!(up.post(&theirs).await.refusal().0, 404);
}

#[tokio::test]
async fn the_secret_is_in_no_debug_text() {
    let text = format!("{:?}", SimConfig::default());
    assert!(!text.contains(&SimConfig::default().credentials.partner_user_secret), "{text}");
}
