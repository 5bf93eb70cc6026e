//! Keys of the API: what the holder of one may see and do.
//!
//! A [`Grant`] is four lists: accounts, policies, event types and actions. What is not on a list is not allowed, and a list
//! that is not there allows nothing; `*` alone stands for all there is and will be. An event is within a [`Reach`] when its
//! account, its type and its policy are. An event of no policy (of a card, an account) is within none that names policies.
//!
//! An event about a subscription tells of its owner's business: it is within the reach of the owner, wherever the event that
//! could not be delivered belonged, and within a reach of everything.

mod allowed;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use self::allowed::Allowed;
use crate::{
    account::AccountName, entity::EntityKind, event::EventHead, event_type::EventType, filter::TypeGlob, id::InvalidId,
};

/// A key's id: `key_` and a UUID version 7 without hyphens. It says which key, and opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct KeyId(String);

impl KeyId {
    /// The id with this unique part: 1 to 60 of `a-z 0-9`.
    pub fn from_unique(unique: &str) -> Result<Self, InvalidId> {
        format!("key_{unique}").parse()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match text.strip_prefix("key_") {
            Some(rest) if (1..=60).contains(&rest.len()) && rest.chars().all(known) => Ok(Self(text.to_owned())),
            _ => Err(InvalidId { text: text.chars().take(80).collect(), wanted: "the id of a key (key_…)" }),
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Pull, stream and look up events and entities.
    EventsRead,
    /// See own subscriptions.
    SubscriptionsRead,
    /// Make, change, pause, test, sign anew and delete own subscriptions.
    SubscriptionsWrite,
    /// See what failed of own subscriptions.
    DeliveriesRead,
    /// Have it sent again.
    DeliveriesRetry,
    /// See how accounts are watched.
    AccountsRead,
    /// Have an account read now, or release what is withheld.
    AccountsAct,
    /// See keys that it made.
    KeysRead,
    /// Make keys that reach no further than itself, and delete those.
    KeysWrite,
    /// Prove, export and rebuild the log as a whole.
    LogAdmin,
}

impl Action {
    /// Every action, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::EventsRead,
        Self::SubscriptionsRead,
        Self::SubscriptionsWrite,
        Self::DeliveriesRead,
        Self::DeliveriesRetry,
        Self::AccountsRead,
        Self::AccountsAct,
        Self::KeysRead,
        Self::KeysWrite,
        Self::LogAdmin,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventsRead => "events:read",
            Self::SubscriptionsRead => "subscriptions:read",
            Self::SubscriptionsWrite => "subscriptions:write",
            Self::DeliveriesRead => "deliveries:read",
            Self::DeliveriesRetry => "deliveries:retry",
            Self::AccountsRead => "accounts:read",
            Self::AccountsAct => "accounts:act",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::LogAdmin => "log:admin",
        }
    }
}

/// A text that names no action.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an action")]
pub struct UnknownAction(String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|action| action.as_str() == text);
        found.ok_or_else(|| UnknownAction(text.chars().take(80).collect()))
    }
}

/// One of the words.
impl JsonSchema for Action {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = Self::ALL.map(Self::as_str);
        json_schema!({ "description": "What may be done with a key.", "type": "string", "enum": words })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which events a holder may see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// Those of these accounts.
    #[serde(default)]
    pub accounts: Allowed<AccountName>,
    /// Those about these policies or the reports on them.
    #[serde(default)]
    pub policies: Allowed<String>,
    /// Those of these types; here a wildcard finds snapshots too.
    #[serde(default)]
    pub events: Vec<TypeGlob>,
}

impl Reach {
    /// The reach of everything.
    pub fn everything() -> Self {
        Self { accounts: Allowed::All, policies: Allowed::All, events: vec![TypeGlob::any()] }
    }

    /// Whether everything that there is and will be is within it.
    pub fn is_everything(&self) -> bool {
        self.accounts.is_all() && self.policies.is_all() && self.events.iter().any(TypeGlob::is_any)
    }

    /// Whether nothing can be within it.
    pub fn is_nothing(&self) -> bool {
        self.accounts.is_nothing() || self.policies.is_nothing() || self.events.is_empty()
    }

    /// Whether events of this type are.
    pub fn has_type(&self, event_type: EventType) -> bool {
        self.events.iter().any(|glob| glob.matches(event_type))
    }

    /// Whether the event with this head is. `is_own` says whether it is about a subscription of the holder; it matters only
    /// where [`Self::turns_on_owner`].
    pub fn permits(&self, head: &EventHead, is_own: bool) -> bool {
        if self.is_everything() {
            return true;
        }
        self.has_type(head.event_type)
            && match Self::turns_on_owner(head.event_type) {
                true => is_own,
                false => self.accounts.permits(&head.account) && self.permits_policy(head.policy_id()),
            }
    }

    /// Whether who may see an event of this type depends on whose subscription it is about.
    pub fn turns_on_owner(event_type: EventType) -> bool {
        event_type.kind() == EntityKind::Subscription
    }

    fn permits_policy(&self, policy: Option<&str>) -> bool {
        match &self.policies {
            Allowed::All => true,
            Allowed::Only(ids) => policy.is_some_and(|policy| ids.contains(policy)),
        }
    }

    /// Whether everything within it is within `other` too.
    pub fn is_within(&self, other: &Self) -> bool {
        let any_type = self.events.iter().any(TypeGlob::is_any);
        let types = EventType::ALL.iter().filter(|known| self.has_type(**known)).all(|known| other.has_type(*known));
        self.accounts.is_within(&other.accounts)
            && self.policies.is_within(&other.policies)
            // What is named by * takes in types that are yet to come.
            && (!any_type || other.events.iter().any(TypeGlob::is_any))
            && types
    }
}

/// What a key allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// Which events may be seen.
    #[serde(flatten)]
    pub reach: Reach,
    /// What may be done.
    #[serde(default)]
    pub actions: Allowed<Action>,
}

impl Grant {
    /// The grant of everything.
    pub fn everything() -> Self {
        Self { reach: Reach::everything(), actions: Allowed::All }
    }

    /// Whether it allows everything, the things of others among it.
    pub fn is_everything(&self) -> bool {
        self.actions.is_all() && self.reach.is_everything()
    }

    /// Whether it allows nothing that `other` does not.
    pub fn is_within(&self, other: &Self) -> bool {
        self.actions.is_within(&other.actions) && self.reach.is_within(&other.reach)
    }
}

/// Whose a subscription is: the key that made it, as that key was. Keys never change, so this does not go stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The key.
    pub key: KeyId,
    /// What it may see; nothing else is delivered.
    pub reach: Reach,
    /// When it expires; nothing is delivered from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Owner {
    /// Whether the key has expired by `now`.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether the event with this head may be delivered; `about` is the owner of the subscription that it is about.
    pub fn permits(&self, head: &EventHead, about: Option<&KeyId>) -> bool {
        self.reach.permits(head, about == Some(&self.key))
    }
}
