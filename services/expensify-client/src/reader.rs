//! Reads an export file line by line, yields its rows unread, and says whether the file is the whole truth.
//!
//! ```text
//! start ──begin──► in a block ──row, fault──► in a block ──end──► ended ──begin──► in a block (a second block) …
//! ```
//!
//! Anything else is a flaw, and a file with a flaw is incomplete: what it shows was so, what it does not show proves
//! nothing. A file is complete only if each block has our nonce at both ends, its canary unharmed, its rows numbered
//! without a gap, no row that fails, and the same count from the engine's list, from the end record and from us. The end
//! record is the last line and ends in its only closing brace, so no part of a block can be complete (but for its very
//! last line end, which means nothing). No row is yielded before a begin record of ours, nor after a flaw that spoils all.
//!
//! # Why a row need not be read
//!
//! Most rows are what they were. So a row is yielded with its id and a digest of its content, and is read
//! ([`RowReader::report`]) only when the digest is not known. That is as strict as reading each:
//!
//! 1. A line is a prefix and a content. The prefix is `{"t":"row","i":N,`, compared byte by byte (`scan`) and N a plain
//!    decimal; the content is everything after it. Whether the line is a row, and of which report, depends on nothing else,
//!    and on N only for its place in the file, which is checked here for every row.
//! 2. A digest is known only from a content that was read in full, by the program as it runs, and found to be a report. An
//!    equal digest is an equal content (BLAKE3 under a secret key of this run, so that nobody can look for two of one digest),
//!    and the line in hand would be read to the same report.
//! 3. Whatever happens to a line on its way, a cut, a lost or changed byte, two lines run into one, text of an error handler in
//!    the middle, changes its content or its prefix. A changed content has a digest that is not known: it is read, strictly, and
//!    refused, or it is a report indeed. A changed prefix goes to the strict parser at once.
//!
//! What follows for whoever takes the rows: a row whose digest is not known must be read before the read may count as
//! complete. And an id is taken from a line only where it stands as a whole cell, with its quotes and its comma; an odd one
//! (escaped, blank, with white space) is read as JSON here.
//!
//! Two blocks are taken: the engine may render a big export in pieces. Then a file that is cut exactly between two blocks
//! would be complete; a notice says when that case is there.
//!
//! Tolerated, since the template's text survives them: a byte order mark, CRLF, a file that was HTML-escaped as a whole.

use bytes::Bytes;
use event_model::Report;
use serde_json::Value;

use crate::{
    canonical::{html, report},
    completeness::{Completeness, Incompleteness},
    lines::LineSplitter,
    row::{DigestKey, Row},
    rows::{self, Begin, End, Fault, Record},
    scan::{self, Scanned},
    template::Nonce,
    text::presentable,
};

/// So many reports that made no row are known by their ids.
pub const MAX_NAMED: usize = 10_000;
/// So many notices are kept of one read.
const MAX_NOTICES: usize = 20;
/// A notice is so many characters at most.
const NOTICE_CHARS: usize = 240;

/// What a file said, its rows aside.
#[derive(Clone, Debug, PartialEq)]
pub struct RowsRead {
    /// Whether the rows are all.
    pub completeness: Completeness,
    /// Reports lost: faults of the engine, and rows that make no report.
    pub lost: u64,
    /// Of those, the ids of the ones that were not yielded as rows; at most [`MAX_NAMED`].
    pub unrendered: Vec<String>,
    /// ... and those of which not even the id is known.
    pub unnamed: u64,
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

/// Reads one file. Feed it every line, read the rows that are new, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct RowReader {
    nonce: Nonce,
    key: DigestKey,
    stage: Stage,
    line: u64,
    blocks: u64,
    /// The first flaw that is none of single reports.
    flaw: Option<Incompleteness>,
    lost: u64,
    unrendered: Vec<String>,
    unnamed: u64,
    drift: Vec<String>,
}

