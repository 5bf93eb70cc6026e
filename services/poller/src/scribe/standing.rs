//! How it stands, for people.

use std::collections::BTreeMap;

use change_engine::paths::columns::Shown;
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

    /// Tells people which keys the upstream tells that we do not know: one notice for each watch, with all of them.
    pub(super) fn note_unknown(&mut self, watch: &Watch, shown: &Shown, at: Timestamp) {
        let name = watch.name();
        self.notices.retain(|notice| notice.watch != name || !notice.message.starts_with(UNKNOWN_KEYS));
        let short = |key: &str| key.chars().take(MAX_KEY_CHARS).collect::<String>();
        let mut keys: Vec<String> = shown.paths().take(MAX_KEYS_NAMED).map(short).collect();
        if keys.is_empty() {
            return;
        }
        let more = shown.paths().count() - keys.len();
        keys.extend((more > 0).then(|| format!("{more} more")));
        self.notice(watch, &format!("{UNKNOWN_KEYS}{}", keys.join(", ")), at);
    }
}

/// How the notice of keys that nobody here knew begins.
const UNKNOWN_KEYS: &str = "keys that we do not know, kept as they come: ";
/// So many of them are named, and so much of each: what a person reads.
const MAX_KEYS_NAMED: usize = 16;
const MAX_KEY_CHARS: usize = 64;

impl ScopeStanding {
    fn of(record: &WatchRecord) -> Self {
        Self {
            entities: record.entities,
            fresh_as_of: record.fresh_as_of,
            withheld: None,
            set_aside: record.set_aside().into_iter().collect(),
        }
    }
}
