//! One account: what its parts share, and what may be forgotten by a restart.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event_model::{
    AccountName,
    status::{AccountStatus, ErrorStatus, WatchStatus},
};
use event_store::EventStore;
use expensify_client::{Client, ClientConfig};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    AccountConfig, Metrics, PollerError,
    error::{ReadError, chain},
    gate::AccountGate,
    handle::Commands,
    scribe::{ScribeConfig, Standing},
};

/// What the tasks of one account share.
pub(crate) struct Account {
    pub(crate) config: AccountConfig,
    pub(crate) client: Client,
    pub(crate) gate: AccountGate,
    pub(crate) store: EventStore,
    pub(crate) metrics: Metrics,
    pub(crate) commands: Commands,
    nudge: Arc<Notify>,
    stop: CancellationToken,
    memory: Mutex<Memory>,
}

/// What may be forgotten by a restart.
#[derive(Default)]
struct Memory {
    watches: Vec<WatchStatus>,
    standing: Standing,
    last_error: Option<ErrorStatus>,
    /// The last failure of each watch that still fails, so that a repeated one is not an alarm again.
    failing: BTreeMap<String, Failing>,
    /// Policies that cannot be read, with when they are tried together with the others again.
    unreadable: BTreeMap<String, Timestamp>,
    /// The upstream's template engine was asked about itself.
    examined: bool,
}

/// How a watch fails.
#[derive(Clone, PartialEq, Eq)]
struct Failing {
    message: String,
    /// It was refused again and again.
    stands: bool,
}

impl Account {
    /// Opens what is kept of the account's budget.
    pub(crate) async fn open(
        config: AccountConfig,
        store: &EventStore,
        metrics: &Metrics,
        nudge: &Arc<Notify>,
        commands: Commands,
        stop: &CancellationToken,
    ) -> Result<Self, PollerError> {
        let config = config.canonical();
        metrics.begin(&config.name);
        let gate = AccountGate::open(&config, store, metrics.clone(), Arc::clone(nudge), stop.clone())
            .await
            .map_err(|source| PollerError::Load { account: config.name.clone(), source })?;
        let client_config = ClientConfig {
            download_waits: config.download_waits.clone(),
            ..ClientConfig::new(config.endpoint.clone(), config.credentials.clone())
        };
        let client = Client::new(client_config, Arc::new(gate.clone()))
            .map_err(|source| PollerError::Client { account: config.name.clone(), source })?;
        Ok(Self {
            client,
            gate,
            store: store.clone(),
            metrics: metrics.clone(),
            commands,
            nudge: Arc::clone(nudge),
            stop: stop.clone(),
            memory: Mutex::default(),
            config,
        })
    }

    pub(crate) fn name(&self) -> &AccountName {
        &self.config.name
    }

    pub(crate) fn scribe_config(&self) -> ScribeConfig {
        ScribeConfig {
            account: self.name().clone(),
            domains: self.config.domains.clone(),
            policies: self.config.policies.clone(),
            history_days: self.config.history_days,
        }
    }

    /// Whether this process asks the upstream's template engine about itself for the first time; true only once.
    pub(crate) fn examines(&self) -> bool {
        !std::mem::replace(&mut self.memory().examined, true)
    }

    /// Policies that could not be read, and need not be tried together with the others before the time given.
    pub(crate) fn unreadable(&self) -> BTreeMap<String, Timestamp> {
        self.memory().unreadable.clone()
    }

    pub(crate) fn set_unreadable(&self, unreadable: BTreeMap<String, Timestamp>) {
        self.metrics.unreadable(self.name(), unreadable.len());
        self.memory().unreadable = unreadable;
    }

    pub(crate) fn status(&self) -> AccountStatus {
        let budget = self.gate.status();
        let memory = self.memory();
        AccountStatus {
            name: self.name().clone(),
            budget,
            watches: memory.watches.clone(),
            confirming: memory.standing.confirming,
            lost: memory.standing.lost.clone(),
            clock_offset_s: self.client.clock_offset().map(|offset| offset.as_secs_f64()),
            notices: memory.standing.notices.clone(),
            last_error: memory.last_error.clone(),
        }
    }

    /// Shows how it stands from now on.
    pub(crate) fn show(&self, standing: Standing, watches: Vec<WatchStatus>) {
        self.metrics.quarantined(self.name(), standing.lost.len());
        self.metrics.notices(self.name(), standing.notices.len());
        let mut memory = self.memory();
        (memory.standing, memory.watches) = (standing, watches);
        drop(memory);
        self.nudge.notify_one();
    }

    /// Ends when the account is stopped.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(crate) fn succeeded(&self, watch: &str) {
        let mut memory = self.memory();
        memory.failing.remove(watch);
        memory.last_error.take_if(|error| error.watch == watch);
    }

    /// Logged when it begins or changes; repetitions are only counted. `stands`: it was refused again and again, and does not
    /// pass by itself.
    pub(crate) fn failed(&self, watch: &str, error: &ReadError, stands: bool) {
        let message = chain(error);
        let mut memory = self.memory();
        let at = Timestamp::now();
        memory.last_error = Some(ErrorStatus { at, watch: watch.to_owned(), message: message.clone() });
        let now = Failing { message, stands };
        let before = memory.failing.insert(watch.to_owned(), now.clone());
        let (account, error) = (self.name(), now.message.as_str());
        if before.as_ref() == Some(&now) {
            debug!(%account, watch, error, "the read failed again");
        } else if stands {
            error!(%account, watch, error, "the upstream refuses; this needs a person");
        } else {
            warn!(%account, watch, error, "the read failed");
        }
    }

    /// What does not stand in the plan any more fails no more.
    pub(crate) fn forget_failures(&self, stands: impl Fn(&str) -> bool) {
        let mut memory = self.memory();
        memory.failing.retain(|watch, _| stands(watch));
        memory.last_error.take_if(|error| !stands(&error.watch));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Only whole values are put in; a panic elsewhere leaves none half made.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
