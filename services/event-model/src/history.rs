//! A report's history (`actionList`, reference section 3.6): when a step was taken, and by whom.
//!
//! The vocabulary is open, not promised, and not documented whole. What is known of it is in one table here; what is not in
//! the table is no step of a report's life and is left out (comments, exports, edits, intermediate approvals).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{date::UpstreamDate, event_type::EventType, report::ReportState};

/// Most entries that a report keeps, the newest: a report that was sent back and forth thirty times.
pub const MAX_HISTORY: usize = 64;

/// One step of a report's life as its history tells it. Sorted by time, then action, then actor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// When.
    pub at: Option<UpstreamDate>,
    /// What, in upper case and the upstream's words.
    pub action: String,
    /// By whom.
    pub actor: Option<String>,
}

/// What a step of the history does to the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The event that names the step.
    pub event_type: EventType,
    /// The state after it.
    pub state: ReportState,
}

/// Actions that are steps, by the event that names them. Spellings of the classic application and of the reference's
/// sources; the two of the ACH cancellation are both in use.
const ACTIONS: &[(&str, EventType, ReportState)] = &[
    ("SUBMITTED", EventType::ReportSubmitted, ReportState::Submitted),
    ("DELEGATESUBMIT", EventType::ReportSubmitted, ReportState::Submitted),
    ("APPROVED", EventType::ReportApproved, ReportState::Approved),
    ("REIMBURSED", EventType::ReportReimbursed, ReportState::Reimbursed),
    ("MARKEDREIMBURSED", EventType::ReportReimbursed, ReportState::Reimbursed),
    ("MARKREIMBURSEDFROMINTEGRATION", EventType::ReportReimbursed, ReportState::Reimbursed),
    ("REIMBURSEMENTQUEUED", EventType::ReportReimbursed, ReportState::Reimbursed),
    ("CLOSED", EventType::ReportArchived, ReportState::Archived),
    ("ARCHIVED", EventType::ReportArchived, ReportState::Archived),
    ("REJECTED", EventType::ReportReopened, ReportState::Open),
    ("RETRACTED", EventType::ReportReopened, ReportState::Open),
    ("REOPENED", EventType::ReportReopened, ReportState::Open),
    ("UNSUBMITTED", EventType::ReportReopened, ReportState::Open),
    ("UNAPPROVED", EventType::ReportUnapproved, ReportState::Submitted),
    ("REIMBURSEMENTDEQUEUED", EventType::ReportReimbursementReverted, ReportState::Approved),
    ("REIMBURSEMENTACHBOUNCE", EventType::ReportReimbursementReverted, ReportState::Approved),
    ("REIMBURSEMENTACHCANCELED", EventType::ReportReimbursementReverted, ReportState::Approved),
    ("REIMBURSEMENTACHCANCELLED", EventType::ReportReimbursementReverted, ReportState::Approved),
];

/// What `action`, in any case, does to a report; `None` when it is no step that we know.
pub fn step_of(action: &str) -> Option<Move> {
    let known = ACTIONS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(action.trim()))?;
    let (_, event_type, state) = known.clone();
    Some(Move { event_type, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_known_in_any_case_and_the_rest_is_none() {
        assert_eq!(step_of("Approved").map(|step| step.state), Some(ReportState::Approved));
        assert_eq!(step_of(" RetrActed ").map(|step| step.event_type), Some(EventType::ReportReopened));
        for other in ["FORWARDED", "ADDCOMMENT", "EXPORTCSV", "CREATED", ""] {
            assert_eq!(step_of(other), None, "{other}");
        }
    }
}
