//! The policy getter and the policy list getter (reference §2.8, §2.9, §4.1, §4.2).

use serde_json::{Value, json};

use super::{Call, granted, no_policy};
use crate::access::{LostPolicy, Role};
use crate::answer::{Answer, JSON, JobResult, Refusal};
use crate::config::UnknownPolicy;
use crate::distort;
use crate::faults::FaultKind;
use crate::fields::{self, Object};
use crate::form::ListForm;
use crate::tenant::Tenant;
use crate::tenant::policy::{Policy, SECTIONS};
use crate::world::World;

/// The section that only admins of a policy see.
const ADMIN_SECTION: &str = "employees";

pub(super) fn list(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "adminOnly", "userEmail"]);
    check_allowed(call)?;
    let admin_only = fields::flag(call.input, "adminOnly").unwrap_or(false);
    let user = fields::filled(call.input, "userEmail");
    let mut lines = {
        let world = call.sim.world();
        user.as_deref().map_or(Ok(()), |email| granted(&world.tenant, email))?;
        let shown = world.tenant.policies.values().filter(|policy| !world.hidden.policies.contains(&policy.id));
        let visible = shown.filter_map(|policy| {
            let role = role(&world.tenant, policy, user.as_deref())?;
            Some((role, policy)).filter(|(role, _)| !admin_only || *role == "admin")
        });
        visible.map(|(role, policy)| policy.summary(role)).collect::<Vec<Value>>()
    };
    let read = call.read_number();
    let mut faults = call.sim.fault_state();
    let mut form = ListForm::draw(&mut faults, read);
    lines.iter_mut().for_each(|line| form.policy(line));
    distort::rows(&mut faults, &mut lines);
    Ok(Answer::json(JSON, &json!({ "policyList": lines, "responseCode": 200 })))
}

fn check_allowed(call: &Call<'_>) -> Result<(), Refusal> {
    if call.sim.strikes(FaultKind::PoliciesForbidden) {
        return Err(Refusal::new(403, "You do not have permission to read policies"));
    }
    Ok(())
}

/// The role of whoever the answer is for, if that person sees the policy.
fn role<'a>(tenant: &Tenant, policy: &'a Policy, user: Option<&str>) -> Option<&'a str> {
    match user {
        Some(email) if email != tenant.caller.email => policy.employee(email).map(|employee| employee.role.as_str()),
        _ => Some(policy.role).filter(|role| *role != Role::None).map(Role::word),
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
    check_allowed(call)?;
    let lost = call.sim.settings().lost_policy;
    let mut infos = {
        let world = call.sim.world();
        if let Some(email) = fields::filled(call.input, "userEmail") {
            granted(&world.tenant, &email)?;
        }
        let mut infos = Object::new();
        for id in ids {
            let unknown = call.sim.config.unknown_policy;
            if let Some(info) = info(&world, id, &sections, (lost, unknown))? {
                infos.insert(id.to_owned(), info);
            }
        }
        infos
    };
    let read = call.read_number();
    let mut form = ListForm::draw(&mut call.sim.fault_state(), read);
    infos.iter_mut().for_each(|(_, info)| form.policy(info));
    Ok(Answer::json(JSON, &json!({ "responseCode": 200, "policyInfo": infos })))
}

/// A list of texts that is there and not empty. A comma string in its place is missing, as recorded.
fn texts<'a>(input: &'a Object, key: &str) -> Option<Vec<&'a str>> {
    let list = fields::list(input, key).filter(|list| !list.is_empty())?;
    list.iter().map(Value::as_str).collect()
}

/// A policy's sections; nothing when it is left out of the answer.
fn info(
    world: &World,
    id: &str,
    sections: &[&str],
    (lost, unknown): (LostPolicy, UnknownPolicy),
) -> Result<Option<Value>, Refusal> {
    let found = world.tenant.policies.get(id).filter(|policy| !world.hidden.policies.contains(&policy.id));
    let Some(policy) = found else {
        return match unknown {
            UnknownPolicy::FailCall => Err(no_policy(id)),
            UnknownPolicy::Omit => Ok(None),
        };
    };
    let may = |section: &str| policy.role == Role::Admin || section != ADMIN_SECTION;
    match lost {
        _ if policy.role > Role::None && (lost != LostPolicy::Forbidden || sections.iter().all(|name| may(name))) => {}
        LostPolicy::Forbidden => return Err(Refusal::new(403, format!("Not authorized to read policy '{id}'"))),
        LostPolicy::NotFound => return Err(no_policy(id)),
        LostPolicy::Omitted => return Ok(None),
    }
    let wanted = sections.iter().filter(|name| may(name));
    let wanted = wanted.filter_map(|name| Some(((*name).to_owned(), policy.section(name)?)));
    Ok(Some(Value::Object(wanted.collect())))
}
