//! What holds until it is changed: the server's clock, how fast it renders, and how it refuses.

use serde::{Deserialize, Serialize};

use crate::access::LostPolicy;
use crate::error::ControlError;

/// The farthest that the server's clock can be off: ten years. Dates have four digits of a year.
const MAX_SKEW_S: i64 = 10 * 366 * 86_400;
/// The farthest that a zone lies from UTC.
const MAX_ZONE_S: i32 = 14 * 3_600;
/// The longest time per report: a thousand reports then take as long as a client waits.
const MAX_RENDER_US: u64 = 1_000_000;

/// Settings of the simulated server. What a PUT leaves out has its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The server's clock is so many seconds ahead of this machine's. Everything that the server writes or compares is on
    /// its clock (dates of reports, history, filters, the `Date` header); the journal stays on this machine's.
    pub clock_skew_s: i64,
    /// The dates of a report, of its approvals and of its history are written in a zone so many seconds east of UTC. The
    /// `Date` header and the filters stay on UTC.
    pub zone_s: i32,
    /// Answers carry no `Date` header.
    pub no_date_header: bool,
    /// An export answers no earlier than so many microseconds per report that it renders.
    pub render_us_per_report: u64,
    /// How the details of a policy are refused to a credential that lost its role there.
    pub lost_policy: LostPolicy,
    /// What the living tenant changes.
    pub life: Mix,
}

impl Settings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first value out of range.
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        if self.clock_skew_s.abs() > MAX_SKEW_S {
            return Err(ControlError::Invalid(format!("clock_skew_s must lie within {MAX_SKEW_S} either way")));
        }
        if self.zone_s.abs() > MAX_ZONE_S {
            return Err(ControlError::Invalid(format!("zone_s must lie within {MAX_ZONE_S} either way")));
        }
        if self.render_us_per_report > MAX_RENDER_US {
            return Err(ControlError::Invalid(format!("render_us_per_report is at most {MAX_RENDER_US}")));
        }
        Ok(())
    }
}

/// Shares of the living tenant's changes. A kind with none is never changed by life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// To reports.
    pub reports: u16,
    /// To policies.
    pub policies: u16,
    /// To cards.
    pub cards: u16,
}

impl Default for Mix {
    fn default() -> Self {
        Self { reports: 85, policies: 10, cards: 5 }
    }
}