impl RowReader {
    /// For the file of the job with this nonce; digests are made with `key`.
    pub fn new(nonce: Nonce, key: DigestKey) -> Self {
        Self {
            nonce,
            key,
            stage: Stage::Start,
            line: 0,
            blocks: 0,
            flaw: None,
            lost: 0,
            unrendered: Vec::new(),
            unnamed: 0,
            drift: Vec::new(),
        }
    }

    /// Takes the next line, without its line end, and yields the row that it is.
    pub fn line(&mut self, line: Bytes) -> Option<Row> {
        self.line += 1;
        if self.is_spoilt() {
            return None;
        }
        match scan::row(&line) {
            Some(scanned) if matches!(self.stage, Stage::Block { .. }) => self.row(line, scanned),
            _ => self.uncommon(line),
        }
    }

    /// A line that was too long to keep, and how it begins.
    pub fn line_too_long(&mut self, head: &[u8]) {
        self.line += 1;
        let scanned = scan::row(head).filter(|_| matches!(self.stage, Stage::Block { .. }) && !self.is_spoilt());
        let Some((i, id)) = scanned.and_then(|scanned| Some((scanned.i, scanned.id?))) else {
            return self.flawed(Incompleteness::BadLine { line: self.line });
        };
        self.counted(i, false);
        let id = Value::from(String::from_utf8_lossy(&head[id]));
        self.lose(self.line, Some(&id), "its row is too long");
        self.name(Some(&id));
    }

    /// Reads a row that this reader yielded. `None` when it is no report: then it is counted as lost, once for each call, and
    /// the file is incomplete.
    pub fn report(&mut self, row: &Row) -> Option<Report> {
        let Some(parsed) = rows::row(&row.line) else {
            // One line is one report: that the others are there is for the counts to say.
            let id = Value::from(row.report_id());
            self.lose(row.number, Some(&id), "its row is no record");
            return None;
        };
        let mut notices = Vec::new();
        let read = report::report(&parsed, &mut |text| notices.push(text));
        notices.into_iter().for_each(|text| self.notice(text));
        read.map_err(|fault| self.lose(row.number, parsed.report.first(), &fault.to_string())).ok()
    }

    /// As things are, the file stops before its end record.
    pub fn is_cut_short(&self) -> bool {
        matches!(self.stage, Stage::Block { .. }) && !self.is_spoilt()
    }

    /// The file has ended.
    pub fn finish(mut self) -> RowsRead {
        let incompleteness = match (&self.stage, self.flaw.take()) {
            (_, Some(flaw)) if flaw.spoils_all() => Some(flaw),
            (Stage::Start, _) => Some(Incompleteness::NotOurs),
            (Stage::Block { .. }, _) => Some(Incompleteness::NoEnd),
            (Stage::Ended, Some(flaw)) => Some(flaw),
            (Stage::Ended, None) if self.lost > 0 => Some(Incompleteness::Faults { reports: self.lost }),
            (Stage::Ended, None) => None,
        };
        let completeness = incompleteness.map_or(Completeness::Complete, Completeness::Incomplete);
        let Self { lost, unrendered, unnamed, drift, .. } = self;
        RowsRead { completeness, lost, unrendered, unnamed, drift }
    }

    fn is_spoilt(&self) -> bool {
        self.flaw.as_ref().is_some_and(Incompleteness::spoils_all)
    }

    fn row(&mut self, line: Bytes, scanned: Scanned) -> Option<Row> {
        let Some(id) = scanned.id else { return self.odd(line, scanned.content) };
        self.counted(scanned.i, false);
        let digest = self.key.digest(&line[scanned.content..]);
        Some(Row::plain(line, self.line, id, digest))
    }

    /// A row whose number or id has to be read as JSON.
    fn odd(&mut self, line: Bytes, content: usize) -> Option<Row> {
        let Some(parsed) = rows::row(&line) else {
            self.flawed(Incompleteness::BadLine { line: self.line });
            return None;
        };
        self.counted(parsed.i, false);
        match report::id(&parsed) {
            Ok(id) => {
                let digest = self.key.digest(&line[content..]);
                Some(Row::odd(line, self.line, id, digest))
            }
            Err(fault) => {
                self.lose(self.line, parsed.report.first(), &fault.to_string());
                self.unnamed += 1;
                None
            }
        }
    }

