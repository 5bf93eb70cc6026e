//! Counters for whoever watches the simulator.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the simulator did so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests to the integration URL.
    pub requests: u64,
    /// The same by job, as `type/inputSettings.type`; what names no job of the sixteen is `unknown`.
    pub by_job: BTreeMap<String, u64>,
    /// Requests that arrived over a rate window.
    pub rate_violations: u64,
    /// Answers that said 429, violations and faults together.
    pub rate_limited_sent: u64,
    /// Requests refused for their credentials.
    pub authentication_failures: u64,
    /// Other envelopes with an error code.
    pub errors_sent: u64,
    /// Report exports rendered.
    pub exports_rendered: u64,
    /// Rows in those exports.
    pub rows_exported: u64,
    /// Downloads answered with a file.
    pub downloads: u64,
    /// Connections cut without an answer.
    pub connections_cut: u64,
    /// Times that the task behind the living tenant had to be started again.
    pub life_restarts: u64,
    /// Files kept for download.
    pub files_kept: u64,
    /// The number of the newest change in the journal.
    pub last_change: u64,
    /// How often each fault struck.
    pub faults_struck: BTreeMap<String, u64>,
    /// Reports by state.
    pub reports: BTreeMap<String, u64>,
    /// Policies.
    pub policies: u64,
    /// Cards.
    pub cards: u64,
    /// Current pace of the living tenant.
    pub changes_per_minute: f64,
}
