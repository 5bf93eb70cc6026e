//! The audit trail, and that no token is in it, nor anywhere else.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
};

use reqwest::Method;
use serde_json::{Value, json};
use tracing::{Dispatch, Level, subscriber::DefaultGuard};

use crate::{
    scopes::{made_key, narrow_grant},
    service::Service,
};

/// While there is only one subscriber, tracing keeps the first answer of a thread for all: a second makes it ask again.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| {
    Dispatch::new(tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(io::sink).finish())
});

/// What this test's thread logs, the service with it.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn noted() -> (Self, DefaultGuard) {
        LazyLock::force(&SECOND);
        let lines = Self::default();
        let writer = lines.clone();
        let noting = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(Level::TRACE);
        let noting = noting.with_writer(move || writer.clone()).finish();
        (lines, tracing::subscriber::set_default(noting))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("lock").clone()).expect("text")
    }

    /// The audit lines so far, taken out.
    fn audit(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("json"));
        lines.filter(|line| line["target"] == "audit").collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn send(service: &Service, token: &str, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = service.as_key(token, method, path).header("x-request-id", "the-request");
    let request = body.iter().fold(request, |request, body| request.json(body));
    let text = request.send().await.expect("an answer").text().await.expect("text");
    serde_json::from_str(&text).unwrap_or_default()
}

#[tokio::test]
async fn each_change_and_each_refusal_has_one_line_that_says_who_what_and_how_it_ended() {
    let (lines, _noting) = Lines::noted();
    let service = Service::start().await;
    let admin = service.key.clone();
    let key = send(&service, &admin, Method::POST, "/v1/keys", Some(narrow_grant())).await;
    let (id, token) = (key["id"].as_str().expect("an id"), key["key"].as_str().expect("a token"));
    let body = json!({"url": "https://a.example", "events": ["report.*"]});
    let made = send(&service, token, Method::POST, "/v1/subscriptions", Some(body)).await;
    let sub = format!("/v1/subscriptions/{}", made["id"].as_str().expect("an id"));
    for (method, path) in [
        (Method::PATCH, sub.clone()),
        (Method::POST, format!("{sub}/pause")),
        (Method::POST, format!("{sub}/resume")),
        (Method::POST, format!("{sub}/rotate-secret")),
        (Method::POST, format!("{sub}/deliveries/retry")),
        (Method::POST, "/v1/accounts/acme/refresh".to_owned()),
        (Method::DELETE, sub.clone()),
    ] {
        let body = (method == Method::PATCH).then(|| json!({"description": "x"}));
        send(&service, token, method, &path, body).await;
    }
    send(&service, token, Method::GET, "/v1/events", None).await;
    send(&service, "ew_nobodys", Method::GET, "/v1/events/7", None).await;
    send(&service, &admin, Method::DELETE, &format!("/v1/keys/{id}"), None).await;
    let told: Vec<_> = lines
        .audit()
        .iter()
        .map(|line| {
            assert_eq!((&line["remote"], &line["request_id"]), (&json!("127.0.0.1"), &json!("the-request")), "{line}");
            let field = |name: &str| line[name].as_str().expect(name).to_owned();
            (
                line["key_id"] == id,
                field("action"),
                field("method"),
                field("resource"),
                field("outcome"),
                line["status"].as_u64(),
            )
        })
        .collect();
    let line = |own: bool, action: &str, method: &str, resource: &str, outcome: &str, status: u64| {
        (own, action.to_owned(), method.to_owned(), resource.to_owned(), outcome.to_owned(), Some(status))
    };
    let write = "subscriptions:write";
    assert_eq!(
        told,
        [
            line(false, "keys:write", "POST", &format!("/v1/keys/{id}"), "done", 201),
            line(true, write, "POST", &sub, "done", 201),
            line(true, write, "PATCH", &sub, "done", 200),
            line(true, write, "POST", &format!("{sub}/pause"), "done", 200),
            line(true, write, "POST", &format!("{sub}/resume"), "done", 200),
            line(true, write, "POST", &format!("{sub}/rotate-secret"), "done", 200),
            line(true, "deliveries:retry", "POST", &format!("{sub}/deliveries/retry"), "done", 202),
            line(true, "accounts:act", "POST", "/v1/accounts/acme/refresh", "refused", 403),
            line(true, write, "DELETE", &sub, "done", 204),
            line(false, "", "GET", "/v1/events/7", "refused", 401),
            line(false, "keys:write", "DELETE", &format!("/v1/keys/{id}"), "done", 204),
        ]
    );
}

