//! Changes to reports.

use serde_json::{Value, json};

use super::{Entity, Moment, World};
use crate::journal::{Change, Record};
use crate::tenant::model;
use crate::tenant::report::{Report, State, Step, WrongState};

/// Why a change to a report was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotChanged {
    /// No such report.
    Missing,
    /// It stands in a state that does not allow this.
    State(State),
    /// It would look the same afterwards.
    Same,
}

impl From<WrongState> for NotChanged {
    fn from(wrong: WrongState) -> Self {
        Self::State(wrong.0)
    }
}

impl World {
    /// Moves a report one step.
    pub(crate) fn step_report(&mut self, number: u64, step: Step, moment: Moment) -> Result<Record, NotChanged> {
        let report = self.tenant.reports.get_mut(&number).ok_or(NotChanged::Missing)?;
        let change = change_of(&step);
        let from = report.state;
        report.take(step, moment.at)?;
        let detail = json!({ "from": from.word(), "to": report.state.word() });
        Ok(self.record(Entity::Report(number), change, detail, moment))
    }

    /// Puts a new report into the tenant; one whose number is taken changes nothing.
    pub(crate) fn add_report(&mut self, report: Report, moment: Moment) -> Result<Record, NotChanged> {
        let number = report.number;
        if self.tenant.reports.contains_key(&number) {
            return Err(NotChanged::Same);
        }
        let detail = json!({
            "to": report.state.word(), "policyID": report.policy_id, "expenses": report.expenses.len(), "total": report.total(),
        });
        self.tenant.reports.insert(number, report);
        Ok(self.record(Entity::Report(number), Change::Created, detail, moment))
    }

    /// Edits a report in place. What the edit did is judged by what an export shows before and after; only then is a
    /// line of history written.
    pub(crate) fn edit_report(
        &mut self,
        number: u64,
        detail: Value,
        history: &'static str,
        moment: Moment,
        edit: impl FnOnce(&mut Report),
    ) -> Result<Record, NotChanged> {
        let report = self.tenant.reports.get_mut(&number).ok_or(NotChanged::Missing)?;
        let before = model::report(report);
        edit(report);
        if model::report(report) == before {
            return Err(NotChanged::Same);
        }
        let author = report.submitter.email.clone();
        report.note(history, author, moment.at, json!({}));
        Ok(self.record(Entity::Report(number), Change::Updated, detail, moment))
    }

    /// Deletes a report. Only an open one can be deleted.
    pub(crate) fn remove_report(&mut self, number: u64, moment: Moment) -> Result<Record, NotChanged> {
        let report = self.tenant.reports.get(&number).ok_or(NotChanged::Missing)?;
        if report.state != State::Open {
            return Err(NotChanged::State(report.state));
        }
        self.tenant.reports.remove(&number);
        Ok(self.record(Entity::Report(number), Change::Removed, json!({ "from": "OPEN" }), moment))
    }
}

fn change_of(step: &Step) -> Change {
    match step {
        Step::Submit => Change::Submitted,
        Step::Approve => Change::Approved,
        Step::Reimburse(_) => Change::Reimbursed,
        Step::Archive => Change::Archived,
        Step::Reopen => Change::Reopened,
        Step::Unapprove => Change::Unapproved,
    }
}
