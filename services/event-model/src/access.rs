//! What an account's credential sees, and what it has lost sight of. It is the object of `account.access_changed`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::AccountName;

/// The access of an account. While a scope is lost its entities stand as they were last seen: nothing is said about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Access {
    /// The account.
    pub account: AccountName,
    /// What is out of sight now, sorted by scope; empty when nothing is.
    pub lost: Vec<LostScope>,
}

/// A scope that is out of sight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostScope {
    /// `policy/A1B2C3D4E5F60718` (that policy and its reports), `policies`, `reports`, `cards:acme.example`.
    pub scope: String,
    /// Why it is held to be lost.
    pub reason: LossReason,
    /// Start of the read that first missed it.
    pub since: Timestamp,
    /// How many entities went missing; `null` where they were not counted.
    pub missing: Option<u64>,
    /// Of how many that were known.
    pub of: Option<u64>,
}

/// Why a scope is held to be out of sight, not emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// The upstream refuses to show it.
    Refused,
    /// The credential's role does not reach it any more.
    Role,
    /// So much went missing at once that a lost role or a moved domain is likelier than as many deletions.
    MassDisappearance,
}
