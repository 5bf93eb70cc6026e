//! The end of a read of reports.

use change_engine::{
    paths::{Paths, columns::Shown},
    plan::shape::{Measure, ReportScope},
    scope_snapshot_draft,
};
use event_store::{Durability, StoreError};
use tracing::info;

use super::{
    Ingested, Reading, ReportsEnded, Scribe,
    batch::Circumstances,
    watch::{REPORTS, Watch, is_of_reports},
};

impl Scribe {
    /// The file has ended, or broken off. To be called for every reading: what its rows said is told by then.
    pub async fn end_reports(&mut self, mut reading: Reading, ended: ReportsEnded) -> Result<Ingested, StoreError> {
        self.flush().await?;
        let mut ingested = Ingested {
            entities: reading.rows,
            changes: reading.changes,
            parsed: reading.parsed,
            ..Ingested::default()
        };
        if ended.complete && !self.is_of_another_clock(reading.rendered_by) {
            match reading.asked.watch.clone() {
                Watch::Reports(scope) => self.end_export(&scope, &mut reading, ended, &mut ingested).await?,
                _ => self.end_by_ids(&reading).await?,
            }
        }
        self.index.finish(reading.walk);
        Ok(ingested)
    }

    async fn end_export(
        &mut self,
        scope: &ReportScope,
        reading: &mut Reading,
        ended: ReportsEnded,
        ingested: &mut Ingested,
    ) -> Result<(), StoreError> {
        let (name, today) = (scope.name(), reading.asked.today);
        let missed = self.unseen(reading, scope);
        self.forget_missing(today);
        self.note_absences(scope, reading, missed);
        self.note_paths(&name, reading);
        let first_sight = !self.reports.shape.is_seen(scope, today);
        let measure = Measure { took: ended.took, bytes: ended.bytes, rows: reading.rows };
        ingested.reshaped = self.reports.shape.measured(scope, today, measure);
        let sure = scope.sure_days(today);
        let record = self.record(&name);
        record.fresh_as_of = Some(reading.started_at);
        record.covered = Some((sure.start, sure.end));
        record.entities = Some(reading.rows);
        record.refused_since = None;
        ingested.withheld = self.reports.absences.withheld().is_some();
        self.forget_gaps(today);
        self.drop_old_exports(today).await?;
        // Before the event that says so: see the head of `record`.
        self.save_reports(if first_sight { Durability::Durable } else { Durability::Relaxed }).await?;
        self.save_record(&name).await?;
        // Also when a crash came between the record and the event.
        if first_sight || !self.baselined.contains(REPORTS) {
            self.end_first_sights(scope, reading, first_sight).await?;
        }
        self.regain_refused(REPORTS, reading.rendered_by).await?;
        self.note_withheld(REPORTS, reading.rendered_by).await
    }

    /// Learns which paths there are and which of them move without meaning.
    fn note_paths(&mut self, name: &str, reading: &mut Reading) {
        let tally = std::mem::take(&mut reading.tally);
        let record = self.record(name);
        let mut set_aside = record.columns.take_in(Shown::of_reports(), reading.started_at);
        set_aside.extend(record.volatility.after_read(tally, reading.rows));
        let watch = reading.asked.watch.clone();
        self.note_set_aside(&watch, &set_aside, reading.rendered_by);
    }

    /// Says that the first sight of `scope` is complete, and that of all exports if it is.
    async fn end_first_sights(
        &mut self,
        scope: &ReportScope,
        reading: &Reading,
        first_sight: bool,
    ) -> Result<(), StoreError> {
        let today = reading.asked.today;
        let around = Circumstances {
            started_at: reading.started_at,
            observed_at: reading.rendered_by,
            not_before: None,
            told_until: None,
            baselined: false,
            paths: Paths::default().into(),
            by_id: false,
        };
        let mut drafts = Vec::new();
        let name = scope.name();
        if first_sight && name != REPORTS && !self.baselined.contains(&name) {
            drafts.push(scope_snapshot_draft(&self.seen(&around), &name, reading.rows));
        }
        let shape = &self.reports.shape;
        if !self.baselined.contains(REPORTS) && shape.scopes(today).iter().all(|scope| shape.is_seen(scope, today)) {
            let reports = self.index.iter().count() as u64;
            drafts.push(scope_snapshot_draft(&self.seen(&around), REPORTS, reports));
        }
        if drafts.is_empty() {
            return Ok(());
        }
        self.append(drafts).await?;
        info!(account = %self.config.account, watch = name, entities = reading.rows, "first sight complete");
        Ok(())
    }

    pub(super) async fn save_reports(&self, durability: Durability) -> Result<(), StoreError> {
        self.tables.reports.put(&self.key("reports/all"), &self.reports, durability).await
    }

    /// Lets go of the records of exports that are none any more, by another shape or by the calendar.
    async fn drop_old_exports(&mut self, today: jiff::civil::Date) -> Result<(), StoreError> {
        let scopes = self.reports.shape.scopes(today);
        let standing: Vec<String> = scopes.iter().map(ReportScope::name).chain([Watch::Aged.name()]).collect();
        let old = self.records.keys().filter(|name| is_of_reports(name) && !standing.contains(name));
        for name in old.cloned().collect::<Vec<_>>() {
            let record = self.records.remove(&name).unwrap_or_default();
            self.reports.set_aside.extend(record.volatility.set_aside().iter().cloned());
            self.reports.thinned.remove(&name);
            self.tables.watches.delete(&self.key(&name), Durability::Relaxed).await?;
        }
        Ok(())
    }
}
