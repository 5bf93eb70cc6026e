//! A read under way: the requests that it still has to make, and what came back so far.

use std::collections::VecDeque;

use change_engine::budget::SlotId;
use expensify_client::PolicySummary;
use jiff::Timestamp;
use poller::{Asked, Reading, Watch};

use super::gate::Ending;
use crate::sim::{clock::Moment, upstream::query::Row};

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    Export,
    Download,
    List,
    Details,
    Cards,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    /// Too many requests, says the upstream: somebody else uses the pair.
    Limited,
    /// An error, or a page of HTML.
    Error,
    /// The connection breaks.
    NoAnswer,
}

impl Fate {
    /// How the ledger is told.
    pub const fn ending(self) -> Ending {
        match self {
            Self::Fine | Self::Error => Ending::Answered,
            Self::Limited => Ending::Limited,
            Self::NoAnswer => Ending::Broken,
        }
    }
}

/// The request that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub slot: SlotId,
    pub job: Job,
    pub fate: Fate,
    /// When the server had it.
    pub arrived: Moment,
}

/// A file that is being downloaded.
#[derive(Debug, Default)]
pub struct File {
    pub rows: VecDeque<Row>,
    pub complete: bool,
    /// After so many more rows the download breaks and begins anew with these.
    pub again: Option<(usize, VecDeque<Row>)>,
    pub bytes: u64,
}

/// A read.
pub struct Flight {
    pub key: String,
    pub watch: Watch,
    pub asked: Option<Asked>,
    pub jobs: VecDeque<Job>,
    pub sent: Option<Sent>,
    /// When its first request was sent: the stamp, and when that was.
    pub started: Option<(Timestamp, Moment)>,
    pub requests: u32,
    pub rendered_by: Option<Timestamp>,
    /// What the export rendered.
    pub rendered: Vec<Row>,
    /// From when to when it did.
    pub window: (Moment, Moment),
    pub file: File,
    pub reading: Option<Reading>,
    pub listed: Vec<PolicySummary>,
}

impl Flight {
    /// A read that has not begun.
    pub fn new(key: String, watch: Watch, asked: Asked) -> Self {
        let jobs = match &asked {
            Asked::Reports(_) => VecDeque::from([Job::Export, Job::Download]),
            Asked::Policies | Asked::PoliciesById(_) => VecDeque::from([Job::List, Job::Details]),
            Asked::Cards(_) => VecDeque::from([Job::Cards]),
        };
        Self {
            key,
            watch,
            asked: Some(asked),
            jobs,
            sent: None,
            started: None,
            requests: 0,
            rendered_by: None,
            rendered: Vec::new(),
            window: (0, 0),
            file: File::default(),
            reading: None,
            listed: Vec::new(),
        }
    }

    /// When its first request was sent.
    pub fn began(&self) -> (Timestamp, Moment) {
        self.started.expect("a read that was answered was sent")
    }
}
