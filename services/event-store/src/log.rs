//! The log tree: one record per event, and a head that says where the log begins and ends.
//!
//! The tree is the truth, and it alone. A commit writes its records and the new head as one batch, which the engine
//! keeps whole or not at all. So the head never names a record that is not there, and no record is there that the
//! head does not name; [`Log::open`] checks both ends, [`Records`] every sequence between them.
//!
//! Readers are given the last **durable** sequence as their bound; what a commit has written beyond it, and may still
//! lose, they do not look at. They take no lock that a commit waits for.

use std::sync::Arc;

use bytes::Bytes;
use event_model::{EventHead, Sequence};

use crate::{
    Cause, StoreError, StoredEvent,
    engine::{Batch, Scan, Tree},
    frame, layout,
    record::{self, Unread},
};

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Everything up to here was cut by retention; 0 in this version. The sequences after it, to `last`, are all there.
    pub horizon: Sequence,
    /// The last sequence that was assigned, whether its record still stands or not.
    pub last: Sequence,
}

const HEAD_BYTES: usize = 16;

impl Head {
    fn encode(self) -> Vec<u8> {
        let body = [self.horizon.0.to_be_bytes(), self.last.0.to_be_bytes()].concat();
        frame::split(layout::HEAD_KEY, &body).concat()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let body = frame::open_single(layout::HEAD_KEY, value)?;
        let body: &[u8; HEAD_BYTES] = body.as_slice().try_into().ok()?;
        let (horizon, last) = body.split_first_chunk::<{ HEAD_BYTES / 2 }>()?;
        let head = Self {
            horizon: Sequence(u64::from_be_bytes(*horizon)),
            last: Sequence(u64::from_be_bytes(last.try_into().ok()?)),
        };
        (head.horizon <= head.last).then_some(head)
    }
}

/// The log tree.
#[derive(Clone)]
pub struct Log {
    tree: Arc<dyn Tree>,
}

/// Records that go into the log together, with the head that names them.
#[derive(Default)]
pub struct LogBatch {
    batch: Batch,
    bytes: usize,
}

impl LogBatch {
    /// Adds the record of `sequence`.
    pub fn push(&mut self, sequence: Sequence, body: &[u8]) {
        record::put(&mut self.batch, &layout::event_key(sequence), body);
        self.bytes += body.len();
    }

    /// Bytes of all bodies.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Log {
    /// The log in `tree`, with its ends checked.
    pub fn open(tree: Arc<dyn Tree>) -> Result<Self, StoreError> {
        let log = Self { tree };
        if let Some(head) = log.head()? {
            log.check_ends(head)?;
        }
        Ok(log)
    }

    fn check_ends(&self, head: Head) -> Result<(), StoreError> {
        if head.last > head.horizon {
            self.record(head.last)?.ok_or(StoreError::Corrupt { sequence: head.last })?;
        }
        match self.tree.scan(&layout::event_key(head.last.next()), None).next().map_err(read_failed)? {
            None => Ok(()),
            Some(_) => Err(StoreError::Corrupt { sequence: head.last.next() }),
        }
    }

    /// The head; none in a tree that was just made.
    pub fn head(&self) -> Result<Option<Head>, StoreError> {
        let Some(value) = self.tree.get(layout::HEAD_KEY).map_err(read_failed)? else {
            return Ok(None);
        };
        let damaged = || StoreError::CorruptValue { place: layout::LOG_TREE, key: "head".to_owned() };
        Head::decode(&value).ok_or_else(damaged).map(Some)
    }

    /// Whether nothing at all is in the tree.
    pub fn is_blank(&self) -> Result<bool, StoreError> {
        Ok(self.tree.scan(&[], None).next().map_err(read_failed)?.is_none())
    }

    /// Writes `records` and `head`, all or nothing. Not durable yet.
    pub fn write(&self, mut records: LogBatch, head: Head) -> Result<(), StoreError> {
        records.batch.insert(layout::HEAD_KEY, head.encode());
        let failed = |source| StoreError::Commit { step: "write to the log", source };
        self.tree.apply(records.batch).map_err(failed)
    }

    /// The body of one event; none where no record stands.
    pub fn record(&self, sequence: Sequence) -> Result<Option<Vec<u8>>, StoreError> {
        record::get(&*self.tree, &layout::event_key(sequence)).map_err(unread(sequence))
    }

    /// The bodies of the events after `after` up to and including `up_to`, in order, without a gap. It ends after the
    /// first error.
    pub fn records(&self, after: Sequence, up_to: Sequence) -> Records {
        let (from, to) = (layout::event_key(after.next()), layout::event_key(up_to.next()));
        Records { scan: self.tree.scan(&from, Some(&to)), next: after.next(), up_to }
    }

    /// Removes every record and moves the horizon to the end, as retention may one day.
    #[cfg(test)]
    pub fn empty(&self) {
        let head = self.head().expect("head").expect("a head");
        let mut batch = LogBatch::default();
        let mut scan = self.tree.scan(&layout::event_key(Sequence::START), None);
        while let Some((key, _)) = scan.next().expect("key") {
            batch.batch.remove(key);
        }
        self.write(batch, Head { horizon: head.last, ..head }).expect("written");
    }

    /// The tree itself, to damage it.
    #[cfg(test)]
    pub fn tree(&self) -> &dyn Tree {
        &*self.tree
    }
}

/// Consecutive records of the log.
pub struct Records {
    scan: Box<dyn Scan>,
    next: Sequence,
    up_to: Sequence,
}

impl Iterator for Records {
    type Item = Result<(Sequence, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.up_to {
            return None;
        }
        let sequence = self.next;
        let record = record::next(&mut *self.scan, &layout::event_key(sequence)).map_err(unread(sequence));
        self.next = if record.is_ok() { sequence.next() } else { self.up_to.next() };
        Some(record.map(|body| (sequence, body)))
    }
}

/// The event at `sequence` from its body, which must agree about the sequence.
pub fn parse(sequence: Sequence, body: Vec<u8>) -> Result<StoredEvent, StoreError> {
    match serde_json::from_slice::<EventHead>(&body) {
        Ok(head) if head.sequence == sequence => Ok(StoredEvent { head, body: Bytes::from(body) }),
        _ => Err(StoreError::Corrupt { sequence }),
    }
}

fn read_failed(source: Cause) -> StoreError {
    StoreError::Read { what: "the log", source }
}

fn unread(sequence: Sequence) -> impl Fn(Unread) -> StoreError {
    move |unread| match unread {
        Unread::Damaged => StoreError::Corrupt { sequence },
        Unread::Failed(cause) => read_failed(cause),
    }
}
