//! What is kept of the watches beside the log, in the table `watches`.
//!
//! The log is the truth; these records hold what it does not say: when a scope was last read whole, what is missing and not
//! yet confirmed, what was learned. All of it is bounded: by what is in reach, or by a constant where it is kept.
//!
//! Records are written relaxed, after the events that go with them: losing the last write costs a confirmation more or an
//! earlier `not_before`. One write is durable: that the days of a first sight have been seen, **before** the event that says
//! so. The other way round a crash between the two would leave an account whose log says "the first sight is complete"
//! and whose record does not know it: what is created next would be told as a snapshot, and so would not be told.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use change_engine::{
    Absences,
    absence::MAX_TRACKED,
    paths::{Paths, columns::Columns, volatile::Volatility},
    plan::{RateRecord, shape::Shape},
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

/// Most entities of which it is remembered since when they are missing: as many as are confirmed at a time. The rest follow
/// as others make room.
pub(super) const MAX_MISSING: usize = MAX_TRACKED;

/// Of one watch, under `{account}/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct WatchRecord {
    /// Start of the last complete read.
    pub fresh_as_of: Option<Timestamp>,
    /// Of an export: the days of which it showed every report that it asks for. Its reach moves.
    pub covered: Option<(Date, Date)>,
    /// Entities that it showed.
    pub entities: Option<u64>,
    /// What was learned of its rate.
    pub rate: RateRecord,
    /// Entities that it did not show although it had to. Of reports see [`ReportsRecord`].
    pub absences: Absences,
    /// The same with what was known before.
    pub missing: BTreeMap<String, Missing>,
    /// Paths that it has told.
    pub columns: Columns,
    /// Paths that move without meaning.
    pub volatility: Volatility,
    /// Entities that are listed and could never be read: the first sight of them is still to come.
    pub unread: BTreeSet<String>,
    /// What the configuration made of the scope at the last complete read. When it is another now, entities that are new
    /// were only out of reach before.
    pub reach: String,
    /// Start of the first of the reads that were refused, since one was not.
    pub refused_since: Option<Timestamp>,
}

impl WatchRecord {
    /// The paths by which an entity is compared in a read that has `paths`. To one that was out of sight, and was last shown
    /// at the time given, what came meanwhile is new.
    pub fn paths_for<'a>(&self, last_shown: Option<Option<Timestamp>>, paths: &'a Paths) -> Cow<'a, Paths> {
        let mut paths = Cow::Borrowed(paths);
        let came = last_shown.map(|last_shown| self.columns.new_since(last_shown)).unwrap_or_default();
        if !came.is_empty() {
            paths.to_mut().new.extend(came);
        }
        paths
    }

    /// The paths that make no event by themselves: they move without meaning, or come and go.
    pub fn set_aside(&self) -> BTreeSet<String> {
        self.volatility.set_aside().iter().chain(self.columns.unsteady()).cloned().collect()
    }
}

/// The time before an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// Start of the last read that looked and did not see what is seen now.
    pub not_before: Option<Timestamp>,
    /// Were it new, an earlier read would have shown it.
    pub baselined: bool,
}

/// An entity that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Missing {
    /// Start of the last read that showed it.
    pub last_shown: Option<Timestamp>,
    /// Start of the first that did not.
    pub since: Timestamp,
    /// It was not asked for as a part of a scope, but by its id.
    #[serde(default)]
    pub aged: bool,
    /// It was shown since, by a read that says nothing else of it.
    #[serde(default)]
    pub back: bool,
    /// A read by its id that did not show it either, while nobody knows yet whether that counts.
    #[serde(default)]
    pub unshown: Option<Unshown>,
}

/// A read by id in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Unshown {
    /// When it was sent.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Timestamp,
}

