//! How the watching of an account stands, as the poller publishes it and the API shows it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::AccountName;

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountStatus {
    /// Its name.
    pub name: AccountName,
    /// How its requests are spent.
    pub budget: BudgetStatus,
    /// What is read, and when it last was.
    pub watches: Vec<WatchStatus>,
    /// The last failed request that no later success of the same watch has answered, for people.
    pub last_error: Option<ErrorStatus>,
}

/// The rate budget of an account, as its ledger stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetStatus {
    /// Each window.
    pub windows: Vec<WindowStatus>,
    /// The share of the upstream's limit that is ours.
    pub share: f64,
    /// No request before this; `null` when one may start now.
    pub next_start_at: Option<Timestamp>,
}

/// One window of the budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowStatus {
    /// Length in seconds.
    pub window_s: u32,
    /// Slots held now.
    pub used: u32,
    /// Slots there are.
    pub limit: u32,
}

/// One watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchStatus {
    /// Its name: `reports`, `policies`, `cards:acme.example`.
    pub name: String,
    /// Requests that one read costs.
    pub cost_requests: u32,
    /// Changes an hour that planning reckons with.
    pub changes_per_hour: f64,
    /// Whether its first sight is complete.
    pub baselined: bool,
    /// Entities that the last complete read showed.
    pub entities: Option<u64>,
    /// Start of the last complete read: what happened before it is in the log.
    pub fresh_as_of: Option<Timestamp>,
    /// Reads in a row that failed or were incomplete.
    pub failures: u32,
}

/// A failure, for people: never a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorStatus {
    /// When.
    pub at: Timestamp,
    /// The watch it stopped.
    pub watch: String,
    /// What was tried, and what came back.
    pub message: String,
}
