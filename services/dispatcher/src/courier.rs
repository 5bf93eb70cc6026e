//! Delivery to one subscription: a loop around the pure [`Outbox`], which decides; here is done what it says.
//!
//! Each turn of the loop, in this order: records are made durable, then the cursor is written, then the log is read,
//! then what may start is sent. The order is what holds "at least once": the cursor on disk never passes a delivery that
//! is neither done nor recorded on disk. Any error of the store ends the courier; its successor starts from the disk.

mod bookmark;
mod ending;
mod pace;
mod standing;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use change_engine::delivery::{Key, Outbox, Start};
use event_model::{
    Sequence, Subscription,
    delivery::{Payload, PendingDelivery, PendingState, Progress},
};
use event_store::{Durability, SealError};
use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use self::{bookmark::Bookmark, pace::Pace};
use crate::{
    error::CourierError,
    metrics::Standing,
    sender::{Answer, Target},
    shared::Shared,
};

/// Events read from the log at once: one block of it.
const READ_BATCH: usize = 64;
/// How long attempts in flight are waited for at a stop. They are abandoned then, and made again at the next start.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// Pause between two looks for tests: every courier's records change the table that is watched for them.
const TEST_LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// An event that was read and is not delivered.
struct Held {
    body: Bytes,
    logged_at: Timestamp,
}

/// An attempt that has ended.
struct Sent {
    start: Start,
    logged_at: Option<Timestamp>,
    answer: Result<Answer, SealError>,
}

enum Flow {
    GoOn,
    /// An event was appended; what it tells of is to be stored before another one is.
    Told,
    Gone,
}

pub(crate) struct Courier {
    shared: Arc<Shared>,
    subscription: Arc<Subscription>,
    target: Arc<Target>,
    outbox: Outbox,
    bookmark: Bookmark,
    pace: Pace,
    paced_until: Option<Instant>,
    held: HashMap<Sequence, Held>,
    sends: JoinSet<Sent>,
    tail: watch::Receiver<Sequence>,
    tests: watch::Receiver<u64>,
    tests_wanted: bool,
    tests_looked_at: Instant,
    standing: Standing,
    stood_at: Instant,
    full: bool,
    /// Whether it was told that the receiver fails.
    failing: bool,
}

impl Courier {
    /// Delivers until `stop`, or until the receiver says that it is gone.
    pub(crate) async fn run(
        shared: Arc<Shared>,
        subscription: Arc<Subscription>,
        stop: CancellationToken,
    ) -> Result<(), CourierError> {
        let mut courier = Self::load(shared, subscription).await?;
        courier.deliver(&stop).await?;
        courier.wind_down().await
    }

    async fn load(shared: Arc<Shared>, subscription: Arc<Subscription>) -> Result<Self, CourierError> {
        let id = &subscription.id;
        // Interest is registered before anything is looked at, so that nothing falls between.
        let (tail, tests) = (shared.store.tail(), shared.pending.changes());
        let progress = shared.progress.get(id.as_str()).await?;
        let progress = progress.unwrap_or_else(|| Progress::starting_after(subscription.start_after));
        let stored = shared.pending.list(&format!("{id}/")).await?.into_iter().map(|(_, record)| record).collect();
        let config = &shared.config;
        let outbox = Outbox::new(
            id.clone(),
            subscription.ordering,
            config.schedule.clone(),
            config.limits,
            progress.cursor,
            stored,
        );
        let failing = outbox.records().any(|record| record.attempts > 0);
        let target = Target {
            subscription: id.clone(),
            url: subscription.url.clone(),
            sealed_headers: subscription.sealed_headers.clone(),
            sealed_secrets: subscription.sealed_secrets.clone(),
        };
        debug!(subscription = %id, cursor = %progress.cursor, "delivery starts");
        Ok(Self {
            target: Arc::new(target),
            pace: Pace::new(subscription.rate_per_s),
            bookmark: Bookmark::new(progress),
            outbox,
            shared,
            subscription,
            paced_until: None,
            held: HashMap::new(),
            sends: JoinSet::new(),
            tail,
            tests,
            tests_wanted: false,
            tests_looked_at: Instant::now(),
            standing: Standing::default(),
            stood_at: Instant::now(),
            full: false,
            failing,
        })
    }

