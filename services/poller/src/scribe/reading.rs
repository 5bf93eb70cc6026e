//! A read of reports while its rows come in, and what became of a read.

use std::{collections::BTreeSet, sync::Arc};

use change_engine::{
    fingerprints::Walk,
    paths::{Paths, volatile::Tally},
};
use jiff::{SignedDuration, Timestamp};

use super::watch::{ReportsAsked, Watch};

/// An export whose rows are being taken in. Dropping it is safe: what its rows have said stands, and nothing is concluded
/// from what they have not said.
#[derive(Debug)]
pub struct Reading {
    pub(super) asked: ReportsAsked,
    pub(super) walk: Walk,
    pub(super) started_at: Timestamp,
    pub(super) rendered_by: Timestamp,
    pub(super) rows: u64,
    pub(super) parsed: u64,
    pub(super) changes: u64,
    /// Reports that the file shows twice and differently: it says nothing of them.
    pub(super) doubtful: BTreeSet<String>,
    /// Of a read by ids: those that it showed.
    pub(super) shown: BTreeSet<String>,
    pub(super) paths: Arc<Paths>,
    pub(super) tally: Tally,
}

impl Reading {
    /// Whether it asks for reports by their ids.
    pub(super) fn is_by_id(&self) -> bool {
        !matches!(self.asked.watch, Watch::Reports(_))
    }

    /// Rows so far, of the running download.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// How a read of reports ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportsEnded {
    /// The file is whole: what it does not show was not there.
    pub complete: bool,
    /// Rendering and download.
    pub took: SignedDuration,
    /// Size of the file.
    pub bytes: u64,
}

/// What became of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Entities that it showed.
    pub entities: u64,
    /// Of these, how many had changed: what the plan learns from.
    pub changes: u64,
    /// Rows of an export that were parsed.
    pub parsed: u64,
    /// So much was missing that nothing was said about it.
    pub withheld: bool,
    /// Which watches there are has changed: ask again what is [wanted](super::Scribe::wanted).
    pub reshaped: bool,
}
