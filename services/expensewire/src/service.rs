//! The service, composed: store, poller, dispatcher and API, started in this order, watched, and drained.
//!
//! Each part is a task. None of them ends before it is told to; one that does takes the others with it, and the process
//! ends with an error that names it, so that whoever supervises the process starts it afresh. Stopping takes at most
//! [`STOP_LIMIT`], clients connected or not.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use dispatcher::{DispatcherConfig, guard::Guard};
use event_model::status::AccountStatus;
use event_store::{EventStore, Sealer};
use futures_util::future::BoxFuture;
use http_api::{Deps, TargetPolicy};
use prometheus::{IntGauge, Registry};
use secrecy::ExposeSecret;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::{Account, Config, sealing};

/// From the wish to stop to the end of every part; the store's last flush comes on top, bounded by [`CLOSE_LIMIT`].
const STOP_LIMIT: Duration = Duration::from_secs(4);
/// The store's last flush.
const CLOSE_LIMIT: Duration = Duration::from_millis(900);
/// How often the store's size and end are put into the metrics.
const STORE_METRICS_EVERY: Duration = Duration::from_secs(2);

/// The running service.
pub struct Service {
    address: SocketAddr,
    new_admin_key: Option<String>,
    store: EventStore,
    parts: JoinSet<(&'static str, Result<()>)>,
    stop: CancellationToken,
}

impl Service {
    /// Starts everything that `config` says. When this returns the API answers.
    ///
    /// # Errors
    /// What could not be opened or bound; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self> {
        let listener = TcpListener::bind(config.server.listen)
            .await
            .with_context(|| format!("listening on {} (server.listen)", config.server.listen))?;
        let address = listener.local_addr().context("the address listened on")?;
        let store = open_store(&config).await?;
        let sealer = Sealer::new(sealing::load_or_create(&config.security.sealing_key_path)?);
        let configured_key = config.security.admin_key.as_ref().map(ExposeSecret::expose_secret);
        let new_admin_key = http_api::ensure_admin_key(&store, configured_key).await.context("the admin key")?;

        let registry = Registry::new();
        let (status_sender, status) = watch::channel(Vec::new());
        let stop = CancellationToken::new();
        let mut parts = JoinSet::new();
        spawn_poller(&mut parts, &config, &store, &registry, status_sender, &stop)?;
        spawn_dispatcher(&mut parts, &config, &store, &sealer, &registry, &stop)?;
        spawn_api(&mut parts, listener, &config, (&store, &sealer), (&registry, status), &stop)?;
        spawn_store_metrics(&mut parts, &store, &registry, &stop)?;
        tracing::info!(%address, accounts = config.accounts.len(), "expensewire is up");
        Ok(Self { address, new_admin_key, store, parts, stop })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin key that was made by this start, to be shown once; `None` when there was one.
    pub fn new_admin_key(&self) -> Option<&str> {
        self.new_admin_key.as_deref()
    }

