//! The loop that plans and starts the reads of one account, and takes in how they ended.
//!
//! Reads run side by side and share the [`Scribe`], row by row; the plan holds one read of a watch at a time. What there is
//! to watch is asked of the scribe before each decision: absences, the calendar and the cost of exports change it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use change_engine::plan::{self, Decision, Ended, LONGEST_BACKOFF, Plan};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinSet,
};
use tracing::{Instrument, debug, info_span};

use crate::{
    account::Account,
    error::{AccountError, ReadError},
    gate,
    handle::{Command, HandleError, What},
    read::{self, Read},
    scribe::{Asked, ReleaseError, Scribe, Wanted, Watch},
    status, trace,
};

/// The calendar and due times are looked at again after so long, whatever the plan says.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// So many refusals in a row, seconds apart, and then one more: it stands until somebody changes something.
const REFUSALS_TO_BELIEVE: u32 = 2;
/// Single reports that wait to be read because somebody asked.
const MAX_REFRESHES: usize = 16;

/// An account that is being watched.
pub(crate) struct Shift {
    pub(crate) account: Arc<Account>,
    scribe: Mutex<Scribe>,
}

impl Shift {
    pub(crate) async fn scribe(&self) -> MutexGuard<'_, Scribe> {
        self.scribe.lock().await
    }
}

/// How a read ended.
struct ReadEnd {
    key: String,
    watch: Watch,
    result: Result<Read, ReadError>,
}

/// Watches `account` until it is stopped or something of ours fails.
pub(crate) async fn watch_account(account: Arc<Account>) -> Result<(), AccountError> {
    let mut scribe = Scribe::open(&account.store, account.scribe_config()).await?;
    let (metrics, name) = (account.metrics.clone(), account.name().clone());
    let spans = account.config.spans.clone();
    scribe.listen(Box::new(move |events| {
        metrics.appended(&name, events);
        trace::events(&spans, events);
    }));
    let shift = Arc::new(Shift { account: Arc::clone(&account), scribe: Mutex::new(scribe) });
    let mut planner = Planner::new(shift);
    let ended = tokio::select! {
        biased;
        () = account.stopped() => Ok(()),
        source = account.gate.keep() => Err(AccountError::Store(source)),
        ended = planner.run() => ended,
    };
    // Requests under way are dropped here; their slots stay held.
    planner.reads.shutdown().await;
    ended
}

struct Planner {
    shift: Arc<Shift>,
    plan: Plan<String>,
    /// Every watch that stands in the plan or is being read, by name.
    watches: BTreeMap<String, Watch>,
    in_flight: BTreeSet<String>,
    reads: JoinSet<ReadEnd>,
}

impl Planner {
    fn new(shift: Arc<Shift>) -> Self {
        let plan = Plan::new(plan::pace(shift.account.gate.limits()));
        Self { shift, plan, watches: BTreeMap::new(), in_flight: BTreeSet::new(), reads: JoinSet::new() }
    }

