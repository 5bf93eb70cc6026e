//! The parts of the service as tasks, and what each is given.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use dispatcher::{DispatcherConfig, challenge::Challenger, guard::Guard};
use event_model::{
    AccountName, Spans, Subscription,
    status::{AccountStatus, BudgetStatus},
};
use event_store::{EventStore, Sealer};
use futures_util::future::BoxFuture;
use http_api::{Deps, Refresh, Released, TargetPolicy, Watching, WatchingRefusal};
use poller::{Handle, HandleError, What};
use prometheus::{IntCounterVec, Registry};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    gauges::Gauges,
    keeper::{self, Keeper},
    traces,
};
use crate::{
    config::{Account, Config},
    manager, pages,
};

/// The name of a part and how it ended.
pub type Ended = (&'static str, Result<()>);

/// What the parts are made of, and those that run.
pub struct Parts {
    config: Config,
    store: EventStore,
    sealer: Sealer,
    registry: Registry,
    stop: CancellationToken,
    /// Where the parts' spans go.
    spans: Spans,
    running: JoinSet<Ended>,
}

impl Parts {
    /// None runs yet.
    pub fn new(config: Config, store: EventStore, sealer: Sealer, registry: Registry, stop: CancellationToken) -> Self {
        Self { config, store, sealer, registry, stop, spans: Spans::default(), running: JoinSet::new() }
    }

    /// Starts each part; dropping the answer ends them all.
    pub fn spawn_all(mut self, listener: TcpListener) -> Result<JoinSet<Ended>> {
        let (sender, status) = watch::channel(self.config.accounts.iter().map(unread).collect());
        self.watch_store();
        self.spawn_tracer()?;
        let (events_appended, handle) = self.spawn_poller(sender)?;
        self.spawn_dispatcher(events_appended)?;
        self.spawn_api(listener, status, handle)?;
        self.spawn_store_metrics()?;
        self.spawn_keeper()?;
        self.spawn_watchdog();
        Ok(self.running)
    }

    fn watch_store(&mut self) {
        let (store, stop) = (self.store.clone(), self.stop.clone());
        self.running.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => ("store", Ok(())),
                () = store.poisoned() => ("store", Err(anyhow!("a write failed; it must be opened anew"))),
            }
        });
    }

    fn spawn_tracer(&mut self) -> Result<()> {
        let Some(config) = &self.config.traces else { return Ok(()) };
        let (spans, exporter) = traces::pair(config, &self.registry)?;
        self.spans = spans;
        let stop = self.stop.clone();
        self.running.spawn(async move {
            exporter.run(stop).await;
            ("exporter of traces", Ok(()))
        });
        Ok(())
    }

    fn spawn_poller(&mut self, status: watch::Sender<Vec<AccountStatus>>) -> Result<(IntCounterVec, Handle)> {
        let metrics = poller::Metrics::register(&self.registry)?;
        let events_appended = metrics.events_appended().clone();
        let names: Vec<AccountName> = self.config.accounts.iter().map(|account| account.name.clone()).collect();
        let (handle, inbox) = Handle::pair(&names);
        let accounts = self.config.accounts.iter().map(|account| account_config(account, &self.spans)).collect();
        let run = poller::run(accounts, self.store.clone(), metrics, status, inbox, self.stop.clone());
        self.running.spawn(async move { ("poller", run.await.map_err(Into::into)) });
        Ok((events_appended, handle))
    }

    fn spawn_dispatcher(&mut self, events_appended: IntCounterVec) -> Result<()> {
        let metrics = dispatcher::Metrics::register(&self.registry, events_appended)?;
        let settings = self.delivery_settings();
        let run = dispatcher::run(settings, self.store.clone(), self.sealer.clone(), metrics, self.stop.clone());
        self.running.spawn(async move { ("dispatcher", run.await.map_err(Into::into)) });
        Ok(())
    }

    fn delivery_settings(&self) -> DispatcherConfig {
        let delivery = &self.config.delivery;
        DispatcherConfig {
            timeout: delivery.timeout(),
            allow_http: delivery.allow_http,
            allow_cidrs: delivery.allow_cidrs.clone(),
            spans: self.spans.clone(),
            ..DispatcherConfig::default()
        }
    }

    fn spawn_api(
        &mut self,
        listener: TcpListener,
        accounts: watch::Receiver<Vec<AccountStatus>>,
        handle: Handle,
    ) -> Result<()> {
        let metrics = http_api::Metrics::register(&self.registry)?;
        let delivery = &self.config.delivery;
        let guard = Guard::new(delivery.allow_http, delivery.allow_cidrs.clone());
        let challenger = Challenger::new(&self.delivery_settings(), self.sealer.clone())?;
        let deps = Deps {
            store: self.store.clone(),
            sealer: self.sealer.clone(),
            accounts,
            watching: Arc::new(Watched(handle)),
            registry: self.registry.clone(),
            targets: Arc::new(Targets { guard, challenger }),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let stop = self.stop.clone();
        let front = |api| console::mount(api, pages::PAGES, stop);
        let run = http_api::serve_behind(listener, deps, metrics, self.stop.clone(), front);
        self.running.spawn(async move { ("API", run.await.map_err(Into::into)) });
        Ok(())
    }

    fn spawn_keeper(&mut self) -> Result<()> {
        let metrics = keeper::Metrics::register(&self.registry)?;
        let accounts = self.config.accounts.iter().map(|account| account.name.clone()).collect();
        let keeper = Keeper::new(self.store.clone(), self.config.retention.clone(), accounts, metrics);
        let stop = self.stop.clone();
        self.running.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = keeper.run() => {}
            }
            ("keeper of the log", Ok(()))
        });
        Ok(())
    }

    fn spawn_store_metrics(&mut self) -> Result<()> {
        #[cfg(target_os = "linux")]
        self.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let gauges = Gauges::register(&self.registry)?;
        let run = gauges.keep(self.store.clone(), self.config.store.path.clone());
        let stop = self.stop.clone();
        self.running.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = run => {}
            }
            ("store metrics", Ok(()))
        });
        Ok(())
    }

    fn spawn_watchdog(&mut self) {
        let (store, stop) = (self.store.clone(), self.stop.clone());
        self.running.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = manager::feed_watchdog(store) => {}
            }
            ("watchdog", Ok(()))
        });
    }
}

