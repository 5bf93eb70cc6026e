//! Names of deliveries, and the queue that each stands in.
//!
//! An entity's queue is named by a hash of account and subject: thousands of subscriptions queue the same events, and none of
//! them keeps a copy of the names for it. Two entities whose hashes meet (one pair among four billion entities) wait for
//! each other; no order is lost.

use std::hash::{DefaultHasher, Hash, Hasher};

use event_model::{EventId, Sequence, delivery::Payload, subscription::Ordering};

/// Identifies a delivery of one subscription; events by age, then tests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An event of the log.
    Event(Sequence),
    /// A test.
    Test(EventId),
}

impl Key {
    /// The key of this payload.
    pub fn of(payload: &Payload) -> Self {
        match payload {
            Payload::Event { sequence, .. } => Self::Event(*sequence),
            Payload::Test { id, .. } => Self::Test(id.clone()),
        }
    }

    /// The key of its record in the table of pending deliveries: `{lane}/{sequence, 20 digits}` or `{lane}/test-{event id}`.
    /// `lane` is the id of the subscription, or of the replay that it belongs to.
    pub fn in_table(&self, lane: &str) -> String {
        match self {
            Self::Event(sequence) => format!("{lane}/{:020}", sequence.0),
            Self::Test(id) => format!("{lane}/test-{id}"),
        }
    }
}

/// The queue that a delivery stands in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// That of an entity.
    Entity(u64),
    /// The only one.
    All,
    /// Its own.
    Alone(Key),
}

impl Lane {
    /// Where `payload` queues. Tests run beside everything.
    pub(super) fn of(payload: &Payload, ordering: Ordering) -> Self {
        match (payload, ordering) {
            (Payload::Event { account, subject, .. }, Ordering::Entity) => {
                let mut hasher = DefaultHasher::new();
                (account, subject).hash(&mut hasher);
                Self::Entity(hasher.finish())
            }
            (Payload::Event { .. }, Ordering::Strict) => Self::All,
            (Payload::Event { .. }, Ordering::None) | (Payload::Test { .. }, _) => Self::Alone(Key::of(payload)),
        }
    }
}
