//! A poller in a task, a store in a directory, and waiting for things with a deadline.

use std::time::Duration;

use event_model::{Event, Sequence, status::AccountStatus};
use event_store::{EventStore, StoreConfig};
use expensify_client::{Credentials, DOWNLOAD_WAITS};
use poller::{AccountConfig, BudgetConfig, Handle, Metrics, PollerError};
use prometheus::Registry;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::upstream::Upstream;

/// Longer than any wait in these tests; the longest is for a removal to be confirmed.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// A poller that runs.
pub struct Running {
    pub store: EventStore,
    pub status: watch::Receiver<Vec<AccountStatus>>,
    pub registry: Registry,
    pub handle: Handle,
    stop: CancellationToken,
    task: JoinHandle<Result<(), PollerError>>,
}

/// The account `acme` at `upstream`, with a budget that tests do not wait for.
pub fn account(upstream: &Upstream) -> AccountConfig {
    AccountConfig {
        name: "acme".parse().unwrap(),
        endpoint: upstream.url.clone(),
        credentials: Credentials::new("aa_acme", "s3cr3t"),
        domains: vec!["acme.example".into()],
        policies: vec![],
        history_days: 365,
        budget: BudgetConfig { per_10s: 500, per_60s: 500, share: 1.0 },
        download_waits: DOWNLOAD_WAITS.to_vec(),
        spans: event_model::Spans::default(),
    }
}

/// Every watch of the account has had its first sight.
pub fn baselined(status: &AccountStatus) -> bool {
    !status.watches.is_empty() && status.watches.iter().all(|watch| watch.baselined)
}

pub fn start(directory: &TempDir, accounts: Vec<AccountConfig>) -> Running {
    let store = EventStore::open(&StoreConfig::at(directory.path())).expect("the store opens");
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("names are free");
    let (sender, status) = watch::channel(Vec::new());
    let stop = CancellationToken::new();
    let names: Vec<_> = accounts.iter().map(|account| account.name.clone()).collect();
    let (handle, inbox) = Handle::pair(&names);
    let task = tokio::spawn(poller::run(accounts, store.clone(), metrics, sender, inbox, stop.clone()));
    Running { store, status, registry, handle, stop, task }
}

impl Running {
    /// Stops the poller within its bound, and closes the store so that the directory can be opened again.
    pub async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(2), self.task).await.expect("it stops within 2 s").unwrap().unwrap();
        self.store.close().await.unwrap();
    }

    /// Every event so far as `type subject`, once there are `count` of them.
    pub async fn events(&self, count: usize) -> Vec<String> {
        self.full_events(count)
            .await
            .iter()
            .map(|event| format!("{} {}", event.event_type.as_str(), event.subject))
            .collect()
    }

    pub async fn full_events(&self, count: usize) -> Vec<Event> {
        let mut tail = self.store.tail();
        let grown = tail.wait_for(|last| last.0 >= count as u64);
        if timeout(DEADLINE, grown).await.is_err() {
            panic!("{count} events within {DEADLINE:?}; there are {:?}", self.all_events().await);
        }
        self.all_events().await
    }

    pub async fn all_events(&self) -> Vec<Event> {
        let stored = self.store.read_after(Sequence::START, 1_000).await.unwrap();
        stored.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
    }

    /// Waits until the status of the first account fits.
    pub async fn until(&mut self, fits: impl Fn(&AccountStatus) -> bool) -> AccountStatus {
        let first = self.status.wait_for(|accounts| accounts.first().is_some_and(&fits));
        let seen = timeout(DEADLINE, first).await.map(|seen| seen.expect("the poller runs")[0].clone());
        seen.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {:?}", *self.status.borrow()))
    }

    /// Waits until each watch has a complete read that began after now: the second from now on.
    pub async fn another_round(&mut self) {
        let watches = ["reports", "policies", "cards:acme.example"];
        let before = watches.map(|watch| self.reads(watch, "complete"));
        let read = |running: &Self| watches.map(|watch| running.reads(watch, "complete"));
        self.until_metric(|running| read(running).iter().zip(before).all(|(now, before)| *now >= before + 2.0)).await;
    }

    pub fn reads(&self, watch: &str, outcome: &str) -> f64 {
        self.metric("expensewire_reads_total", &[("watch", watch), ("outcome", outcome)])
    }

    /// The sum of the counters or gauges of this name that have these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let families = self.registry.gather();
        let metrics = families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
        let has = |metric: &prometheus::proto::Metric, (key, value): &(&str, &str)| {
            metric.get_label().iter().any(|label| label.name() == *key && label.value() == *value)
        };
        let fitting = metrics.filter(|metric| labels.iter().all(|label| has(metric, label)));
        fitting.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum()
    }

    /// Metrics have no news to wait for: looks again after a moment.
    pub async fn until_metric(&self, fits: impl Fn(&Self) -> bool) {
        let looked = timeout(DEADLINE, async {
            while !fits(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if looked.await.is_err() {
            panic!("not within {DEADLINE:?}: {:?}", *self.status.borrow());
        }
    }
}