/// An account that nothing is known of yet but that it is configured, so that the API knows its name from the first moment.
fn unread(account: &Account) -> AccountStatus {
    let share = account.budget.share;
    AccountStatus {
        name: account.name.clone(),
        budget: BudgetStatus {
            windows: Vec::new(),
            share,
            configured_share: share,
            last_limited_at: None,
            next_start_at: None,
        },
        watches: Vec::new(),
        confirming: 0,
        lost: Vec::new(),
        clock_offset_s: None,
        notices: Vec::new(),
        last_error: None,
    }
}

/// What the poller is told of an account.
pub(crate) fn account_config(account: &Account, spans: &Spans) -> poller::AccountConfig {
    poller::AccountConfig {
        name: account.name.clone(),
        endpoint: account.endpoint.clone(),
        credentials: expensify_client::Credentials::new(
            account.partner_user_id.clone(),
            account.partner_user_secret.clone(),
        ),
        domains: account.domains.clone(),
        policies: account.policies.clone(),
        history_days: account.history_days,
        budget: poller::BudgetConfig {
            per_10s: account.budget.per_10s,
            per_60s: account.budget.per_60s,
            share: account.budget.share,
        },
        download_waits: expensify_client::DOWNLOAD_WAITS.to_vec(),
        spans: spans.clone(),
    }
}

/// What the dispatcher says of an endpoint, as the API asks it at registration.
struct Targets {
    guard: Guard,
    challenger: Challenger,
}

impl TargetPolicy for Targets {
    fn check<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move { self.guard.check(url).await.map_err(|refusal| refusal.to_string()) })
    }

    fn challenge<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move { self.challenger.ask(subscription).await.map_err(|failure| failure.to_string()) })
    }
}

/// The poller, as the API asks it.
struct Watched(Handle);

impl Watching for Watched {
    fn refresh<'a>(&'a self, account: &'a AccountName, what: Refresh) -> BoxFuture<'a, Result<(), WatchingRefusal>> {
        let what = match what {
            Refresh::All => What::All,
            Refresh::Report(id) => What::Report(id),
        };
        Box::pin(async move { self.0.refresh(account, what).await.map_err(refusal) })
    }

    fn release<'a>(
        &'a self,
        account: &'a AccountName,
        scope: &'a str,
        ceiling: u64,
    ) -> BoxFuture<'a, Result<Released, WatchingRefusal>> {
        Box::pin(async move {
            let released = self.0.release(account, scope, ceiling).await.map_err(refusal)?;
            Ok(Released { removed: released.removed, confirming: released.confirming })
        })
    }
}

fn refusal(error: HandleError) -> WatchingRefusal {
    match error {
        HandleError::UnknownAccount => WatchingRefusal::UnknownAccount,
        HandleError::Busy => WatchingRefusal::Busy,
        HandleError::Stopped => WatchingRefusal::Stopped,
        HandleError::NotWithheld { .. } => WatchingRefusal::NotWithheld,
        HandleError::OverCeiling { missing, .. } => WatchingRefusal::OverCeiling { missing },
    }
}
