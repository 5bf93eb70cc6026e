//! A store, a subscription and a running dispatcher.

use std::{collections::BTreeMap, time::Duration};

use dispatcher::{DispatcherConfig, DispatcherError, Metrics, Patience, Schedule, signature::parse_secret};
use event_model::{
    Data, Detection, EntityKind, Event, EventDraft, EventFilter, EventType, Revision, Sequence, Subject, Subscription,
    SubscriptionId, TimestampSource,
    delivery::{ERRANDS, Payload, PendingDelivery, PendingState, Progress},
    subscription::{Format, Ordering, Status},
};
use event_store::{Durability, EventStore, Sealer, StoreConfig, Table, TableName};
use jiff::Timestamp;
use prometheus::{IntCounterVec, Opts, Registry};
use serde_json::json;
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::receiver::PATIENCE;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const OLD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub struct World {
    _directory: TempDir,
    pub store: EventStore,
    pub config: DispatcherConfig,
    sealer: Sealer,
    revisions: BTreeMap<String, u64>,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), DispatcherError>>,
    registry: Registry,
}

impl World {
    /// Deliveries to loopback are allowed; retries come after 50 ms, ten times; nothing is suspended.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let store = EventStore::open(&StoreConfig::at(directory.path().join("store"))).expect("store");
        let config = DispatcherConfig {
            timeout: Duration::from_secs(2),
            allow_http: true,
            allow_cidrs: vec!["127.0.0.0/8".parse().expect("net")],
            schedule: Schedule::of(vec![Duration::from_millis(50); 10]),
            patience: Patience { suspend_after: u32::MAX, ..Patience::default() },
            ..DispatcherConfig::default()
        };
        let sealer = Sealer::new([7; 32]);
        Self { _directory: directory, store, config, sealer, revisions: BTreeMap::new(), running: None }
    }

    pub fn start(&mut self) {
        let (stop, registry) = (CancellationToken::new(), Registry::new());
        let appended = Opts::new("expensewire_events_appended_total", "Events appended to the log.");
        let appended = IntCounterVec::new(appended, &["account", "type"]).expect("a counter");
        registry.register(Box::new(appended.clone())).expect("registered");
        let metrics = Metrics::register(&registry, appended).expect("metrics");
        let (config, store, sealer) = (self.config.clone(), self.store.clone(), self.sealer.clone());
        let task = tokio::spawn(dispatcher::run(config, store, sealer, metrics, stop.clone()));
        self.running = Some(Running { stop, task, registry });
    }

    /// Stops in order; how long it took.
    pub async fn stop(&mut self) -> Duration {
        let running = self.running.take().expect("it runs");
        let began = std::time::Instant::now();
        running.stop.cancel();
        running.task.await.expect("no panic").expect("no error");
        began.elapsed()
    }

    /// Stops without a chance to store anything more.
    pub async fn kill(&mut self) {
        let running = self.running.take().expect("it runs");
        running.task.abort();
        assert!(running.task.await.is_err_and(|ended| ended.is_cancelled()));
    }

    pub async fn append(&mut self, ids: &[&str]) -> Vec<Event> {
        let drafts = ids.iter().map(|id| self.draft(id)).collect();
        let stored = self.store.append(drafts).await.expect("append");
        stored.iter().map(|stored| serde_json::from_slice(&stored.body).expect("an event")).collect()
    }

    fn draft(&mut self, id: &str) -> EventDraft {
        let revision = self.revisions.entry(id.to_owned()).or_default();
        *revision += 1;
        EventDraft {
            event_type: EventType::ReportUpdated,
            timestamp: Timestamp::now(),
            account: "acme".parse().expect("account"),
            subject: Subject::new(EntityKind::Report, id),
            revision: Revision(*revision),
            actor: None,
            data: Data { object: json!({ "reportID": id, "note": "Zoë \u{1F9FE} </script>" }), ..Data::default() },
            detection: Detection {
                observed_at: Timestamp::now(),
                not_before: None,
                inferred: false,
                timestamp_source: TimestampSource::Observation,
            },
        }
    }

    pub fn subscription(&self, name: &str, url: &Url) -> Subscription {
        let id = SubscriptionId::from_unique(name).expect("id");
        let seal = |text| self.sealer.seal(id.as_str(), &parse_secret(text).expect("secret")).expect("sealed");
        let filter = EventFilter { events: vec!["report.*".parse().expect("glob")], ..EventFilter::default() };
        let now = Timestamp::now();
        Subscription {
            sealed_secrets: vec![seal(SECRET), seal(OLD_SECRET)],
            retiring_secrets: Vec::new(),
            ed25519_keys: Vec::new(),
            challenge: false,
            owner: None,
            id,
            url: url.clone(),
            filter,
            format: Format::Standard,
            ordering: Ordering::Entity,
            rate_per_s: None,
            sealed_headers: BTreeMap::new(),
            description: None,
            status: Status::Active,
            start_after: Sequence::START,
            created_at: now,
            updated_at: now,
        }
    }

    /// The subscription with these headers of its own.
    pub fn with_headers(&self, subscription: Subscription, own: &[(&str, &str)]) -> Subscription {
        let seal = |&(name, value): &(&str, &str)| {
            let place = Subscription::header_place(&subscription.id, name);
            (name.to_owned(), self.sealer.seal(&place, value.as_bytes()).expect("sealed"))
        };
        let sealed_headers = own.iter().map(seal).collect();
        Subscription { sealed_headers, ..subscription }
    }

    /// Stores a plain subscription `1` to `url`.
    pub async fn subscribe(&self, url: &Url) -> SubscriptionId {
        self.put(self.subscription("1", url)).await
    }

    pub async fn put(&self, subscription: Subscription) -> SubscriptionId {
        let table: Table<Subscription> = self.store.table(TableName::Subscriptions);
        table.put(subscription.id.as_str(), &subscription, Durability::Durable).await.expect("put");
        subscription.id
    }

    pub async fn set_status(&self, id: &SubscriptionId, status: Status) {
        let table: Table<Subscription> = self.store.table(TableName::Subscriptions);
        let set =
            move |known: Option<Subscription>| known.map(|known| Subscription { status: status.clone(), ..known });
        table.update(id.as_str(), Durability::Durable, set).await.expect("update");
    }

    pub async fn delete(&self, id: &SubscriptionId) {
        let table: Table<Subscription> = self.store.table(TableName::Subscriptions);
        table.delete(id.as_str(), Durability::Durable).await.expect("delete");
    }

    pub fn pending_table(&self) -> Table<PendingDelivery> {
        self.store.table(TableName::Pending)
    }

    /// Deliveries that are not done, dead letters included.
    pub async fn pending(&self) -> Vec<PendingDelivery> {
        self.records().await.into_iter().filter(|record| !matches!(record.state, PendingState::Done { .. })).collect()
    }

    /// Everything that is kept of deliveries.
    pub async fn records(&self) -> Vec<PendingDelivery> {
        self.pending_table().list("").await.expect("list").into_iter().map(|(_, record)| record).collect()
    }

    /// Tells the dispatcher that a person asked something of the subscription.
    pub async fn ask(&self, id: &SubscriptionId) {
        let errands: Table<Timestamp> = self.store.table(TableName::Service);
        errands.put(&format!("{ERRANDS}{id}"), &Timestamp::now(), Durability::Durable).await.expect("put");
    }

    /// Has a test sent under the id `test`.
    pub async fn ask_for_test(&self, id: &SubscriptionId, test: &str) {
        let now = Timestamp::now();
        let record = PendingDelivery {
            subscription: id.clone(),
            payload: Payload::Test { id: test.parse().expect("id"), body: r#"{"test":true}"#.to_owned() },
            state: PendingState::Due { at: now },
            attempts: 0,
            history: Vec::new(),
            since: now,
        };
        let key = format!("{id}/test-{test}");
        self.pending_table().put(&key, &record, Durability::Durable).await.expect("put");
        self.ask(id).await;
    }

    /// Waits until the pending deliveries are as `right` wants them.
    pub async fn pending_until(&self, right: impl Fn(&[PendingDelivery]) -> bool) -> Vec<PendingDelivery> {
        let mut changes = self.pending_table().changes();
        let found = timeout(PATIENCE, async {
            loop {
                changes.borrow_and_update();
                let pending = self.pending().await;
                if right(&pending) {
                    return pending;
                }
                changes.changed().await.expect("the store is open");
            }
        });
        match found.await {
            Ok(pending) => pending,
            Err(_elapsed) => panic!("pending deliveries stay {:#?}", self.pending().await),
        }
    }

    /// As after a kill that came before anything was stored of what was delivered or failed.
    pub async fn forget_deliveries(&self, id: &SubscriptionId) {
        let progress: Table<Progress> = self.store.table(TableName::Progress);
        progress.delete(id.as_str(), Durability::Durable).await.expect("delete");
        for (key, _) in self.pending_table().list(&format!("{id}/")).await.expect("list") {
            self.pending_table().delete(&key, Durability::Durable).await.expect("delete");
        }
    }

    /// Waits until the stored cursor is there.
    pub async fn cursor_until(&self, id: &SubscriptionId, cursor: u64) -> Progress {
        let table: Table<Progress> = self.store.table(TableName::Progress);
        let mut changes = table.changes();
        let found = timeout(PATIENCE, async {
            loop {
                changes.borrow_and_update();
                if let Some(progress) = table.get(id.as_str()).await.expect("get")
                    && progress.cursor == Sequence(cursor)
                {
                    return progress;
                }
                changes.changed().await.expect("the store is open");
            }
        });
        match found.await {
            Ok(progress) => progress,
            Err(_elapsed) => panic!("the cursor is {:?}", table.get(id.as_str()).await),
        }
    }

    pub async fn status_until(&self, id: &SubscriptionId, word: &str) -> Status {
        let table: Table<Subscription> = self.store.table(TableName::Subscriptions);
        let mut changes = table.changes();
        let found = timeout(PATIENCE, async {
            loop {
                changes.borrow_and_update();
                let status = table.get(id.as_str()).await.expect("get").expect("it stands").status;
                if status.as_str() == word {
                    return status;
                }
                changes.changed().await.expect("the store is open");
            }
        });
        found.await.expect("the status in time")
    }

    /// How many events of this type the log has.
    pub async fn count(&self, event_type: EventType) -> usize {
        let events = self.store.read_after(Sequence::START, 1_000).await.expect("read");
        events.iter().filter(|event| event.head.event_type == event_type).count()
    }

    /// The event of this type, once it is in the log.
    pub async fn event_until(&self, event_type: EventType) -> Event {
        let mut tail = self.store.tail();
        let found = timeout(PATIENCE, async {
            loop {
                tail.borrow_and_update();
                let events = self.store.read_after(Sequence::START, 1_000).await.expect("read");
                if let Some(found) = events.iter().find(|event| event.head.event_type == event_type) {
                    return serde_json::from_slice(&found.body).expect("an event");
                }
                tail.changed().await.expect("the store is open");
            }
        });
        found.await.expect("the event in time")
    }

    /// The metrics as text.
    pub fn metrics(&self) -> String {
        let registry = &self.running.as_ref().expect("it runs").registry;
        prometheus::TextEncoder::new().encode_to_string(&registry.gather()).expect("text")
    }
}

pub fn is_due(record: &PendingDelivery) -> bool {
    matches!(record.state, PendingState::Due { .. })
}

pub fn is_waiting(record: &PendingDelivery) -> bool {
    matches!(record.state, PendingState::Waiting)
}

pub fn is_dead(record: &PendingDelivery) -> bool {
    matches!(record.state, PendingState::Dead { .. })
}
