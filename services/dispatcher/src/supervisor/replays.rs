//! Keeps one courier running for each replay that goes on, as long as its subscription delivers.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use event_model::{Replay, ReplayId, Subscription, SubscriptionId, replay::ReplayState};
use event_store::{Durability, StoreError, Table, TableName};
use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::describe;
use crate::{courier::Courier, error::CourierError, shared::Shared, threads::Threads};

/// Pause after a replay failed; its cursor and its records stand.
const PAUSE: Duration = Duration::from_secs(5);

type Ended = (ReplayId, Result<(), CourierError>);

struct Running {
    subscription: Arc<Subscription>,
    stop: CancellationToken,
}

pub(super) struct Replays<'a> {
    shared: Arc<Shared>,
    threads: &'a Threads,
    table: Table<Replay>,
    couriers: JoinSet<Ended>,
    by_task: HashMap<task::Id, ReplayId>,
    running: HashMap<ReplayId, Running>,
    held_back: HashMap<ReplayId, Instant>,
    /// Those that are over and left nothing behind.
    swept: HashSet<ReplayId>,
}

impl<'a> Replays<'a> {
    pub(super) fn new(shared: &Arc<Shared>, threads: &'a Threads) -> Self {
        Self {
            table: shared.store.table(TableName::Replays),
            shared: Arc::clone(shared),
            threads,
            couriers: JoinSet::new(),
            by_task: HashMap::new(),
            running: HashMap::new(),
            held_back: HashMap::new(),
            swept: HashSet::new(),
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.table.changes()
    }

    /// Waits until one has ended, and takes that in; `None` when none runs.
    pub(super) async fn next_ended(&mut self) -> Option<()> {
        let ended = self.couriers.join_next_with_id().await?;
        self.ended(ended);
        Some(())
    }

    fn ended(&mut self, ended: Result<(task::Id, Ended), JoinError>) {
        let (task, failure) = match ended {
            Ok((task, (_, Ok(())))) => (task, None),
            Ok((task, (_, Err(error)))) => (task, Some(describe(&error))),
            Err(error) => (error.id(), Some(error.to_string())),
        };
        let Some(id) = self.by_task.remove(&task) else { return };
        self.running.remove(&id);
        if let Some(why) = failure {
            error!(replay = %id, why, pause = ?PAUSE, "a replay stopped; it goes on after a pause");
            self.held_back.insert(id, Instant::now() + PAUSE);
        }
    }

    /// Whether one that failed may go on.
    pub(super) fn is_due(&self) -> bool {
        self.held_back.values().any(|until| *until <= Instant::now())
    }

    /// Starts and stops replays as the table and their subscriptions want it, and removes what is left of those whose
    /// subscription is gone.
    pub(super) async fn reconcile(
        &mut self,
        subscriptions: &BTreeMap<SubscriptionId, Subscription>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        self.held_back.retain(|_, until| *until > Instant::now());
        let listed: Vec<Replay> = self.table.list("").await?.into_iter().map(|(_, replay)| replay).collect();
        let goes_on: HashMap<&ReplayId, &Subscription> =
            listed.iter().filter_map(|replay| Some((&replay.id, wanted(replay, subscriptions)?))).collect();
        for (id, running) in &self.running {
            if goes_on.get(id).is_none_or(|subscription| **subscription != *running.subscription) {
                running.stop.cancel();
            }
        }
        for replay in &listed {
            if self.running.contains_key(&replay.id) {
                continue;
            }
            match goes_on.get(&replay.id) {
                Some(subscription) if !self.held_back.contains_key(&replay.id) => {
                    self.start(replay.clone(), (*subscription).clone(), stop);
                }
                Some(_) => {}
                None => self.sweep(replay, subscriptions.contains_key(&replay.subscription)).await?,
            }
        }
        Ok(())
    }

    fn start(&mut self, replay: Replay, subscription: Subscription, stop: &CancellationToken) {
        let (subscription, stop, id) = (Arc::new(subscription), stop.child_token(), replay.id.clone());
        info!(subscription = %subscription.id, replay = %id, "a replay goes on");
        let lane = Courier::prepare_replay(&self.shared, &subscription, replay);
        let courier = Courier::run(Arc::clone(&self.shared), Arc::clone(&subscription), lane, stop.clone());
        let name = id.clone();
        let task = self.threads.spawn(async move { (name, courier.await) }, &mut self.couriers);
        self.by_task.insert(task.id(), id.clone());
        self.running.insert(id, Running { subscription, stop });
    }

    /// Removes what was put off of a replay that is over, and all of it when its subscription is gone.
    async fn sweep(&mut self, replay: &Replay, has_subscription: bool) -> Result<(), StoreError> {
        let is_over = replay.state != ReplayState::Running;
        if has_subscription && (!is_over || self.swept.contains(&replay.id)) {
            return Ok(());
        }
        let left = self.shared.pending.list(&format!("{}/", replay.id)).await?;
        if !left.is_empty() {
            let deletions = left.into_iter().map(|(key, _)| (key, None)).collect();
            self.shared.pending.apply(deletions, Durability::Relaxed).await?;
        }
        self.swept.insert(replay.id.clone());
        if !has_subscription {
            self.shared.scribe.forget(replay.id.as_str()).await?;
            self.table.delete(&replay.key(), Durability::Relaxed).await?;
            self.swept.remove(&replay.id);
        }
        Ok(())
    }

    /// Waits until all have stopped; they have been told.
    pub(super) async fn stopped(&mut self) {
        while self.next_ended().await.is_some() {}
    }

    pub(super) async fn abandon(&mut self) {
        self.couriers.shutdown().await;
    }
}

/// The subscription that `replay` is to be delivered to now.
fn wanted<'a>(replay: &Replay, subscriptions: &'a BTreeMap<SubscriptionId, Subscription>) -> Option<&'a Subscription> {
    let subscription = subscriptions.get(&replay.subscription)?;
    (replay.state == ReplayState::Running && subscription.delivers(Timestamp::now())).then_some(subscription)
}
