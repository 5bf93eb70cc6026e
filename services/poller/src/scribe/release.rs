//! A person says that what is withheld is gone.

use change_engine::{absence::ReleaseRefused, access::is_lost};
use event_model::EntityKind;
use event_store::{Durability, StoreError};
use jiff::Timestamp;
use tracing::info;

use super::{
    Scribe,
    record::note_missing,
    watch::{POLICIES, REPORTS},
};

/// What a release has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Entities that were removed at once.
    pub removed: u64,
    /// Entities that are confirmed now, and then removed: no more than the ceiling.
    pub confirming: u64,
}

/// Why nothing was released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing is withheld in the scope. Look at the account's status.
    #[error("nothing is withheld in {scope}")]
    NothingWithheld {
        /// The scope.
        scope: String,
    },
    /// More is missing than the person reckons with. Look again, and give a higher ceiling if that is right.
    #[error("{missing} are missing, more than the ceiling of {ceiling}")]
    OverCeiling {
        /// How many are missing.
        missing: u64,
        /// How many may be removed at most.
        ceiling: u64,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Scribe {
    /// Lets go what is withheld of `scope` (`reports`, `policies`, `cards:acme.example`), if it is no more than `ceiling`.
    /// It is confirmed like any other absence. A policy that is out of sight (`policy/A1…`) is gone at once: nothing that could
    /// be read would confirm it.
    pub async fn release(&mut self, scope: &str, ceiling: u64, at: Timestamp) -> Result<Released, ReleaseError> {
        let policy = scope.strip_prefix("policy/").filter(|id| self.policies.contains_key(*id));
        if let Some(id) = policy.filter(|_| is_lost(&self.access, scope)).map(str::to_owned) {
            if ceiling == 0 {
                return Err(ReleaseError::OverCeiling { missing: 1, ceiling });
            }
            self.remove_policy(id, at).await?;
            self.regain(scope, at).await?;
            return Ok(Released { removed: 1, confirming: 0 });
        }
        if self.withheld(scope).is_none() {
            return Err(ReleaseError::NothingWithheld { scope: scope.to_owned() });
        }
        let refused = |refused: ReleaseRefused| match refused {
            ReleaseRefused::NothingWithheld => ReleaseError::NothingWithheld { scope: scope.to_owned() },
            ReleaseRefused::OverCeiling { missing, ceiling } => ReleaseError::OverCeiling { missing, ceiling },
        };
        // A person's word must not be lost.
        let confirming = if scope == REPORTS {
            let confirming = self.reports.absences.release(ceiling, at).map_err(refused)?;
            self.save_reports(Durability::Durable).await?;
            confirming
        } else {
            let confirming = self.record(scope).absences.release(ceiling, at).map_err(refused)?;
            self.tables.watches.put(&self.key(scope), &self.records[scope], Durability::Durable).await?;
            confirming
        };
        info!(account = %self.config.account, scope, ceiling, missing = confirming, "released by a person");
        self.note_withheld(scope, at).await?;
        Ok(Released { removed: 0, confirming })
    }

    /// A person says that a policy that is out of sight is gone.
    async fn remove_policy(&mut self, id: String, at: Timestamp) -> Result<(), StoreError> {
        let last_shown = self.sight.gaps.get(&id).and_then(|gap| gap.from);
        note_missing(&mut self.record(POLICIES).missing, &id, at, last_shown, false);
        info!(account = %self.config.account, policy = id, "removed by a person's word");
        self.tell_removed(EntityKind::Policy, POLICIES, std::slice::from_ref(&id), at).await?;
        self.sight.gaps.remove(&id);
        self.save_record(POLICIES).await?;
        self.tables.policies.put(&self.key("policies/all"), &self.sight, Durability::Relaxed).await
    }
}
