//! The simulated tenant: what is in the Expensify account behind the credential pair.
//!
//! Nothing in here knows HTTP, the wall clock or the journal. Changes that somebody could observe go through
//! [`crate::world::World`], which writes each of them down once.

pub(crate) mod card;
pub(crate) mod dates;
pub(crate) mod ids;
pub(crate) mod lines;
pub(crate) mod model;
pub(crate) mod person;
pub(crate) mod policy;
pub(crate) mod report;
pub(crate) mod seed;

use std::collections::BTreeMap;
use std::sync::Arc;

use card::Card;
use person::Person;
use policy::Policy;
use report::Report;

/// Everything in the account. Maps are ordered, so that a seeded choice among their entries is the same in every run.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) domain: String,
    /// Whose credential pair it is: owner and admin of every policy.
    pub(crate) caller: Person,
    pub(crate) people: Vec<Person>,
    /// Shared with exports, which render what they took without holding up the tenant.
    pub(crate) reports: BTreeMap<u64, Arc<Report>>,
    pub(crate) policies: BTreeMap<String, Policy>,
    pub(crate) cards: BTreeMap<u64, Card>,
}

impl Tenant {
    /// The person with this address: one of the tenant's, or the caller.
    pub(crate) fn person(&self, email: &str) -> Option<&Person> {
        std::iter::once(&self.caller).chain(&self.people).find(|person| person.email == email)
    }

    /// The person with this address, known or not.
    pub(crate) fn person_or_stranger(&self, email: &str) -> Person {
        self.person(email).cloned().unwrap_or_else(|| Person::of_email(email))
    }

    /// The first policy that this person is a member of.
    pub(crate) fn policy_of(&self, email: &str) -> Option<&Policy> {
        self.policies.values().find(|policy| policy.employee(email).is_some()).or_else(|| self.policies.values().next())
    }
}
