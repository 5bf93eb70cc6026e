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
        let actor = policy.owner.clone();
        Some(self.record(Entity::Policy(id.to_owned()), Change::Changed, &actor, detail, moment))
    }

    /// Puts a policy into the tenant.
    pub(crate) fn add_policy(&mut self, policy: Policy, moment: Moment) -> Record {
        let (id, actor) = (policy.id.clone(), policy.owner.clone());
        let resurrected = self.graves.policies.remove(&id).is_some();
        let mut detail = json!({ "name": policy.name });
        if resurrected {
            detail["resurrected"] = json!(true);
        }
        self.tenant.policies.insert(id.clone(), policy);
        self.record(Entity::Policy(id), Change::Created, &actor, detail, moment)
    }

    /// Brings a removed policy back as it was.
    pub(crate) fn resurrect_policy(&mut self, id: &str, moment: Moment) -> Option<Record> {
        let policy = self.graves.policies.get(id)?.clone();
        Some(self.add_policy(policy, moment))
    }

    /// Removes a policy that no report uses.
    pub(crate) fn remove_policy(&mut self, id: &str, moment: Moment) -> Option<Record> {
        if self.policy_in_use(id) {
            return None;
        }
        let policy = self.tenant.policies.remove(id)?;
        let (actor, detail) = (policy.owner.clone(), json!({ "name": policy.name }));
        self.graves.policy(policy);
        Some(self.record(Entity::Policy(id.to_owned()), Change::Removed, &actor, detail, moment))
    }

    /// Whether a report is on this policy.
    pub(crate) fn policy_in_use(&self, id: &str) -> bool {
        self.tenant.reports.values().any(|report| report.policy_id == id)
    }
}
