//! What a simulator is started with.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

use crate::faults::Faults;
use crate::settings::Settings;
use crate::template::EngineSettings;

/// The credential pair that the simulator accepts. Its `Debug` form hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `partnerUserID`.
    pub partner_user_id: String,
    /// `partnerUserSecret`.
    pub partner_user_secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("partner_user_id", &self.partner_user_id).finish_non_exhaustive()
    }
}

/// Requests allowed in any window of 10 s and of 60 s, per credential. Zero switches a window off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// In any 10 s.
    pub per_10s: u32,
    /// In any 60 s.
    pub per_60s: u32,
}

/// How a request over the limit is answered. The body is the same envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitForm {
    /// HTTP status 429.
    Http429,
    /// HTTP status 200.
    Http200,
}

/// What the policy getter does with an id that is not there; the reference leaves it open (U7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownPolicy {
    /// The whole call fails with code 404.
    FailCall,
    /// The id is left out of the answer.
    Omit,
}

/// How long the living tenant leaves an entity alone after any change to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Reports.
    pub reports: Duration,
    /// Policies.
    pub policies: Duration,
    /// Cards.
    pub cards: Duration,
}

impl Quiet {
    /// The same time for all three.
    pub fn all(time: Duration) -> Self {
        Self { reports: time, policies: time, cards: time }
    }
}

/// Everything that a simulator is started with.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Decides the tenant and what its life chooses.
    pub seed: u64,
    /// Reports at the start.
    pub reports: usize,
    /// Policies at the start. Without any there can be no reports.
    pub policies: usize,
    /// Cards at the start. Without any, life adds none.
    pub cards: usize,
    /// So many reports more that are older than a year.
    pub old_reports: usize,
    /// So many reports more whose id differs from another's in nothing but the case of a letter.
    pub case_twins: usize,
    /// Pace of the living tenant; 0 stands still.
    pub changes_per_minute: f64,
    /// The tenant's domain.
    pub domain: String,
    /// The pair that is accepted.
    pub credentials: Credentials,
    /// Request limits.
    pub limits: RateLimits,
    /// How an answer over the limit looks.
    pub rate_limit_form: RateLimitForm,
    /// How long life leaves a changed entity alone.
    pub quiet: Quiet,
    /// Faults from the start.
    pub faults: Faults,
    /// Settings from the start.
    pub settings: Settings,
    /// What the export engine reports of itself.
    pub engine: EngineSettings,
    /// The code for an unknown `type`; 403 is what one reading of the measurements gives.
    pub unknown_type_code: u16,
    /// What the policy getter does with an unknown id.
    pub unknown_policy: UnknownPolicy,
    /// Whether a partial reimbursement answers code 207 as the manual says. Off, as measured: 200.
    pub partial_is_207: bool,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            reports: 200,
            policies: 3,
            cards: 20,
            old_reports: 0,
            case_twins: 0,
            changes_per_minute: 0.0,
            domain: "acme.example".to_owned(),
            credentials: Credentials {
                partner_user_id: "aa_finance_acme_example".to_owned(),
                partner_user_secret: "simulated-secret".to_owned(),
            },
            limits: RateLimits { per_10s: 5, per_60s: 20 },
            rate_limit_form: RateLimitForm::Http429,
            quiet: Quiet::all(Duration::from_secs(30)),
            faults: Faults::default(),
            settings: Settings::default(),
            engine: EngineSettings::default(),
            unknown_type_code: 403,
            unknown_policy: UnknownPolicy::FailCall,
            partial_is_207: false,
        }
    }
}
