//! What exactly a change does, where the kind of change leaves it open.

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

use super::reports::NotChanged;
use super::{Moment, World};
use crate::error::ControlError;
use crate::journal::Record;
use crate::tenant::report::{Expense, Report};
use crate::tenant::{ids, seed};

/// What exactly a change does. The first seven go with `updated`, the next two with `created`, the last with
/// `feed_failed` and `feed_recovered`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Another title.
    Title(String),
    /// Moves the report to the policy with this id.
    MoveTo(String),
    /// A status text that none of the five states has; blank takes it away. The next step does, too.
    Status(String),
    /// Other dates.
    Dates(Dates),
    /// One more line.
    AddExpense(Line),
    /// Another line content; by chance another amount.
    EditExpense(Line),
    /// One line less.
    RemoveExpense(Line),
    /// One line to another report: a second record tells that report's side.
    MoveExpense {
        /// Which; any when it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transaction: Option<String>,
        /// The other report.
        to: String,
    },
    /// A report that was made, and taken up to a state, so many days ago.
    Aged {
        /// How long ago it was made; the steps followed within a day.
        days: u32,
        /// `OPEN`, `SUBMITTED`, `APPROVED`, `REIMBURSED` or `ARCHIVED`.
        state: String,
    },
    /// A report whose id differs from this one's in nothing but the case of a letter.
    TwinOf(String),
    /// The feed of a bank instead of one card's.
    Bank {
        /// The bank, as `vcf`.
        bank: String,
        /// Failing: this share of its cards, more than half.
        #[serde(default = "whole")]
        share: f64,
    },
}

fn whole() -> f64 {
    1.0
}

/// Dates of a report; those left out stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dates {
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was handed in.
    pub submitted: Option<Timestamp>,
    /// When it was approved.
    pub approved: Option<Timestamp>,
    /// When it was paid.
    pub reimbursed: Option<Timestamp>,
}

/// A line of a report, and what it is to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Line {
    /// Which; any when it is not said. A new line has an id of its own.
    pub transaction: Option<String>,
    /// Amount in minor units.
    pub amount: Option<i64>,
    /// Merchant.
    pub merchant: Option<String>,
    /// Category.
    pub category: Option<String>,
    /// Comment.
    pub comment: Option<String>,
}

impl World {
    /// Edits a report as told.
    ///
    /// # Errors
    /// When something named is not there, or nothing would change.
    pub(crate) fn edit_as_told(
        &mut self,
        rng: &mut StdRng,
        number: u64,
        edit: &Edit,
        moment: Moment,
    ) -> Result<Record, ControlError> {
        let done = match edit {
            Edit::Title(title) => {
                let detail = json!({ "field": "reportName", "to": title });
                self.edit_report(number, detail, "CHANGEFIELD", moment, |report| report.title.clone_from(title))
            }
            Edit::MoveTo(policy) => return self.move_report(number, policy, moment),
            Edit::Status(text) => {
                let status = Some(text.clone()).filter(|text| !text.is_empty());
                let detail = json!({ "field": "status", "to": text });
                self.edit_report(number, detail, "CHANGEFIELD", moment, |report| report.strange_status = status)
            }
            Edit::Dates(dates) => {
                let detail = json!({ "field": "dates", "to": dates });
                self.edit_report(number, detail, "CHANGEFIELD", moment, |report| set(report, dates))
            }
            Edit::AddExpense(line) => return self.add_line(rng, number, line, moment),
            Edit::EditExpense(line) => return self.edit_line(rng, number, line, moment),
            Edit::RemoveExpense(line) => {
                let id = self.line_id(rng, number, line.transaction.as_deref())?;
                let detail = json!({ "field": "transactionList", "removed": [id] });
                self.edit_report(number, detail, "MODIFIEDEXPENSE", moment, |report| {
                    report.expenses.retain(|expense| expense.id != id);
                })
            }
            Edit::MoveExpense { transaction, to } => {
                return self.move_line(rng, number, transaction.as_deref(), to, moment);
            }
            Edit::Aged { .. } | Edit::TwinOf(_) | Edit::Bank { .. } => {
                return Err(ControlError::Impossible("this edit does not go with updated".to_owned()));
            }
        };
        done.map_err(unchanged)
    }

    fn move_report(&mut self, number: u64, policy: &str, moment: Moment) -> Result<Record, ControlError> {
        let missing = || ControlError::Missing(format!("policy {policy}"));
        let to = self.tenant.policies.get(policy).ok_or_else(missing)?;
        let (id, name, currency) = (to.id.clone(), to.name.clone(), to.currency.clone());
        let from = self.tenant.reports.get(&number).map(|report| report.policy_id.clone());
        let detail = json!({ "field": "policyID", "from": from, "to": id });
        let moved = self.edit_report(number, detail, "CHANGEPOLICY", moment, |report| {
            report.policy_id = id;
            report.policy_name = name;
            report.currency = currency;
        });
        moved.map_err(unchanged)
    }

