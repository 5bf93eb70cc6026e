//! One account: what its reads share, and the loop that plans and starts them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use change_engine::plan::{self, Decision, Ended, LONGEST_BACKOFF, Plan, WatchId};
use event_model::{
    AccountName, EntityState, Sequence,
    status::{AccountStatus, ErrorStatus, WatchStatus},
};
use event_store::{EventStore, StoreError, Table, TableName};
use expensify_client::{Client, ClientConfig, ClientError, Retry};
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info_span, warn};

use crate::{
    AccountConfig, Metrics, PollerError,
    error::{AccountError, ReadError, chain},
    gate::AccountGate,
    ingest::{self, Ingested, ingest},
    read,
    watch::{self, Watch, WatchRecord},
};

/// What the tasks of one account share.
pub(crate) struct Account {
    pub(crate) config: AccountConfig,
    pub(crate) client: Client,
    pub(crate) gate: AccountGate,
    pub(crate) store: EventStore,
    pub(crate) records: Table<WatchRecord>,
    pub(crate) metrics: Metrics,
    nudge: Arc<Notify>,
    stop: CancellationToken,
    memory: Mutex<Memory>,
}

/// What may be forgotten by a restart.
#[derive(Default)]
struct Memory {
    watches: Vec<WatchStatus>,
    last_error: Option<ErrorStatus>,
    /// The last failure of each watch that still fails, so that a repeated one is not an alarm again.
    failing: BTreeMap<String, String>,
    withheld: BTreeSet<String>,
    /// Policies that cannot be read, with when they are tried together with the others again.
    unreadable: BTreeMap<String, Timestamp>,
    /// The domain of each card as of an event of the log.
    card_domains: HashMap<String, (Sequence, Option<String>)>,
    /// The upstream's template engine was asked about itself.
    examined: bool,
}

/// How a read ended.
struct ReadEnd {
    id: WatchId,
    result: Result<(Ingested, u32), ReadError>,
}

impl Account {
    /// Opens what is kept of the account.
    pub(crate) async fn open(
        config: AccountConfig,
        store: &EventStore,
        metrics: &Metrics,
        nudge: &Arc<Notify>,
        stop: &CancellationToken,
    ) -> Result<Self, PollerError> {
        let config = config.canonical();
        metrics.quarantined(&config.name, 0);
        metrics.unreadable(&config.name, 0);
        let gate = AccountGate::open(&config, store, metrics.clone(), Arc::clone(nudge), stop.clone())
            .await
            .map_err(|source| PollerError::Load { account: config.name.clone(), source })?;
        let client_config = ClientConfig::new(config.endpoint.clone(), config.credentials.clone());
        let client = Client::new(client_config, Arc::new(gate.clone()))
            .map_err(|source| PollerError::Client { account: config.name.clone(), source })?;
        Ok(Self {
            client,
            gate,
            store: store.clone(),
            records: store.table(TableName::Watches),
            metrics: metrics.clone(),
            nudge: Arc::clone(nudge),
            stop: stop.clone(),
            memory: Mutex::default(),
            config,
        })
    }

    pub(crate) fn name(&self) -> &AccountName {
        &self.config.name
    }

    pub(crate) fn record_key(&self, watch: &Watch) -> String {
        format!("{}/{}", self.config.name, watch.name())
    }

    /// Whether the first sight of `watch` is complete: the log says so.
    pub(crate) async fn is_baselined(&self, watch: &Watch) -> Result<bool, StoreError> {
        Ok(self.store.entity(self.name(), &watch.scope()).await?.is_some())
    }

    /// The domain of a card as the log has it. Remembered, so that a card costs one look per event about it.
    pub(crate) async fn card_domain(&self, id: &str, state: &EntityState) -> Result<Option<String>, StoreError> {
        let remembered = self.memory().card_domains.get(id).cloned();
        if let Some((_, domain)) = remembered.filter(|(sequence, _)| *sequence == state.sequence) {
            return Ok(domain);
        }
        let object = ingest::load(self, state).await?.object;
        let domain = object.get("domain").and_then(|domain| domain.as_str()).map(str::to_owned);
        self.memory().card_domains.insert(id.to_owned(), (state.sequence, domain.clone()));
        Ok(domain)
    }

    /// Whether this is the first contact of this process with an account whose reports were never read; true only once.
    pub(crate) async fn is_first_contact(&self) -> Result<bool, StoreError> {
        let asked_before = std::mem::replace(&mut self.memory().examined, true);
        Ok(!asked_before && !self.is_baselined(&Watch::Reports).await?)
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
            last_error: memory.last_error.clone(),
        }
    }

    /// Ends when the account is stopped.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Only whole values are put in; a panic elsewhere leaves none half made.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches `account` until it is stopped or something of ours fails.
pub(crate) async fn watch_account(account: Arc<Account>) -> Result<(), AccountError> {
    let stop = account.stop.clone();
    let mut reads = JoinSet::new();
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        source = account.gate.keep() => Err(AccountError::Store(source)),
        ended = plan_and_read(&account, &mut reads) => ended,
    };
    // Requests under way are dropped here; their slots stay held.
    reads.shutdown().await;
    ended
}

