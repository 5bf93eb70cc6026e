//! Everything that an observation means for the log. It knows no clock and no network: times are arguments, what to ask for
//! is an answer ([`Scribe::ask`]), so that a simulation drives it as the service does.
//!
//! # Evidence
//!
//! A **row** of an export that is ours is true whatever becomes of the rest of the file: it is compared and told at once. Only
//! a **complete** read says anything about what it does not show, moves the watch's `fresh_as_of`, and ends a first sight.
//!
//! Rows are judged by [`Fingerprints`]: an unchanged one costs no parse and no look into the store. The others are parsed,
//! compared with the log, and their events gathered in a `Batch`. A report's events, those of its expenses included, go
//! into one append; a first sight of a million goes in many small ones, so that other watches get their turn between.
//!
//! # Not before
//!
//! An event's `not_before` is the start of the last read that looked at the entity and did not see the change: of the last
//! that saw the entity; when that is forgotten (a restart), of the last complete one of a scope that had to show it; of an
//! entity that was missing or out of sight meanwhile, of the last before that.
//!
//! # First sights
//!
//! A report that is not known is news only when an earlier complete read would have shown it: the shape remembers the days
//! that such reads have covered. Else it is told as a snapshot. The end of the first sight of each export has an event of its
//! own (`scope/reports:2026-03`), and when every export of the shape has had its first sight, `scope/reports` says so for all;
//! an export that comes later by splitting, joining or the calendar has had its first sight as a part of those.
//!
//! # Crashes
//!
//! Everything is compared with the log's own state, so doing it again says only what is missing.
//!
//! - *Before an append.* Nothing was said; the digests of its rows were not stored, so the next read says it.
//! - *In an append.* All of its events stand, or none: never a report without its expenses.
//! - *Between two appends.* As after the first. During a first sight the rest are snapshots still.
//! - *Between the appends and the record.* The record is that of the read before: an earlier `not_before`, one confirmation
//!   more. See `record` for the one write that goes before its event.
//! - *A task is dropped in the middle.* As a crash at that point; the batch that it held is judged anew.
//!
//! When the log has moved under a batch ([`StoreError::RevisionConflict`]) its reports are compared again.

mod absent;
mod access;
mod batch;
mod cards;
mod circumstances;
mod compare;
mod ended;
mod lists;
mod lookup;
mod open;
mod planned;
mod policies;
mod reading;
mod record;
mod release;
mod standing;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use change_engine::{Known, fingerprints::Fingerprints};
use event_model::{Access, AccountName, EntityState, Report, status::Notice};
use event_store::{Durability, EventStore, StoreError, StoredEvent, Table};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

pub use cards::CardsSeen;
pub use policies::{PoliciesConfirmed, PoliciesSeen};
pub use reading::{Ingested, Reading, ReportsEnded};
pub use release::{ReleaseError, Released};
pub use standing::{ScopeStanding, Standing};
pub use watch::{Asked, ReportsAsked, Wanted, Watch};

use absent::Aged;
use batch::Batch;
use record::{PoliciesRecord, ReportsRecord, WatchRecord};

/// Called with what was appended, after each append.
pub type Listener = Box<dyn Fn(&[StoredEvent]) + Send + Sync>;

/// What of an account's configuration decides what is in reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScribeConfig {
    /// The account.
    pub account: AccountName,
    /// The domains whose cards are watched.
    pub domains: Vec<String>,
    /// The policies that are watched, by id; empty: every policy that the credential administers.
    pub policies: Vec<String>,
    /// How many days back reports are watched.
    pub history_days: u16,
}

/// See the head of this module.
pub struct Scribe {
    store: EventStore,
    config: ScribeConfig,
    listener: Listener,
    tables: Tables,
    /// The server's clock minus ours.
    clock_offset: SignedDuration,
    index: Fingerprints,
    batch: Batch,
    reports: ReportsRecord,
    sight: PoliciesRecord,
    /// By name of the watch.
    records: BTreeMap<String, WatchRecord>,
    /// Scopes whose first sight is complete, says the log.
    baselined: BTreeSet<String>,
    policies: BTreeMap<String, EntityState>,
    cards: BTreeMap<String, EntityState>,
    feeds: BTreeMap<String, EntityState>,
    access: Access,
    told_access: Option<Known>,
    aged: Aged,
    notices: VecDeque<Notice>,
    /// A list of policies was asked for ahead of the queue, and has not been taken in since.
    policies_hurried: bool,
    /// The latest time that was heard of.
    newest: Timestamp,
    /// It was heard of by this process.
    clock_is_known: bool,
}

