//! The service, with something in it to ask for.

use std::{path::Path, time::Duration};

use event_model::EventType;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tests::{program::Running, wait::until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
/// For everything that must come, however busy the machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The demo: simulator, service and receiver.
pub struct Service {
    _demo: Running,
    pub url: String,
    pub key: String,
    client: Client,
}

impl Service {
    /// One whose log has the simulated company, and a few changes of it.
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut demo =
            Running::start(Path::new(PROGRAM), &["demo", "--listen", "127.0.0.1:0"]).expect("the demo starts");
        let line = demo.line_with("follow", LIMIT).await.expect("the curl to follow with");
        let words: Vec<&str> = line.split_whitespace().collect();
        let key = words.iter().find_map(|word| word.strip_suffix('\'').filter(|w| w.starts_with("ew_")));
        let url = words.last().and_then(|url| url.strip_suffix("/v1/events/stream")).expect("a URL").to_owned();
        let key = key.expect("a key").to_owned();
        demo.line_with("have arrived, signed and verified", LIMIT).await.expect("the first changes");
        Self { _demo: demo, url, key, client: Client::new() }
    }

    pub async fn text(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.key);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.expect("text")
    }

    pub async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).expect("json")
    }

    async fn made(&self, path: &str, body: &Value) -> String {
        let request = self.client.request(Method::POST, format!("{}{path}", self.url)).bearer_auth(&self.key);
        let answer: Value = request.json(body).send().await.expect("an answer").json().await.expect("json");
        answer["id"].as_str().unwrap_or_else(|| panic!("{path}: {answer}")).to_owned()
    }

    /// A subscription that cannot be reached, with a delivery that is put off and a replay; and what else is there. By the names
    /// that `schemathesis.toml` gives them.
    pub async fn seeded(&self) -> [(&'static str, String); 6] {
        let unreachable = json!({ "url": "http://127.0.0.1:9/closed", "events": ["*"], "from": "beginning" });
        let subscription = self.made("/v1/subscriptions", &unreachable).await;
        let deleted = self.made("/v1/subscriptions", &unreachable).await;
        let deliveries = format!("/v1/subscriptions/{subscription}/deliveries");
        let delivery = until("a delivery that fails", LIMIT, async || {
            let found = self.get(&deliveries).await;
            found["deliveries"][0]["id"].as_str().map(str::to_owned)
        });
        let delivery = delivery.await.expect("a delivery");
        let replay =
            self.made(&format!("/v1/subscriptions/{subscription}/replay"), &json!({ "from": "beginning" })).await;
        let account = self.get("/v1/accounts").await["accounts"][0]["name"].as_str().expect("a name").to_owned();
        let events = self.get("/v1/events?type=report.*&limit=1").await;
        let subject = events["events"][0]["subject"].as_str().expect("a subject");
        let report = subject.strip_prefix("report/").expect("a report").to_owned();
        [
            ("CONTRACT_ACCOUNT", account),
            ("CONTRACT_SUBSCRIPTION", subscription),
            ("CONTRACT_DELETED", deleted),
            ("CONTRACT_DELIVERY", delivery),
            ("CONTRACT_REPLAY", replay),
            ("CONTRACT_REPORT", report),
        ]
    }

    /// The sequences of all events up to now.
    pub async fn sequences(&self) -> Vec<u64> {
        let (mut after, mut found) = (0, Vec::new());
        loop {
            let page = self.get(&format!("/v1/events?after={after}&limit=1000")).await;
            let events = page["events"].as_array().expect("events");
            found.extend(events.iter().map(|event| event["sequence"].as_u64().expect("a number")));
            after = page["next"].as_u64().expect("a number");
            if page["next"] == page["last"] {
                return found;
            }
        }
    }
}

/// All types, apart by commas.
pub fn types() -> String {
    EventType::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(",")
}