async fn plan_and_read(account: &Arc<Account>, reads: &mut JoinSet<ReadEnd>) -> Result<(), AccountError> {
    let watches = Watch::all_of(&account.config);
    let (mut plan, mut entities) = load_plan(account, &watches).await?;
    loop {
        show(account, &watches, &plan, &entities);
        let clock = account.gate.clock();
        let wait = match plan.decide(clock.now()) {
            Decision::Start(id) => {
                plan.started(id, clock.now());
                start(account, reads, id, watches[id.0].clone());
                continue;
            }
            Decision::WaitUntil(at) => Some(clock.until(at)),
            Decision::WaitForEnd => None,
        };
        tokio::select! {
            Some(joined) = reads.join_next() => {
                let end = joined.map_err(AccountError::Panicked)?;
                let watch = &watches[end.id.0];
                let ended = fold(account, watch, end.result, &mut entities[end.id.0])?;
                plan.ended(end.id, ended, clock.now(), rand::random());
            }
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

async fn load_plan(account: &Account, watches: &[Watch]) -> Result<(Plan, Vec<Option<u64>>), StoreError> {
    let (mut planned, mut entities) = (Vec::new(), Vec::new());
    for watch in watches {
        let record = account.records.get(&account.record_key(watch)).await?.unwrap_or_default();
        planned.push(watch.planned(account.is_baselined(watch).await?, record.fresh_as_of));
        entities.push(record.entities);
    }
    Ok((Plan::new(planned, plan::pace(account.config.budget.limits())), entities))
}

fn start(account: &Arc<Account>, reads: &mut JoinSet<ReadEnd>, id: WatchId, watch: Watch) {
    let account = Arc::clone(account);
    let span = info_span!("read", account = %account.name(), watch = watch.name());
    let read = async move {
        let result = async {
            let observation = read::read(&account, &watch).await?;
            let ingested = ingest(&account, &watch, &observation).await?;
            Ok((ingested, observation.requests))
        };
        ReadEnd { id, result: result.await }
    };
    reads.spawn(read.instrument(span));
}

/// Takes in how a read ended. Only a failure of the store is the account's.
fn fold(
    account: &Account,
    watch: &Watch,
    result: Result<(Ingested, u32), ReadError>,
    entities: &mut Option<u64>,
) -> Result<Ended, AccountError> {
    let name = watch.name();
    match result {
        Ok((ingested, requests)) => {
            *entities = Some(ingested.entities);
            account.metrics.read_ended(account.name(), &name, "complete");
            debug!(account = %account.name(), watch = name, ingested.entities, ingested.events, "read");
            account.succeeded(&name, ingested.withheld);
            Ok(Ended::Complete { requests })
        }
        Err(ReadError::Store(source)) => Err(AccountError::Store(source)),
        Err(error) => {
            account.metrics.read_ended(account.name(), &name, error.outcome());
            account.failed(&name, &error);
            Ok(Ended::Failed { at_least: at_least(&error) })
        }
    }
}

impl Account {
    fn succeeded(&self, watch: &str, withheld: bool) {
        let mut memory = self.memory();
        memory.failing.remove(watch);
        memory.last_error.take_if(|error| error.watch == watch);
        match withheld {
            true => memory.withheld.insert(watch.to_owned()),
            false => memory.withheld.remove(watch),
        };
        self.metrics.quarantined(self.name(), memory.withheld.len());
    }

    /// Logged when it begins or changes; repetitions are only counted.
    fn failed(&self, watch: &str, error: &ReadError) {
        let message = chain(error);
        let mut memory = self.memory();
        let before = memory.failing.insert(watch.to_owned(), message.clone());
        let at = Timestamp::now();
        memory.last_error = Some(ErrorStatus { at, watch: watch.to_owned(), message: message.clone() });
        let account = self.name();
        if before.as_ref() == Some(&message) {
            debug!(%account, watch, error = message, "the read failed again");
        } else if needs_a_person(error) {
            error!(%account, watch, error = message, "the upstream refuses; this needs a person");
        } else {
            warn!(%account, watch, error = message, "the read failed");
        }
    }
}

/// A refusal stands until somebody changes the credential, its roles or our configuration.
fn needs_a_person(error: &ReadError) -> bool {
    matches!(error, ReadError::Client(error @ ClientError::Refused { .. }) if error.retry() == Retry::Never)
}

fn at_least(error: &ReadError) -> SignedDuration {
    if needs_a_person(error) { LONGEST_BACKOFF } else { SignedDuration::ZERO }
}

fn show(account: &Account, watches: &[Watch], plan: &Plan, entities: &[Option<u64>]) {
    let status = |(at, watch): (usize, &Watch)| {
        let id = WatchId(at);
        watch::status(watch, plan.watch(id), plan.failures(id), entities[at])
    };
    account.memory().watches = watches.iter().enumerate().map(status).collect();
    account.nudge.notify_one();
}

#[cfg(test)]
mod tests;
