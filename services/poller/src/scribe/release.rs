//! A person says that what is withheld is gone.

use change_engine::absence::ReleaseRefused;
use event_store::{Durability, StoreError};
use jiff::Timestamp;
use tracing::info;

use super::{Scribe, watch::REPORTS};

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
    /// It is confirmed like any other absence.
    pub async fn release(&mut self, scope: &str, ceiling: u64, at: Timestamp) -> Result<Released, ReleaseError> {
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
}
