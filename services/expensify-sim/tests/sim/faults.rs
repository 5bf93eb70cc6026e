//! Faults by switch.

use crate::harness::{DEADLINE, Upstream, calm, export_job, job, start, template};
use expensify_sim::{Change, Fault, Faults, SimConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn with(faults: Faults) -> Upstream {
    start(SimConfig { reports: 12, faults, ..calm() }).await
}

fn everything() -> Value {
    export_job(json!({}), json!({}))
}

fn list() -> Value {
    job("get", json!({ "type": "policyList" }))
}

#[tokio::test]
async fn pages_come_in_place_of_an_answer_and_the_job_does_not_run() {
    let once = Fault::times(1);
    let up = with(Faults { html_page: once, http_502: once, http_503: once, ..Faults::default() }).await;
    let create = job("create", json!({ "type": "policy", "policyName": "x" }));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = up.post(&create).await;
        assert!(answer.content_type.starts_with("text/html") && answer.text().starts_with("<html>"));
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [502, 503, 200]);
    assert!(up.sim.changes(0).is_empty());
    assert_eq!(up.post(&create).await.json()["responseCode"], 200, "each struck once");
    assert_eq!(up.sim.stats().faults_struck["http_502"], 1);
}

#[tokio::test]
async fn a_rate_limit_is_answered_in_both_forms() {
    let once = Fault::times(1);
    let up = with(Faults { rate_limited_http: once, rate_limited_body: once, ..Faults::default() }).await;
    let (first, second) = (up.post(&list()).await, up.post(&list()).await);
    assert_eq!((first.status, second.status), (429, 200));
    assert_eq!(first.body, second.body);
    let stats = up.sim.stats();
    assert_eq!((stats.rate_limited_sent, stats.rate_violations), (2, 0));
}

#[tokio::test]
async fn a_cut_connection_gives_no_answer_although_the_job_ran() {
    let up = with(Faults { reset_after_job: Fault::times(1), ..Faults::default() }).await;
    let create = job("create", json!({ "type": "policy", "policyName": "x" }));
    let sent = up.http.post(up.sim.endpoint()).form(&[("requestJobDescription", create.to_string())]).send().await;
    assert!(sent.is_err(), "{sent:?}");
    assert_eq!(up.sim.changes(0)[0].change, Change::Created);
    assert_eq!(up.sim.stats().connections_cut, 1);
    assert_eq!(up.post(&list()).await.json()["policyList"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn downloads_are_missing_then_empty_then_short_then_whole() {
    let up = with(Faults {
        file_not_found: Fault::times(2),
        empty_download: Fault::times(1),
        truncated_download: Fault::times(1),
        ..Faults::default()
    })
    .await;
    let name = up.post_with(&everything(), &[("template", &template())]).await.text();
    for _ in 0..2 {
        assert_eq!(up.download(&name).await.refusal(), (404, "File not found".into()));
    }
    assert!(up.download(&name).await.body.is_empty());
    let (short, whole) = (up.download(&name).await.body, up.download(&name).await.body);
    assert_eq!(short.len(), whole.len() / 2);
    assert!(whole.starts_with(&short));
}

#[tokio::test]
async fn an_export_can_be_slow_and_can_answer_an_error_in_place_of_a_name() {
    let once = Fault::times(1);
    let up =
        with(Faults { slow_export: once, slow_export_ms: 120, error_instead_of_file_name: once, ..Faults::default() })
            .await;
    let start = Instant::now();
    let answer = up.post_with(&everything(), &[("template", &template())]).await;
    assert!(start.elapsed() >= Duration::from_millis(120));
    assert_eq!(answer.refusal().0, 500);
    assert!(up.exported(&everything()).await.ends_with("\"done\":true}\n"));
}

#[tokio::test]
async fn rows_are_doubled_and_shuffled_in_exports_and_lists() {
    let up =
        with(Faults { duplicate_rows: Fault::times(2), reordered_rows: Fault::always(), ..Faults::default() }).await;
    let rows = up.rows(json!({}), json!({})).await;
    assert_eq!(rows.len(), 13);
    assert_eq!(up.policies().await.len(), 4);
    let again = up.rows(json!({}), json!({})).await;
    let ids = |rows: &[Value]| rows.iter().map(|row| row["reportID"].to_string()).collect::<Vec<_>>();
    assert_ne!(ids(&rows), ids(&again));
    assert_eq!(again.len(), 12);
}

#[tokio::test]
async fn the_engines_own_faults_show_in_the_file() {
    let once = Fault::times(1);
    let up = with(Faults::default()).await;
    let clean = up.exported(&everything()).await;
    let struck = async |faults: Faults| {
        up.sim.set_faults(faults).unwrap();
        let name = up.post_with(&everything(), &[("template", &template())]).await.text();
        up.download(&name).await.body
    };
    let utf8 = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let d = Faults::default;
    assert_eq!(utf8(struck(Faults { crlf: once, ..d() }).await), clean.replace('\n', "\r\n"));
    assert_eq!(utf8(struck(Faults { bom: once, ..d() }).await), format!("\u{feff}{clean}"));
    assert_eq!(utf8(struck(Faults { trimmed: once, ..d() }).await), clean.trim());
    assert!(
        utf8(struck(Faults { debug_text: once, ..d() }).await)
            .starts_with(&format!("{clean}\nFreeMarker template error (DEBUG"))
    );
    assert!(utf8(struck(Faults { no_header: once, ..d() }).await).contains("\"addHeader\":false"));
    let two = utf8(struck(Faults { two_blocks: once, ..d() }).await);
    assert_eq!(two.matches("\"done\":true").count(), 2);
    assert_eq!(two.matches("\"t\":\"row\"").count(), 12);
    let blank = utf8(struck(Faults { blank_value: once, blank_key: "currency".into(), ..d() }).await);
    let broken: Vec<&str> = blank.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).collect();
    assert_eq!(broken.len(), 1, "one line is no JSON any more");
    assert!(broken[0].starts_with("{\"t\":\"row\",\"i\":0"));
    let escaped = utf8(struck(Faults { html_escaped: once, ..d() }).await);
    assert!(escaped != clean && escaped.contains("\\u0026amp;"), "values, not the text around them");
    let latin = struck(Faults { latin1: once, ..d() }).await;
    assert!(String::from_utf8(latin).is_err());
    assert_eq!(up.exported(&everything()).await, clean, "all of it is over");
}

#[tokio::test]
async fn stopping_ends_a_slow_export_within_a_second() {
    let up = with(Faults { slow_export: Fault::always(), slow_export_ms: 600_000, ..Faults::default() }).await;
    let Upstream { sim, http } = up;
    let form = [("requestJobDescription", everything().to_string()), ("template", template())];
    let request = tokio::spawn(http.post(sim.endpoint()).form(&form).send());
    let deadline = Instant::now() + DEADLINE;
    while sim.stats().exports_rendered == 0 {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    sim.stop().await;
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
    assert!(request.await.unwrap().is_ok_and(|response| response.status() == 503));
}
