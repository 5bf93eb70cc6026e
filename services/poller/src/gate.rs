//! The door to the upstream: no request without a slot of the account's ledger that is on disk.
//!
//! Crash cases. Killed before the record is on disk: nothing was sent. Killed after: the slot is open in the record, and the
//! next start holds it for a window from then on. Answers are written soon after, not before anything: when that write is
//! lost the slot is held for longer than it need be.
//!
//! Requests are let through in the order in which they asked.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use change_engine::budget::{Ledger, Limits, Record, SlotId};
use event_model::{AccountName, status::BudgetStatus};
use event_store::{Durability, EventStore, StoreError, Table, TableName};
use expensify_client::{Gate, GateClosed, JobKind, Permit, RequestOutcome};
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{AccountConfig, Metrics, clock::Clock};

/// The pause after a first 429; each further one without a success between doubles it (reference section 1.7).
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// The longest pause: two full windows, after which whoever else used the pair has had room.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(120);

tokio::task_local! {
    /// Milliseconds that the requests of the running read took, from slot to answer.
    static SPENT_MS: Arc<AtomicU64>;
}

/// Runs a read, so that [`time_of_requests`] knows in it how long its requests took.
pub(crate) async fn timed<T>(read: impl Future<Output = T>) -> T {
    SPENT_MS.scope(Arc::default(), read).await
}

/// How long the requests of this read took so far, without the waits for the budget; nothing outside of [`timed`].
pub(crate) fn time_of_requests() -> SignedDuration {
    let spent_ms = SPENT_MS.try_with(|spent| spent.load(Ordering::Relaxed)).unwrap_or_default();
    SignedDuration::from_millis(i64::try_from(spent_ms).unwrap_or(i64::MAX))
}

/// The gate of one account; clones are the same gate.
#[derive(Clone)]
pub(crate) struct AccountGate(Arc<Inner>);

struct Inner {
    account: AccountName,
    /// The key of the record: see [`AccountConfig::pair`].
    pair: String,
    clock: Clock,
    metrics: Metrics,
    stop: CancellationToken,
    /// Told whenever the budget changed, for who shows it.
    nudge: Arc<Notify>,
    table: Table<Record>,
    books: Mutex<Books>,
    /// Held by the request whose turn it is.
    turn: tokio::sync::Mutex<()>,
    /// Held from taking a copy of the record to its being written, so that an older copy never follows a newer one.
    disk: tokio::sync::Mutex<()>,
    /// A slot was closed: the first in line looks again.
    freed: Notify,
    /// Something is to be written.
    dirty: Notify,
}

struct Books {
    ledger: Ledger,
    /// Answers 429 since the last other answer, overlapping ones counted once.
    strikes: u32,
    /// A write failed: nothing may be sent any more.
    broken: Option<StoreError>,
}

impl AccountGate {
    /// Opens the gate with the ledger as the last process left it.
    pub(crate) async fn open(
        config: &AccountConfig,
        store: &EventStore,
        metrics: Metrics,
        nudge: Arc<Notify>,
        stop: CancellationToken,
    ) -> Result<Self, StoreError> {
        let (clock, limits) = (Clock::start(), config.budget.limits());
        let table = store.table::<Record>(TableName::Budgets);
        let ledger = match table.get(&config.pair()).await? {
            Some(record) => Ledger::restarted(limits, record, clock.now()),
            None => Ledger::new(limits),
        };
        Ok(Self(Arc::new(Inner {
            account: config.name.clone(),
            pair: config.pair(),
            clock,
            metrics,
            stop,
            nudge,
            table,
            books: Mutex::new(Books { ledger, strikes: 0, broken: None }),
            turn: tokio::sync::Mutex::default(),
            disk: tokio::sync::Mutex::default(),
            freed: Notify::new(),
            dirty: Notify::new(),
        })))
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock
    }

    pub(crate) fn status(&self) -> BudgetStatus {
        let now = self.0.clock.now();
        let mut books = self.0.books();
        let status = books.ledger.status(now);
        self.0.tell_share(&mut books);
        status
    }

    /// The limits in force: those that are configured, or less for a while after a 429.
    pub(crate) fn limits(&self) -> Limits {
        self.0.books().ledger.limits()
    }

    /// Writes answers down as they come; ends only when a write fails.
    pub(crate) async fn keep(&self) -> StoreError {
        loop {
            self.0.dirty.notified().await;
            if let Err(error) = self.0.write(Durability::Relaxed).await {
                return error;
            }
            let broken = self.0.books().broken.take();
            if let Some(error) = broken {
                return error;
            }
        }
    }

    /// Writes the ledger as it stands, at the end.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        self.0.write(Durability::Relaxed).await
    }
}

impl Gate for AccountGate {
    fn acquire(&self, job: JobKind) -> Pin<Box<dyn Future<Output = Result<Box<dyn Permit>, GateClosed>> + Send + '_>> {
        Box::pin(async move {
            let stop = self.0.stop.clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(GateClosed),
                permit = self.0.clone().admit(job) => permit.map(|permit| Box::new(permit) as Box<dyn Permit>),
            }
        })
    }
}

