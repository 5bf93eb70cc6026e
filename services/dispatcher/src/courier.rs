//! Delivery to one subscription: a loop around the pure [`Outbox`] and [`Health`], which decide; here is done what they say.
//!
//! Each turn of the loop, in this order: records are made durable, then the cursor is handed to the scribe, then the log is
//! read, then what may start is sent. The order is what holds "at least once": the cursor on disk never passes a delivery
//! that is neither done nor recorded on disk. Any error of the store ends the courier; its successor starts from the disk.
//!
//! A courier with nothing to do waits for its bell ([`crate::feed`]) and has no timer. It owns no connection: it asks the
//! gate for a pass for each attempt, one at a time ([`crate::gate`]). Its attempts run within its own task, so that an answer
//! wakes who takes it in and nobody else: with a task for each, half of the time went into handing over, and with one more for all
//! of them, what two processors gain is lost to it. While the store is waited for they stand still; an answer that is there when
//! their deadline passes counts as in time.

mod bookmark;
mod disabling;
mod ending;
mod keeping;
mod lane;
mod pace;
mod standing;
mod starting;

pub use self::keeping::Kept;
pub(crate) use self::lane::Lane;

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use change_engine::delivery::{Health, Key, Outbox, Start};
use event_model::{
    Replay, Sequence, Subscription,
    delivery::{PendingDelivery, PendingState},
};
use event_store::{Durability, SealError};
use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::{bookmark::Bookmark, keeping::Keeping, pace::Pace};
use crate::{
    error::CourierError,
    feed::{Bell, Found},
    gate::Pass,
    metrics::Standing,
    sender::Answer,
    shared::Shared,
    target::Target,
    way::Walker,
};

/// Events taken from the feed at once: as much as a page of it holds.
const READ_BATCH: usize = 64;
/// Wanted events read ahead for each attempt that may run at once: enough that the next are there when some have ended. An
/// endpoint that gets one at a time holds little memory.
const READ_AHEAD: usize = 8;
/// How long attempts in flight are waited for at a stop. They are abandoned then, and made again at the next start.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// An attempt that has ended.
struct Sent {
    start: Start,
    logged_at: Option<Timestamp>,
    answer: Result<Answer, SealError>,
    is_probe: bool,
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
    lane: Lane,
    /// Under which everything about it is kept.
    lane_id: Arc<str>,
    outbox: Outbox,
    health: Health,
    bookmark: Bookmark,
    keeping: Keeping,
    pace: Pace,
    walker: Walker,
    paced_until: Option<Instant>,
    /// What was read up to here was old by then.
    old_to: Sequence,
    held_until: Option<Timestamp>,
    /// What is due waits for a pass, or for the disk; either wakes us.
    waits: bool,
    /// A pass that we were given and have not used.
    pass: Option<Pass>,
    /// Our place in the line for one.
    in_line: Option<BoxFuture<'static, Pass>>,
    /// Attempts in flight.
    sends: FuturesUnordered<BoxFuture<'static, Sent>>,
    standing: Standing,
    stood_at: Instant,
    full: bool,
    suspended: bool,
    /// Whether it was told that the receiver fails.
    failing: bool,
    /// Of a replay: dead letters that it has not delivered, and those that it has.
    dead_letters: BTreeSet<Sequence>,
    revived: Vec<Sequence>,
}

impl Courier {
    /// A courier that is to run; `bell` of the answer wakes it.
    pub(crate) fn prepare(shared: &Shared, subscription: &Arc<Subscription>) -> (Arc<Bell>, Lane) {
        // Interest is registered before anything is looked at, so that nothing falls between.
        let ticket = shared.feed.ticket(subscription);
        (Arc::clone(&ticket.bell), Lane::Live(ticket))
    }

    /// The same for a replay.
    pub(crate) fn prepare_replay(shared: &Shared, subscription: &Arc<Subscription>, replay: Replay) -> Lane {
        Lane::Replay(shared.feed.stretch(subscription, &Arc::new(replay)))
    }

