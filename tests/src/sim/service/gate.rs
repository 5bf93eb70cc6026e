//! The door to the upstream, as the poller keeps it: no request without a slot of the ledger that is on disk.

use std::collections::VecDeque;

use change_engine::budget::{Ledger, Limits, Record, SlotId, Wait};
use event_store::{Durability, EventStore, StoreError, Table, TableName};
use jiff::{SignedDuration, Timestamp};

/// The key of the one credential pair.
const PAIR: &str = "pair";
/// The pause after a 429.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Answered,
    Limited,
    Broken,
}

/// The gate of one process.
pub struct Gate {
    ledger: Ledger,
    table: Table<Record>,
    /// Reads that wait for a slot, first come, first served.
    pub waiting: VecDeque<u64>,
}

impl Gate {
    /// The gate with the ledger as the last process left it.
    pub async fn open(store: &EventStore, now: Timestamp) -> Result<Self, StoreError> {
        let table = store.table::<Record>(TableName::Budgets);
        let limits = Limits::new(5, 20, 1.0);
        let ledger = match table.get(PAIR).await? {
            Some(record) => Ledger::restarted(limits, record, now),
            None => Ledger::new(limits),
        };
        Ok(Self { ledger, table, waiting: VecDeque::new() })
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.ledger.limits()
    }

    /// A slot that is on disk.
    pub async fn take(&mut self, now: Timestamp) -> Result<Result<SlotId, Wait>, StoreError> {
        let taken = self.ledger.try_take(now);
        if taken.is_ok() {
            self.table.put(PAIR, self.ledger.record(), Durability::Durable).await?;
        }
        Ok(taken)
    }

    /// The request of `slot` ended.
    pub async fn ended(&mut self, slot: SlotId, ending: Ending, now: Timestamp) -> Result<(), StoreError> {
        match ending {
            Ending::Answered => self.ledger.answered(slot, now),
            Ending::Limited => {
                self.ledger.limited(slot, now);
                self.ledger.pause_until(now.checked_add(PAUSE).unwrap_or(now), now);
            }
            Ending::Broken => self.ledger.closed_without_answer(slot, now),
        }
        self.table.put(PAIR, self.ledger.record(), Durability::Relaxed).await
    }
}
