//! Reads an export file line by line and says whether it is the whole truth.
//!
//! ```text
//! start ──begin──► in a block ──row, fault──► in a block ──end──► ended ──begin──► in a block (a second block) …
//! ```
//!
//! Anything else is a flaw, and a file with a flaw is incomplete: what it shows was so, what it does not show proves
//! nothing. A file is complete only if each block has our nonce at both ends, its canary unharmed, its rows numbered
//! without a gap, no row that fails, and the same count from the engine's list, from the end record and from us. The end
//! record is the last line and ends in its only closing brace, so no part of a block can be complete (but for its very
//! last line end, which means nothing).
//!
//! Two blocks are taken: the engine may render a big export in pieces. Then a file that is cut exactly between two blocks
//! would be complete; a notice says when that case is there.
//!
//! Tolerated, since the template's text survives them: a byte order mark, CRLF, a file that was HTML-escaped as a whole.
//! What the rows say is made canonical here; a row that cannot be is counted as a fault.

use std::collections::HashMap;

use event_model::report::ObservedReport;
use serde_json::Value;

use crate::{
    canonical::{html, report},
    completeness::{Completeness, Incompleteness},
    rows::{self, Begin, End, Fault, Record, Row},
    template::Nonce,
    text::presentable,
};

/// So many notices are kept of one read.
const MAX_NOTICES: usize = 20;
/// A notice is so many characters at most.
const NOTICE_CHARS: usize = 240;

/// What a file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The reports that could be read, in the order of the file, each once.
    pub reports: Vec<ObservedReport>,
    /// Whether they are all.
    pub completeness: Completeness,
    /// What a person should know about the upstream; bounded in number and length.
    pub drift: Vec<String>,
}

/// Where in a file the reader stands.
#[derive(Debug)]
enum Stage {
    Start,
    Block { size: Option<u64>, rows: u64, faults: u64 },
    Ended,
}

/// Reads one file. Feed it every line, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct ReportsReader {
    nonce: Nonce,
    stage: Stage,
    line: u64,
    blocks: u64,
    /// The first flaw that is none of single reports.
    flaw: Option<Incompleteness>,
    /// Reports lost: faults of the engine and rows that make no report.
    lost: u64,
    reports: Vec<ObservedReport>,
    /// Where in `reports` an id stands.
    places: HashMap<String, usize>,
    drift: Vec<String>,
}