    async fn run(&mut self) -> Result<(), AccountError> {
        let shift = Arc::clone(&self.shift);
        let clock = shift.account.gate.clock();
        let mut commands = shift.account.commands.lock().await;
        loop {
            self.reconcile().await;
            let wait = match self.plan.decide(clock.now()) {
                Decision::Start(key) => {
                    self.start(key).await;
                    continue;
                }
                Decision::WaitUntil(at) => clock.until(at).min(LONGEST_WAIT),
                Decision::WaitForEnd => LONGEST_WAIT,
            };
            tokio::select! {
                Some(joined) = self.reads.join_next() => {
                    let end = joined.map_err(AccountError::Panicked)?;
                    self.fold(end).await?;
                }
                Some(command) = commands.recv() => self.obey(command).await?,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Brings the plan to what is to be watched now, and shows it.
    async fn reconcile(&mut self) {
        let (account, now) = (Arc::clone(&self.shift.account), self.shift.account.gate.clock().now());
        let mut scribe = self.shift.scribe().await;
        if let Some(offset) = account.client.clock_offset() {
            scribe.set_clock_offset(offset);
        }
        let wanted = scribe.wanted(now);
        let standing = scribe.standing();
        drop(scribe);
        let names: BTreeSet<String> = wanted.iter().map(|wanted| wanted.watch.name()).collect();
        let stays = |name: &String, watch: &Watch| names.contains(name) || matches!(watch, Watch::Report(_));
        let gone = self.watches.iter().filter(|(name, watch)| !stays(name, watch)).map(|(name, _)| name.clone());
        for name in gone.collect::<Vec<_>>() {
            self.plan.remove(&name);
            if !self.in_flight.contains(&name) {
                self.watches.remove(&name);
            }
        }
        wanted.into_iter().for_each(|wanted| self.put(wanted));
        self.plan.set_pace(plan::pace(account.gate.limits()));
        account.forget_failures(|name| self.watches.contains_key(name));
        let watches = status::watches(&self.plan.explain(now), &standing);
        account.show(standing, watches);
    }

    fn put(&mut self, Wanted { watch, spec, once }: Wanted) {
        let name = watch.name();
        let (cost, is_once) = (spec.cost, watch.is_once());
        // Asked for again while it is read: what that read leaves is asked for when it has ended.
        let due = once.filter(|_| !is_once || !self.in_flight.contains(&name));
        if !is_once {
            self.plan.put(name.clone(), spec);
        }
        if let Some(due) = due {
            self.plan.hurry(name.clone(), cost, due);
        }
        self.watches.insert(name, watch);
    }

    async fn start(&mut self, key: String) {
        let now = self.shift.account.gate.clock().now();
        let Some(watch) = self.watches.get(&key).cloned() else { return self.plan.remove(&key) };
        let Some(asked) = self.shift.scribe().await.ask(&watch, now) else { return self.plan.remove(&key) };
        self.plan.started(&key, now);
        self.in_flight.insert(key.clone());
        self.spawn(key, watch, asked);
    }

    fn spawn(&mut self, key: String, watch: Watch, asked: Asked) {
        let shift = Arc::clone(&self.shift);
        let span = info_span!("read", account = %shift.account.name(), watch = key);
        let read = async move {
            let started_at = Timestamp::now();
            let result = gate::timed(read::read(&shift, &watch, asked)).await;
            trace::read(&shift.account.config, &key, started_at, &result);
            ReadEnd { key, watch, result }
        };
        self.reads.spawn(read.instrument(span));
    }

    /// Takes in how a read ended. Only a failure of the store is the account's.
    async fn fold(&mut self, ReadEnd { key, watch, result }: ReadEnd) -> Result<(), AccountError> {
        let account = Arc::clone(&self.shift.account);
        let now = account.gate.clock().now();
        self.in_flight.remove(&key);
        let ended = match result {
            Ok(Read { ingested, requests, took, bytes, .. }) => {
                account.metrics.read_ended(account.name(), &watch.label(), "complete");
                let (entities, changes) = (ingested.entities, ingested.changes);
                debug!(account = %account.name(), watch = key, entities, changes, "read");
                account.succeeded(&key);
                let changes = u32::try_from(changes).unwrap_or(u32::MAX);
                Ended::Complete { requests, changes, took, bytes }
            }
            Err(ReadError::Store(source)) => return Err(AccountError::Store(source)),
            Err(error) => {
                account.metrics.read_ended(account.name(), &watch.label(), error.outcome());
                // One refusal may be a passing fault; what is refused again is left for a while.
                let refused_again = error.needs_a_person() && self.plan.failures(&key) >= REFUSALS_TO_BELIEVE;
                account.failed(&key, &error, refused_again);
                let at_least = if refused_again { LONGEST_BACKOFF } else { SignedDuration::ZERO };
                Ended::Failed { at_least }
            }
        };
        self.plan.ended(&key, ended, now, rand::random());
        if let Some(rate) = self.plan.rate(&key).cloned() {
            self.shift.scribe().await.learned(&watch, rate);
        }
        if !self.plan.contains(&key) {
            self.watches.remove(&key);
        }
        Ok(())
    }

    async fn obey(&mut self, command: Command) -> Result<(), AccountError> {
        match command {
            Command::Refresh(what, reply) => drop(reply.send(self.refresh(what))),
            Command::Release { scope, ceiling, reply } => {
                let now = self.shift.account.gate.clock().now();
                let released = self.shift.scribe().await.release(&scope, ceiling, now).await;
                let answer = match released {
                    Ok(released) => Ok(released),
                    Err(ReleaseError::NothingWithheld { scope }) => Err(HandleError::NotWithheld { scope }),
                    Err(ReleaseError::OverCeiling { missing, ceiling }) => {
                        Err(HandleError::OverCeiling { missing, ceiling })
                    }
                    Err(ReleaseError::Store(source)) => return Err(AccountError::Store(source)),
                };
                if answer.is_ok() {
                    self.refresh_scope(&scope);
                }
                drop(reply.send(answer));
            }
        }
        Ok(())
    }

    fn refresh(&mut self, what: What) -> Result<(), HandleError> {
        let now = self.shift.account.gate.clock().now();
        match what {
            What::All => {
                let standing = self.watches.values().filter(|watch| !watch.is_once());
                for watch in standing.cloned().collect::<Vec<_>>() {
                    self.plan.forgive(&watch.name());
                    self.plan.hurry(watch.name(), watch.cost(), now);
                }
            }
            What::Report(id) => {
                // In one spelling: it is known, and answered, by that.
                let watch = Watch::Report(expensify_client::report_id(&id));
                let waiting = self.watches.values().filter(|watch| matches!(watch, Watch::Report(_))).count();
                if waiting >= MAX_REFRESHES && !self.watches.contains_key(&watch.name()) {
                    return Err(HandleError::Busy);
                }
                self.plan.hurry(watch.name(), watch.cost(), now);
                self.watches.insert(watch.name(), watch);
            }
        }
        Ok(())
    }

    /// What was released is confirmed by the next read of its scope.
    fn refresh_scope(&mut self, scope: &str) {
        let now = self.shift.account.gate.clock().now();
        if let Some(watch) = self.watches.get(scope).filter(|watch| !watch.is_once()).cloned() {
            self.plan.hurry(watch.name(), watch.cost(), now);
        }
    }
}