impl Inner {
    fn books(&self) -> MutexGuard<'_, Books> {
        // Books are changed by single assignments; a panic elsewhere does not make them wrong.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn admit(self: Arc<Self>, job: JobKind) -> Result<SlotPermit, GateClosed> {
        let asked = Instant::now();
        let _turn = self.turn.lock().await;
        let slot = self.next_slot().await;
        self.metrics.throttled(asked.elapsed());
        // From here on the slot is closed whatever happens, a drop of this future included.
        let spent = SPENT_MS.try_with(Arc::clone).unwrap_or_default();
        let permit = SlotPermit { gate: Arc::clone(&self), slot, job, since: Instant::now(), spent, settled: false };
        if let Err(source) = self.write(Durability::Durable).await {
            error!(account = %self.account, error = &source as &dyn std::error::Error, "the budget cannot be written: no request is sent");
            self.books().broken = Some(source);
            self.dirty.notify_one();
            return Err(GateClosed);
        }
        self.nudge.notify_one();
        Ok(permit)
    }

    async fn next_slot(&self) -> SlotId {
        loop {
            let freed = self.freed.notified();
            let taken = {
                let mut books = self.books();
                let taken = books.ledger.try_take(self.clock.now());
                self.tell_share(&mut books);
                taken
            };
            match taken {
                Ok(slot) => return slot,
                Err(wait) => {
                    let ahead = self.clock.until(wait.not_before());
                    tokio::select! {
                        () = freed => {}
                        () = tokio::time::sleep(ahead) => {}
                    }
                }
            }
        }
    }

    async fn write(&self, durability: Durability) -> Result<(), StoreError> {
        let _order = self.disk.lock().await;
        let record = self.books().ledger.record().clone();
        self.table.put(&self.pair, &record, durability).await
    }

    fn close(&self, slot: SlotId, outcome: Option<RequestOutcome>) {
        let now = self.clock.now();
        let mut books = self.books();
        match outcome {
            Some(RequestOutcome::RateLimited) => {
                books.ledger.limited(slot, now);
                self.pause(&mut books);
            }
            Some(_) => {
                books.ledger.answered(slot, now);
                books.strikes = 0;
            }
            None => books.ledger.closed_without_answer(slot, now),
        }
        self.tell_share(&mut books);
        drop(books);
        self.freed.notify_one();
        self.dirty.notify_one();
        self.nudge.notify_one();
    }

    /// Says when the share of the limits that is used changed.
    fn tell_share(&self, books: &mut Books) {
        let Some(changed) = books.ledger.share_changed() else { return };
        let (account, from, to) = (&self.account, changed.from, changed.to);
        self.metrics.share(account, to);
        if to < from {
            warn!(%account, from, to, "too many requests, says the upstream: using less of the limit for a while");
        } else {
            info!(%account, from, to, "no more complaints: using more of the limit again");
        }
    }

    /// Somebody else uses the pair, or the upstream counts otherwise than we know.
    fn pause(&self, books: &mut Books) {
        let now = self.clock.now();
        self.metrics.rate_limited(&self.account);
        if books.ledger.paused_until().is_none_or(|until| until <= now) {
            books.strikes = books.strikes.saturating_add(1);
            let pause = pause_after(books.strikes);
            books.ledger.pause_until(now.checked_add(pause).unwrap_or(now), now);
            warn!(account = %self.account, pause_s = pause.as_secs(), "too many requests, says the upstream: pausing");
        }
    }
}

/// 30 s, 60 s, 120 s, 120 s, ...
fn pause_after(strikes: u32) -> SignedDuration {
    FIRST_PAUSE.saturating_mul(1 << strikes.saturating_sub(1).min(8)).min(LONGEST_PAUSE)
}

/// A slot that is held. Dropped without an answer it counts as a closed connection.
struct SlotPermit {
    gate: Arc<Inner>,
    slot: SlotId,
    job: JobKind,
    since: Instant,
    spent: Arc<AtomicU64>,
    settled: bool,
}

impl SlotPermit {
    fn settle(&mut self, outcome: Option<RequestOutcome>) {
        if !std::mem::replace(&mut self.settled, true) {
            let label = outcome.map_or("no_answer", |outcome| outcome.as_str());
            let took: Duration = self.since.elapsed();
            self.spent.fetch_add(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
            self.gate.metrics.request_ended(&self.gate.account, self.job.as_str(), label, took);
            self.gate.close(self.slot, outcome);
        }
    }
}

impl Permit for SlotPermit {
    fn answered(mut self: Box<Self>, outcome: RequestOutcome) {
        self.settle(Some(outcome));
    }
}

impl Drop for SlotPermit {
    fn drop(&mut self) {
        self.settle(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_two_minutes() {
        let pauses = [1, 2, 3, 4, u32::MAX].map(|strikes| pause_after(strikes).as_secs());
        assert_eq!(pauses, [30, 60, 120, 120, 120]);
    }
}