/// The table `watches`, by what it holds.
struct Tables {
    watches: Table<WatchRecord>,
    reports: Table<ReportsRecord>,
    policies: Table<PoliciesRecord>,
}

impl std::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scribe").field("account", &self.config.account).finish_non_exhaustive()
    }
}

impl Scribe {
    /// Calls `listener` with what is appended from now on.
    pub fn listen(&mut self, listener: Listener) {
        self.listener = listener;
    }

    /// The server's clock minus ours: windows of days go by the server's.
    pub fn set_clock_offset(&mut self, offset: SignedDuration) {
        self.clock_offset = offset;
    }

    /// Begins to take in the export that was `asked` for: sent at `started_at`, answered by `rendered_by`.
    pub fn begin(&mut self, asked: ReportsAsked, started_at: Timestamp, rendered_by: Timestamp) -> Reading {
        self.notice_clock(rendered_by);
        // A clock that was set back meanwhile must not make the rows newer than what comes next.
        let started_at = started_at.min(rendered_by);
        let walk = self.index.read(started_at, rendered_by);
        let paths = self.report_paths(&asked.watch);
        Reading {
            asked,
            walk,
            started_at,
            rendered_by,
            rows: 0,
            parsed: 0,
            changes: 0,
            doubtful: BTreeSet::new(),
            shown: BTreeSet::new(),
            paths: std::sync::Arc::new(paths),
            tally: change_engine::paths::volatile::Tally::default(),
        }
    }

    /// Takes in a row of the report `id`. `parse` reads it; `None` when it makes no report.
    pub async fn row(
        &mut self,
        reading: &mut Reading,
        id: &str,
        digest: [u8; 16],
        parse: &mut (dyn FnMut() -> Option<Report> + Send),
    ) -> Result<(), StoreError> {
        reading.rows += 1;
        if self.is_of_another_clock(reading.rendered_by) {
            // The next read says it, and when.
            return Ok(());
        }
        self.is_shown(reading, id);
        if !self.batch.is_empty() && self.is_settled_by_batch(reading, id, &digest).await? {
            return Ok(());
        }
        self.judge(reading, id, digest, parse).await
    }

    /// The file names the report `id` and has no row of it: it is there, and nothing else is known of it.
    pub fn unrendered(&mut self, reading: &mut Reading, id: &str) {
        self.is_shown(reading, id);
        self.index.note_seen(&reading.walk, id);
    }

    /// The download begins anew: rows come again.
    pub fn restarted(&mut self, reading: &mut Reading) {
        reading.walk.restart();
        reading.rows = 0;
    }

    /// Something that a person should know, such as a field of the upstream that nobody here knew.
    pub fn notice(&mut self, watch: &Watch, message: &str, at: Timestamp) {
        let watch = watch.name();
        if let Some(place) = self.notices.iter().position(|n| n.watch == watch && n.message == message) {
            self.notices.remove(place);
        }
        if self.notices.len() >= MAX_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(Notice { at, watch, message: message.to_owned() });
    }

    /// The server's date at `now`.
    fn today(&self, now: Timestamp) -> Date {
        self.on_their_clock(now).to_zoned(TimeZone::UTC).date()
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.config.account)
    }

    fn record(&mut self, name: &str) -> &mut WatchRecord {
        self.records.entry(name.to_owned()).or_default()
    }

    async fn save_record(&self, name: &str) -> Result<(), StoreError> {
        let Some(record) = self.records.get(name) else { return Ok(()) };
        self.tables.watches.put(&self.key(name), record, Durability::Relaxed).await
    }
}

/// So many notices are kept: what a person reads.
const MAX_NOTICES: usize = 32;
