//! How the watching of an account stands, as the poller publishes it and the API shows it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    access::{LossReason, LostScope},
    account::AccountName,
};

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountStatus {
    /// Its name.
    pub name: AccountName,
    /// How its requests are spent.
    pub budget: BudgetStatus,
    /// What is read, when it last was, and what is planned; in the order in which it would be read next.
    pub watches: Vec<WatchStatus>,
    /// Entities that are missing and are read by their ids before anything is said of them.
    pub confirming: u64,
    /// What is out of the credential's sight: frozen, not removed.
    pub lost: Vec<LostScope>,
    /// The upstream's clock minus ours, in seconds, as its newest answer tells; windows go by its clock.
    pub clock_offset_s: Option<f64>,
    /// What a person should know about the upstream's answers, newest last; bounded.
    pub notices: Vec<Notice>,
    /// The last failed request that no later success of the same watch has answered, for people.
    pub last_error: Option<ErrorStatus>,
}

impl AccountStatus {
    /// What the status of the account `name` can look like at `at`, with something of everything that a person looks for: a
    /// lowered share, a scope that is withheld, one that is out of sight, something to know.
    pub fn example(name: AccountName, at: Timestamp) -> Self {
        let watch = WatchStatus {
            name: "reports".to_owned(),
            why: "due".to_owned(),
            cost_requests: 2,
            read_s: Some(1.5),
            read_bytes: Some(70_000),
            changes_per_hour: 3.5,
            period_s: Some(8.0),
            age_s: None,
            expected_delay_s: Some(5.5),
            baselined: true,
            entities: Some(120),
            fresh_as_of: Some(at),
            failures: 0,
            withheld: Some(Withheld { missing: 20, of: 120, since: at }),
            set_aside: vec!["expenses[*].mcc".to_owned()],
        };
        let scope = "policy/P1".to_owned();
        Self {
            name,
            budget: BudgetStatus {
                windows: vec![WindowStatus { window_s: 10, used: 1, limit: 5 }],
                share: 0.5,
                configured_share: 1.0,
                last_limited_at: Some(at),
                next_start_at: None,
            },
            watches: vec![watch],
            confirming: 2,
            lost: vec![LostScope { scope, reason: LossReason::Role, since: at, missing: None, of: None }],
            clock_offset_s: Some(-1.25),
            notices: vec![Notice { at, watch: "reports".to_owned(), message: "a field nobody knew".to_owned() }],
            last_error: None,
        }
    }
}

/// The rate budget of an account, as its ledger stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetStatus {
    /// Each window.
    pub windows: Vec<WindowStatus>,
    /// The share of the upstream's limit that is used now: what is configured, or less for a while after a 429.
    pub share: f64,
    /// The share that is configured.
    pub configured_share: f64,
    /// The last answer that said there were too many requests: somebody else uses the pair, or the limit is lower.
    pub last_limited_at: Option<Timestamp>,
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
    /// Its name: `reports`, `reports:active`, `reports:2026-03`, `reports:by-id`, `policies`, `cards:acme.example`.
    pub name: String,
    /// Why it stands where it stands in the plan: `first_sight`, `due`, `cap`, `in_flight`, `backoff`, `hurried`, `waiting`.
    pub why: String,
    /// Requests that one read costs.
    pub cost_requests: u32,
    /// Seconds that the last complete read took, rendering and download.
    pub read_s: Option<f64>,
    /// Bytes of the last complete read.
    pub read_bytes: Option<u64>,
    /// Changes an hour that planning reckons with: learned from what reads found.
    pub changes_per_hour: f64,
    /// Seconds between reads that the plan comes to.
    pub period_s: Option<f64>,
    /// Seconds since the state that it is known to show.
    pub age_s: Option<f64>,
    /// Mean seconds from a change to its event that the plan comes to: half the period and the read.
    pub expected_delay_s: Option<f64>,
    /// Whether its first sight is complete.
    pub baselined: bool,
    /// Entities that the last complete read showed.
    pub entities: Option<u64>,
    /// Start of the last complete read: what happened before it is in the log.
    pub fresh_as_of: Option<Timestamp>,
    /// Reads in a row that failed or were incomplete.
    pub failures: u32,
    /// So much went missing that nothing is said about it until it is confirmed.
    pub withheld: Option<Withheld>,
    /// Paths that move at every read without meaning, and make no event.
    pub set_aside: Vec<String>,
}

/// A mass disappearance that is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Withheld {
    /// Entities that are missing.
    pub missing: u64,
    /// Of how many.
    pub of: u64,
    /// Start of the first read that missed them.
    pub since: Timestamp,
}

/// Something that a person should know, such as a field of the upstream that nobody here knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// When it was last seen.
    pub at: Timestamp,
    /// The watch whose read showed it.
    pub watch: String,
    /// What.
    pub message: String,
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
