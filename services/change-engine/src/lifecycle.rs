//! Which steps lead from one state of a report to another.
//!
//! Two observations can lie several steps apart. A consumer keyed on one step must not miss it, so each step on the way is
//! named, in order; every pair of states has a defined answer, backwards ones too. The way is
//!
//! ```text
//!   OPEN ─submitted→ SUBMITTED ─approved→ APPROVED ─reimbursed→ REIMBURSED
//!   OPEN ←reopened── SUBMITTED ←unapproved─ APPROVED ←reimbursement_reverted─ REIMBURSED
//!   any ─archived→ ARCHIVED ─reopened→ OPEN
//! ```
//!
//! On the way to `ARCHIVED` a step is named only if the report carries its date: a draft may be closed without ever having
//! been submitted. Into and out of a state that this version does not know there is no way; arriving from it at a known
//! state is one step, leaving for it is none (the change of `state` itself is still told, as an update).

pub mod history;

use event_model::{EventType, ReportState};

/// One step: the event that names it and the state after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The event that names it.
    pub event_type: EventType,
    /// The state that it leads to.
    pub state: ReportState,
}

/// What the report's own dates say happened since it was last seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// It carries a date of submission that it did not carry before.
    pub submitted: bool,
    /// It carries a date of approval that it did not carry before.
    pub approved: bool,
}

/// The steps from `from` to `to`, in order; the last one ends in `to`. Empty when the state is the same, or `to` is unknown.
pub fn steps(from: &ReportState, to: &ReportState, evidence: Evidence) -> Vec<Step> {
    use ReportState::{Archived, Open, Other};
    match (from, to) {
        _ if from == to => Vec::new(),
        (_, Other(_)) => Vec::new(),
        (Other(_), _) => vec![arrival(to)],
        (_, Archived) => towards_archived(from, evidence),
        (Archived, Open) => vec![arrival(&Open)],
        (Archived, _) => std::iter::once(arrival(&Open)).chain(steps(&Open, to, evidence)).collect(),
        _ => along(from, to),
    }
}

/// The four states of the way, in order.
const WAY: [ReportState; 4] =
    [ReportState::Open, ReportState::Submitted, ReportState::Approved, ReportState::Reimbursed];

/// Where `state` stands on the way.
fn place(state: &ReportState) -> usize {
    WAY.iter().position(|on_way| on_way == state).unwrap_or(0)
}

fn along(from: &ReportState, to: &ReportState) -> Vec<Step> {
    let (start, end) = (place(from), place(to));
    if start < end {
        WAY[start + 1..=end].iter().map(arrival).collect()
    } else {
        WAY[end..start].iter().rev().map(retreat).collect()
    }
}

fn towards_archived(from: &ReportState, evidence: Evidence) -> Vec<Step> {
    let submitted = *from == ReportState::Open && (evidence.submitted || evidence.approved);
    let approved = matches!(from, ReportState::Open | ReportState::Submitted) && evidence.approved;
    [(submitted, ReportState::Submitted), (approved, ReportState::Approved), (true, ReportState::Archived)]
        .iter()
        .filter(|(taken, _)| *taken)
        .map(|(_, state)| arrival(state))
        .collect()
}

/// The step that leads forward to `state`; to `OPEN`, the one that leads back to it.
fn arrival(state: &ReportState) -> Step {
    let event_type = match state {
        ReportState::Open => EventType::ReportReopened,
        ReportState::Submitted => EventType::ReportSubmitted,
        ReportState::Approved => EventType::ReportApproved,
        ReportState::Reimbursed => EventType::ReportReimbursed,
        ReportState::Archived => EventType::ReportArchived,
        ReportState::Other(_) => EventType::ReportUpdated,
    };
    Step { event_type, state: state.clone() }
}

/// The step that leads back to `state` from the one after it on the way.
fn retreat(state: &ReportState) -> Step {
    let event_type = match state {
        ReportState::Submitted => EventType::ReportUnapproved,
        ReportState::Approved => EventType::ReportReimbursementReverted,
        ReportState::Open | ReportState::Reimbursed | ReportState::Archived | ReportState::Other(_) => {
            EventType::ReportReopened
        }
    };
    Step { event_type, state: state.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_DATES: Evidence = Evidence { submitted: false, approved: false };
    const ALL_DATES: Evidence = Evidence { submitted: true, approved: true };

    fn names(from: &str, to: &str, evidence: Evidence) -> String {
        let [from, to] = [from, to].map(ReportState::from_upstream);
        let steps = steps(&from, &to, evidence);
        assert!(steps.last().is_none_or(|last| last.state == to), "{from:?} to {to:?} ends in {steps:?}");
        steps.iter().map(|s| s.event_type.as_str().trim_start_matches("report.")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_pair_of_states_has_its_steps() {
        let table = [
            ("OPEN", "SUBMITTED", "submitted"),
            ("OPEN", "APPROVED", "submitted approved"),
            ("OPEN", "REIMBURSED", "submitted approved reimbursed"),
            ("OPEN", "ARCHIVED", "archived"),
            ("SUBMITTED", "OPEN", "reopened"),
            ("SUBMITTED", "APPROVED", "approved"),
            ("SUBMITTED", "REIMBURSED", "approved reimbursed"),
            ("SUBMITTED", "ARCHIVED", "archived"),
            ("APPROVED", "OPEN", "unapproved reopened"),
            ("APPROVED", "SUBMITTED", "unapproved"),
            ("APPROVED", "REIMBURSED", "reimbursed"),
            ("APPROVED", "ARCHIVED", "archived"),
            ("REIMBURSED", "OPEN", "reimbursement_reverted unapproved reopened"),
            ("REIMBURSED", "SUBMITTED", "reimbursement_reverted unapproved"),
            ("REIMBURSED", "APPROVED", "reimbursement_reverted"),
            ("REIMBURSED", "ARCHIVED", "archived"),
            ("ARCHIVED", "OPEN", "reopened"),
            ("ARCHIVED", "SUBMITTED", "reopened submitted"),
            ("ARCHIVED", "APPROVED", "reopened submitted approved"),
            ("ARCHIVED", "REIMBURSED", "reopened submitted approved reimbursed"),
            ("OPEN", "ESCALATED", ""),
            ("ESCALATED", "APPROVED", "approved"),
            ("ESCALATED", "OPEN", "reopened"),
        ];
        for (from, to, expected) in table {
            assert_eq!(names(from, to, NO_DATES), expected, "{from} to {to}");
            assert_eq!(names(from, from, NO_DATES), "");
        }
    }

    #[test]
    fn a_closed_report_has_only_the_steps_that_its_dates_show() {
        assert_eq!(names("OPEN", "ARCHIVED", ALL_DATES), "submitted approved archived");
        assert_eq!(names("OPEN", "ARCHIVED", Evidence { submitted: true, approved: false }), "submitted archived");
        assert_eq!(names("SUBMITTED", "ARCHIVED", ALL_DATES), "approved archived");
        assert_eq!(names("APPROVED", "ARCHIVED", ALL_DATES), "archived");
    }
}