    /// Delivers until `stop`, until the receiver says that it is gone, or until a replay is done.
    pub(crate) async fn run(
        shared: Arc<Shared>,
        subscription: Arc<Subscription>,
        lane: Lane,
        stop: CancellationToken,
    ) -> Result<(), CourierError> {
        let mut courier = {
            // Never closed; if it were, loading unbounded would still be better than not delivering.
            let loading = Arc::clone(&shared);
            let _turn = loading.loading.acquire().await.ok();
            Box::new(Box::pin(Self::load(shared, subscription, lane)).await?)
        };
        courier.deliver(&stop).await?;
        Box::pin(courier.wind_down()).await
    }

    async fn load(shared: Arc<Shared>, subscription: Arc<Subscription>, lane: Lane) -> Result<Self, CourierError> {
        let (id, lane_id) = (&subscription.id, lane.id(&subscription));
        let progress = shared.scribe.progress(&lane_id).await?;
        let progress = progress.unwrap_or_else(|| lane.beginning(&subscription));
        let stored: Vec<_> =
            shared.pending.list(&format!("{lane_id}/")).await?.into_iter().map(|(_, record)| record).collect();
        let dead_letters = lane.dead_letters(&shared, &subscription).await?;
        let (config, keeping) = (&shared.config, Keeping::of(&stored));
        let (schedule, limits) = (config.schedule.clone(), lane.limits(config.limits));
        let outbox = Outbox::new(id.clone(), subscription.ordering, schedule, limits, progress.cursor, stored);
        let mut health = Health::new(config.patience, limits.in_flight, progress.trouble);
        let mut pace = Pace::new(lane.rate_per_s(&subscription));
        if let Some(trouble) = progress.trouble {
            pace.start_slowly();
            if subscription.updated_at > trouble.since {
                health.forgive(Timestamp::now());
            }
        }
        let failing = outbox.records().any(|record| record.attempts > 0);
        debug!(subscription = %id, lane = %lane_id, cursor = %progress.cursor, "delivery starts");
        let mut courier = Self {
            target: Arc::new(Target::of(&subscription)),
            bookmark: Bookmark::new(progress, Arc::clone(lane.bell())),
            failing,
            pace,
            walker: shared.way.walker(),
            keeping,
            health,
            outbox,
            lane,
            lane_id,
            dead_letters,
            revived: Vec::new(),
            shared,
            subscription,
            paced_until: None,
            old_to: Sequence::START,
            held_until: None,
            waits: false,
            pass: None,
            in_line: None,
            sends: FuturesUnordered::new(),
            standing: Standing::default(),
            stood_at: Instant::now(),
            full: false,
            suspended: false,
        };
        courier.note_health();
        Ok(courier)
    }

    async fn deliver(&mut self, stop: &CancellationToken) -> Result<(), CourierError> {
        // One for all turns: a timer that is put off costs far less than one that is made and thrown away.
        let mut alarm = pin!(sleep_until(Instant::now()));
        loop {
            self.outbox.relieve(Timestamp::now());
            self.save().await?;
            self.look_for_errands().await?;
            let more = self.read().await?;
            if self.is_at_its_end().await? {
                return Ok(());
            }
            self.start_what_may().await?;
            self.note_standing().await?;
            if self.sends.is_empty() {
                self.target.forget();
            }
            let wake = self.wake_at();
            if let Some(at) = wake.filter(|at| *at != alarm.deadline()) {
                alarm.as_mut().reset(at);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(sent) = self.sends.next(), if !self.sends.is_empty() => {
                    if let Flow::Gone = self.all_ended(sent).await? {
                        return Ok(());
                    }
                }
                pass = async { self.in_line.as_mut().expect("the branch is guarded").await }, if self.in_line.is_some() => {
                    (self.pass, self.in_line) = (Some(pass), None);
                }
                () = std::future::ready(()), if more => tokio::task::yield_now().await,
                () = self.lane.bell().rung() => {}
                () = alarm.as_mut(), if wake.is_some() => {}
            }
        }
    }

