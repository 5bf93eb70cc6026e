//! How it stands, for people.

use std::collections::BTreeMap;

use event_model::{
    LostScope,
    status::{Notice, Withheld},
};
use jiff::Timestamp;

use super::{
    Scribe,
    record::WatchRecord,
    watch::{REPORTS, Watch, is_of_reports},
};

/// How the account stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Entities that are missing and are read by their ids before anything is said of them.
    pub confirming: u64,
    /// What is out of sight.
    pub lost: Vec<LostScope>,
    /// What a person should know, newest last.
    pub notices: Vec<Notice>,
    /// By name of the watch.
    pub scopes: BTreeMap<String, ScopeStanding>,
}

/// How one watch stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeStanding {
    /// Entities that the last complete read showed.
    pub entities: Option<u64>,
    /// Start of the last complete read.
    pub fresh_as_of: Option<Timestamp>,
    /// So much went missing that nothing is said about it.
    pub withheld: Option<Withheld>,
    /// Paths that move without meaning.
    pub set_aside: Vec<String>,
}

impl Scribe {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        let scope = |(name, record): (&String, &WatchRecord)| {
            let reports = is_of_reports(name).then(|| self.withheld(REPORTS)).flatten();
            let withheld = reports.or_else(|| record.absences.withheld().cloned());
            (name.clone(), ScopeStanding { withheld, ..ScopeStanding::of(record) })
        };
        let of_lists: u64 = self.records.values().map(|record| record.absences.confirming()).sum();
        Standing {
            confirming: of_lists + self.reports.absences.confirming(),
            lost: self.access.lost.clone(),
            notices: self.notices.iter().cloned().collect(),
            scopes: self.records.iter().map(scope).collect(),
        }
    }

    pub(super) fn note_set_aside(&mut self, watch: &Watch, paths: &[String], at: Timestamp) {
        for path in paths {
            let message = format!("{path} moves at nearly every read: it makes no event by itself any more");
            self.notice(watch, &message, at);
        }
    }
}

impl ScopeStanding {
    fn of(record: &WatchRecord) -> Self {
        Self {
            entities: record.entities,
            fresh_as_of: record.fresh_as_of,
            withheld: None,
            set_aside: record.volatility.set_aside().iter().cloned().collect(),
        }
    }
}
