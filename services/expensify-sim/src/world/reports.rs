//! Changes to reports.

use serde_json::{Value, json};
use std::sync::Arc;

use super::{Entity, Moment, World};
use crate::journal::{Change, Record};
use crate::tenant::report::{Report, State, Step, WrongState};
use crate::tenant::{lines, model};

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
        let shared = self.tenant.reports.get_mut(&number).ok_or(NotChanged::Missing)?;
        let change = change_of(&step);
        let before = Arc::clone(shared);
        Arc::make_mut(shared).take(step, moment.server)?;
        let detail = json!({ "from": before.state_word(), "to": shared.state_word() });
        let actor = shared.actions.last().map(|action| action.email.clone()).unwrap_or_default();
        let told = told(detail, Some(&before), Some(shared));
        Ok(self.record(Entity::Report(number), change, &actor, told, moment))
    }

    /// Puts a report into the tenant; one whose number is taken changes nothing.
    pub(crate) fn add_report(&mut self, report: Report, detail: Value, moment: Moment) -> Result<Record, NotChanged> {
        let number = report.number;
        if self.tenant.reports.contains_key(&number) {
            return Err(NotChanged::Same);
        }
        let mut about = json!({
            "to": report.state_word(), "policyID": report.policy_id, "expenses": report.expenses.len(), "total": report.total(),
        });
        if let (Some(about), Value::Object(detail)) = (about.as_object_mut(), detail) {
            about.extend(detail);
        }
        let about = told(about, None, Some(&report));
        let actor = report.submitter.email.clone();
        self.tenant.reports.insert(number, Arc::new(report));
        Ok(self.record(Entity::Report(number), Change::Created, &actor, about, moment))
    }

    /// Brings a removed report back as it was.
    pub(crate) fn resurrect_report(&mut self, number: u64, moment: Moment) -> Option<Record> {
        let report = self.graves.reports.remove(&number)?;
        self.add_report(Arc::unwrap_or_clone(report), json!({ "resurrected": true }), moment).ok()
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
        let shared = self.tenant.reports.get_mut(&number).ok_or(NotChanged::Missing)?;
        let before = Arc::clone(shared);
        let report = Arc::make_mut(shared);
        edit(report);
        if model::report(report) == model::report(&before) {
            return Err(NotChanged::Same);
        }
        let actor = report.submitter.email.clone();
        report.note(history, actor.clone(), moment.server, json!({}));
        let told = told(detail, Some(&before), Some(report));
        Ok(self.record(Entity::Report(number), Change::Updated, &actor, told, moment))
    }

    /// Deletes a report. Only an open one can be deleted.
    pub(crate) fn remove_report(&mut self, number: u64, moment: Moment) -> Result<Record, NotChanged> {
        let report = self.tenant.reports.get(&number).ok_or(NotChanged::Missing)?;
        if report.state != State::Open {
            return Err(NotChanged::State(report.state));
        }
        let told = told(json!({ "from": report.state_word() }), Some(report), None);
        let actor = report.submitter.email.clone();
        if let Some(report) = self.tenant.reports.remove(&number) {
            self.graves.report(report);
        }
        Ok(self.record(Entity::Report(number), Change::Removed, &actor, told, moment))
    }
}

/// A record's detail with the state afterwards and the lines that differ.
fn told(mut detail: Value, before: Option<&Report>, after: Option<&Report>) -> Value {
    let expenses = |report: Option<&Report>| report.map(|report| report.expenses.clone()).unwrap_or_default();
    let lines = lines::differences(&expenses(before), &expenses(after));
    detail["state"] = json!(after.map(Report::state_word));
    if let [line] = lines.as_slice() {
        detail["transactionID"] = line["transactionID"].clone();
    }
    if !lines.is_empty() {
        detail["lines"] = json!(lines);
    }
    detail
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
