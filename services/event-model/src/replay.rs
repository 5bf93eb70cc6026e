//! Replays: events that one subscription was sent already, or gave up, sent to it once more.
//!
//! A replay runs in a lane of its own beside what is new, with a cursor, retries and order of its own. How far it has come is
//! kept under its id as a [`crate::delivery::Progress`].

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{InvalidId, Sequence},
    subscription::SubscriptionId,
};

const PREFIX: &str = "rpl_";

/// A replay's id: `rpl_` and a UUID version 7 without hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ReplayId(String);

impl ReplayId {
    /// The id with this unique part: 1 to 60 of `a-z 0-9`.
    pub fn from_unique(unique: &str) -> Result<Self, InvalidId> {
        format!("{PREFIX}{unique}").parse()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReplayId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match text.strip_prefix(PREFIX) {
            Some(rest) if (1..=60).contains(&rest.len()) && rest.chars().all(known) => Ok(Self(text.to_owned())),
            _ => Err(InvalidId { text: text.chars().take(80).collect(), wanted: "a replay's id (rpl_…)" }),
        }
    }
}

impl TryFrom<String> for ReplayId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ReplayId> for String {
    fn from(id: ReplayId) -> Self {
        id.0
    }
}

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A replay as it is stored, under [`Replay::key`]. The API makes and cancels it, the dispatcher finishes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// Of this subscription, whose filter holds for it too.
    pub subscription: SubscriptionId,
    /// Events after this position…
    pub after: Sequence,
    /// …up to and including this one.
    pub up_to: Sequence,
    /// Of those only these, ascending; all of them when there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Vec<Sequence>>,
    /// At most so many deliveries a second, beside those of the subscription; `None` for no limit.
    pub rate_per_s: Option<u32>,
    /// Events that it sends, as counted when it was made; `None` when they were too many to count.
    pub count: Option<u64>,
    /// Whether it goes on.
    pub state: ReplayState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Replay {
    /// The key under which it is stored: `{subscription}/{id}`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.subscription, self.id)
    }
}

/// Whether a replay goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ReplayState {
    /// It does, as long as its subscription delivers.
    Running,
    /// Everything was sent, or given up.
    Done {
        /// When.
        at: Timestamp,
    },
    /// A person ended it.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

impl ReplayState {
    /// One word for listings: `running`, `done`, `cancelled`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done { .. } => "done",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_is_one() {
        let id = ReplayId::from_unique("0af9").expect("an id");
        assert_eq!(id.to_string().parse::<ReplayId>().expect("the same"), id);
        for bad in ["", "rpl_", "sub_1", "rpl_A", "rpl_../x"] {
            assert!(bad.parse::<ReplayId>().is_err(), "{bad}");
        }
    }
}
