//! The tenant as it stands at the start: a pure function of the seed, with dates counted back from `now`.

mod cards;
pub(crate) mod expenses;
mod policies;
mod reports;
mod words;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::Tenant;
use super::ids;
use super::person::Person;
use super::report::{Report, State};

pub(crate) use cards::card;
pub(crate) use policies::policy;
pub(crate) use reports::{aged, draft};
pub(crate) use words::TITLES;

/// Mixed into the seed for old reports and case twins.
const ODD_STREAM: u64 = 0x6f64_6400;
/// How many days ago an old report was made: out of every window of a year.
const OLD_DAYS: Range<u32> = 400..900;

/// How much to make.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    pub(crate) reports: usize,
    pub(crate) policies: usize,
    pub(crate) cards: usize,
    /// Reports beyond `reports`, older than any window that a watcher reads.
    pub(crate) old_reports: usize,
    /// Reports beyond `reports`, each with an id that differs from another's in nothing but the case of a letter.
    pub(crate) case_twins: usize,
}

/// The whole tenant.
pub(crate) fn tenant(seed: u64, sizes: Sizes, domain: &str, now: Timestamp) -> Tenant {
    let mut rng = StdRng::seed_from_u64(seed);
    let people = people(domain);
    let mut tenant = Tenant {
        domain: domain.to_owned(),
        caller: person(domain, 0, "finance", "Fin", "Ance"),
        people,
        reports: BTreeMap::new(),
        policies: BTreeMap::new(),
        cards: BTreeMap::new(),
    };
    while tenant.policies.len() < sizes.policies {
        let policy = policies::policy(&mut rng, &tenant, tenant.policies.len());
        tenant.policies.insert(policy.id.clone(), policy);
    }
    while tenant.cards.len() < sizes.cards {
        let card = cards::card(&mut rng, &tenant, now);
        tenant.cards.insert(card.id, card);
    }
    while tenant.reports.len() < sizes.reports
        && let Some(report) = reports::lived(&mut rng, &tenant, now)
    {
        tenant.reports.insert(report.number, Arc::new(report));
    }
    add_odd_reports(&mut StdRng::seed_from_u64(seed ^ ODD_STREAM), sizes, &mut tenant, now);
    tenant
}

/// Old reports and case twins. They have chance of their own: asking for some changes no other entity.
fn add_odd_reports(rng: &mut StdRng, sizes: Sizes, tenant: &mut Tenant, now: Timestamp) {
    let numbers: Vec<u64> = tenant.reports.keys().copied().collect();
    for number in numbers.into_iter().filter_map(ids::case_twin).take(sizes.case_twins) {
        if let Some(report) = reports::lived(rng, tenant, now) {
            tenant.reports.entry(number).or_insert_with(|| Arc::new(Report { number, ..report }));
        }
    }
    for _ in 0..sizes.old_reports {
        let days = rng.random_range(OLD_DAYS);
        let state = [State::Approved, State::Approved, State::Submitted, State::Open].choose(rng).copied();
        let report = reports::aged(rng, tenant, now, (days, state.unwrap_or(State::Approved)));
        if let Some(report) = report {
            tenant.reports.insert(report.number, Arc::new(report));
        }
    }
}

fn people(domain: &str) -> Vec<Person> {
    words::PEOPLE.iter().enumerate().map(|(at, (first, last))| person(domain, at + 1, first, first, last)).collect()
}

fn person(domain: &str, at: usize, local: &str, first: &str, last: &str) -> Person {
    let at = u64::try_from(at).unwrap_or_default();
    Person {
        email: format!("{}@{domain}", local.to_lowercase()),
        account_id: 11_000_000 + at,
        first: first.to_owned(),
        last: last.to_owned(),
        employee_id: format!("E-{}", 1_000 + at),
        payroll_id: format!("P{}", 500 + at),
    }
}

/// One of a list that is a constant of this crate, and so never empty.
pub(crate) fn pick<'a>(rng: &mut impl Rng, list: &[&'a str]) -> &'a str {
    list.choose(rng).copied().unwrap_or_default()
}
