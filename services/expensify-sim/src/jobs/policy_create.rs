//! The policy creator (reference §2.6), the one job whose answer was seen as `application/json`.

use serde_json::json;
use std::collections::BTreeMap;

use super::Call;
use crate::access::Role;
use crate::answer::{Answer, JSON, JobResult, Refusal};
use crate::fields;
use crate::tenant::ids;
use crate::tenant::policy::{Employee, Policy, Tags};

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.input, "inputSettings", &["type", "policyName", "plan"]);
    let name = fields::filled(call.input, "policyName")
        .ok_or_else(|| Refusal::new(500, "Required parameter 'policyName' is missing"))?;
    let kind = fields::filled(call.input, "plan").unwrap_or_else(|| "team".to_owned());
    if kind != "team" && kind != "corporate" {
        return Err(Refusal::parameter("plan"));
    }
    let mut world = call.sim.world();
    let owner = world.tenant.caller.email.clone();
    let id = ids::new_policy_id(&mut world.rng);
    let policy = Policy {
        id: id.clone(),
        name: name.clone(),
        owner: owner.clone(),
        role: Role::Admin,
        kind,
        currency: "USD".to_owned(),
        categories: Vec::new(),
        tags: Tags::none(),
        report_fields: Vec::new(),
        tax: None,
        employees: vec![Employee::new(&owner, "admin", &owner)],
        rules: Vec::new(),
        tag_approvers: BTreeMap::new(),
    };
    world.add_policy(policy, call.moment);
    Ok(Answer::json(JSON, &json!({ "responseCode": 200, "policyID": id, "policyName": name })))
}
