//! The tenant as it stands at the start: a pure function of the seed, with dates counted back from `now`.

mod cards;
pub(crate) mod expenses;
mod policies;
mod reports;
mod words;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;

use super::Tenant;
use super::person::Person;

pub(crate) use cards::card;
pub(crate) use policies::policy;
pub(crate) use reports::draft;
pub(crate) use words::TITLES;

/// How much to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) reports: usize,
    pub(crate) policies: usize,
    pub(crate) cards: usize,
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
        tenant.reports.insert(report.number, report);
    }
    tenant
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