/// Of the reports as a whole, under `{account}/reports/all`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReportsRecord {
    /// Which exports there are.
    pub shape: Shape,
    /// The policies that exports ask for.
    pub policies: Vec<String>,
    /// What was in reach before others came into it.
    #[serde(default)]
    pub familiar: Option<Familiar>,
    /// Reports that are missing, whichever export missed them.
    #[serde(default)]
    pub absences: Absences,
    /// The same with what was known before. At most [`MAX_MISSING`].
    pub missing: BTreeMap<String, Missing>,
    /// Reports of which a read has shown something that it could not say, with what an event about them has to say of the time
    /// before.
    #[serde(default)]
    pub doubted: BTreeMap<String, Before>,
    /// Paths that moved without meaning in exports that are none any more.
    #[serde(default)]
    pub set_aside: BTreeSet<String>,
    /// The exports whose last complete read missed more than a deletion here and there.
    #[serde(default)]
    pub thinned: BTreeSet<String>,
}

impl ReportsRecord {
    pub fn start(history_days: u16, policies: &[String]) -> Self {
        Self {
            shape: Shape::start(history_days),
            policies: policies.to_vec(),
            familiar: None,
            absences: Absences::default(),
            missing: BTreeMap::new(),
            doubted: BTreeMap::new(),
            set_aside: BTreeSet::new(),
            thinned: BTreeSet::new(),
        }
    }

    /// Takes over the configuration of this run.
    pub fn resume(&mut self, history_days: u16, policies: &[String]) {
        self.shape.resume(history_days);
        let asked_for = |policy: &String| self.policies.is_empty() || self.policies.contains(policy);
        let widened = !self.policies.is_empty() && (policies.is_empty() || !policies.iter().all(asked_for));
        let before = std::mem::replace(&mut self.policies, policies.to_vec());
        if widened {
            // What comes into reach now was there before.
            self.familiar = Some(Familiar { shape: self.shape.clone(), policies: before });
            self.shape.forget_seen();
        }
    }

    /// Whether an earlier complete read would have shown a report of `policy` and that day.
    pub fn has_seen(&self, policy: Option<&String>, day: Date) -> bool {
        let familiar = self.familiar.as_ref().zip(policy);
        let known = familiar
            .is_some_and(|(familiar, policy)| familiar.policies.contains(policy) && familiar.shape.has_seen(day));
        known || self.shape.has_seen(day)
    }
}

/// A narrower reach, whose reports are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Familiar {
    /// The exports as they were.
    pub shape: Shape,
    /// The policies that they asked for.
    pub policies: Vec<String>,
}

/// Of the policies as a whole, under `{account}/policies/all`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PoliciesRecord {
    /// Those that the last complete list showed: whose reports an export has to show.
    pub visible: BTreeSet<String>,
    /// When others were out of sight.
    pub gaps: BTreeMap<String, Gap>,
    /// Those that are listed and whose details the last reads did not give, with the start of the last that did.
    pub undetailed: BTreeMap<String, Option<Timestamp>>,
    /// Start of the oldest of the last complete reads of all exports, as it was when the policies were last listed.
    pub exports_as_of: Option<Timestamp>,
}

/// A time in which a policy, and with it its reports, could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    /// Start of the last read that showed it before.
    pub from: Option<Timestamp>,
    /// When its reports were last read before that.
    pub reports_from: Option<Timestamp>,
    /// Start of the first that showed it again; `None` while it is out of sight.
    pub until: Option<Timestamp>,
}

/// Remembers that `id` is missing since `started_at`, and that `last_shown` was the last read to show it; nothing when
/// that is known already, or when the record is full.
pub(super) fn note_missing(
    missing: &mut BTreeMap<String, Missing>,
    id: &str,
    started_at: Timestamp,
    last_shown: Option<Timestamp>,
    aged: bool,
) {
    if let Some(known) = missing.get_mut(id) {
        if std::mem::take(&mut known.back) {
            known.unshown = None;
        }
    } else if missing.len() < MAX_MISSING {
        missing.insert(id.to_owned(), Missing { last_shown, since: started_at, aged, back: false, unshown: None });
    }
}
