//! What a courier delivers: what is new for its subscription, or a replay beside it.
//!
//! Both are delivered alike, each with a cursor, records and retries under the lane's own id, so that neither waits for the
//! other. A replay ends; what it gives up is counted and makes no dead letter, and what it delivers is none any more.

use std::{collections::BTreeSet, sync::Arc};

use change_engine::delivery::{Key, Limits};
use event_model::{
    Replay, Sequence, Subscription,
    delivery::{PendingDelivery, Progress},
    replay::ReplayState,
};
use event_store::{Durability, StoreError, TableName};
use jiff::Timestamp;
use tracing::info;

use super::{Courier, is_dead};
use crate::{
    error::CourierError,
    feed::{Bell, Found, Stretch, Ticket},
    shared::Shared,
};

/// Attempts of a replay at once: the subscription's own lane has many more.
const REPLAY_IN_FLIGHT: usize = 8;

/// See the module's head.
pub(crate) enum Lane {
    /// What is new.
    Live(Ticket),
    /// A replay.
    Replay(Stretch),
}

impl Lane {
    pub(super) fn bell(&self) -> &Arc<Bell> {
        match self {
            Self::Live(ticket) => &ticket.bell,
            Self::Replay(stretch) => &stretch.bell,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    pub(super) async fn read(&self, after: Sequence, room: usize) -> Result<Found, StoreError> {
        match self {
            Self::Live(ticket) => ticket.read(after, room).await,
            Self::Replay(stretch) => stretch.read(after, room).await,
        }
    }

    /// Under which its progress and its records are kept.
    pub(super) fn id(&self, subscription: &Subscription) -> Arc<str> {
        match self {
            Self::Live(_) => Arc::from(subscription.id.as_str()),
            Self::Replay(stretch) => Arc::from(stretch.replay().id.as_str()),
        }
    }

    pub(super) fn beginning(&self, subscription: &Subscription) -> Progress {
        Progress::starting_after(match self {
            Self::Live(_) => subscription.start_after,
            Self::Replay(stretch) => stretch.replay().after,
        })
    }

    pub(super) fn rate_per_s(&self, subscription: &Subscription) -> Option<u32> {
        match self {
            Self::Live(_) => subscription.rate_per_s,
            Self::Replay(stretch) => stretch.replay().rate_per_s,
        }
    }

    pub(super) fn limits(&self, limits: Limits) -> Limits {
        match self {
            Self::Live(_) => limits,
            Self::Replay(_) => Limits { in_flight: limits.in_flight.min(REPLAY_IN_FLIGHT), ..limits },
        }
    }

    /// The dead letters of the subscription that the lane may deliver after all.
    pub(super) async fn dead_letters(
        &self,
        shared: &Shared,
        subscription: &Subscription,
    ) -> Result<BTreeSet<Sequence>, StoreError> {
        let Self::Replay(_) = self else { return Ok(BTreeSet::new()) };
        let stored = shared.pending.list(&format!("{}/", subscription.id)).await?;
        let dead = stored.iter().filter(|(_, record)| is_dead(record));
        Ok(dead.filter_map(|(_, record)| sequence(&Key::of(&record.payload))).collect())
    }
}

fn sequence(key: &Key) -> Option<Sequence> {
    match key {
        Key::Event(sequence) => Some(*sequence),
        Key::Test(_) => None,
    }
}

impl Courier {
    /// What of `record` is stored: a replay leaves nothing behind.
    pub(super) fn to_store(&self, record: Option<PendingDelivery>) -> Option<PendingDelivery> {
        record.filter(|record| self.lane.is_live() || record.state.is_open())
    }

    /// Notes that `key` was delivered, which may have been given up before.
    pub(super) fn note_revival(&mut self, key: &Key) {
        self.revived.extend(sequence(key).filter(|sequence| self.dead_letters.remove(sequence)));
    }

    /// Removes the dead letters that a replay has delivered.
    pub(super) async fn bury_no_more(&mut self) -> Result<(), StoreError> {
        for sequence in std::mem::take(&mut self.revived) {
            let key = Key::Event(sequence).in_table(self.subscription.id.as_str());
            let unless_dead = |record: Option<PendingDelivery>| record.filter(|record| !is_dead(record));
            self.shared.pending.update(&key, Durability::Relaxed, unless_dead).await?;
        }
        Ok(())
    }

    /// Whether it delivers a replay of which nothing is left; that is written down then.
    pub(super) async fn is_at_its_end(&mut self) -> Result<bool, CourierError> {
        let Lane::Replay(stretch) = &self.lane else { return Ok(false) };
        let replay = Arc::clone(stretch.replay());
        if self.outbox.read_up_to() < replay.up_to || self.outbox.holds_any() || !self.sends.is_empty() {
            return Ok(false);
        }
        // What it counted is to be on disk before it is told to be done.
        self.save().await?;
        self.shared.scribe.flush().await?;
        let done = |known: Option<Replay>| {
            known.map(|mut replay| {
                if replay.state == ReplayState::Running {
                    replay.state = ReplayState::Done { at: Timestamp::now() };
                }
                replay
            })
        };
        let replays = self.shared.store.table(TableName::Replays);
        replays.update(&replay.key(), Durability::Durable, done).await?;
        info!(subscription = %self.subscription.id, replay = %replay.id, "the replay is done");
        Ok(true)
    }
}
