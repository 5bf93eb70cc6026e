//! Delivery to one subscriber: the engine's [`Outbox`] in the shell that the dispatcher puts around it, in the same order.
//! Records are made durable, then the cursor is written, then the log is read, then what may start is sent.

use std::time::Duration;

use change_engine::delivery::{Limits, Outbox, Schedule, Start, Verdict};
use event_model::{
    EventFilter, Sequence, SubscriptionId,
    delivery::{Attempt, Outcome, Payload, PendingDelivery, Progress},
    subscription::Ordering,
};
use event_store::{Durability, EventStore, StoreError, Table, TableName};
use jiff::Timestamp;

/// Events read at once.
const READ_BATCH: usize = 64;
/// Small, so that full windows and full tables of records are met.
const LIMITS: Limits = Limits { in_flight: 4, window: 24, pending: 60 };
/// Short waits: the service's own are those of days.
const WAITS_S: [u64; 9] = [5, 20, 40, 60, 60, 60, 60, 60, 60];

/// A delivery that starts.
pub struct Post {
    pub start: Start,
    pub subject: String,
    pub id: String,
    pub body: Vec<u8>,
}

/// The courier of one process.
pub struct Courier {
    store: EventStore,
    id: SubscriptionId,
    filter: EventFilter,
    outbox: Outbox,
    progress: Progress,
    written: Sequence,
    pending: Table<PendingDelivery>,
    progresses: Table<Progress>,
}

impl Courier {
    /// The courier as the last process left it.
    pub async fn open(store: &EventStore, filter: EventFilter) -> Result<Self, StoreError> {
        let id = SubscriptionId::from_unique("sim").expect("letters");
        let (pending, progresses) = (store.table(TableName::Pending), store.table::<Progress>(TableName::Progress));
        let progress = progresses.get(id.as_str()).await?;
        let progress = progress.unwrap_or_else(|| Progress::starting_after(Sequence::START));
        let stored = pending.list(&format!("{id}/")).await?.into_iter().map(|(_, record)| record).collect();
        let schedule = Schedule::of(WAITS_S.map(Duration::from_secs).to_vec());
        let outbox = Outbox::new(id.clone(), Ordering::Entity, schedule, LIMITS, progress.cursor, stored);
        let written = progress.cursor;
        Ok(Self { store: store.clone(), id, filter, outbox, progress, written, pending, progresses })
    }

    /// One turn: what starts now.
    pub async fn turn(&mut self, now: Timestamp) -> Result<Vec<Post>, StoreError> {
        self.outbox.relieve(now);
        self.save().await?;
        while self.read(now).await? {}
        let mut posts = Vec::new();
        while self.outbox.can_start(now) {
            let Some(start) = self.outbox.start(now) else { break };
            posts.extend(self.post(start, now).await?);
        }
        Ok(posts)
    }

    /// When the next turn is due although nothing happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let due = self.outbox.next_due().filter(|_| self.outbox.has_free_slot());
        [due, self.outbox.wants_relief_at()].into_iter().flatten().min()
    }

    /// An attempt ended.
    pub fn ended(
        &mut self,
        start: &Start,
        outcome: Outcome,
        retry_after: Option<Duration>,
        now: Timestamp,
        chance: f64,
    ) -> Verdict {
        let attempt = Attempt { at: now, duration_ms: 0, outcome };
        self.outbox.ended(&start.key, attempt, retry_after, now, chance)
    }

    async fn save(&mut self) -> Result<(), StoreError> {
        let unsaved = self.outbox.take_unsaved();
        if !unsaved.is_empty() {
            let durable = unsaved.iter().any(|(_, record)| record.is_some());
            let durability = if durable { Durability::Durable } else { Durability::Relaxed };
            let changes = unsaved.into_iter().map(|(key, record)| (key.in_table(self.id.as_str()), record)).collect();
            self.pending.apply(changes, durability).await?;
            self.outbox.saved();
        }
        self.progress.cursor = self.outbox.cursor();
        if self.progress.cursor != self.written {
            self.progresses.put(self.id.as_str(), &self.progress, Durability::Relaxed).await?;
            self.written = self.progress.cursor;
        }
        Ok(())
    }

    async fn read(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let room = self.outbox.room();
        if room == 0 || self.outbox.read_up_to() >= self.store.last_sequence() {
            return Ok(false);
        }
        let events = self.store.read_after(self.outbox.read_up_to(), room.min(READ_BATCH)).await?;
        let Some(up_to) = events.last().map(|event| event.head.sequence) else { return Ok(false) };
        let wanted = events.iter().filter(|event| self.filter.wants(&event.head));
        let wanted = wanted.map(|event| Payload::of(&event.head)).collect();
        self.outbox.read(up_to, wanted, now);
        Ok(true)
    }

    async fn post(&mut self, start: Start, now: Timestamp) -> Result<Option<Post>, StoreError> {
        let Payload::Event { sequence, id, subject, .. } = &*start.payload else { return Ok(None) };
        let (id, subject) = (id.to_string(), subject.clone());
        match self.store.event(*sequence).await? {
            Some(event) => Ok(Some(Post { start, subject, id, body: event.body.to_vec() })),
            None => {
                self.outbox.give_up(&start.key, now);
                Ok(None)
            }
        }
    }
}
