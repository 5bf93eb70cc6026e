//! The policy getter and the policy list getter (reference §2.8, §2.9, §4.1, §4.2).

use serde_json::{Value, json};

use super::{Call, granted, no_policy};
use crate::answer::{Answer, JSON, JobResult, Refusal};
use crate::config::UnknownPolicy;
use crate::distort;
use crate::fields::{self, Object};
use crate::tenant::Tenant;
use crate::tenant::policy::{Policy, SECTIONS};

pub(super) fn list(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "adminOnly", "userEmail"]);
    let admin_only = fields::flag(call.input, "adminOnly").unwrap_or(false);
    let user = fields::filled(call.input, "userEmail");
    let mut lines = {
        let world = call.sim.world();
        user.as_deref().map_or(Ok(()), |email| granted(&world.tenant, email))?;
        let visible = world.tenant.policies.values().filter_map(|policy| {
            let role = role(&world.tenant, policy, user.as_deref())?;
            Some((role, policy)).filter(|(role, _)| !admin_only || *role == "admin")
        });
        visible.map(|(role, policy)| policy.summary(role)).collect::<Vec<Value>>()
    };
    distort::rows(&mut call.sim.fault_state(), &mut lines);
    Ok(Answer::json(JSON, &json!({ "policyList": lines, "responseCode": 200 })))
}

/// The role of whoever the answer is for, if that person sees the policy.
fn role<'a>(tenant: &Tenant, policy: &'a Policy, user: Option<&str>) -> Option<&'a str> {
    match user {
        Some(email) if email != tenant.caller.email => policy.employee(email).map(|employee| employee.role.as_str()),
        _ => Some(&policy.role),
    }
}

pub(super) fn one_or_more(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "policyIDList", "fields", "userEmail"]);
    let missing = |name: &str| Refusal::invalid(format!("Required parameter '{name}' is missing"));
    let ids = texts(call.input, "policyIDList").ok_or_else(|| missing("policyIDList"))?;
    let sections = texts(call.input, "fields").ok_or_else(|| missing("fields"))?;
    for section in sections.iter().filter(|section| !SECTIONS.contains(section)) {
        tracing::debug!(section, "a section that no policy has");
    }
    let world = call.sim.world();
    if let Some(email) = fields::filled(call.input, "userEmail") {
        granted(&world.tenant, &email)?;
    }
    let mut infos = Object::new();
    for id in ids {
        match (world.tenant.policies.get(id), call.sim.config.unknown_policy) {
            (Some(policy), _) => {
                infos.insert(id.to_owned(), info(policy, &sections));
            }
            (None, UnknownPolicy::FailCall) => return Err(no_policy(id)),
            (None, UnknownPolicy::Omit) => {}
        }
    }
    Ok(Answer::json(JSON, &json!({ "responseCode": 200, "policyInfo": infos })))
}

/// A list of texts that is there and not empty. A comma string in its place is missing, as recorded.
fn texts<'a>(input: &'a Object, key: &str) -> Option<Vec<&'a str>> {
    let list = fields::list(input, key).filter(|list| !list.is_empty())?;
    list.iter().map(Value::as_str).collect()
}

fn info(policy: &Policy, sections: &[&str]) -> Value {
    let wanted = sections.iter().filter_map(|name| Some(((*name).to_owned(), policy.section(name)?)));
    Value::Object(wanted.collect())
}