    fn add_line(&mut self, rng: &mut StdRng, number: u64, line: &Line, moment: Moment) -> Result<Record, ControlError> {
        let report = self.report_of(number)?;
        let missing = || ControlError::Missing(format!("policy {}", report.policy_id));
        let policy = self.tenant.policies.get(&report.policy_id).ok_or_else(missing)?;
        let mut expense = seed::expenses::expense(rng, policy, moment.server);
        expense.amount = line.amount.unwrap_or(expense.amount);
        apply(&mut expense, &Line { amount: None, ..line.clone() });
        let detail = json!({ "field": "transactionList", "added": [expense.id] });
        self.edit_report(number, detail, "MODIFIEDEXPENSE", moment, |report| report.expenses.push(expense))
            .map_err(unchanged)
    }

    fn edit_line(
        &mut self,
        rng: &mut StdRng,
        number: u64,
        line: &Line,
        moment: Moment,
    ) -> Result<Record, ControlError> {
        let id = self.line_id(rng, number, line.transaction.as_deref())?;
        let mut wanted = Line { transaction: None, ..line.clone() };
        if wanted == Line::default() {
            wanted.amount = Some(rng.random_range(350..60_000));
        }
        let detail = json!({ "field": "transactionList", "to": wanted });
        let edit = |report: &mut Report| {
            report.expenses.iter_mut().filter(|expense| expense.id == id).for_each(|line| apply(line, &wanted));
        };
        self.edit_report(number, detail, "MODIFIEDEXPENSE", moment, edit).map_err(unchanged)
    }

    /// Both sides are judged before either is changed. The record given is that of the report that loses the line.
    fn move_line(
        &mut self,
        rng: &mut StdRng,
        number: u64,
        transaction: Option<&str>,
        to: &str,
        moment: Moment,
    ) -> Result<Record, ControlError> {
        let id = self.line_id(rng, number, transaction)?;
        let other = ids::report_number(to).filter(|other| self.tenant.reports.contains_key(other));
        let other = other.ok_or_else(|| ControlError::Missing(format!("report {to}")))?;
        if other == number {
            return Err(unchanged(NotChanged::Same));
        }
        let line = self.report_of(number)?.expenses.iter().find(|expense| expense.id == id).cloned();
        let line = line.ok_or_else(|| ControlError::Missing(format!("expense {id}")))?;
        let (from, to) = (ids::report_id(number), ids::report_id(other));
        let detail = json!({ "field": "transactionList", "removed": [id], "moved_to": to });
        let record = self
            .edit_report(number, detail, "MOVED", moment, |report| report.expenses.retain(|expense| expense.id != id))
            .map_err(unchanged)?;
        let detail = json!({ "field": "transactionList", "added": [line.id], "moved_from": from });
        self.edit_report(other, detail, "MOVED", moment, |report| report.expenses.push(line)).map_err(unchanged)?;
        Ok(record)
    }

    fn report_of(&self, number: u64) -> Result<&Arc<Report>, ControlError> {
        let missing = || ControlError::Missing(format!("report {}", ids::report_id(number)));
        self.tenant.reports.get(&number).ok_or_else(missing)
    }

    /// The named line of a report, or one by chance.
    fn line_id(&self, rng: &mut impl Rng, number: u64, named: Option<&str>) -> Result<String, ControlError> {
        let expenses = &self.report_of(number)?.expenses;
        let Some(named) = named else {
            let any = expenses.choose(rng).map(|expense| expense.id.clone());
            return any.ok_or_else(|| ControlError::Impossible("the report has no expenses".to_owned()));
        };
        let found = expenses.iter().find(|expense| expense.id == named).map(|expense| expense.id.clone());
        found.ok_or_else(|| ControlError::Missing(format!("expense {named} on this report")))
    }
}

fn set(report: &mut Report, dates: &Dates) {
    report.created = dates.created.unwrap_or(report.created);
    report.submitted = dates.submitted.or(report.submitted);
    report.approved = dates.approved.or(report.approved);
    report.reimbursed = dates.reimbursed.or(report.reimbursed);
}

/// An amount of a line that is there is a modification, as a person's in the application is.
fn apply(expense: &mut Expense, line: &Line) {
    expense.modified_amount = line.amount.or(expense.modified_amount);
    expense.modified_merchant = line.merchant.clone().or_else(|| expense.modified_merchant.take());
    if let Some(category) = &line.category {
        expense.category.clone_from(category);
    }
    if let Some(comment) = &line.comment {
        expense.comment.clone_from(comment);
    }
}

pub(super) fn unchanged(why: NotChanged) -> ControlError {
    match why {
        NotChanged::Missing => ControlError::Missing("such report".to_owned()),
        NotChanged::State(state) => ControlError::Impossible(format!("Report is in status '{}'", state.status())),
        NotChanged::Same => ControlError::Impossible("nothing changed".to_owned()),
    }
}
