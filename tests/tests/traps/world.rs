//! A poller and its store on disk against a simulated Expensify, over real HTTP, in this process.
//!
//! Nothing sleeps to let something happen. What must be told is waited for in the log's tail; that something is *not* told is
//! shown by a complete read of every watch that began later ([`World::read_all`]) and left the log as it was.

use std::time::Duration;

use event_model::{Event, Sequence, status::AccountStatus};
use event_store::{EventStore, StoreConfig};
use expensify_client::Credentials;
use expensify_sim::{Change, Edit, Fault, Faults, RateLimits, Record, SimConfig, Simulator, Trigger};
use jiff::Timestamp;
use poller::{AccountConfig, BudgetConfig, Handle, Metrics, PollerError, What};
use prometheus::Registry;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longer than any wait here; the longest is for two refusals or two reads by id, ten seconds apart.
const DEADLINE: Duration = Duration::from_secs(45);
/// The simulator has no news to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A fault that strikes every time.
pub const ALWAYS: Fault = Fault { next: 0, probability: 1.0 };
pub const DOMAIN: &str = "acme.example";

/// Both, and ways to plant something and to look at what is told of it.
pub struct World {
    pub sim: Simulator,
    pub store: EventStore,
    pub handle: Handle,
    status: watch::Receiver<Vec<AccountStatus>>,
    registry: Registry,
    config: AccountConfig,
    stop: CancellationToken,
    task: JoinHandle<Result<(), PollerError>>,
    directory: TempDir,
}

/// A small company that stands still, on a server that limits nothing.
pub fn company() -> SimConfig {
    let limits = RateLimits { per_10s: 0, per_60s: 0 };
    SimConfig { reports: 24, policies: 2, cards: 6, limits, ..SimConfig::default() }
}

/// `type subject` and what changed, as one line.
pub fn line(event: &Event) -> String {
    let changed = event.data.changed.join(",");
    format!("{} {} {changed}", event.event_type.as_str(), event.subject).trim_end().to_owned()
}

pub fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(line).collect()
}

/// Only `type subject`.
pub fn names(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| format!("{} {}", event.event_type.as_str(), event.subject)).collect()
}

/// An exact edit of one report.
pub fn edit(report: &str, edit: Edit) -> Trigger {
    Trigger::report(Change::Updated, report).with(edit)
}

impl World {
    /// Starts both, and waits for the first sight of everything.
    pub async fn start(sim: SimConfig) -> Self {
        Self::with_history(sim, 365).await
    }

    /// The same, with so many days of history.
    pub async fn with_history(sim: SimConfig, history_days: u16) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = Simulator::start(sim, TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap();
        let config = AccountConfig {
            name: "acme".parse().unwrap(),
            endpoint: sim.endpoint().parse().unwrap(),
            credentials: Credentials::new("aa_finance_acme_example", "simulated-secret"),
            domains: vec![DOMAIN.into()],
            policies: vec![],
            history_days,
            budget: BudgetConfig { per_10s: 150, per_60s: 900, share: 1.0 },
            download_waits: vec![Duration::from_millis(50)],
            spans: event_model::Spans::default(),
        };
        let mut world = Self::running(sim, config, tempfile::tempdir().unwrap());
        world.read_all().await;
        world
    }

    fn running(sim: Simulator, config: AccountConfig, directory: TempDir) -> Self {
        let store = EventStore::open(&StoreConfig::at(directory.path())).unwrap();
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let (sender, status) = watch::channel(Vec::new());
        let stop = CancellationToken::new();
        let (handle, inbox) = Handle::pair(std::slice::from_ref(&config.name));
        let run = poller::run(vec![config.clone()], store.clone(), metrics, sender, inbox, stop.clone());
        let task = tokio::spawn(run);
        Self { sim, store, handle, status, registry, config, stop, task, directory }
    }

    /// Stops the poller, lets `meddle` at its store, and starts it again on it.
    pub async fn restarted(self, meddle: impl AsyncFnOnce(&EventStore)) -> Self {
        let Self { sim, store, config, stop, task, directory, .. } = self;
        stop.cancel();
        task.await.unwrap().unwrap();
        meddle(&store).await;
        store.close().await.unwrap();
        drop(store);
        let mut world = Self::running(sim, config, directory);
        world.read_all().await;
        world
    }

    pub async fn stopped(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.store.close().await.unwrap();
        self.sim.stop().await;
    }

    /// Makes a change that must be possible.
    pub fn change(&self, trigger: &Trigger) -> Record {
        self.sim.trigger(trigger).unwrap()
    }

    pub fn faults(&self, faults: Faults) {
        self.sim.set_faults(faults).unwrap();
    }

    /// The ids of the reports in this state.
    pub fn reports_in(&self, state: &str) -> Vec<String> {
        self.sim.reports().into_iter().filter(|report| report.state == state).map(|report| report.id).collect()
    }

