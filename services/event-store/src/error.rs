//! What can go wrong, one variant per decision of the caller.

use std::{error::Error, path::PathBuf, sync::Arc};

use event_model::{Revision, Sequence, Subject};

/// The error below one of ours. Shared, because one failed commit is answered to everybody who waits for it.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process (or another handle of this one) has the directory open. Stop that one first.
    #[error("the store at {path} is in use by {holder}", holder = holder(*.pid))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, if it left its number.
        pid: Option<u32>,
    },
    /// The directory was written by a later version. Run that version, or restore a backup.
    #[error("the store at {path} has format {found}; this version knows formats up to {known}")]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The directory could not be opened.
    #[error("could not open the store at {path}: {step}")]
    Open {
        /// The directory.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        source: Cause,
    },
    /// A draft does not continue its entity. Read the entity again and diff anew.
    #[error("{subject} is next at revision {expected}, not {found}", expected = expected.0, found = found.0)]
    RevisionConflict {
        /// The entity.
        subject: Subject,
        /// The revision that an event about it must have now.
        expected: Revision,
        /// The revision that the draft had.
        found: Revision,
    },
    /// The write could not be made durable; it may stand or not, and whichever it is shows when the store is opened
    /// again. Until then every write is refused.
    #[error("a commit failed: {step}")]
    Commit {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        source: Cause,
    },
    /// Somebody else has opened the store and writes to it now. Nothing of this was written, and nothing will be.
    #[error("another writer has taken over the store: its lease is number {newest}, and ours was {held}")]
    Superseded {
        /// The number of our lease.
        held: u64,
        /// That of the newest one.
        newest: u64,
    },
    /// An earlier commit failed. Open the store again.
    #[error("the store takes no writes: an earlier commit failed")]
    Poisoned,
    /// The store was closed. Nothing was written.
    #[error("the store is closed")]
    Closed,
    /// Reading failed below us.
    #[error("could not read {what}")]
    Read {
        /// What was read.
        what: &'static str,
        /// Why it failed.
        source: Cause,
    },
    /// The record of this sequence is missing or is not what was written.
    #[error("the log is corrupt at sequence {sequence}")]
    Corrupt {
        /// The first bad sequence.
        sequence: Sequence,
    },
    /// The events of the log are whole one by one, but not those that were written: the chain breaks.
    #[error("the chain of the log breaks at sequence {sequence}: {why}")]
    Unchained {
        /// The first sequence that does not agree.
        sequence: Sequence,
        /// What does not.
        why: &'static str,
    },
    /// What should be imported does not come next. Nothing was written.
    #[error("the log goes on at sequence {expected}, not {found}")]
    OutOfPlace {
        /// The sequence that would.
        expected: Sequence,
        /// The one that was given.
        found: Sequence,
    },
    /// A record outside the log is not what was written.
    #[error("{place} holds a corrupt record under {key:?}")]
    CorruptValue {
        /// The tree.
        place: &'static str,
        /// The key, as text.
        key: String,
    },
    /// More than the store takes at once. Nothing was written.
    #[error("{what} has a size of {size}; at most {limit} is taken")]
    TooLarge {
        /// What is too large, and the unit of its size.
        what: &'static str,
        /// Its size.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// A key that no table takes: empty, too long, or with a NUL in it. Nothing was written.
    #[error("{key:?} is not a key of {table}: {why}")]
    InvalidKey {
        /// The table.
        table: &'static str,
        /// The key, cut to a bound.
        key: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A value does not go into JSON or does not come out of it.
    #[error("a value of {table} is not JSON of its type")]
    Json {
        /// The table, or `log`.
        table: &'static str,
        /// Why not.
        source: Cause,
    },
    /// Others kept changing the key while an update tried to. Nothing was written; trying again may succeed.
    #[error("{key:?} of {table} changed at each of {attempts} attempts to update it")]
    Contended {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
        /// How often it was tried.
        attempts: u32,
    },
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