#[tokio::test]
async fn refusals_of_one_address_are_lined_within_a_bound_and_all_counted() {
    let (lines, _noting) = Lines::noted();
    let service = Service::start().await;
    let begun = std::time::Instant::now();
    for n in 0..90 {
        send(&service, &format!("ew_guess{n}"), Method::GET, "/v1/events", None).await;
    }
    let lined = lines.audit().len();
    let most = 20 + 10 * (begun.elapsed().as_secs() + 1);
    assert!(lined >= 20 && (lined as u64) <= most, "{lined} of at most {most}");
    let metrics = service.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains("expensewire_api_refusals_total{reason=\"bad_key\"} 90"), "{metrics}");
}

#[tokio::test]
async fn no_token_is_in_the_log_an_error_the_metrics_or_the_store() {
    let (lines, _noting) = Lines::noted();
    let service = Service::start().await;
    let mut tokens = vec![
        service.key.clone(),
        made_key(&service, &narrow_grant()).await["key"].as_str().expect("a token").to_owned(),
    ];
    let request = service.request(Method::POST, "/v1/keys").header("idempotency-key", "k").json(&narrow_grant());
    let kept: Value = request.send().await.expect("an answer").json().await.expect("json");
    tokens.push(kept["key"].as_str().expect("a token").to_owned());
    let mut answers = String::new();
    for token in &tokens {
        for (method, path) in [
            (Method::GET, format!("/v1/keys/{token}")),
            (Method::DELETE, format!("/v1/keys/{token}")),
            (Method::GET, format!("/v1/{token}")),
            (Method::GET, format!("/v1/subscriptions/{token}")),
            (Method::POST, format!("/v1/accounts/{token}/refresh")),
            (Method::GET, format!("/v1/events?account={token}&key={token}")),
            (Method::GET, "/v1/log/verify".to_owned()),
            (Method::GET, "/v1/keys".to_owned()),
        ] {
            for bearer in [token.as_str(), "ew_wrong"] {
                let request = service.as_key(bearer, method.clone(), &path);
                let response = request.send().await.expect("an answer");
                answers.push_str(&format!("{:?}", response.headers()));
                answers.push_str(&response.text().await.expect("text"));
            }
        }
        let body = json!({ "accounts": [token], "policies": ["*"], "events": ["*"], "actions": [token] });
        let refused = service.post("/v1/keys", &body).await.text().await.expect("text");
        assert!(refused.contains("/accounts/0") && refused.contains("/actions/0"), "{refused}");
        answers.push_str(&refused);
    }
    let metrics = service.get("/metrics").await.text().await.expect("text");
    let stored = service.stored_bytes();
    let logged = lines.text();
    assert!(logged.contains("\"target\":\"audit\"") && !stored.is_empty());
    for token in &tokens {
        assert!(!answers.contains(token), "{answers}");
        assert!(!metrics.contains(token));
        assert!(!stored.windows(token.len()).any(|window| window == token.as_bytes()));
        let line = logged.lines().find(|line| line.contains(token) && !of_the_client(line));
        assert_eq!(line, None);
    }
}

/// The test's own client logs the addresses that it asks.
fn of_the_client(line: &str) -> bool {
    let line: Value = serde_json::from_str(line).expect("json");
    let target = line["target"].as_str().expect("a target");
    ["reqwest", "hyper_util", "hyper::client"].iter().any(|of| target.starts_with(of))
}
