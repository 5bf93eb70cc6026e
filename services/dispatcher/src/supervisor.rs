//! Keeps one courier running for each active subscription: a reconciler over the table of subscriptions, run on a timer
//! and whenever the table changes or a courier ends. It is idempotent; what it missed it finds the next time.

mod replays;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use event_model::{
    Sequence, Subscription, SubscriptionId,
    delivery::{ERRANDS, Progress},
};
use event_store::{Durability, StoreError, Table, TableName};
use jiff::Timestamp;
use tokio::{
    task::{self, JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::replays::Replays;
use crate::{
    courier::{Courier, is_dead},
    error::CourierError,
    feed::Bell,
    shared::Shared,
    threads::Threads,
};

/// Pause between two publications of where couriers stand, and two looks for couriers whose backoff is over.
const TICK: Duration = Duration::from_secs(1);
/// Pause between two reconciliations that nothing asked for.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(30);
/// A reconciliation that something asked for waits so many times as long as the last one took: however many subscriptions
/// are made one by one, looking them all through takes a tenth of a processor.
const RECONCILE_SHARE: u32 = 9;
/// Sleeping couriers that look up in one tick.
const SWEEP_BATCH: usize = 200;
/// Records removed at once when a subscription is gone.
const FORGET_BATCH: usize = 256;
/// Pause after a courier's first failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest such pause: a store that works again is found out within it.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// A courier that ran for longer has recovered: its next failure counts as the first.
const RECOVERED_AFTER: Duration = Duration::from_secs(120);
/// Pause between two counts of the dead letters, which others may resend or remove.
const RECOUNT_INTERVAL: Duration = Duration::from_secs(30);
/// How long all couriers may take to stop; longer than their own grace. What is not done by then is abandoned.
const STOP_BOUND: Duration = Duration::from_millis(2_500);

type Ended = (SubscriptionId, Result<(), CourierError>);

struct Running {
    subscription: Arc<Subscription>,
    bell: Arc<Bell>,
    stop: CancellationToken,
    since: Instant,
}

/// When a courier that failed may start again.
struct Backoff {
    failures: u32,
    until: Instant,
}

pub(crate) struct Supervisor<'a> {
    shared: Arc<Shared>,
    threads: &'a Threads,
    errands: Table<Timestamp>,
    stop: CancellationToken,
    couriers: JoinSet<Ended>,
    replays: Replays<'a>,
    /// A panic tells the task's id, not the subscription's.
    by_task: HashMap<task::Id, SubscriptionId>,
    running: BTreeMap<SubscriptionId, Running>,
    backoffs: HashMap<SubscriptionId, Backoff>,
    /// Subscriptions seen whose traces are to be removed once they are gone.
    known: BTreeSet<SubscriptionId>,
    /// The last courier of the sweep under way.
    swept: Option<SubscriptionId>,
    /// The end of the log when the last sweep ended.
    swept_to: Sequence,
    reconciled_at: Option<Instant>,
    recounted_at: Option<Instant>,
}

impl<'a> Supervisor<'a> {
    pub(crate) fn new(shared: Arc<Shared>, threads: &'a Threads, stop: CancellationToken) -> Self {
        Self {
            errands: shared.store.table(TableName::Service),
            replays: Replays::new(&shared, threads),
            shared,
            threads,
            stop,
            couriers: JoinSet::new(),
            by_task: HashMap::new(),
            running: BTreeMap::new(),
            swept: None,
            swept_to: Sequence::START,
            backoffs: HashMap::new(),
            known: BTreeSet::new(),
            reconciled_at: None,
            recounted_at: None,
        }
    }

    /// Runs until `stop`; then within [`STOP_BOUND`] and a moment.
    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        self.find_left_behind().await?;
        let mut changes = self.shared.subscriptions.changes();
        let mut errands = self.errands.changes();
        let mut replays = self.replays.changes();
        let mut timer = interval(TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut asked, mut may_reconcile_at) = (true, Instant::now());
        loop {
            let reconcile = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(ended) = self.couriers.join_next_with_id() => {
                    self.courier_ended(ended);
                    asked = true;
                    continue;
                }
                Some(()) = self.replays.next_ended() => {
                    asked = true;
                    continue;
                }
                () = sleep_until(may_reconcile_at), if asked => true,
                Ok(()) = replays.changed(), if !asked => {
                    asked = true;
                    continue;
                }
                Ok(()) = changes.changed(), if !asked => {
                    asked = true;
                    continue;
                }
                Ok(()) = errands.changed() => {
                    self.run_errands().await;
                    continue;
                }
                _ = timer.tick() => {
                    self.publish().await;
                    self.sweep();
                    self.is_reconciliation_due()
                }
            };
            if reconcile {
                let began = Instant::now();
                if let Err(failed) = self.reconcile().await {
                    error!(error = &failed as &dyn std::error::Error, "could not reconcile the subscriptions");
                }
                (asked, may_reconcile_at) = (false, Instant::now() + began.elapsed() * RECONCILE_SHARE);
            }
        }
        self.wind_down().await;
        Ok(())
    }

    /// Rings for each courier that people asked something of.
    async fn run_errands(&mut self) {
        let done = async {
            let errands = self.errands.list(ERRANDS).await?;
            for (key, _) in &errands {
                let id = key.strip_prefix(ERRANDS).and_then(|id| id.parse::<SubscriptionId>().ok());
                if let Some(running) = id.and_then(|id| self.running.get(&id)) {
                    running.bell.ring_for_errand();
                }
            }
            // One that does not run looks for itself when it starts.
            let done = errands.into_iter().map(|(key, _)| (key, None)).collect();
            self.errands.apply(done, Durability::Relaxed).await
        };
        if let Err(failed) = done.await {
            error!(error = &failed as &dyn std::error::Error, "could not look for what people asked for");
        }
    }

    /// Subscriptions deleted while nothing ran are known by what was kept of them.
    async fn find_left_behind(&mut self) -> Result<(), StoreError> {
        let table = self.shared.store.table::<Progress>(TableName::Progress);
        let progress = table.list("").await?.into_iter().map(|(id, _)| id);
        self.known.extend(progress.filter_map(|id| id.parse::<SubscriptionId>().ok()));
        // A kill in the midst of a deletion may leave these alone.
        let pending = self.shared.pending.list("").await?.into_iter().map(|(_, record)| record.subscription);
        self.known.extend(pending);
        Ok(())
    }

    fn is_reconciliation_due(&self) -> bool {
        let now = Instant::now();
        let waited =
            |(id, backoff): (&SubscriptionId, &Backoff)| backoff.until <= now && !self.running.contains_key(id);
        self.reconciled_at.is_none_or(|at| at + RECONCILE_INTERVAL <= now)
            || self.replays.is_due()
            || self.backoffs.iter().any(waited)
    }

    async fn reconcile(&mut self) -> Result<(), StoreError> {
        self.reconciled_at = Some(Instant::now());
        let listed = self.shared.subscriptions.list("").await?;
        let wanted: BTreeMap<SubscriptionId, Subscription> =
            listed.into_iter().map(|(_, subscription)| (subscription.id.clone(), subscription)).collect();
        self.shared.metrics.count_statuses(wanted.values().map(|subscription| &subscription.status));
        let now = Timestamp::now();
        for (id, running) in &self.running {
            if wanted.get(id) != Some(&*running.subscription) || running.subscription.has_lapsed(now) {
                running.stop.cancel();
            }
        }
        self.forget_the_gone(&wanted).await?;
        self.replays.reconcile(&wanted, &self.stop).await?;
        for (id, subscription) in wanted {
            self.known.insert(id.clone());
            if !subscription.delivers(now) {
                self.backoffs.remove(&id);
                continue;
            }
            let held_back = self.backoffs.get(&id).is_some_and(|backoff| backoff.until > Instant::now());
            if !held_back && !self.running.contains_key(&id) {
                self.start(subscription);
            }
        }
        Ok(())
    }

    fn start(&mut self, subscription: Subscription) {
        let (subscription, stop) = (Arc::new(subscription), self.stop.child_token());
        let id = subscription.id.clone();
        let (bell, lane) = Courier::prepare(&self.shared, &subscription);
        let courier = Courier::run(Arc::clone(&self.shared), Arc::clone(&subscription), lane, stop.clone());
        let (name, lapses) = (id.clone(), subscription.owner.as_ref().and_then(|owner| owner.until));
        let stopping = stop.clone();
        let couriers = &mut self.couriers;
        let task = match lapses {
            None => self.threads.spawn(async move { (name, courier.await) }, couriers),
            Some(at) => self.threads.spawn(async move { (name, until_lapsed(courier, at, stopping).await) }, couriers),
        };
        self.by_task.insert(task.id(), id.clone());
        self.running.insert(id, Running { subscription, bell, stop, since: Instant::now() });
    }

    fn courier_ended(&mut self, ended: Result<(task::Id, Ended), JoinError>) {
        let (task, failure) = match ended {
            Ok((task, (_, Ok(())))) => (task, None),
            Ok((task, (_, Err(error)))) => (task, Some(describe(&error))),
            Err(error) => (error.id(), Some(error.to_string())),
        };
        let Some(id) = self.by_task.remove(&task) else { return };
        let ran = self.running.remove(&id).map(|running| running.since.elapsed());
        match failure {
            None => drop(self.backoffs.remove(&id)),
            Some(why) => self.back_off(id, &why, ran.unwrap_or_default()),
        }
    }

    fn back_off(&mut self, id: SubscriptionId, why: &str, ran: Duration) {
        let known = self.backoffs.get(&id).filter(|_| ran < RECOVERED_AFTER);
        let failures = known.map_or(0, |backoff| backoff.failures) + 1;
        let pause = FIRST_BACKOFF.saturating_mul(1 << (failures - 1).min(16)).min(MAX_BACKOFF);
        error!(subscription = %id, why, failures, ?pause, "delivery stopped; it starts again after a pause");
        self.backoffs.insert(id, Backoff { failures, until: Instant::now() + pause });
    }

    /// Removes what is kept of subscriptions that are gone, once nothing runs for them.
    async fn forget_the_gone(&mut self, wanted: &BTreeMap<SubscriptionId, Subscription>) -> Result<(), StoreError> {
        let gone = self.known.iter().filter(|id| !wanted.contains_key(id) && !self.running.contains_key(id));
        for id in gone.cloned().collect::<Vec<_>>() {
            let pending = self.shared.pending.list(&format!("{id}/")).await?;
            for batch in pending.chunks(FORGET_BATCH) {
                let deletions = batch.iter().map(|(key, _)| (key.clone(), None)).collect();
                self.shared.pending.apply(deletions, Durability::Relaxed).await?;
            }
            self.shared.scribe.forget(id.as_str()).await?;
            self.shared.boards.remove(&id, &self.shared.metrics);
            self.backoffs.remove(&id);
            self.known.remove(&id);
            info!(subscription = %id, "the subscription is gone, and what was kept for it");
        }
        Ok(())
    }

    /// Lets couriers who sleep see how far the log has gone on without them, some at a time, so that the cursors that people
    /// and retention see do not stay behind for what nobody wanted.
    fn sweep(&mut self) {
        let last = self.shared.store.last_sequence();
        if self.swept_to == last && self.swept.is_none() {
            return;
        }
        let from = self.swept.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut next = None;
        for (id, running) in self.running.range((from, Bound::Unbounded)).take(SWEEP_BATCH) {
            running.bell.ring();
            next = Some(id.clone());
        }
        match next {
            Some(id) => self.swept = Some(id),
            None => self.swept_to = last,
        }
    }

    async fn publish(&mut self) {
        let shared = &self.shared;
        shared.boards.publish(&shared.metrics, shared.store.last_sequence(), Timestamp::now());
        if self.recounted_at.is_some_and(|at| at.elapsed() < RECOUNT_INTERVAL) {
            return;
        }
        self.recounted_at = Some(Instant::now());
        match shared.pending.list("").await {
            Ok(pending) => {
                let dead = pending.iter().filter(|(_, record)| is_dead(record)).count();
                shared.metrics.dead_letters.set(i64::try_from(dead).unwrap_or(i64::MAX));
            }
            Err(failed) => {
                warn!(error = &failed as &dyn std::error::Error, "could not count the dead letters");
            }
        }
    }

    async fn wind_down(&mut self) {
        // Their tokens are children of ours: they have been told.
        let all_stopped = async {
            while let Some(ended) = self.couriers.join_next().await {
                match ended {
                    Ok((_, Ok(()))) => {}
                    Ok((id, Err(error))) => {
                        error!(subscription = %id, why = describe(&error), "could not stop in order")
                    }
                    Err(error) => error!(%error, "a courier ended badly"),
                }
            }
            self.replays.stopped().await;
        };
        if timeout(STOP_BOUND, all_stopped).await.is_err() {
            warn!(left = self.couriers.len(), "couriers took too long to stop: abandoned");
        }
        self.couriers.shutdown().await;
        self.replays.abandon().await;
    }
}