    /// Runs until `asked` to stop, then drains.
    ///
    /// # Errors
    /// A part that ended by itself, or did not end in time.
    pub async fn run_until(mut self, asked: impl Future<Output = ()>) -> Result<()> {
        let ended_early = tokio::select! {
            () = asked => None,
            Some(ended) = self.parts.join_next() => Some(ended),
        };
        tracing::info!("stopping");
        self.stop.cancel();
        let drained = timeout(STOP_LIMIT, drain(&mut self.parts)).await;
        self.parts.abort_all();
        let closed = timeout(CLOSE_LIMIT, self.store.close()).await;
        match ended_early {
            Some(Ok((name, Ok(())))) => return Err(anyhow!("the {name} ended without being asked to")),
            Some(Ok((name, Err(error)))) => return Err(error.context(format!("the {name} failed"))),
            Some(Err(panic)) => return Err(anyhow!(panic).context("a part of the service panicked")),
            None => {}
        }
        drained.map_err(|_| anyhow!("a part of the service did not stop within {STOP_LIMIT:?}"))??;
        closed.map_err(|_| anyhow!("the store did not close within {CLOSE_LIMIT:?}"))?.context("closing the store")
    }
}

async fn drain(parts: &mut JoinSet<(&'static str, Result<()>)>) -> Result<()> {
    while let Some(ended) = parts.join_next().await {
        let (name, outcome) = ended.context("a part of the service panicked while stopping")?;
        outcome.with_context(|| format!("the {name} failed while stopping"))?;
    }
    Ok(())
}

async fn open_store(config: &Config) -> Result<EventStore> {
    let store = event_store::StoreConfig::at(&config.store.path);
    let opened = tokio::task::spawn_blocking(move || EventStore::open(&store)).await.context("opening the store")?;
    opened.with_context(|| format!("opening the store at {} (store.path)", config.store.path.display()))
}

fn spawn_poller(
    parts: &mut JoinSet<(&'static str, Result<()>)>,
    config: &Config,
    store: &EventStore,
    registry: &Registry,
    status: watch::Sender<Vec<AccountStatus>>,
    stop: &CancellationToken,
) -> Result<()> {
    let metrics = poller::Metrics::register(registry)?;
    let accounts = config.accounts.iter().map(account_config).collect();
    let run = poller::run(accounts, store.clone(), metrics, status, stop.clone());
    parts.spawn(async move { ("poller", run.await.map_err(Into::into)) });
    Ok(())
}

fn account_config(account: &Account) -> poller::AccountConfig {
    poller::AccountConfig {
        name: account.name.clone(),
        endpoint: account.endpoint.clone(),
        credentials: expensify_client::Credentials {
            partner_user_id: account.partner_user_id.clone(),
            partner_user_secret: account.partner_user_secret.clone(),
        },
        domains: account.domains.clone(),
        policies: account.policies.clone(),
        history_days: account.history_days,
        budget: poller::BudgetConfig {
            per_10s: account.budget.per_10s,
            per_60s: account.budget.per_60s,
            share: account.budget.share,
        },
    }
}

fn spawn_dispatcher(
    parts: &mut JoinSet<(&'static str, Result<()>)>,
    config: &Config,
    store: &EventStore,
    sealer: &Sealer,
    registry: &Registry,
    stop: &CancellationToken,
) -> Result<()> {
    let metrics = dispatcher::Metrics::register(registry)?;
    let settings = DispatcherConfig {
        timeout: Duration::from_secs(u64::from(config.delivery.timeout_s)),
        allow_http: config.delivery.allow_http,
        allow_cidrs: config.delivery.allow_cidrs.clone(),
        ..DispatcherConfig::default()
    };
    let run = dispatcher::run(settings, store.clone(), sealer.clone(), metrics, stop.clone());
    parts.spawn(async move { ("dispatcher", run.await.map_err(Into::into)) });
    Ok(())
}

fn spawn_api(
    parts: &mut JoinSet<(&'static str, Result<()>)>,
    listener: TcpListener,
    config: &Config,
    (store, sealer): (&EventStore, &Sealer),
    (registry, accounts): (&Registry, watch::Receiver<Vec<AccountStatus>>),
    stop: &CancellationToken,
) -> Result<()> {
    let metrics = http_api::Metrics::register(registry)?;
    let deps = Deps {
        store: store.clone(),
        sealer: sealer.clone(),
        accounts,
        registry: registry.clone(),
        targets: Arc::new(Targets(Guard::new(config.delivery.allow_http, config.delivery.allow_cidrs.clone()))),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let run = http_api::serve(listener, deps, metrics, stop.clone());
    parts.spawn(async move { ("API", run.await.map_err(Into::into)) });
    Ok(())
}

/// The dispatcher's guard, as the API asks it at registration.
struct Targets(Guard);

impl TargetPolicy for Targets {
    fn check<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move { self.0.check(url).await.map_err(|refusal| refusal.to_string()) })
    }
}

fn spawn_store_metrics(
    parts: &mut JoinSet<(&'static str, Result<()>)>,
    store: &EventStore,
    registry: &Registry,
    stop: &CancellationToken,
) -> Result<()> {
    let last = IntGauge::new("expensewire_log_last_sequence", "Sequence of the last durable event.")?;
    let bytes = IntGauge::new("expensewire_store_bytes", "Bytes that the store takes on disk.")?;
    registry.register(Box::new(last.clone()))?;
    registry.register(Box::new(bytes.clone()))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let (store, stop) = (store.clone(), stop.clone());
    parts.spawn(async move {
        let mut ticks = interval(STORE_METRICS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return ("store metrics", Ok(())),
                _ = ticks.tick() => {}
            }
            last.set(i64::try_from(store.last_sequence().0).unwrap_or(i64::MAX));
            bytes.set(i64::try_from(store.disk_bytes()).unwrap_or(i64::MAX));
        }
    });
    Ok(())
}
