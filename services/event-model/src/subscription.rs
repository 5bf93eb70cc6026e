//! Subscriptions: who wants which events where.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::{
    keys::{Ed25519Key, RetiringSecret},
    reserved::is_reserved_header,
};
use crate::{
    event::EventHead,
    filter::EventFilter,
    id::{InvalidId, Sequence},
    key::{KeyId, Owner},
};

mod keys;
mod reserved;

/// A subscription's id: `sub_` and a UUID version 7 without hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SubscriptionId(String);

impl SubscriptionId {
    /// The id with this unique part: 1 to 60 of `a-z 0-9`.
    pub fn from_unique(unique: &str) -> Result<Self, InvalidId> {
        format!("sub_{unique}").parse()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SubscriptionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match text.strip_prefix("sub_") {
            Some(rest) if (1..=60).contains(&rest.len()) && rest.chars().all(known) => Ok(Self(text.to_owned())),
            _ => Err(InvalidId { text: text.chars().take(80).collect(), wanted: "a subscription id (sub_…)" }),
        }
    }
}

impl TryFrom<String> for SubscriptionId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SubscriptionId> for String {
    fn from(id: SubscriptionId) -> Self {
        id.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subscription as it is stored. The API and the command line change it; the dispatcher only disables it. How far
/// delivery has come is kept apart, in [`crate::delivery::Progress`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Where deliveries are posted.
    pub url: Url,
    /// Which events it wants.
    pub filter: EventFilter,
    /// The form of a delivery.
    pub format: Format,
    /// What waits behind a failing delivery.
    pub ordering: Ordering,
    /// At most so many deliveries a second; `None` for no limit.
    pub rate_per_s: Option<u32>,
    /// Headers added to each delivery, by name. Each value is sealed by the store's sealing key with
    /// [`Self::header_place`] as associated data: people put credentials into them.
    pub sealed_headers: BTreeMap<String, String>,
    /// For people.
    pub description: Option<String>,
    /// Whether it delivers.
    pub status: Status,
    /// It wants events after this sequence.
    pub start_after: Sequence,
    /// Signing secrets, each sealed by the store's sealing key with the subscription's id as associated data; newest first.
    pub sealed_secrets: Vec<String>,
    /// Secrets that were replaced and still sign until their time, so that a receiver can change over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring_secrets: Vec<RetiringSecret>,
    /// Keys of the signatures `v1a`, newest first; none unless asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ed25519_keys: Vec<Ed25519Key>,
    /// Whether a new URL must show first that its owner wants the deliveries.
    #[serde(default)]
    pub challenge: bool,
    /// Whose it is, and what that key may see; none is unrestricted, as those are that were made before keys had scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Subscription {
    /// Whether the event with this head is wanted and its owner may see it; `about` is the owner of the subscription that the
    /// event is about.
    pub fn wants(&self, head: &EventHead, about: Option<&KeyId>) -> bool {
        self.filter.wants(head) && self.owner.as_ref().is_none_or(|owner| owner.permits(head, about))
    }

    /// Whether it delivers at `now`: it is active, and its owner's key has not expired.
    pub fn delivers(&self, now: Timestamp) -> bool {
        self.status == Status::Active && !self.has_lapsed(now)
    }

    /// Whether its owner's key has expired by `now`.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.has_lapsed(now))
    }

    /// What the sealed value of the header `name` of the subscription `id` is bound to: it opens nowhere else.
    pub fn header_place(id: &SubscriptionId, name: &str) -> String {
        // An id has no slash: no two places are written alike.
        format!("{id}/header/{name}")
    }
}

/// The form of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The event as it is in the log.
    #[default]
    Standard,
    /// CloudEvents 1.0, structured mode.
    CloudeventsStructured,
    /// CloudEvents 1.0, binary mode.
    CloudeventsBinary,
}

/// What waits behind a failing delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// Later events of the same entity.
    #[default]
    Entity,
    /// Every later event.
    Strict,
    /// Nothing.
    None,
}

/// Whether a subscription delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Status {
    /// It delivers.
    Active,
    /// A person paused it; its cursor stands.
    Paused,
    /// The service stopped it; its cursor stands.
    Disabled {
        /// Why, for people.
        reason: String,
        /// Since when.
        at: Timestamp,
    },
}

impl Status {
    /// One word for labels and listings: `active`, `paused`, `disabled`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled { .. } => "disabled",
        }
    }
}
