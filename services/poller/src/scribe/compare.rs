//! A row of an export: judged, parsed, compared with the log, told.

use change_engine::{
    Known, Seen,
    fingerprints::{Verdict, from_hex},
    report_drafts, touched_expenses,
};
use event_model::{EntityKind, EventDraft, Report, Whereabouts, entity::fingerprint};
use event_store::StoreError;
use serde_json::Value;
use tracing::{debug, warn};

use super::{
    Reading, Scribe,
    batch::{Circumstances, Pending},
};

/// So often a batch is compared again when something else changed its entities meanwhile.
const MAX_ATTEMPTS: u32 = 3;

impl Scribe {
    /// The report is there: it is not missing, unless the read is older than the one that missed it.
    pub(super) fn is_shown(&mut self, reading: &mut Reading, id: &str) {
        if reading.is_by_id() {
            reading.shown.insert(id.to_owned());
        }
        let missing = self.reports.missing.get_mut(id);
        if let Some(missing) = missing.filter(|missing| reading.started_at >= missing.since) {
            missing.back = true;
            missing.unshown = None;
            self.reports.absences.shown(id);
        }
    }

    /// Whether a report that waits to be appended settles what this row says.
    pub(super) async fn is_settled_by_batch(
        &mut self,
        reading: &mut Reading,
        id: &str,
        digest: &[u8; 16],
    ) -> Result<bool, StoreError> {
        let Some(pending) = self.batch.get(id) else { return Ok(false) };
        if pending.read != reading.walk.mark() {
            self.flush().await?;
            return Ok(false);
        }
        if pending.digest != *digest {
            let waiting = self.batch.remove(id);
            self.doubt(reading, id, waiting.as_ref().map(|pending| &pending.seen));
        }
        Ok(true)
    }

    pub(super) async fn judge(
        &mut self,
        reading: &mut Reading,
        id: &str,
        digest: [u8; 16],
        parse: &mut (dyn FnMut() -> Option<Report> + Send),
    ) -> Result<(), StoreError> {
        if reading.doubtful.contains(id) {
            return Ok(());
        }
        let verdict = self.index.judge(&mut reading.walk, id, &digest);
        match verdict {
            Verdict::Same => {
                self.is_judged(id, reading.started_at, reading.is_by_id());
                Ok(())
            }
            Verdict::Stale => Ok(()),
            Verdict::Overlaps => {
                // The read may have seen the change, and this says nothing of it.
                self.remember_doubt(reading, id, None);
                Ok(())
            }
            Verdict::Twice => {
                self.doubt(reading, id, None);
                Ok(())
            }
            Verdict::Changed | Verdict::Unread | Verdict::New => {
                reading.parsed += 1;
                let Some(report) = parse() else { return Ok(()) };
                self.compare(reading, id, digest, report).await
            }
        }
    }

    async fn compare(
        &mut self,
        reading: &mut Reading,
        id: &str,
        digest: [u8; 16],
        report: Report,
    ) -> Result<(), StoreError> {
        if self.index.get(id).is_none() && !self.is_watched(report.policy_id.as_deref()) {
            // Asked for by its id, on a policy that the configuration leaves out.
            return Ok(());
        }
        let object = object_of(&report);
        let whereabouts = Whereabouts::of(EntityKind::Report, &object);
        let fingerprint = fingerprint(&object);
        let as_in_the_log = from_hex(&fingerprint).is_some_and(|short| self.index.has_object(id, &short));
        let seen = self.circumstances(reading, id, &whereabouts);
        if as_in_the_log {
            self.index.settle(&reading.walk, id, &digest, &whereabouts);
            self.is_judged(id, reading.started_at, reading.is_by_id());
            return Ok(());
        }
        let (id, read) = (id.to_owned(), reading.walk.mark());
        let mut pending = Pending { id, digest, report, fingerprint, whereabouts, read, seen, drafts: Vec::new() };
        let Some(known) = self.differs_from(&mut pending).await? else {
            self.settle(&pending);
            return Ok(());
        };
        let touched = touched(&pending, known.as_ref());
        if self.batch.touches(&touched) {
            // An expense that moves from one report to another is told in the order of the rows.
            self.flush().await?;
        }
        pending.drafts = self.drafts_of(&pending, known.as_ref(), &touched).await?;
        if pending.drafts.is_empty() {
            self.settle(&pending);
            return Ok(());
        }
        reading.tally.count(&pending.drafts);
        reading.changes += u64::from(pending.drafts.iter().any(|draft| !draft.event_type.is_snapshot()));
        if self.batch.overflows(&pending.drafts) {
            self.flush().await?;
        }
        self.batch.push(pending);
        Ok(())
    }

