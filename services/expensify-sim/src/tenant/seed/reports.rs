//! Reports: a fresh draft, and one that has already lived up to some state.

use jiff::Timestamp;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::super::Tenant;
use super::super::dates;
use super::super::ids;
use super::super::policy::Policy;
use super::super::report::{Payment, Report, State, Step};
use super::{expenses, pick, words};

/// How far back the oldest report was made.
const OLDEST_DAYS: i64 = 300;
/// And how far back the newest, so that a seeded report is never from this very moment.
const NEWEST_S: i64 = 3_600;
const MOST_EXPENSES: usize = 8;

/// A draft made at `at` with one to eight expenses, or nothing when there is no policy with members.
pub(crate) fn draft(rng: &mut impl Rng, tenant: &Tenant, at: Timestamp) -> Option<Report> {
    let policies: Vec<&Policy> = tenant.policies.values().filter(|policy| !policy.employees.is_empty()).collect();
    let policy = *policies.choose(rng)?;
    let member = policy.employees.choose(rng)?;
    let number = ids::new_report_number(rng);
    let title = format!("{} {}", pick(rng, &words::TITLES), number % 1_000);
    let mut report = Report::draft(tenant, policy, &member.email, title, at);
    report.number = number;
    report.custom_fields.insert("Cost_Center".to_owned(), pick(rng, &["Ops", "Eng", "Sales"]).to_owned());
    let count = rng.random_range(1..=MOST_EXPENSES);
    report.expenses = (0..count).map(|_| expenses::expense(rng, policy, at)).collect();
    Some(report)
}

/// A report from the past that went through the steps to a random state; nothing as for [`draft`].
pub(super) fn lived(rng: &mut impl Rng, tenant: &Tenant, now: Timestamp) -> Option<Report> {
    let age_s = rng.random_range(NEWEST_S..OLDEST_DAYS * 86_400);
    let steps = steps(rng);
    let mut left_s = age_s;
    let mut report = draft(rng, tenant, dates::earlier(now, age_s))?;
    for step in steps {
        left_s -= left_s * rng.random_range(5..40_i64) / 100;
        let taken = report.take(step, dates::earlier(now, left_s));
        debug_assert!(taken.is_ok(), "seeded steps follow the life cycle");
    }
    Some(report)
}

/// A report made so many days before `now` and taken up to a state within a day; nothing as for [`draft`].
pub(crate) fn aged(rng: &mut impl Rng, tenant: &Tenant, now: Timestamp, (days, state): (u32, State)) -> Option<Report> {
    let age_s = i64::from(days) * 86_400;
    let mut report = draft(rng, tenant, dates::earlier(now, age_s))?;
    let paid = || Step::Reimburse(Payment::Manual { source: None });
    let steps = match state {
        State::Open => vec![],
        State::Submitted => vec![Step::Submit],
        State::Approved => vec![Step::Submit, Step::Approve],
        State::Reimbursed => vec![Step::Submit, Step::Approve, paid()],
        State::Archived => vec![Step::Submit, Step::Archive],
    };
    let apart_s = (age_s / 4).min(86_400 / 4);
    let mut left_s = age_s;
    for step in steps {
        left_s -= apart_s;
        let taken = report.take(step, dates::earlier(now, left_s));
        debug_assert!(taken.is_ok(), "the steps follow the life cycle");
    }
    Some(report)
}

fn steps(rng: &mut impl Rng) -> Vec<Step> {
    use Step::{Approve, Archive, Reimburse, Reopen, Submit, Unapprove};
    match rng.random_range(0..100) {
        0..18 => vec![],
        18..22 => vec![Submit, Reopen],
        22..40 => vec![Submit],
        40..42 => vec![Submit, Approve, Unapprove],
        42..57 => vec![Submit, Approve],
        57..75 => vec![Submit, Approve, Reimburse(payment(rng))],
        75..92 => vec![Submit, Approve, Reimburse(Payment::Manual { source: None })],
        92..97 => vec![Submit, Approve, Archive],
        _ => vec![Submit, Archive],
    }
}

fn payment(rng: &mut impl Rng) -> Payment {
    Payment::Ach { entry_id: ids::new_short_id(rng), withdrawing: rng.random_bool(0.2) }
}