    async fn deliver(&mut self, stop: &CancellationToken) -> Result<(), CourierError> {
        loop {
            self.outbox.relieve(Timestamp::now());
            self.save(None).await?;
            self.look_for_tests().await?;
            let more = self.read().await?;
            self.start_what_may().await?;
            self.note_standing();
            let wake = self.wake_at();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(sent) = self.sends.join_next() => {
                    if let Flow::Gone = self.all_ended(sent).await? {
                        return Ok(());
                    }
                }
                () = std::future::ready(()), if more => {}
                Ok(()) = self.tail.changed() => {}
                Ok(()) = self.tests.changed(), if !self.tests_wanted => self.tests_wanted = true,
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Stores what must be stored: records first and durably, then the cursor that relies on them.
    async fn save(&mut self, cursor: Option<Durability>) -> Result<(), CourierError> {
        let unsaved = self.outbox.take_unsaved();
        if !unsaved.is_empty() {
            for (key, record) in &unsaved {
                if let (Key::Event(sequence), Some(_)) = (key, record) {
                    self.held.remove(sequence);
                }
            }
            // A deletion that is lost costs a repetition; a record that is lost costs the delivery.
            let durable = unsaved.iter().any(|(_, record)| record.is_some());
            let durability = if durable { Durability::Durable } else { Durability::Relaxed };
            let id = &self.subscription.id;
            let changes = unsaved.into_iter().map(|(key, record)| (key.in_table(id), record)).collect();
            self.shared.pending.apply(changes, durability).await?;
            self.outbox.saved();
        }
        self.bookmark.move_to(self.outbox.cursor());
        let due = self.bookmark.due_at().is_some_and(|at| at <= Instant::now()).then_some(Durability::Relaxed);
        if let Some(durability) = cursor.or(due) {
            self.bookmark.write(&self.shared.progress, &self.subscription.id, durability).await?;
        }
        Ok(())
    }

    async fn look_for_tests(&mut self) -> Result<(), CourierError> {
        if !self.tests_wanted || self.tests_looked_at + TEST_LOOK_INTERVAL > Instant::now() {
            return Ok(());
        }
        (self.tests_wanted, self.tests_looked_at) = (false, Instant::now());
        for (_, record) in self.shared.pending.list(&format!("{}/test-", self.subscription.id)).await? {
            self.outbox.add_test(record);
        }
        Ok(())
    }

    /// Reads one batch, if there is room and something to read; whether there is more.
    async fn read(&mut self) -> Result<bool, CourierError> {
        let last = *self.tail.borrow_and_update();
        let room = self.outbox.room();
        self.note_fullness();
        if room == 0 || self.outbox.read_up_to() >= last {
            return Ok(false);
        }
        let events = self.shared.store.read_after(self.outbox.read_up_to(), room.min(READ_BATCH)).await?;
        let Some(up_to) = events.last().map(|event| event.head.sequence) else { return Ok(false) };
        let mut wanted = Vec::new();
        for event in events {
            if self.subscription.filter.wants(&event.head) {
                wanted.push(Payload::of(&event.head));
                let held = Held { logged_at: event.head.observed_at(), body: event.body };
                self.held.insert(event.head.sequence, held);
            }
        }
        self.outbox.read(up_to, wanted, Timestamp::now());
        Ok(up_to < last && self.outbox.room() > 0)
    }

    async fn start_what_may(&mut self) -> Result<(), CourierError> {
        self.paced_until = None;
        let now = Timestamp::now();
        while self.outbox.can_start(now) {
            if let Err(at) = self.pace.take() {
                self.paced_until = Some(at);
                return Ok(());
            }
            let Some(start) = self.outbox.start(now) else { return Ok(()) };
            self.send(start).await?;
        }
        Ok(())
    }

    async fn send(&mut self, start: Start) -> Result<(), CourierError> {
        let (id, found) = match &start.payload {
            Payload::Event { id, sequence, .. } => (id.clone(), self.body(*sequence).await?),
            Payload::Test { id, body } => (id.clone(), Some((Bytes::from(body.clone()), None))),
        };
        let Some((body, logged_at)) = found else {
            error!(subscription = %self.subscription.id, event = %id, "the log no longer has this event: given up");
            self.shared.metrics.dead_letters.inc();
            self.outbox.give_up(&start.key, Timestamp::now());
            return Ok(());
        };
        let (shared, target) = (Arc::clone(&self.shared), Arc::clone(&self.target));
        self.sends.spawn(async move {
            let answer = shared.sender.send(&target, &id, body).await;
            Sent { start, logged_at, answer }
        });
        Ok(())
    }

    /// The body of an event and when it came into the log: from memory, or from the log when it was put off.
    async fn body(&self, sequence: Sequence) -> Result<Option<(Bytes, Option<Timestamp>)>, CourierError> {
        if let Some(held) = self.held.get(&sequence) {
            return Ok(Some((held.body.clone(), Some(held.logged_at))));
        }
        let event = self.shared.store.event(sequence).await?;
        Ok(event.map(|event| (event.body, Some(event.head.observed_at()))))
    }

    /// Waits a little for what is in flight, then stores where it stands.
    async fn wind_down(&mut self) -> Result<(), CourierError> {
        let deadline = Instant::now() + STOP_GRACE;
        while let Ok(Some(sent)) = timeout_at(deadline, self.sends.join_next()).await {
            match sent {
                Ok(sent) => {
                    if let Flow::Told = self.ended(sent).await? {
                        self.save(None).await?;
                    }
                }
                Err(failed) => warn!(subscription = %self.subscription.id, %failed, "an attempt was lost at the stop"),
            }
        }
        self.sends.abort_all();
        self.save(None).await?;
        self.save(Some(Durability::Durable)).await?;
        debug!(subscription = %self.subscription.id, cursor = %self.outbox.cursor(), "delivery stops");
        Ok(())
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        if self.full {
            self.shared.metrics.full.dec();
        }
    }
}

/// Whether a stored record is a dead letter.
pub(crate) fn is_dead(record: &PendingDelivery) -> bool {
    matches!(record.state, PendingState::Dead { .. })
}
