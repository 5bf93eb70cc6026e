//! What is kept about deliveries. One that succeeds at once leaves no record of its own: only the cursor moves.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    event::EventHead,
    event_type::EventType,
    id::{EventId, Sequence},
    subscription::SubscriptionId,
};

/// Where notes for the dispatcher begin in the table of the service: `errand/` and a subscription's id says that a person asked
/// for something of it (a test, a delivery once more), with the time of asking as its value. The dispatcher removes it.
pub const ERRANDS: &str = "errand/";

/// How far a subscription has come. Written by the dispatcher; deleting the subscription through the API removes it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Every event up to here is delivered, not wanted, or recorded as a [`PendingDelivery`].
    pub cursor: Sequence,
    /// Deliveries that ended in success since the subscription was made; approximate after a crash.
    pub delivered: u64,
    /// Deliveries that were given up; the same.
    #[serde(default)]
    pub given_up: u64,
    /// When the last one did.
    pub last_success_at: Option<Timestamp>,
    /// The last attempt that failed.
    pub last_failure: Option<Attempt>,
    /// What is wrong with the endpoint; none while deliveries arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// An endpoint that fails, since its last success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trouble {
    /// The first failure after the last success.
    pub since: Timestamp,
    /// Failures since.
    pub failures: u32,
    /// Since when only probes are sent; none while deliveries are tried one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// Probes that failed.
    #[serde(default)]
    pub probes: u32,
    /// Nothing is sent before this; none: no wait is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

impl Trouble {
    /// A trouble that begins.
    pub const fn since(since: Timestamp) -> Self {
        Self { since, failures: 0, suspended_at: None, probes: 0, not_before: None }
    }
}

impl Progress {
    /// The progress of a subscription that wants what comes after `cursor` and has received nothing.
    pub const fn starting_after(cursor: Sequence) -> Self {
        Self { cursor, delivered: 0, given_up: 0, last_success_at: None, last_failure: None, trouble: None }
    }
}

/// A delivery that the cursor has passed and that is not done: it failed and waits for its next attempt, it waits behind
/// one that did, it is a test asked for by a person, or it was given up. One that arrived after failures is kept for a
/// while, for people to see what was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDelivery {
    /// To whom.
    pub subscription: SubscriptionId,
    /// What.
    pub payload: Payload,
    /// How it stands.
    pub state: PendingState,
    /// Attempts made so far.
    pub attempts: u32,
    /// The last attempts, oldest first; bounded by the dispatcher.
    pub history: Vec<Attempt>,
    /// When it was first put off.
    pub since: Timestamp,
}

impl PendingDelivery {
    /// Counts an attempt; of all attempts the last `kept` are remembered.
    pub fn note(&mut self, attempt: Attempt, kept: usize) {
        self.attempts = self.attempts.saturating_add(1);
        self.history.push(attempt);
        let surplus = self.history.len().saturating_sub(kept);
        self.history.drain(..surplus);
    }
}

/// What a pending delivery carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Payload {
    /// An event of the log.
    Event {
        /// Its position.
        sequence: Sequence,
        /// Its id.
        id: EventId,
        /// Its type.
        event_type: EventType,
        /// Its subject, for order.
        subject: String,
        /// Its account, for order.
        account: String,
    },
    /// A test that a person asked for; it is not in the log.
    Test {
        /// Its id (`evt_test…`).
        id: EventId,
        /// The body to sign and send.
        body: String,
    },
}

impl Payload {
    /// The payload of the event with this head.
    pub fn of(head: &EventHead) -> Self {
        Self::Event {
            sequence: head.sequence,
            id: head.id.clone(),
            event_type: head.event_type,
            subject: head.subject.to_string(),
            account: head.account.to_string(),
        }
    }
}

/// How a pending delivery stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PendingState {
    /// Next attempt at this time.
    Due {
        /// When.
        at: Timestamp,
    },
    /// Behind an earlier delivery of the same order.
    Waiting,
    /// Given up: a dead letter.
    Dead {
        /// Since when.
        at: Timestamp,
    },
    /// It arrived after failures; kept to be shown.
    Done {
        /// When.
        at: Timestamp,
    },
}

impl PendingState {
    /// One word for listings: `due`, `waiting`, `dead`, `done`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Due { .. } => "due",
            Self::Waiting => "waiting",
            Self::Dead { .. } => "dead",
            Self::Done { .. } => "done",
        }
    }

    /// Whether anything is still to be sent.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Due { .. } | Self::Waiting)
    }
}

/// One HTTP request to a subscriber and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an attempt ended. The names are stable: they are labels and part of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// A 2xx answer.
    Delivered {
        /// The status.
        status: u16,
    },
    /// Any other answer.
    Status {
        /// The status.
        status: u16,
    },
    /// The name did not resolve.
    Dns,
    /// The guard refused the address.
    Blocked {
        /// Which address in which range.
        why: String,
    },
    /// No connection: refused, unreachable, or reset before anything was said.
    #[serde(alias = "connect")]
    Refused,
    /// TLS failed.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The head of the answer was longer than any honest one.
    TooLarge,
    /// The connection broke, or the answer was no HTTP.
    Transport,
}

impl Outcome {
    /// The category, as a label: `delivered`, `status`, `dns`, `blocked`, `refused`, `tls`, `timeout`, `too_large`,
    /// `transport`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Status { .. } => "status",
            Self::Dns => "dns",
            Self::Blocked { .. } => "blocked",
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Transport => "transport",
        }
    }
}
