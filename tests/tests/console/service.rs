//! A served API with the console before it, and what its pages show.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use event_model::{
    AccountName, Data, Detection, EntityKind, EventDraft, EventId, EventType, Revision, Sequence, Subject,
    TimestampSource,
    delivery::{Attempt, Outcome, Payload, PendingDelivery, PendingState, Progress},
    status::AccountStatus,
};
use event_store::{Durability, EventStore, Sealer, StoreConfig, TableName};
use futures_util::future::BoxFuture;
use http_api::{
    ApiError, Deps, Metrics, Refresh, Released, TargetPolicy, Watching, WatchingRefusal, ensure_admin_key, serve_behind,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Longer than anything here takes.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Entities that are withheld in the scope `reports` of `acme`.
pub const MISSING: u64 = 20;
/// A text that is a script where it is not escaped.
pub const SCRIPT: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";

pub struct Service {
    pub address: SocketAddr,
    pub key: String,
    pub store: EventStore,
    pub client: reqwest::Client,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ApiError>>,
    _directory: TempDir,
}

/// Takes every URL but one.
struct Targets;

impl TargetPolicy for Targets {
    fn check<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            match url.host_str() {
                Some("inside.example") => Err("10.0.0.1 is in 10.0.0.0/8, a private range".to_owned()),
                _ => Ok(()),
            }
        })
    }
}

/// Withholds [`MISSING`] reports of `acme`.
struct Watcher;

impl Watching for Watcher {
    fn refresh<'a>(&'a self, _: &'a AccountName, _: Refresh) -> BoxFuture<'a, Result<(), WatchingRefusal>> {
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(
        &'a self,
        _: &'a AccountName,
        scope: &'a str,
        ceiling: u64,
    ) -> BoxFuture<'a, Result<Released, WatchingRefusal>> {
        Box::pin(async move {
            match scope {
                "reports" if ceiling < MISSING => Err(WatchingRefusal::OverCeiling { missing: MISSING }),
                "reports" => Ok(Released { removed: 3, confirming: 17 }),
                _ => Err(WatchingRefusal::NotWithheld),
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
        let key = ensure_admin_key(&store, None).await.expect("a store").expect("a new key");
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry).expect("registered");
        let deps = Deps {
            store: store.clone(),
            sealer: Sealer::new([7; 32]),
            accounts: watch::channel(vec![account("acme"), account("beta")]).1,
            watching: Arc::new(Watcher),
            registry,
            targets: Arc::new(Targets),
            version: "1.2.3".to_owned(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let front = {
            let stop = stop.clone();
            move |api| console::mount(api, expensewire::pages::PAGES, stop)
        };
        let served = tokio::spawn(serve_behind(listener, deps, metrics, stop.clone(), front));
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(DEADLINE).build().expect("a client");
        Self { address, key, store, client, stop, served, _directory: directory }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What the API answers to `body`.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answer =
            self.client.post(self.url(path)).bearer_auth(&self.key).json(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.expect("a body"));
        answer.json().await.expect("json")
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).bearer_auth(&self.key).send().await.expect("an answer");
        answer.json().await.expect("json")
    }

    /// A key of the account `beta` alone, with these actions; its id and its token.
    pub async fn narrow_key(&self, actions: &[&str]) -> (String, String) {
        let body = json!({"accounts": ["beta"], "policies": ["*"], "events": ["*"], "actions": actions});
        let made = self.post("/v1/keys", &body).await;
        let text = |name: &str| made[name].as_str().expect("text").to_owned();
        (text("id"), text("key"))
    }

    /// A subscription to everything, made by the API; its id.
    pub async fn subscribed(&self, description: &str) -> String {
        let url = "https://receiver.example/hook";
        let body = json!({"url": url, "events": ["*"], "description": description, "headers": {"X-Token": "hush"}});
        self.post("/v1/subscriptions", &body).await["id"].as_str().expect("an id").to_owned()
    }

    /// Appends a change of the report `id` of `account`.
    pub async fn append(&self, account: &str, id: &str) -> u64 {
        let stored = self.store.append(vec![draft(account, id)]).await.expect("appended");
        stored[0].head.sequence.0
    }

    /// A delivery of `subscription` that was given up, and that everything before was delivered.
    pub async fn gave_up(&self, subscription: &str, sequence: u64) {
        let now = Timestamp::now();
        let id = subscription.parse().expect("an id");
        let failed = Attempt { at: now, duration_ms: 12, outcome: Outcome::Status { status: 500 } };
        let record = PendingDelivery {
            subscription: id,
            payload: Payload::Event {
                sequence: Sequence(sequence),
                id: "evt_0a1b2c".parse::<EventId>().expect("an id"),
                event_type: EventType::ReportUpdated,
                subject: "report/R1".to_owned(),
                account: "acme".to_owned(),
            },
            state: PendingState::Dead { at: now },
            attempts: 10,
            history: vec![failed.clone(), failed],
            since: now,
        };
        let key = format!("{subscription}/{sequence:020}");
        let pending = self.store.table::<PendingDelivery>(TableName::Pending);
        pending.put(&key, &record, Durability::Durable).await.expect("stored");
        self.delivered_up_to(subscription, sequence).await;
    }

    /// Notes that `subscription` was sent everything up to `sequence`.
    pub async fn delivered_up_to(&self, subscription: &str, sequence: u64) {
        let progress = self.store.table::<Progress>(TableName::Progress);
        let come = Progress::starting_after(Sequence(sequence));
        progress.put(subscription, &come, Durability::Durable).await.expect("stored");
    }

    pub async fn stopped(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.served).await.expect("in time").expect("no panic").expect("served");
    }
}

fn draft(account: &str, id: &str) -> EventDraft {
    let at = Timestamp::now();
    let object = json!({"reportID": id, "reportName": format!("{SCRIPT} {id}"), "state": "APPROVED", "policyID": "P1"});
    let previous = [("state".to_owned(), json!(SCRIPT))].into_iter().collect();
    EventDraft {
        event_type: EventType::ReportUpdated,
        timestamp: at,
        account: account.parse().expect("a name"),
        subject: Subject::new(EntityKind::Report, id),
        revision: Revision(1),
        actor: Some(SCRIPT.to_owned()),
        data: Data { object, previous, changed: vec!["state".to_owned()] },
        detection: Detection {
            observed_at: at,
            not_before: Some(at),
            inferred: true,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

fn account(name: &str) -> AccountStatus {
    AccountStatus::example(name.parse().expect("a name"), Timestamp::now())
}
