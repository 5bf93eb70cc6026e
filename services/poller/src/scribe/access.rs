//! What the credential sees, and what it has lost sight of. While a scope is lost what is known of it stands: nothing in it
//! is removed, and when it is back only the difference to what was known is told.
//!
//! A scope is refused when two reads of it, ten seconds apart, were: one may have met a passing fault.

use change_engine::{
    Seen,
    absence::CONFIRM_AFTER,
    access::{access_draft, lose, regain},
    paths::Paths,
};
use event_model::{LossReason, LostScope, status::Withheld};
use event_store::StoreError;
use jiff::Timestamp;
use tracing::{info, warn};

use super::{
    Scribe,
    watch::{REPORTS, Watch, is_sweep},
};

impl Scribe {
    /// The upstream refused a read of `watch` (403 or 404 of the whole scope) that began at `started_at`.
    pub async fn refused(&mut self, watch: &Watch, started_at: Timestamp, at: Timestamp) -> Result<(), StoreError> {
        let Some(scope) = watch.access_scope() else { return Ok(()) };
        let record = self.record(&watch.name());
        let since = *record.refused_since.get_or_insert(started_at);
        self.save_record(&watch.name()).await?;
        if started_at.duration_since(since) < CONFIRM_AFTER {
            return Ok(());
        }
        let lost = LostScope { scope, reason: LossReason::Refused, since, missing: None, of: None };
        self.lose(lost, at).await
    }

    /// The scope was read: if it was refused before, it is in sight again.
    pub(super) async fn regain_refused(&mut self, scope: &str, at: Timestamp) -> Result<(), StoreError> {
        self.regain_if(scope, LossReason::Refused, at).await
    }

    /// Tells when so much of a scope went missing at once that nothing is said of it, and when that is over.
    pub(super) async fn note_withheld(&mut self, scope: &str, at: Timestamp) -> Result<(), StoreError> {
        match self.withheld(scope) {
            Some(Withheld { missing, of, since }) => {
                let (scope, reason) = (scope.to_owned(), LossReason::MassDisappearance);
                self.lose(LostScope { scope, reason, since, missing: Some(missing), of: Some(of) }, at).await
            }
            None => self.regain_if(scope, LossReason::MassDisappearance, at).await,
        }
    }

    /// What is withheld of a scope; of the reports, of all that are in reach.
    pub(super) fn withheld(&self, scope: &str) -> Option<Withheld> {
        if scope != REPORTS {
            return self.records.get(scope)?.absences.withheld().cloned();
        }
        let shown: u64 =
            self.records.iter().filter(|(name, _)| is_sweep(name)).filter_map(|(_, record)| record.entities).sum();
        let withheld = self.reports.absences.withheld()?.clone();
        Some(Withheld { of: shown.saturating_add(withheld.missing), ..withheld })
    }

    pub(super) async fn lose(&mut self, lost: LostScope, at: Timestamp) -> Result<(), StoreError> {
        let (scope, reason) = (lost.scope.clone(), lost.reason);
        if lose(&mut self.access, lost) {
            warn!(account = %self.config.account, scope, ?reason, "out of sight: nothing in it is removed");
        }
        self.tell_access(at).await
    }

    async fn regain_if(&mut self, scope: &str, reason: LossReason, at: Timestamp) -> Result<(), StoreError> {
        let fits = self.access.lost.iter().any(|lost| lost.scope == scope && lost.reason == reason);
        if fits { self.regain(scope, at).await } else { Ok(()) }
    }

    pub(super) async fn regain(&mut self, scope: &str, at: Timestamp) -> Result<(), StoreError> {
        if regain(&mut self.access, scope) {
            info!(account = %self.config.account, scope, "in sight again");
        }
        self.tell_access(at).await
    }

    /// Tells the access if the log has another: also what an earlier attempt could not append.
    async fn tell_access(&mut self, at: Timestamp) -> Result<(), StoreError> {
        let paths = Paths::default();
        let account = &self.config.account;
        let seen =
            Seen { account, observed_at: at, not_before: None, told_until: None, baselined: true, paths: &paths };
        let draft = access_draft(&seen, self.told_access.as_ref(), &self.access);
        self.append(draft.into_iter().collect()).await
    }
}
