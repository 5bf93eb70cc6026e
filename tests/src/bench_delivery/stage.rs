//! A store with events and subscriptions, and a dispatcher over it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context, Result};
use bytes::Bytes;
use dispatcher::{DispatcherConfig, DispatcherError, Metrics};
use event_model::{
    Data, Detection, EntityKind, EventDraft, EventType, Revision, Subject, Subscription, SubscriptionId,
    TimestampSource, delivery::PendingDelivery,
};
use event_store::{Durability, EventStore, Sealer, StoreConfig, StoredEvent, TableName};
use jiff::Timestamp;
use prometheus::{IntCounterVec, Opts, Registry};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Reports that the events are about: many more than are in flight, so that order holds nothing up.
const REPORTS: u64 = 5_000;
/// Letters that make an event one of some 700 bytes.
const PADDING: usize = 240;
/// Events of one append.
const APPEND_BATCH: usize = 2_000;
/// What seals the secrets of a stage.
pub const SEALING_KEY: [u8; 32] = [7; 32];
/// What deliveries are signed with.
pub const SECRET: [u8; 32] = [9; 32];

/// The stage.
pub struct Stage {
    directory: Option<TempDir>,
    /// The log and the tables.
    pub store: EventStore,
    sealer: Sealer,
    revisions: BTreeMap<u64, u64>,
    made: u64,
    running: Option<(CancellationToken, JoinHandle<Result<(), DispatcherError>>)>,
}

impl Stage {
    /// An empty store in a directory of its own.
    pub fn set() -> Result<Self> {
        let directory = tempfile::tempdir().context("a directory")?;
        let mut stage = Self::at(directory.path())?;
        stage.directory = Some(directory);
        Ok(stage)
    }

    /// The store in `path`.
    pub fn at(path: &Path) -> Result<Self> {
        let store = EventStore::open(&StoreConfig::at(path.join("store")))?;
        let (sealer, revisions) = (Sealer::new(SEALING_KEY), BTreeMap::new());
        Ok(Self { directory: None, store, sealer, revisions, made: 0, running: None })
    }

    /// Starts delivering.
    pub fn start(&mut self, config: DispatcherConfig) -> Result<()> {
        let (stop, registry) = (CancellationToken::new(), Registry::new());
        let appended = Opts::new("expensewire_events_appended_total", "Events appended to the log.");
        let metrics = Metrics::register(&registry, IntCounterVec::new(appended, &["account", "type"])?)?;
        let run = dispatcher::run(config, self.store.clone(), self.sealer.clone(), metrics, stop.clone());
        self.running = Some((stop, tokio::spawn(run)));
        Ok(())
    }

    /// Stops it.
    pub async fn stop(&mut self) -> Result<()> {
        let Some((stop, task)) = self.running.take() else { return Ok(()) };
        stop.cancel();
        Ok(task.await??)
    }

    /// Appends `count` events; as they are in the log. Event `n` of all is about policy `P{n % policies}`.
    pub async fn append(&mut self, count: usize, policies: u64) -> Result<Vec<StoredEvent>> {
        let mut stored = Vec::with_capacity(count);
        while stored.len() < count {
            let drafts = (0..APPEND_BATCH.min(count - stored.len())).map(|_| self.draft(policies)).collect();
            stored.extend(self.store.append(drafts).await?);
        }
        Ok(stored)
    }

    fn draft(&mut self, policies: u64) -> EventDraft {
        let (report, policy) = (self.made % REPORTS, self.made % policies);
        self.made += 1;
        let revision = self.revisions.entry(report).or_default();
        *revision += 1;
        let id = format!("R{report:010}");
        let object = json!({ "reportID": id, "policyID": format!("P{policy}"), "note": "n".repeat(PADDING) });
        EventDraft {
            event_type: EventType::ReportUpdated,
            timestamp: Timestamp::now(),
            account: "acme".parse().expect("letters"),
            subject: Subject::new(EntityKind::Report, &id),
            revision: Revision(*revision),
            actor: None,
            data: Data { object, changed: vec!["note".to_owned()], ..Data::default() },
            detection: Detection {
                observed_at: Timestamp::now(),
                not_before: None,
                inferred: false,
                timestamp_source: TimestampSource::Observation,
            },
        }
    }

    /// A subscription to all reports, or those of one policy.
    pub fn subscription(&self, number: usize, url: &str, policy: Option<u64>) -> Result<Subscription> {
        let id = SubscriptionId::from_unique(&format!("{number:032}"))?;
        let (sealed, now) = (self.sealer.seal(id.as_str(), &SECRET).context("sealing")?, Timestamp::now());
        let policies: Vec<_> = policy.map(|policy| format!("P{policy}")).into_iter().collect();
        let stored = json!({
            "id": id, "url": url, "filter": { "events": ["report.*"], "policies": policies }, "format": "standard",
            "ordering": "entity", "rate_per_s": null, "sealed_headers": {}, "description": null,
            "status": { "state": "active" }, "start_after": 0, "sealed_secrets": [sealed], "created_at": now, "updated_at": now,
        });
        serde_json::from_value(stored).context("a subscription")
    }

    /// Stores `subscriptions` at once.
    pub async fn subscribe(&self, subscriptions: Vec<Subscription>) -> Result<()> {
        let table = self.store.table::<Subscription>(TableName::Subscriptions);
        let changes = subscriptions.into_iter().map(|one| (one.id.to_string(), Some(one))).collect();
        Ok(table.apply(changes, Durability::Durable).await?)
    }

    /// Rows kept of deliveries.
    pub async fn rows(&self) -> Result<usize> {
        Ok(self.store.table::<PendingDelivery>(TableName::Pending).list("").await?.len())
    }
}

/// Plain http to this machine is allowed, everything else is as it is in service.
pub fn config() -> Result<DispatcherConfig> {
    let allow_cidrs = vec!["127.0.0.0/8".parse()?];
    Ok(DispatcherConfig { allow_http: true, allow_cidrs, ..DispatcherConfig::default() })
}

/// The bodies of events.
pub fn bodies(events: &[StoredEvent]) -> Arc<Vec<Bytes>> {
    Arc::new(events.iter().map(|event| event.body.clone()).collect())
}
