//! Changes to policies.

use serde_json::{Value, json};

use super::{Entity, Moment, World};
use crate::journal::{Change, Record};
use crate::tenant::policy::Policy;

impl World {
    /// Edits a policy in place. A record is made when a read can tell the difference.
    pub(crate) fn edit_policy(
        &mut self,
        id: &str,
        detail: Value,
        moment: Moment,
        edit: impl FnOnce(&mut Policy),
    ) -> Option<Record> {
        let policy = self.tenant.policies.get_mut(id)?;
        let before = policy.view();
        edit(policy);
        if policy.view() == before {
            return None;
        }
        Some(self.record(Entity::Policy(id.to_owned()), Change::Changed, detail, moment))
    }

    /// Puts a new policy into the tenant.
    pub(crate) fn add_policy(&mut self, policy: Policy, moment: Moment) -> Record {
        let id = policy.id.clone();
        let detail = json!({ "name": policy.name });
        self.tenant.policies.insert(id.clone(), policy);
        self.record(Entity::Policy(id), Change::Created, detail, moment)
    }

    /// Removes a policy that no report uses.
    pub(crate) fn remove_policy(&mut self, id: &str, moment: Moment) -> Option<Record> {
        if self.policy_in_use(id) {
            return None;
        }
        let policy = self.tenant.policies.remove(id)?;
        Some(self.record(Entity::Policy(policy.id), Change::Removed, json!({ "name": policy.name }), moment))
    }

    /// Whether a report is on this policy.
    pub(crate) fn policy_in_use(&self, id: &str) -> bool {
        self.tenant.reports.values().any(|report| report.policy_id == id)
    }
}