impl ReportsReader {
    /// For the file of the job with this nonce.
    pub fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            stage: Stage::Start,
            line: 0,
            blocks: 0,
            flaw: None,
            lost: 0,
            reports: Vec::new(),
            places: HashMap::new(),
            drift: Vec::new(),
        }
    }

    /// Takes the next line, without its line end.
    pub fn line(&mut self, line: &[u8]) {
        self.line += 1;
        if self.flaw.as_ref().is_some_and(Incompleteness::spoils_all) {
            return;
        }
        let text = String::from_utf8_lossy(line);
        let mut text = text.as_ref();
        if self.line == 1 {
            text = text.trim_start_matches('\u{feff}');
        }
        if text.is_empty() && matches!(self.stage, Stage::Ended) {
            return;
        }
        let record = if text.starts_with("{&quot;") {
            self.notice("the file is HTML-escaped as a whole".to_owned());
            rows::record(&html::unescaped(text))
        } else {
            rows::record(text)
        };
        self.take(record, std::str::from_utf8(line).is_ok());
    }

    /// A line that was too long to keep.
    pub fn line_too_long(&mut self) {
        self.line += 1;
        self.flawed(Incompleteness::BadLine { line: self.line });
    }

    /// The file has ended.
    pub fn finish(mut self) -> Reading {
        let incompleteness = match (&self.stage, self.flaw.take()) {
            (_, Some(flaw)) if flaw.spoils_all() => Some(flaw),
            (Stage::Start, _) => Some(Incompleteness::NotOurs),
            (Stage::Block { .. }, _) => Some(Incompleteness::NoEnd),
            (Stage::Ended, Some(flaw)) => Some(flaw),
            (Stage::Ended, None) if self.lost > 0 => Some(Incompleteness::Faults { reports: self.lost }),
            (Stage::Ended, None) => None,
        };
        if incompleteness.as_ref().is_some_and(Incompleteness::spoils_all) {
            self.reports.clear();
        }
        let completeness = incompleteness.map_or(Completeness::Complete, Completeness::Incomplete);
        Reading { reports: self.reports, completeness, drift: self.drift }
    }

    /// One step of the state machine. A line that was not UTF-8 can at best be a begin record with a spoilt canary.
    fn take(&mut self, record: Option<Record>, utf8: bool) {
        match (&self.stage, record) {
            (Stage::Start | Stage::Ended, Some(Record::Begin(begin))) => self.begin(&begin),
            (Stage::Block { .. }, Some(Record::Row(row))) if utf8 => self.row(&row),
            (Stage::Block { .. }, Some(Record::Fault(fault))) => self.fault(&fault),
            (Stage::Block { .. }, Some(Record::End(end))) => self.end(&end),
            (Stage::Start, _) => self.flawed(Incompleteness::NotOurs),
            (Stage::Block { .. } | Stage::Ended, _) => self.flawed(Incompleteness::BadLine { line: self.line }),
        }
    }

    fn begin(&mut self, begin: &Begin) {
        if begin.v != rows::VERSION || !begin.columns.are_ours() {
            return self.flawed(Incompleteness::NotOurs);
        }
        if begin.nonce != self.nonce.as_str() {
            return self.flawed(Incompleteness::NonceMismatch { line: self.line });
        }
        if begin.canary != rows::CANARY {
            return self.flawed(Incompleteness::Canary);
        }
        if begin.kind.is_empty() {
            return self.flawed(Incompleteness::NoList);
        }
        self.blocks += 1;
        if self.blocks == 2 {
            let (engine, locale) = (&begin.engine, &begin.locale);
            self.notice(format!("the file has a second block (engine {engine}, locale {locale})"));
        }
        if begin.add_header != Value::Bool(true) {
            self.notice(format!("addHeader is {}", begin.add_header));
        }
        self.stage = Stage::Block { size: begin.size, rows: 0, faults: 0 };
    }

    fn row(&mut self, row: &Row) {
        self.counted(row.i, false);
        let mut notices = Vec::new();
        let read = report::observed(row, &mut |text| notices.push(text));
        notices.into_iter().for_each(|text| self.notice(text));
        match read {
            Ok(observed) => self.keep(observed),
            Err(fault) => {
                self.lost += 1;
                let id = report::id_for_notice(row.report.first());
                self.notice(format!("line {}: {id}: {fault}", self.line));
            }
        }
    }

    fn fault(&mut self, fault: &Fault) {
        self.counted(fault.i, true);
        self.lost += 1;
        let id = report::id_for_notice(Some(&fault.report_id));
        self.notice(format!("line {}: {id}: not rendered: {}", self.line, fault.message));
    }

    /// Counts one row or fault with the number `i`.
    fn counted(&mut self, i: u64, fault: bool) {
        let Stage::Block { rows, faults, .. } = &mut self.stage else { return };
        let expected = *rows;
        *rows += 1;
        *faults += u64::from(fault);
        if i != expected {
            self.flawed(Incompleteness::OutOfOrder { line: self.line });
        }
    }

    fn end(&mut self, end: &End) {
        let Stage::Block { size, rows, faults } = self.stage else { return };
        if end.nonce != self.nonce.as_str() {
            return self.flawed(Incompleteness::NonceMismatch { line: self.line });
        }
        let counts = [Some(end.rows), size];
        if let Some(expected) = counts.into_iter().flatten().find(|expected| *expected != rows) {
            self.flawed(Incompleteness::WrongCount { expected, found: rows });
        }
        if end.faults != faults {
            self.flawed(Incompleteness::WrongCount { expected: end.faults, found: faults });
        }
        if !end.done {
            self.flawed(Incompleteness::BrokenOff);
        }
        self.stage = Stage::Ended;
    }

    /// Keeps a report once: the same again is nothing new, a different one replaces it.
    fn keep(&mut self, observed: ObservedReport) {
        let id = observed.report.report_id.clone();
        match self.places.get(&id) {
            Some(at) if self.reports[*at] == observed => {}
            Some(at) => {
                self.reports[*at] = observed;
                self.notice(format!("{id} stands twice and differs; the last is taken"));
            }
            None => {
                self.places.insert(id, self.reports.len());
                self.reports.push(observed);
            }
        }
    }

    /// Notes a flaw; one that spoils all takes the place of one that does not.
    fn flawed(&mut self, flaw: Incompleteness) {
        if self.flaw.is_none() || flaw.spoils_all() {
            self.flaw = Some(flaw);
        }
    }

    fn notice(&mut self, text: String) {
        let text = presentable(&text, NOTICE_CHARS);
        if self.drift.len() < MAX_NOTICES && !self.drift.contains(&text) {
            self.drift.push(text);
        }
    }
}

/// Reads a whole file that is in memory.
pub fn read(nonce: &Nonce, file: &[u8]) -> Reading {
    let mut reader = ReportsReader::new(nonce.clone());
    let mut lines = crate::lines::LineSplitter::default();
    lines.push(file);
    loop {
        match lines.line() {
            Ok(Some(line)) => reader.line(&line),
            Ok(None) => break,
            Err(_) => {
                reader.line_too_long();
                return reader.finish();
            }
        }
    }
    if let Some(line) = lines.rest() {
        reader.line(&line);
    }
    reader.finish()
}

#[cfg(test)]
mod tests;
