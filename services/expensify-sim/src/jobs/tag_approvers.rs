//! The tag approvers updater (reference §2.16). No job reads approvers back.

use super::{Call, policy_id};
use crate::answer::{Answer, JobResult, Refusal};
use crate::fields;
use crate::tenant::policy::Tags;

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(call.job, "tag approvers", &["type", "credentials", "inputSettings", "tagApprovers"]);
    let id = policy_id(call)?;
    let list = fields::list(call.job, "tagApprovers").filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::parameter("tagApprovers"))?;
    let mut world = call.sim.world();
    let policy = world.tenant.policies.get_mut(&id).ok_or_else(|| super::no_policy(&id))?;
    let Tags::Flat(tags) = &policy.tags else {
        return Err(Refusal::invalid("Tag approvers need a single-level tag list"));
    };
    let mut wanted = Vec::new();
    for item in list {
        let item = item.as_object().ok_or_else(|| Refusal::parameter("tagApprovers"))?;
        let name = fields::text(item, "name").ok_or_else(|| Refusal::parameter("name"))?;
        let approver = fields::text(item, "approver").ok_or_else(|| Refusal::parameter("approver"))?;
        if !tags.iter().any(|tag| tag.name == name) {
            return Err(Refusal::invalid(format!("Invalid tag name '{name}'")));
        }
        wanted.push((name, approver));
    }
    for (name, approver) in wanted {
        match approver.as_str() {
            "" => policy.tag_approvers.remove(&name),
            _ => policy.tag_approvers.insert(name, approver),
        };
    }
    Ok(Answer::done())
}
