//! A served API, and a client of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use event_model::{
    AccountName, Data, Detection, EntityKind, EventDraft, EventType, Revision, Subject, Subscription, TimestampSource,
    status::AccountStatus,
};
use event_store::{EventStore, Sealer, StoreConfig, StoredEvent};
use futures_util::future::BoxFuture;
use http_api::{
    ApiError, Deps, Metrics, Refresh, Released, TargetPolicy, Watching, WatchingRefusal, ensure_admin_key, serve,
};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Longer than anything here takes; what has not happened by then will not.
pub const DEADLINE: Duration = Duration::from_secs(10);

pub const SEALING_KEY: [u8; 32] = [7; 32];

pub struct Service {
    pub address: String,
    pub key: String,
    pub client: reqwest::Client,
    pub store: EventStore,
    pub stop: CancellationToken,
    pub served: JoinHandle<Result<(), ApiError>>,
    pub slow_check_begun: Arc<Notify>,
    /// The hosts whose endpoints were challenged.
    pub challenged: Arc<Mutex<Vec<String>>>,
    pub watcher: Arc<Watcher>,
    directory: TempDir,
}

/// What was asked of the watching of `acme`, and what it answers; `beta` is busy.
#[derive(Default)]
pub struct Watcher {
    pub asked: Mutex<Vec<Refresh>>,
}

/// Entities that are withheld in the scope `reports` of `acme`.
pub const MISSING: u64 = 20;

impl Watching for Watcher {
    fn refresh<'a>(&'a self, account: &'a AccountName, what: Refresh) -> BoxFuture<'a, Result<(), WatchingRefusal>> {
        Box::pin(async move {
            match account.as_str() {
                "acme" => self.asked.lock().expect("lock").push(what),
                "beta" => return Err(WatchingRefusal::Busy),
                _ => return Err(WatchingRefusal::Stopped),
            }
            Ok(())
        })
    }

    fn release<'a>(
        &'a self,
        account: &'a AccountName,
        scope: &'a str,
        ceiling: u64,
    ) -> BoxFuture<'a, Result<Released, WatchingRefusal>> {
        Box::pin(async move {
            match (account.as_str(), scope) {
                ("acme", "reports") if ceiling < MISSING => Err(WatchingRefusal::OverCeiling { missing: MISSING }),
                ("acme", "reports") => Ok(Released { removed: 0, confirming: MISSING }),
                ("acme", _) => Err(WatchingRefusal::NotWithheld),
                _ => Err(WatchingRefusal::Stopped),
            }
        })
    }
}

/// Refuses one host, panics at another, takes a moment over a third and tells when it has begun to.
struct Policy {
    slow_check_begun: Arc<Notify>,
    challenged: Arc<Mutex<Vec<String>>>,
}

impl TargetPolicy for Policy {
    fn challenge<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let host = subscription.url.host_str().expect("a host").to_owned();
            self.challenged.lock().expect("lock").push(host.clone());
            if host == "unwilling.example" { Err("did not give the token back".to_owned()) } else { Ok(()) }
        })
    }

    fn check<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            match url.host_str() {
                Some("inside.example") => Err("10.0.0.1 is in 10.0.0.0/8, a private range".to_owned()),
                Some("panics.example") => panic!("the policy broke"),
                Some("slow.example") => {
                    self.slow_check_begun.notify_one();
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Ok(())
                }
                Some(_) | None => Ok(()),
            }
        })
    }
}

impl Service {
    pub async fn start() -> Self {
        // Another test of this process may have done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let store = EventStore::open(&StoreConfig::at(directory.path())).expect("a store");
        let key = ensure_admin_key(&store, None).await.expect("a key").expect("a new key");
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry).expect("registered");
        let slow_check_begun = Arc::new(Notify::new());
        let watcher = Arc::new(Watcher::default());
        let challenged = Arc::default();
        let policy = Policy { slow_check_begun: Arc::clone(&slow_check_begun), challenged: Arc::clone(&challenged) };
        let deps = Deps {
            store: store.clone(),
            sealer: Sealer::new(SEALING_KEY),
            accounts: watch::channel(vec![account("acme"), account("beta"), account("gone")]).1,
            watching: Arc::clone(&watcher) as Arc<dyn Watching>,
            registry,
            targets: Arc::new(policy),
            version: "1.2.3".to_owned(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, deps, metrics, stop.clone()));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { address, key, client, store, stop, served, slow_check_begun, challenged, watcher, directory }
    }

    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address)).timeout(DEADLINE)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.key)
    }

    pub fn as_key(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(token)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    pub async fn get_json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("json")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.expect("an answer")
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Response {
        self.request(Method::PATCH, path).json(body).send().await.expect("an answer")
    }

    /// A subscription to everything, as it was answered.
    pub async fn subscribed(&self) -> Value {
        let response = self.post("/v1/subscriptions", &json!({"url": "https://a.example/hook", "events": ["*"]})).await;
        assert_eq!(response.status(), 201);
        response.json().await.expect("json")
    }

    /// Appends one `report.created` for each id.
    pub async fn append(&self, ids: &[&str]) -> Vec<StoredEvent> {
        let drafts = ids.iter().map(|id| draft(id, EventType::ReportCreated, 1)).collect();
        self.store.append(drafts).await.expect("appended")
    }

    /// All that is in the files of the store.
    pub fn stored_bytes(&self) -> Vec<u8> {
        let (mut bytes, mut directories) = (Vec::new(), vec![self.directory.path().to_owned()]);
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    bytes.extend(std::fs::read(path).expect("a file"));
                }
            }
        }
        bytes
    }

    /// Stops the service and gives what `serve` gave.
    pub async fn stopped(self) -> Result<(), ApiError> {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.served).await.expect("in time").expect("no panic")
    }
}

/// Asserts that `response` is a problem of this status and type, and gives it.
pub async fn problem(response: Response, status: u16, kind: &str) -> Value {
    let content_type = response.headers().get("content-type").cloned();
    let request_id = response.headers().get("x-request-id").cloned().expect("an id");
    let (found, text) = (response.status(), response.text().await.expect("a body"));
    assert_eq!(
        (found.as_u16(), content_type.expect("a type").as_bytes()),
        (status, &b"application/problem+json"[..]),
        "{text}"
    );
    let problem: Value = serde_json::from_str(&text).expect("json");
    assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"].as_str(), request_id.to_str().ok());
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    problem
}

/// What the problem's errors are about.
pub fn named(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|one| one["pointer"].as_str().or(one["parameter"].as_str()).expect("a place")).collect()
}

pub fn draft(id: &str, event_type: EventType, revision: u64) -> EventDraft {
    observed(id, event_type, revision, "2026-04-02T09:14:21Z".parse().expect("a time"))
}

pub fn observed(id: &str, event_type: EventType, revision: u64, at: Timestamp) -> EventDraft {
    EventDraft {
        event_type,
        timestamp: at,
        account: name("acme"),
        subject: Subject::new(EntityKind::Report, id),
        revision: Revision(revision),
        actor: None,
        data: Data { object: json!({"reportID": id, "policyID": "P1", "z": 1, "a": "é\n\"<"}), ..Data::default() },
        detection: Detection {
            observed_at: at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

pub fn name(text: &str) -> AccountName {
    text.parse().expect("a name")
}

fn account(text: &str) -> AccountStatus {
    AccountStatus::example(name(text), Timestamp::now())
}