    /// What the log says of the report, if anything; `None` when it says the same already.
    async fn differs_from(&self, pending: &mut Pending) -> Result<Option<Option<Known>>, StoreError> {
        match self.state(EntityKind::Report, &pending.id).await? {
            None => Ok(Some(None)),
            Some(state) if !state.removed && state.fingerprint == pending.fingerprint => Ok(None),
            Some(state) => {
                let (known, told_at) = self.load_told(&state).await?;
                // What was told may be younger than the last look that is remembered.
                pending.seen.told_until = pending.seen.told_until.max(Some(self.on_their_clock(told_at)));
                Ok(Some(Some(known)))
            }
        }
    }

    /// The events that lead from the log to `pending`.
    async fn drafts_of(
        &self,
        pending: &Pending,
        known: Option<&Known>,
        touched: &[String],
    ) -> Result<Vec<EventDraft>, StoreError> {
        let lines = self.expenses(touched).await?;
        Ok(report_drafts(&self.seen(&pending.seen), known, &pending.report, &lines))
    }

    async fn compare_again(&self, pending: &mut Pending) -> Result<(), StoreError> {
        pending.drafts = match self.differs_from(pending).await? {
            None => Vec::new(),
            Some(known) => {
                let touched = touched(pending, known.as_ref());
                self.drafts_of(pending, known.as_ref(), &touched).await?
            }
        };
        Ok(())
    }

    pub(super) fn seen<'a>(&'a self, around: &'a Circumstances) -> Seen<'a> {
        Seen {
            account: &self.config.account,
            observed_at: around.observed_at,
            not_before: around.not_before,
            told_until: around.told_until,
            baselined: around.baselined,
            paths: &around.paths,
        }
    }

    /// Appends what waits, and only then stores the digests of its rows.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        let mut waiting = self.batch.take();
        let mut attempt = 1;
        while !waiting.is_empty() {
            let drafts = waiting.iter_mut().flat_map(|pending| std::mem::take(&mut pending.drafts)).collect();
            match self.store.append(drafts).await {
                Ok(stored) => {
                    (self.listener)(&stored);
                    break;
                }
                Err(StoreError::RevisionConflict { subject, expected, found }) if attempt < MAX_ATTEMPTS => {
                    let (account, expected, found) = (&self.config.account, expected.0, found.0);
                    warn!(%account, %subject, expected, found, "the log moved meanwhile: comparing again");
                    attempt += 1;
                    for pending in &mut waiting {
                        self.compare_again(pending).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        waiting.iter().for_each(|pending| self.settle(pending));
        Ok(())
    }

    fn settle(&mut self, pending: &Pending) {
        if self.is_of_another_clock(pending.seen.observed_at) {
            return;
        }
        self.index.settle(pending.read, &pending.id, &pending.digest, &pending.whereabouts);
        self.note_age(pending.whereabouts.day);
        self.is_judged(&pending.id, pending.seen.started_at, pending.seen.by_id);
    }

    /// The file shows the report twice and differently: it says nothing of it.
    fn doubt(&mut self, reading: &mut Reading, id: &str, waiting: Option<&Circumstances>) {
        if reading.doubtful.insert(id.to_owned()) {
            debug!(account = %self.config.account, report = id, "one file shows the report twice and differently");
            let message = format!("{id} stands twice in one file and differs: that file says nothing of it");
            self.notice(&reading.asked.watch.clone(), &message, reading.rendered_by);
            self.remember_doubt(reading, id, waiting);
        }
    }
}

/// The expenses whose states the comparison needs; none at a first sight, which tells none.
fn touched(pending: &Pending, known: Option<&Known>) -> Vec<String> {
    let first_sight = known.is_none() && !pending.seen.baselined;
    if first_sight { Vec::new() } else { touched_expenses(known, &pending.report) }
}

pub(super) fn object_of(entity: &impl serde::Serialize) -> Value {
    serde_json::to_value(entity).expect("entities have text keys and serialise")
}
