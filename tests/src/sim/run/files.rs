//! Files of reports: what is wrong with them, and their rows as they come in.

use jiff::SignedDuration;
use poller::{Asked, ReportsEnded, Watch};

use super::{
    Halt, Run,
    answers::{complete, failed},
    faults::Flaw,
};
use crate::sim::{
    clock::{Moment, SECOND},
    reference::sights::ReportSight,
    service::flight::File,
    upstream::query::Row,
};

/// Bytes of a row, as far as the plan cares.
const ROW_BYTES: u64 = 1_400;

impl Run {
    /// The file is there: its rows come in from now on, perhaps slowly.
    pub(super) async fn begin_file(&mut self, id: u64) -> Result<(), Halt> {
        let Some(flight) = self.service.as_mut().and_then(|service| service.flights.get_mut(&id)) else {
            return Ok(());
        };
        let (watch, window, mut rows) = (flight.watch.clone(), flight.window, std::mem::take(&mut flight.rendered));
        let flaw = self.flaw(&watch);
        self.flawed(flaw, &watch, window, &mut rows);
        self.shown_again(id, &rows);
        if flaw != Flaw::None {
            self.trace.note(self.now, format_args!("file of read {id}: {flaw:?}, {} rows", rows.len()));
        }
        let mut file = File { complete: true, bytes: rows.len() as u64 * ROW_BYTES, ..File::default() };
        match flaw {
            Flaw::Truncated => {
                rows.truncate(self.dice.below(rows.len() + 1));
                file.complete = false;
            }
            Flaw::Empty => {
                rows.clear();
                file.complete = false;
            }
            Flaw::BrokenOff => file.again = Some((self.dice.below(rows.len() + 1), rows.iter().cloned().collect())),
            _ => {}
        }
        file.rows = rows.into();
        let Some(service) = &mut self.service else { return Ok(()) };
        let Some(flight) = service.flights.get_mut(&id) else { return Ok(()) };
        flight.file = file;
        let (started_at, rendered_by) = (flight.began().0, flight.rendered_by);
        if let (Some(Asked::Reports(asked)), Some(rendered_by)) = (flight.asked.take(), rendered_by) {
            flight.reading = Some(service.scribe.begin(asked, started_at, rendered_by));
        }
        self.rows(id).await
    }

    /// Rows that are not as they were rendered.
    fn flawed(&mut self, flaw: Flaw, watch: &Watch, window: (Moment, Moment), rows: &mut Vec<Row>) {
        match flaw {
            Flaw::Reordered => self.dice.shuffle(rows),
            Flaw::LeavesOut if !rows.is_empty() => drop(rows.remove(self.dice.below(rows.len()))),
            Flaw::LeavesOutAll => rows.clear(),
            Flaw::Duplicated if !rows.is_empty() => {
                let twice = rows[self.dice.below(rows.len())].clone();
                rows.insert(self.dice.below(rows.len() + 1), twice);
            }
            Flaw::DuplicatedOtherwise => self.twice_and_differently(window, rows),
            _ => {}
        }
        if matches!(watch, Watch::Report(_)) && flaw == Flaw::LeavesOut {
            self.trace.count("refresh leaves its report out");
        }
    }

    /// A report that changes while the file is rendered, as it was before and as it was after.
    fn twice_and_differently(&mut self, (from, to): (Moment, Moment), rows: &mut Vec<Row>) {
        let changed = |row: &&Row| {
            let life = &self.world.reports[&row.id].life;
            life.index_at(from) != life.index_at(to)
        };
        let changed: Vec<String> = rows.iter().filter(changed).map(|row| row.id.clone()).collect();
        let Some(id) = self.dice.pick(&changed) else { return };
        let (before, after) = (self.world.row(id, from), self.world.row(id, to));
        rows.retain(|row| row.id != *id);
        for row in before.into_iter().chain(after) {
            rows.insert(self.dice.below(rows.len() + 1), row);
        }
        self.trace.count("row twice, before and after a change");
    }

    /// Rows that were put in beside those that were rendered are seen, too.
    fn shown_again(&mut self, id: u64, rows: &[Row]) {
        let flight = self.service.as_ref().and_then(|service| service.flights.get(&id));
        let Some(stamp) = flight.and_then(|flight| flight.rendered_by) else { return };
        let Some(sight) = self.reference.sights.at_mut(stamp) else { return };
        for row in rows {
            let seen = sight.reports.entry(row.id.clone()).or_default();
            if !seen.iter().any(|sight| sight.version == row.version && sight.shown == row.shown) {
                seen.push(ReportSight { version: row.version, moment: row.moment, shown: row.shown.clone() });
            }
        }
    }

    /// Some of the rows of the read `id` come in; the rest later, or now.
    pub(super) async fn rows(&mut self, id: u64) -> Result<(), Halt> {
        let Some(flight) = self.service.as_ref().and_then(|service| service.flights.get(&id)) else { return Ok(()) };
        let left = flight.file.rows.len();
        let now = if self.dice.percent(80) { left } else { self.dice.below(left + 1) };
        // One more than there are rows may find that the download begins anew.
        for _ in 0..now.max(1) {
            self.one_row(id).await?;
        }
        let Some(flight) = self.service.as_ref().and_then(|service| service.flights.get(&id)) else { return Ok(()) };
        if flight.file.rows.is_empty() && flight.file.again.is_none() {
            return self.end_file(id).await;
        }
        let at = self.now + self.dice.between(10, 20 * SECOND);
        self.rows_at(id, at);
        Ok(())
    }

    async fn one_row(&mut self, id: u64) -> Result<(), Halt> {
        let Some(service) = &mut self.service else { return Ok(()) };
        let Some(flight) = service.flights.get_mut(&id) else { return Ok(()) };
        let Some(reading) = &mut flight.reading else { return Ok(()) };
        if let Some((left, rows)) = flight.file.again.take() {
            match left.checked_sub(1) {
                Some(left) => flight.file.again = Some((left, rows)),
                None => {
                    service.scribe.restarted(reading);
                    flight.file.rows = rows;
                }
            }
        }
        let Some(row) = flight.file.rows.pop_front() else { return Ok(()) };
        let shown = event_model::Report::clone(&row.shown);
        let mut parse = move || Some(shown.clone());
        service.scribe.row(reading, &row.id, row.digest, &mut parse).await?;
        Ok(())
    }

    async fn end_file(&mut self, id: u64) -> Result<(), Halt> {
        let Some(service) = &mut self.service else { return Ok(()) };
        let Some(flight) = service.flights.get_mut(&id) else { return Ok(()) };
        let Some(reading) = flight.reading.take() else { return Ok(()) };
        let (requests, began) = (flight.requests, flight.began().1);
        let (is_complete, bytes, took) = (flight.file.complete, flight.file.bytes, self.now - began);
        let ended = ReportsEnded { complete: is_complete, took: SignedDuration::from_millis(took as i64), bytes };
        let ingested = service.scribe.end_reports(reading, ended).await?;
        let ended = if is_complete { complete(requests, ingested.changes, took, bytes) } else { failed() };
        self.end(id, ended).await
    }
}