/// Runs a courier to its end, and stops it when the key of its owner expires. Should the clock be set meanwhile, the next
/// reconciliation puts it right.
async fn until_lapsed(
    courier: impl Future<Output = Result<(), CourierError>>,
    at: Timestamp,
    stop: CancellationToken,
) -> Result<(), CourierError> {
    let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
    let mut courier = std::pin::pin!(courier);
    tokio::select! {
        ended = courier.as_mut() => ended,
        () = sleep(left) => {
            info!("a subscription pauses: the key of its owner has expired");
            stop.cancel();
            courier.await
        }
    }
}

/// An error and its causes in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use event_store::{EventStore, Sealer, StoreConfig};

    use super::*;
    use crate::{DispatcherConfig, Metrics, metrics::some_counter};

    fn supervisor(store: EventStore, threads: &Threads) -> Supervisor<'_> {
        let metrics = Metrics::register(&prometheus::Registry::new(), some_counter()).expect("metrics");
        let shared = Shared::new(DispatcherConfig::default(), store, Sealer::new([7; 32]), metrics).expect("shared");
        Supervisor::new(Arc::new(shared), threads, CancellationToken::new())
    }

    #[tokio::test]
    async fn a_courier_that_panics_is_held_back_ever_longer_and_then_taken_up_again() {
        let directory = tempfile::tempdir().expect("directory");
        let (store, threads) =
            (EventStore::open(&StoreConfig::at(directory.path())), Threads::start().expect("threads"));
        let mut supervisor = supervisor(store.expect("store"), &threads);
        let id = SubscriptionId::from_unique("1").expect("id");
        for (failures, pause_s) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60)] {
            let task = threads.spawn(async { panic!("of a courier") }, &mut supervisor.couriers);
            supervisor.by_task.insert(task.id(), id.clone());
            let ended = supervisor.couriers.join_next_with_id().await.expect("one runs");
            let now = Instant::now();
            supervisor.courier_ended(ended);
            let backoff = supervisor.backoffs.get_mut(&id).expect("held back");
            assert_eq!(backoff.failures, failures);
            assert!(backoff.until >= now + Duration::from_secs(pause_s), "{failures}");
            backoff.until = now;
            assert!(supervisor.is_reconciliation_due(), "the pause is over");
        }
        assert!(supervisor.by_task.is_empty());
    }
}
