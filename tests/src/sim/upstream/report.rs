//! A report as it truly is, with everything that it ever was.

use std::{collections::BTreeMap, rc::Rc};

use super::stage::{Deed, Stage};
use crate::sim::clock::{MINUTE, Moment, Timeline};

/// How late a history that lags is.
pub const LAG: Moment = 3 * MINUTE;

/// How much of a report's life its history tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryKind {
    /// Every step, at once, to the second.
    Faithful,
    /// Nothing.
    Empty,
    /// Every step, so much later than the report shows it.
    Lagging(Moment),
    /// Every second step.
    Partial,
    /// Every step, and some that were never taken.
    Lying,
    /// Every step, by the day.
    Days,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub amount: i64,
    pub merchant: String,
    pub category: Option<String>,
    pub comment: Option<String>,
    pub inserted: Moment,
}

/// What a report is at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub stage: Stage,
    pub name: String,
    pub policy: Option<String>,
    pub manager: Option<String>,
    pub submitted: Option<Moment>,
    pub approved: Option<Moment>,
    pub reimbursed: Option<Moment>,
    pub approvers: Vec<(Moment, String)>,
    pub entry: Option<String>,
    pub lines: BTreeMap<String, Line>,
    /// How many of the report's steps were taken.
    pub steps: usize,
}

/// A step that was truly taken.
#[derive(Clone, Debug)]
pub struct Step {
    pub at: Moment,
    pub deed: Deed,
    pub actor: String,
}

/// A report and its past.
#[derive(Clone, Debug)]
pub struct Report {
    pub id: String,
    pub author: String,
    pub created: Moment,
    pub history: HistoryKind,
    /// `None` while it is deleted.
    pub life: Timeline<Option<Rc<Body>>>,
    pub steps: Vec<Step>,
    /// What a lying history tells beside the truth.
    pub lies: Vec<Step>,
}

impl Report {
    /// A draft of `author`, made at `created`.
    pub fn new(id: String, author: &str, created: Moment, history: HistoryKind, policy: Option<String>) -> Self {
        let body = Body {
            stage: Stage::Open,
            name: format!("Expenses {id}"),
            policy,
            manager: None,
            submitted: None,
            approved: None,
            reimbursed: None,
            approvers: Vec::new(),
            entry: None,
            lines: BTreeMap::new(),
            steps: 0,
        };
        let life = Timeline::starting(created, Some(Rc::new(body)));
        Self { id, author: author.to_owned(), created, history, life, steps: Vec::new(), lies: Vec::new() }
    }

    /// What it is now; `None` when it is deleted.
    pub fn body(&self) -> Option<&Rc<Body>> {
        self.life.last().as_ref()
    }

    /// What it was at `moment`.
    pub fn body_at(&self, moment: Moment) -> Option<&Rc<Body>> {
        self.life.at(moment)?.as_ref()
    }

    /// Changes it at `at`. Without effect while it is deleted.
    pub fn edit(&mut self, at: Moment, change: impl FnOnce(&mut Body)) {
        let Some(body) = self.body() else { return };
        let mut next = (**body).clone();
        change(&mut next);
        if next != **body {
            self.life.set(at, Some(Rc::new(next)));
        }
    }

    /// `actor` does `deed` at `at`, with what follows from it for the dates and people on the report.
    pub fn act(&mut self, at: Moment, deed: Deed, actor: &str) {
        if self.body().is_none() {
            return;
        }
        self.steps.push(Step { at, deed, actor: actor.to_owned() });
        let steps = self.steps.len();
        self.edit(at, |body| {
            body.steps = steps;
            body.stage = deed.to;
            match deed.to {
                Stage::Submitted if deed.from == Stage::Approved => body.approved = None,
                Stage::Submitted => {
                    body.submitted = Some(at);
                    body.manager = Some(actor.to_owned());
                }
                Stage::Approved if deed.from == Stage::Reimbursed => (body.reimbursed, body.entry) = (None, None),
                Stage::Approved => {
                    body.approved = Some(at);
                    body.approvers.push((at, actor.to_owned()));
                }
                Stage::Reimbursed => {
                    body.reimbursed = Some(at);
                    body.entry = Some((at / 1_000).to_string());
                }
                Stage::Open => (body.submitted, body.approved) = (None, None),
                Stage::Archived | Stage::Odd => {}
            }
        });
    }
}