    /// The end of the log as it is now.
    pub fn mark(&self) -> Sequence {
        self.store.last_sequence()
    }

    /// Everything that the log has after `mark`.
    pub async fn since(&self, mark: Sequence) -> Vec<Event> {
        let stored = self.store.read_after(mark, 1_000).await.unwrap();
        stored.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
    }

    /// Waits until there are so many events after `mark`, and gives them with whatever came with them.
    pub async fn told(&self, mark: Sequence, count: u64) -> Vec<Event> {
        self.refresh().await;
        let mut tail = self.store.tail();
        let grown = timeout(DEADLINE, tail.wait_for(|last| last.0 >= mark.0 + count)).await;
        let events = self.since(mark).await;
        assert!(grown.is_ok(), "{count} events were to be told, not {:#?}", lines(&events));
        events
    }

    /// What was told after `mark` once everything was read anew: exactly these lines, in this order.
    pub async fn assert_told(&mut self, mark: Sequence, wanted: &[String], why: &str) {
        self.told(mark, wanted.len() as u64).await;
        self.read_all().await;
        assert_eq!(lines(&self.since(mark).await), wanted, "{why}");
    }

    /// The same in whatever order.
    pub async fn assert_told_in_any_order(&mut self, mark: Sequence, mut wanted: Vec<String>, why: &str) {
        self.told(mark, wanted.len() as u64).await;
        self.read_all().await;
        let mut told = lines(&self.since(mark).await);
        wanted.sort();
        told.sort();
        assert_eq!(told, wanted, "{why}");
    }

    /// Waits until every watch that stands has had a complete read that began after now: what those tell is in the log.
    pub async fn read_all(&mut self) {
        let now = Timestamp::now();
        self.refresh().await;
        let fresh = |status: &AccountStatus| {
            let standing = || status.watches.iter().filter(|watch| !is_once(&watch.name));
            standing().count() >= 3 && standing().all(|watch| watch.fresh_as_of > Some(now))
        };
        self.until("a read of everything", fresh).await;
    }

    /// Asks for a read of everything that stands in the plan; what has failed is tried again.
    pub async fn refresh(&self) {
        self.handle.refresh(&self.config.name, What::All).await.unwrap();
    }

    /// Asks for a read of one report.
    pub async fn refresh_report(&self, id: &str) {
        self.handle.refresh(&self.config.name, What::Report(id.to_owned())).await.unwrap();
    }

    pub async fn release(&self, scope: &str, ceiling: u64) -> Result<poller::Released, poller::HandleError> {
        self.handle.release(&self.config.name, scope, ceiling).await
    }

    /// Waits until so many more reads of `watch` have come to nothing.
    pub async fn fails(&mut self, watch: &str, times: u64) {
        for _ in 0..times {
            let before = self.failed(watch);
            self.refresh().await;
            while self.failed(watch) <= before {
                timeout(DEADLINE, self.status.changed()).await.expect("a read that fails").unwrap();
            }
        }
    }

    fn failed(&self, watch: &str) -> f64 {
        self.reads(watch, "failed") + self.reads(watch, "incomplete")
    }

    fn reads(&self, watch: &str, outcome: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "expensewire_reads_total");
        let has = |metric: &&prometheus::proto::Metric, key: &str, value: &str| {
            metric.get_label().iter().any(|label| label.name() == key && label.value() == value)
        };
        let metrics = family.into_iter().flat_map(|family| family.get_metric());
        let fitting = metrics.filter(|metric| has(metric, "watch", watch) && has(metric, "outcome", outcome));
        fitting.map(|metric| metric.get_counter().get_value()).sum()
    }

    /// How the account stands now.
    pub fn status(&self) -> AccountStatus {
        self.status.borrow().first().cloned().unwrap()
    }

    /// Waits until the status fits.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&AccountStatus) -> bool) -> AccountStatus {
        let first = self.status.wait_for(|accounts| accounts.first().is_some_and(&fits));
        let seen = timeout(DEADLINE, first).await.map(|seen| seen.unwrap()[0].clone());
        seen.unwrap_or_else(|_| panic!("no {what}: {:#?}", *self.status.borrow()))
    }

    /// Waits until a fault has struck.
    pub async fn until_struck(&self, fault: &str) {
        let struck = async {
            while self.sim.stats().faults_struck.get(fault).is_none_or(|times| *times == 0) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        timeout(DEADLINE, struck).await.unwrap();
    }

    /// Whether a person is told something with these words in it.
    pub fn notices(&self, words: &str) -> bool {
        self.status().notices.iter().any(|notice| notice.message.contains(words))
    }
}

/// What is read once and then gone: its name has an id in it, or says so.
fn is_once(name: &str) -> bool {
    name.ends_with(":by-id") || name.starts_with("report/")
}
