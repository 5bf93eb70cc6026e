//! Everything that changed in the tenant, numbered.
//!
//! **Guarantee.** One record per change that some read of the upstream can show, in the order in which the changes were
//! made, and none for an attempt that changed nothing. A test compares this with what a watcher reported, so a change and
//! its record are made under one lock. What no read shows (a `markAsExported` label, an expense rule, a tag approver, the
//! `lastImport` of a card) has no record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;

/// Records kept. At 30 changes a minute this is more than two days; the oldest go first.
pub const MAX_RECORDS: usize = 100_000;

/// What happened to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A report or a policy came into being.
    Created,
    /// A draft was handed in.
    Submitted,
    /// A report was approved.
    Approved,
    /// A report was paid, or marked as paid.
    Reimbursed,
    /// A report was closed without payment.
    Archived,
    /// A report was sent back to its author.
    Reopened,
    /// An approval was taken back.
    Unapproved,
    /// A report's title or expenses were edited.
    Updated,
    /// A policy or a card was edited.
    Changed,
    /// A card was added.
    Added,
    /// A report, policy or card is gone.
    Removed,
    /// A card's bank feed, or that of most cards of a bank, does not import any more.
    FeedFailed,
    /// It does again.
    FeedRecovered,
    /// The credential sees less of a policy, or nothing of its domain's cards.
    AccessLost,
    /// It sees more of it again.
    AccessRegained,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1, without gaps.
    pub n: u64,
    /// When, in UTC (RFC 3339), on this machine's clock.
    pub at: Timestamp,
    /// `report/R00…`, `policy/…`, `card/…`, `feed/<domain>:<bank>` or `domain/…`.
    pub entity: String,
    /// What happened.
    pub change: Change,
    /// What made it (`by`: `life`, `control` or `job`), whose deed it is in the tenant (`actor`; blank: nobody's), and what
    /// exactly. For a report also its `state` after the change (none once it is removed) and each of its lines that
    /// changed (`lines`, and `transactionID` when it is one).
    pub detail: Value,
}

/// The newest records.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    records: VecDeque<Record>,
    last: u64,
}

impl Journal {
    /// Numbers and keeps a record. Its time is never before the one before it, although callers look at the clock before
    /// they come here.
    pub(crate) fn append(&mut self, at: Timestamp, entity: String, change: Change, detail: Value) -> Record {
        self.last += 1;
        let at = self.records.back().map_or(at, |before| before.at.max(at));
        let record = Record { n: self.last, at, entity, change, detail };
        if self.records.len() == MAX_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(record.clone());
        record
    }

    /// The number of the newest record; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The time of the newest record.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.records.back().map(|record| record.at)
    }

    /// The number of the oldest record still kept, or of the next one when there is none.
    pub(crate) fn first(&self) -> u64 {
        self.records.front().map_or(self.last + 1, |record| record.n)
    }

    /// Up to `limit` records after this number, oldest first.
    pub(crate) fn after(&self, n: u64, limit: usize) -> Vec<Record> {
        let start = self.records.partition_point(|record| record.n <= n);
        self.records.range(start..).take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_the_oldest_go_first() {
        let mut journal = Journal::default();
        for _ in 0..MAX_RECORDS + 5 {
            journal.append(Timestamp::UNIX_EPOCH, "card/1".into(), Change::Changed, Value::Null);
        }
        assert_eq!(journal.last(), MAX_RECORDS as u64 + 5);
        let first: Vec<u64> = journal.after(0, 2).iter().map(|record| record.n).collect();
        assert_eq!(first, [6, 7]);
        assert_eq!(journal.after(MAX_RECORDS as u64 + 4, 10).len(), 1);
        assert!(journal.after(MAX_RECORDS as u64 + 5, 10).is_empty());
        assert_eq!((journal.first(), Journal::default().first()), (6, 1));
    }

    #[test]
    fn times_never_run_backwards() {
        let mut journal = Journal::default();
        let later: Timestamp = "2026-04-02T09:14:00Z".parse().unwrap();
        journal.append(later, "card/1".into(), Change::Changed, Value::Null);
        assert_eq!(journal.append(Timestamp::UNIX_EPOCH, "card/1".into(), Change::Changed, Value::Null).at, later);
    }
}