    /// A line that is not plainly a row.
    fn uncommon(&mut self, line: Bytes) -> Option<Row> {
        let text = String::from_utf8_lossy(&line);
        let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { &text };
        if text.is_empty() && matches!(self.stage, Stage::Ended) {
            return None;
        }
        if !text.starts_with("{&quot;") {
            return self.record(text, line.clone());
        }
        self.notice("the file is HTML-escaped as a whole".to_owned());
        let plain = html::unescaped(text);
        // A row is read from bytes that are what was sent, not from what stands in for them.
        let row = if std::str::from_utf8(&line).is_ok() { Bytes::from(plain.clone()) } else { Bytes::new() };
        match scan::row(&row) {
            Some(scanned) if matches!(self.stage, Stage::Block { .. }) => self.row(row, scanned),
            _ => self.record(&plain, row),
        }
    }

    /// One step of the state machine. A line that was not UTF-8 can at best be a begin record with a spoilt canary; `row` is
    /// its bytes if it is a row.
    fn record(&mut self, line: &str, row: Bytes) -> Option<Row> {
        let record = rows::record(line);
        match (&self.stage, record) {
            (Stage::Start | Stage::Ended, Some(Record::Begin(begin))) => self.begin(&begin),
            (Stage::Block { .. }, Some(Record::Row)) => return self.odd(row, 0),
            (Stage::Block { .. }, Some(Record::Fault(fault))) => self.fault(&fault),
            (Stage::Block { .. }, Some(Record::End(end))) => self.end(&end),
            (Stage::Start, _) => self.flawed(Incompleteness::NotOurs),
            (Stage::Block { .. } | Stage::Ended, _) => self.flawed(Incompleteness::BadLine { line: self.line }),
        }
        None
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

    fn fault(&mut self, fault: &Fault) {
        self.counted(fault.i, true);
        self.lose(self.line, Some(&fault.report_id), &format!("not rendered: {}", fault.message));
        self.name(Some(&fault.report_id));
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

    /// Counts a report that cannot be had.
    fn lose(&mut self, line: u64, id: Option<&Value>, why: &str) {
        self.lost += 1;
        self.notice(format!("line {line}: {}: {why}", report::id_for_notice(id)));
    }

    /// Keeps the id of a report that made no row, if it has one and there is room.
    fn name(&mut self, id: Option<&Value>) {
        match id.and_then(report::id_of) {
            Some(id) if self.unrendered.len() < MAX_NAMED => self.unrendered.push(id),
            _ => self.unnamed += 1,
        }
    }

    /// Notes a flaw; one that spoils all takes the place of one that does not.
    fn flawed(&mut self, flaw: Incompleteness) {
        if self.flaw.is_none() || (flaw.spoils_all() && !self.is_spoilt()) {
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

/// A file whose every row was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The reports, in the order of the file.
    pub reports: Vec<Report>,
    /// Whether they are all.
    pub completeness: Completeness,
    /// What a person should know about the upstream; bounded in number and length.
    pub drift: Vec<String>,
}

/// Reads a whole file that is in memory, each of its rows.
pub fn read(nonce: &Nonce, file: &[u8]) -> Reading {
    let mut reader = RowReader::new(nonce.clone(), DigestKey::from_bytes([0; 32]));
    let mut lines = LineSplitter::default();
    lines.push(Bytes::copy_from_slice(file));
    let mut reports = Vec::new();
    loop {
        let line = match lines.line() {
            Ok(Some(line)) => Some(line),
            Ok(None) => lines.rest(),
            Err(too_long) => {
                reader.line_too_long(&too_long.head);
                continue;
            }
        };
        let Some(line) = line else { break };
        let row = reader.line(line);
        reports.extend(row.and_then(|row| reader.report(&row)));
    }
    let RowsRead { completeness, drift, .. } = reader.finish();
    Reading { reports, completeness, drift }
}

#[cfg(test)]
mod tests;