    /// Stores what must be stored: records first and durably, then the cursor that relies on them.
    async fn save(&mut self) -> Result<(), CourierError> {
        self.bury_no_more().await?;
        let unsaved = self.outbox.take_unsaved();
        if !unsaved.is_empty() {
            let unsaved: Vec<_> = unsaved.into_iter().map(|(key, record)| (key, self.to_store(record))).collect();
            // A deletion that is lost costs a repetition; a record that is lost costs the delivery.
            let must_last = |record: &Option<PendingDelivery>| {
                record.as_ref().is_some_and(|record| !matches!(record.state, PendingState::Done { .. }))
            };
            let durable = unsaved.iter().any(|(_, record)| must_last(record));
            let durability = if durable { Durability::Durable } else { Durability::Relaxed };
            let surplus = self.keeping.surplus(&unsaved, &self.shared.config.kept, Timestamp::now());
            let changes = unsaved.into_iter().chain(surplus.into_iter().map(|key| (key, None)));
            let changes = changes.map(|(key, record)| (key.in_table(&self.lane_id), record)).collect();
            self.shared.pending.apply(changes, durability).await?;
            self.outbox.saved();
        }
        let (cursor, done_above) = (self.outbox.cursor(), self.outbox.done_above_cursor());
        self.bookmark.move_to(cursor, done_above, &self.shared.scribe, &self.lane_id);
        Ok(())
    }

    /// What people asked for: tests, and dead letters that are to be sent again.
    async fn look_for_errands(&mut self) -> Result<(), CourierError> {
        if !self.lane.bell().take_errand() {
            return Ok(());
        }
        for (_, record) in self.shared.pending.list(&format!("{}/", self.lane_id)).await? {
            if record.state.is_open() {
                self.keeping.forget(&Key::of(&record.payload));
                self.outbox.add_asked(record);
            }
        }
        Ok(())
    }

    /// Reads one batch, if there is room and something to read; whether there is more.
    async fn read(&mut self) -> Result<bool, CourierError> {
        self.note_fullness();
        let (most_ahead, open) = (self.health.width() * READ_AHEAD, self.outbox.open());
        let room = self.outbox.room().min(most_ahead.saturating_sub(open));
        // Not at each turn for one event, but for many when half of them have gone.
        if room == 0 || open > most_ahead / 2 {
            return Ok(false);
        }
        let now = Timestamp::now();
        match self.lane.read(self.outbox.read_up_to(), room.min(READ_BATCH)).await? {
            Found::CaughtUp(up_to) => {
                if up_to > self.outbox.read_up_to() {
                    self.outbox.read::<Arc<_>>(up_to, Vec::new(), now);
                }
                Ok(false)
            }
            Found::Items { items, up_to, old } => {
                if old {
                    self.old_to = up_to;
                }
                let wanted = items.iter().map(|item| Arc::clone(&item.payload)).collect();
                self.outbox.read(up_to, wanted, now);
                Ok(true)
            }
        }
    }

    /// Waits a little for what is in flight, then stores where it stands.
    async fn wind_down(&mut self) -> Result<(), CourierError> {
        (self.pass, self.in_line) = (None, None);
        // One that slept has not looked at what it did not want.
        if self.lane.is_live() && !self.outbox.holds_any() {
            self.read().await?;
        }
        let deadline = Instant::now() + STOP_GRACE;
        while let Ok(Some(sent)) = timeout_at(deadline, self.sends.next()).await {
            if let Flow::Told = self.ended(sent).await? {
                self.save().await?;
            }
        }
        self.sends.clear();
        self.target.forget();
        self.save().await?;
        self.save().await?;
        debug!(subscription = %self.subscription.id, cursor = %self.outbox.cursor(), "delivery stops");
        Ok(())
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        if self.full {
            self.shared.metrics.full.dec();
        }
        if self.suspended && self.lane.is_live() {
            self.shared.metrics.suspended.dec();
        }
    }
}

/// Whether a stored record is a dead letter.
pub(crate) fn is_dead(record: &PendingDelivery) -> bool {
    matches!(record.state, PendingState::Dead { .. })
}
