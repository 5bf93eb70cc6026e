//! How the upstream shows a report: what its export would say once parsed, in the canonical form of `event-model`.

use event_model::{Approver, Expense, HistoryEntry, Report as Shown, ReportState, UpstreamDate, history::MAX_HISTORY};

use super::{
    World,
    report::{Body, HistoryKind, Line, Report, Step},
};
use crate::sim::clock::{DAY, Moment, SECOND, day_of, shifted};

/// How dates are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateForm {
    /// The day alone.
    Day,
    /// To the second.
    Second,
}

/// `moment` as the upstream writes it.
pub fn date(moment: Moment, form: DateForm, zone_h: i64) -> UpstreamDate {
    let day = day_of(moment, zone_h);
    match form {
        DateForm::Day => UpstreamDate::Day(day),
        DateForm::Second => {
            let local = shifted(moment, zone_h * 3_600_000);
            UpstreamDate::Moment(local.to_zoned(jiff::tz::TimeZone::UTC).datetime())
        }
    }
}

/// The part of a row that does not follow from the report's own version: with it, a rendering can be kept and used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    form: DateForm,
    entries: usize,
    policy_name: Option<String>,
    /// What moves in the title of every report at every look.
    ticker: Option<u64>,
}

impl Style {
    /// How `report` is shown at `moment`.
    pub fn of(world: &World, report: &Report, body: &Body, moment: Moment) -> Self {
        let policy = body.policy.as_ref().and_then(|id| world.policies.get(id));
        Self {
            form: *world.dates.at(moment).unwrap_or(&DateForm::Second),
            entries: told_steps(report, moment).count(),
            policy_name: policy.and_then(|policy| policy.body_at(moment)).map(|policy| policy.name.clone()),
            ticker: world.ticking_titles.at(moment).filter(|on| **on).map(|_| moment / SECOND),
        }
    }
}

/// `report` as it was at `moment` with `body`.
pub fn report(world: &World, report: &Report, body: &Body, moment: Moment, style: &Style) -> Shown {
    let date = |at: Moment| date(at, style.form, world.zone_h);
    let amount = body.lines.values().map(|line| line.amount).sum();
    let title = style.ticker.map_or_else(|| body.name.clone(), |tick| format!("{} at {tick}", body.name));
    let approvers = body.approvers.iter().map(|(at, email)| Approver { date: Some(date(*at)), email: email.clone() });
    let mut approvers: Vec<Approver> = approvers.collect();
    approvers.sort();
    Shown {
        report_id: report.id.clone(),
        old_report_id: None,
        report_name: Some(title),
        state: ReportState::from_upstream(body.stage.name()),
        state_num: None,
        account_email: Some(report.author.clone()),
        account_id: None,
        manager_email: body.manager.clone(),
        policy_id: body.policy.clone(),
        policy_name: style.policy_name.clone(),
        currency: Some("USD".to_owned()),
        total: Some(amount),
        created: Some(date(report.created)),
        submitted: body.submitted.map(date),
        approved: body.approved.map(date),
        reimbursed: body.reimbursed.map(date),
        is_ach_reimbursed: Some(false),
        entry_id: body.entry.clone(),
        approvers,
        expenses: body.lines.iter().map(|(id, line)| expense(id, line, world.zone_h)).collect(),
        history: history(world, report, moment),
        history_behind: false,
    }
}

fn expense(id: &str, line: &Line, zone_h: i64) -> Expense {
    Expense {
        transaction_id: id.to_owned(),
        expense_type: Some("expense".to_owned()),
        merchant: Some(line.merchant.clone()),
        amount: Some(line.amount),
        converted_amount: Some(line.amount),
        currency: Some("USD".to_owned()),
        created: Some(date(line.inserted.saturating_sub(DAY), DateForm::Day, zone_h)),
        inserted: Some(date(line.inserted, DateForm::Second, zone_h)),
        category: line.category.clone(),
        category_gl_code: line.category.as_ref().map(|category| format!("gl-{category}")),
        comment: line.comment.clone(),
        reimbursable: Some(true),
        billable: Some(false),
        ..Expense::default()
    }
}

fn history(world: &World, report: &Report, moment: Moment) -> Vec<HistoryEntry> {
    let form = if report.history == HistoryKind::Days { DateForm::Day } else { DateForm::Second };
    let entry = |step: &Step| {
        step.deed.word.map(|word| HistoryEntry {
            at: Some(date(step.at, form, world.zone_h)),
            action: word.to_owned(),
            actor: Some(step.actor.clone()),
        })
    };
    let mut entries: Vec<HistoryEntry> = told_steps(report, moment).filter_map(entry).collect();
    entries.sort();
    let surplus = entries.len().saturating_sub(MAX_HISTORY);
    entries.split_off(surplus)
}

/// The steps that the report's history tells at `moment`.
fn told_steps(report: &Report, moment: Moment) -> impl Iterator<Item = &Step> {
    let lag = if let HistoryKind::Lagging(lag) = report.history { lag } else { 0 };
    let kind = report.history;
    let told = move |index: usize| match kind {
        HistoryKind::Faithful | HistoryKind::Lagging(_) | HistoryKind::Lying | HistoryKind::Days => true,
        HistoryKind::Partial => index.is_multiple_of(2),
        HistoryKind::Empty => false,
    };
    let taken = report.steps.iter().enumerate().filter(move |(index, step)| told(*index) && step.at + lag <= moment);
    let lies = report.lies.iter().filter(move |lie| lie.at <= moment);
    taken.map(|(_, step)| step).chain(lies)
}
