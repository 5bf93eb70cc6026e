//! Policies: the list and the details (reference sections 4.1 and 4.2).

mod by_id;
mod sections;

use std::collections::BTreeMap;

use event_model::Policy;
use serde_json::{Map, Value};

pub use by_id::{MAX_POLICY_REQUESTS, PoliciesById, PolicyOutcome};

use crate::canonical::{
    ids, list,
    scalar::{Unfit, id, text},
};

/// An entry of the policy list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicySummary {
    /// Sixteen hex digits, upper case.
    pub policy_id: String,
    /// Name.
    pub name: Option<String>,
    /// Owner's email.
    pub owner: Option<String>,
    /// The credential's own role on it; an open vocabulary.
    pub role: Option<String>,
    /// `team`, `corporate`, ...; an open vocabulary.
    pub policy_type: Option<String>,
    /// ISO 4217 currency of its reports.
    pub output_currency: Option<String>,
    /// What the upstream said beside these.
    pub other: BTreeMap<String, Value>,
}

/// An answer that is no list or no details of policies. One policy that cannot be read spoils a list: without it the
/// policy would look removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPolicies {
    #[error("policyList is no list of objects")]
    List,
    #[error("a policy has no id")]
    NoId,
    #[error("policyInfo is no object of objects")]
    Info,
    #[error("policy {0}: {1}")]
    Unfit(String, Unfit),
}

const SUMMARY_KEYS: [&str; 6] = ["id", "name", "owner", "role", "type", "outputCurrency"];
/// The names that a [`Policy`] has for its own.
const POLICY_KEYS: [&str; 11] = [
    "policyID",
    "name",
    "owner",
    "role",
    "type",
    "outputCurrency",
    "categories",
    "reportFields",
    "tags",
    "tax",
    "employees",
];

/// The entries of a policy list, sorted by id.
pub(crate) fn summaries(value: &Value) -> Result<Vec<PolicySummary>, NotPolicies> {
    let items = value.as_array().ok_or(NotPolicies::List)?;
    let read = items.iter().map(|item| summary(item.as_object().ok_or(NotPolicies::List)?));
    let (summaries, twice) = list::by_key(read.collect::<Result<_, _>>()?, |s: &PolicySummary| s.policy_id.clone());
    for policy in twice {
        tracing::warn!(policy, "the upstream lists a policy twice with different values; the last is taken");
    }
    Ok(summaries)
}

fn summary(object: &Map<String, Value>) -> Result<PolicySummary, NotPolicies> {
    let at = |key: &str| object.get(key).unwrap_or(&Value::Null);
    let policy_id = id("id", at("id")).ok().flatten().ok_or(NotPolicies::NoId)?;
    let policy_id = ids::policy_id(&policy_id);
    let told = |key: &str| text(key, at(key)).map_err(|unfit| NotPolicies::Unfit(policy_id.clone(), unfit));
    Ok(PolicySummary {
        name: told("name")?,
        owner: told("owner")?,
        role: told("role")?,
        policy_type: told("type")?,
        output_currency: told("outputCurrency")?,
        other: others(object, &SUMMARY_KEYS),
        policy_id,
    })
}

/// Each policy of `summaries` that `info` tells about, sorted by id.
pub(crate) fn merged(summaries: &[PolicySummary], info: &Value) -> Result<Vec<Policy>, NotPolicies> {
    let mut told: BTreeMap<String, &Map<String, Value>> = BTreeMap::new();
    for (id, details) in info.as_object().ok_or(NotPolicies::Info)? {
        told.insert(ids::policy_id(id), details.as_object().ok_or(NotPolicies::Info)?);
    }
    let wanted: BTreeMap<&str, &PolicySummary> = summaries.iter().map(|s| (s.policy_id.as_str(), s)).collect();
    let both = wanted.into_values().filter_map(|s| Some((s, *told.get(&s.policy_id)?)));
    both.map(|(summary, details)| {
        policy(summary, details).map_err(|unfit| NotPolicies::Unfit(summary.policy_id.clone(), unfit))
    })
    .collect()
}

fn policy(summary: &PolicySummary, details: &Map<String, Value>) -> Result<Policy, Unfit> {
    let mut other = others(details, &POLICY_KEYS);
    other.extend(summary.other.clone().into_iter().filter(|(key, _)| !POLICY_KEYS.contains(&key.as_str())));
    Ok(Policy {
        policy_id: summary.policy_id.clone(),
        name: summary.name.clone(),
        owner: summary.owner.clone(),
        role: summary.role.clone(),
        policy_type: summary.policy_type.clone(),
        output_currency: summary.output_currency.clone(),
        categories: told(details, "categories", sections::categories)?,
        report_fields: told(details, "reportFields", sections::report_fields)?,
        tags: told(details, "tags", sections::tags)?,
        tax: told(details, "tax", sections::tax)?,
        employees: told(details, "employees", sections::employees)?,
        other,
    })
}

/// A section, if the answer has it. Missing is not empty.
fn told<T>(
    details: &Map<String, Value>,
    section: &str,
    read: impl Fn(&Value) -> Result<T, Unfit>,
) -> Result<Option<T>, Unfit> {
    details.get(section).filter(|value| !value.is_null()).map(read).transpose()
}

/// What stands beside the known keys.
fn others(object: &Map<String, Value>, known: &[&str]) -> BTreeMap<String, Value> {
    let beside = object.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    beside.map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
