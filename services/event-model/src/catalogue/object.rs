//! Objects that only operational events carry. Those of the upstream's entities are in the modules that bear their names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    entity::Subject,
    event_type::EventType,
    id::{EventId, Sequence},
    subscription::SubscriptionId,
};

/// The object of `scope.snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeSnapshot {
    /// Which set of entities was read whole: `reports`, `reports:2026-03`, `policies`, `cards:acme.example`.
    pub scope: String,
    /// How many entities it had.
    pub entities: u64,
}

/// The object of `subscription.disabled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionDisabled {
    /// The subscription.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: SubscriptionId,
    /// How it stands: `disabled`.
    pub status: String,
    /// Why, for people.
    pub reason: String,
}

/// The object of `subscription.exhausted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionExhausted {
    /// The subscription.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: SubscriptionId,
    /// The event that was not delivered.
    pub event: GivenUp,
    /// Attempts made.
    pub attempts: u32,
    /// How the last one ended: `status`, `dns`, `blocked`, `connect`, `tls`, `timeout`, `transport`.
    pub outcome: String,
}

/// The object of `subscription.history_cut`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionHistoryCut {
    /// The subscription.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: SubscriptionId,
    /// How it stood: `active`, `paused`, `disabled`.
    pub status: String,
    /// Everything up to here it had read, or did not want.
    pub cursor: Sequence,
    /// After the cursor and up to here only the last event of each entity is left.
    pub horizon: Sequence,
}

/// The event whose delivery was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenUp {
    /// Its id.
    pub id: EventId,
    /// Its type.
    #[serde(rename = "type")]
    // A new type is no new version of this schema.
    #[schemars(with = "String")]
    pub event_type: EventType,
    /// Its position in the log.
    pub sequence: Sequence,
    /// What it is about.
    pub subject: Subject,
}
