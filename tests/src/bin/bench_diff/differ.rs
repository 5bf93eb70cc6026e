//! What the service does with the rows of an export, without its store.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use change_engine::{
    Known, Seen,
    diff::{report_drafts, touched_expenses},
    fingerprints::{Fingerprints, Verdict, Walk},
    paths::Paths,
};
use event_model::{AccountName, EntityKind, EntityState, EventType, Report, Revision, Sequence, Whereabouts};
use expensify_client::{Completeness, DigestKey, Row, lines::LineSplitter, reader::RowReader, template::Nonce};
use jiff::{SignedDuration, Timestamp};

/// One key for all rounds: their digests are compared.
const KEY: [u8; 32] = *b"any thirty-two bytes will do her";
/// Between the starts of two reads.
const PERIOD: SignedDuration = SignedDuration::from_secs(60);

/// An account as it was last seen.
pub struct Differ {
    index: Fingerprints,
    account: AccountName,
    paths: Paths,
    now: Timestamp,
}

/// One export on its way through.
pub struct Read<'a> {
    differ: &'a mut Differ,
    splitter: LineSplitter,
    reader: RowReader,
    walk: Walk,
    rows: u64,
    changed: u64,
}

impl Differ {
    pub fn new(reports: u64) -> Self {
        let index = Fingerprints::with_capacity(reports as usize);
        let account = "acme".parse().expect("a name");
        Self { index, account, paths: Paths::default(), now: Timestamp::UNIX_EPOCH }
    }

    pub fn begin(&mut self, nonce: Nonce) -> Read<'_> {
        self.now += PERIOD;
        let walk = self.index.read(self.now, self.now + PERIOD / 2);
        let reader = RowReader::new(nonce, DigestKey::from_bytes(KEY));
        Read { differ: self, splitter: LineSplitter::default(), reader, walk, rows: 0, changed: 0 }
    }
}

impl Read<'_> {
    pub fn take(&mut self, piece: Bytes) -> Result<()> {
        self.splitter.push(piece);
        while let Some(line) = self.splitter.line()? {
            if let Some(row) = self.reader.line(line) {
                self.row(&row)?;
            }
        }
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many reports changed.
    pub fn end(self) -> Result<u64> {
        let read = self.reader.finish();
        ensure!(read.completeness == Completeness::Complete, "{:?}", read.completeness);
        self.differ.index.finish(self.walk);
        Ok(self.changed)
    }

    fn row(&mut self, row: &Row) -> Result<()> {
        self.rows += 1;
        match self.differ.index.judge(&mut self.walk, row.report_id(), &row.digest()) {
            Verdict::Same => Ok(()),
            Verdict::Changed => self.changed(row),
            Verdict::New => {
                let whereabouts = Whereabouts { policy: Some("A1B2C3D4E5F60718".to_owned()), ..Whereabouts::default() };
                self.differ.index.settle(&self.walk, row.report_id(), &row.digest(), &whereabouts);
                Ok(())
            }
            verdict => bail!("{row:?} is {verdict:?}"),
        }
    }

    fn changed(&mut self, row: &Row) -> Result<()> {
        self.changed += 1;
        let report = self.reader.report(row).context("a row that can be read")?;
        let known = known(&report)?;
        let lines: BTreeMap<String, EntityState> =
            touched_expenses(Some(&known), &report).into_iter().map(|id| (id, line_state(&report))).collect();
        let seen = Seen {
            account: &self.differ.account,
            observed_at: self.differ.now,
            not_before: Some(self.differ.now),
            told_until: None,
            baselined: true,
            paths: &self.differ.paths,
        };
        let drafts = report_drafts(&seen, Some(&known), &report, &lines);
        let [whole, line] = drafts.as_slice() else { bail!("{drafts:?}") };
        ensure!(
            whole.event_type == EventType::ReportUpdated && line.event_type == EventType::ExpenseUpdated,
            "{drafts:?}"
        );
        let whereabouts = Whereabouts::of(EntityKind::Report, &whole.data.object);
        self.differ.index.settle(&self.walk, row.report_id(), &row.digest(), &whereabouts);
        Ok(())
    }
}

/// The report as the log has it: its version before, in which the amounts were one cent less.
fn known(report: &Report) -> Result<Known> {
    let mut before = report.clone();
    let first = before.expenses.first_mut().context("an expense")?;
    for amount in [&mut before.total, &mut first.amount] {
        *amount = amount.map(|cents| cents - 1);
    }
    Ok(Known { revision: Revision(1), removed: false, object: serde_json::to_value(before)? })
}

fn line_state(report: &Report) -> EntityState {
    EntityState {
        revision: Revision(1),
        sequence: Sequence(1),
        fingerprint: String::new(),
        removed: false,
        whereabouts: Whereabouts { report: Some(report.report_id.clone()), ..Whereabouts::default() },
    }
}
