//! What the credential may see changes, and what it sees.

use serde_json::json;

use super::{Entity, Moment, World};
use crate::access::{Access, AccessChange, DomainAccess, Role};
use crate::error::ControlError;
use crate::journal::{Change, Record};
use crate::tenant::report::Report;

impl World {
    /// Everything about access, as it stands.
    pub(crate) fn access(&self) -> Access {
        let policies = self.tenant.policies.values().map(|policy| (policy.id.clone(), policy.role)).collect();
        Access { policies, domain: self.domain_access }
    }

    /// Changes it. What the credential sees less of is lost, what it sees more of is regained.
    ///
    /// # Errors
    /// For an unknown policy, and when it is so already.
    pub(crate) fn change_access(&mut self, change: &AccessChange, moment: Moment) -> Result<Record, ControlError> {
        match change {
            AccessChange::Policy { id, role } => self.change_role(id, *role, moment),
            AccessChange::Domain(access) => self.change_domain(*access, moment),
        }
    }

    fn change_role(&mut self, id: &str, role: Role, moment: Moment) -> Result<Record, ControlError> {
        let policy = self.tenant.policies.get_mut(id).ok_or_else(|| ControlError::Missing(format!("policy {id}")))?;
        let before = std::mem::replace(&mut policy.role, role);
        if before == role {
            return Err(same());
        }
        let change = if role < before { Change::AccessLost } else { Change::AccessRegained };
        let (actor, detail) = (policy.owner.clone(), json!({ "from": before.word(), "to": role.word() }));
        Ok(self.record(Entity::Policy(id.to_owned()), change, &actor, detail, moment))
    }

    fn change_domain(&mut self, access: DomainAccess, moment: Moment) -> Result<Record, ControlError> {
        let before = std::mem::replace(&mut self.domain_access, access);
        if before == access {
            return Err(same());
        }
        let change = if access == DomainAccess::Held { Change::AccessRegained } else { Change::AccessLost };
        let detail = json!({ "from": before.word(), "to": access.word() });
        Ok(self.record(Entity::Domain(self.tenant.domain.clone()), change, "", detail, moment))
    }

    /// Whether reads show a report: it is not hidden, and the caller's own or on a policy whose reports it sees.
    pub(crate) fn sees(&self, report: &Report) -> bool {
        let role = || self.tenant.policies.get(&report.policy_id).map_or(Role::None, |policy| policy.role);
        !self.hidden.reports.contains(&report.number)
            && (report.submitter.email == self.tenant.caller.email || role().sees_others())
    }
}

fn same() -> ControlError {
    ControlError::Impossible("it is so already".to_owned())
}
