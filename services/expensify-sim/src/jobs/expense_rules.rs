//! Expense rules: created (reference §2.7) and updated (§2.15). No job reads them back.
//!
//! Observed: creating a rule that is there answers the undocumented code 666, the only way to learn its number.

use super::{Call, granted, policy_id};
use crate::answer::{Answer, JobResult, Refusal};
use crate::fields;
use crate::tenant::policy::{Rule, RuleActions};

const KEYS: [&str; 5] = ["type", "policyID", "employeeEmail", "actions", "ruleID"];

pub(super) fn create(call: &Call<'_>) -> JobResult {
    let (policy, employee, actions) = read(call)?;
    let mut world = call.sim.world();
    let policy = world.tenant.policies.get_mut(&policy).ok_or_else(|| super::no_policy(&policy))?;
    let same = policy.rules.iter().find(|rule| rule.employee == employee && rule.actions == actions);
    if let Some(rule) = same {
        let message = format!("Rule already exists with those actions, please update rule {}", rule.id);
        return Err(Refusal::new(666, message));
    }
    let id = policy.rules.iter().filter(|rule| rule.employee == employee).map(|rule| rule.id + 1).max().unwrap_or(0);
    policy.rules.push(Rule { id, employee, actions });
    Ok(Answer::ok())
}

pub(super) fn update(call: &Call<'_>) -> JobResult {
    let (policy, employee, actions) = read(call)?;
    let id = fields::integer(call.input, "ruleID").ok_or_else(|| Refusal::parameter("ruleID"))?;
    let mut world = call.sim.world();
    let policy = world.tenant.policies.get_mut(&policy).ok_or_else(|| super::no_policy(&policy))?;
    let mut rules = policy.rules.iter_mut();
    let rule = rules.find(|rule| rule.employee == employee && rule.id == id);
    rule.ok_or_else(|| Refusal::new(404, "Rule not found"))?.actions = actions;
    Ok(Answer::ok())
}

fn read(call: &Call<'_>) -> Result<(String, String, RuleActions), Refusal> {
    fields::note_unknown(call.input, "inputSettings", &KEYS);
    let policy = policy_id(call)?;
    let employee = fields::filled(call.input, "employeeEmail").ok_or_else(|| Refusal::parameter("employeeEmail"))?;
    granted(&call.sim.world().tenant, &employee)?;
    let actions = fields::object(call.input, "actions").ok_or_else(|| Refusal::parameter("actions"))?;
    fields::note_unknown(actions, "actions", &["tag", "defaultBillable"]);
    let actions =
        RuleActions { tag: fields::filled(actions, "tag"), default_billable: fields::flag(actions, "defaultBillable") };
    if actions.tag.is_none() && actions.default_billable.is_none() {
        return Err(Refusal::parameter("actions"));
    }
    Ok((policy, employee, actions))
}
