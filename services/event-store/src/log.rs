//! The log tree: one record per event, and a head that says where the log begins and ends.
//!
//! The tree is the truth, and it alone. A commit writes its records and the new head as one batch of sled, which sled
//! recovers whole or not at all. So the head never names a record that is not there, and no record is there that the
//! head does not name; [`Log::open`] checks both ends, [`Records`] every sequence between them.
//!
//! Readers are given the last **durable** sequence as their bound; what a commit has written beyond it, and may still
//! lose, they do not look at. They take no lock that a commit waits for.

use bytes::Bytes;
use event_model::{EventHead, Sequence};

use crate::{
    StoreError, StoredEvent,
    disk::{Disk, cause},
    frame::{self, Partial},
    layout,
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
    tree: sled::Tree,
}

/// Records that go into the log together, with the head that names them.
#[derive(Default)]
pub struct LogBatch {
    batch: sled::Batch,
    bytes: usize,
}

impl LogBatch {
    /// Adds the record of `sequence`.
    pub fn push(&mut self, sequence: Sequence, body: &[u8]) {
        let key = layout::event_key(sequence);
        for (chunk, value) in (0..).zip(frame::split(&key, body)) {
            self.batch.insert(layout::chunk_key(&key, chunk), value);
        }
        self.bytes += body.len();
    }

    /// Bytes of all bodies.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Log {
    /// The tree, with its ends checked.
    pub fn open(disk: &Disk) -> Result<Self, StoreError> {
        let log = Self { tree: disk.tree(layout::LOG_TREE)? };
        if let Some(head) = log.head()? {
            log.check_ends(head)?;
        }
        Ok(log)
    }

    fn check_ends(&self, head: Head) -> Result<(), StoreError> {
        if head.last > head.horizon {
            self.record(head.last)?.ok_or(StoreError::Corrupt { sequence: head.last })?;
        }
        match self.tree.range(layout::event_key(head.last.next())..).next() {
            None => Ok(()),
            Some(Ok(_)) => Err(StoreError::Corrupt { sequence: head.last.next() }),
            Some(Err(error)) => Err(read_failed(error)),
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
    pub fn is_blank(&self) -> bool {
        self.tree.is_empty()
    }

    /// Writes `records` and `head`, all or nothing. Not durable yet.
    pub fn write(&self, mut records: LogBatch, head: Head) -> Result<(), StoreError> {
        records.batch.insert(layout::HEAD_KEY, head.encode());
        let failed = |error: sled::Error| StoreError::Commit { step: "write to the log", source: cause(error) };
        self.tree.apply_batch(records.batch).map_err(failed)
    }

    /// The body of one event; none where no record stands.
    pub fn record(&self, sequence: Sequence) -> Result<Option<Vec<u8>>, StoreError> {
        let key = layout::event_key(sequence);
        match self.tree.contains_key(layout::chunk_key(&key, 0)).map_err(read_failed)? {
            true => self.records(Sequence(sequence.0 - 1), sequence).next().transpose().map(|r| r.map(|(_, b)| b)),
            false => Ok(None),
        }
    }

    /// The bodies of the events after `after` up to and including `up_to`, in order, without a gap. It ends after the
    /// first error.
    pub fn records(&self, after: Sequence, up_to: Sequence) -> Records {
        let start = layout::event_key(after.next());
        let end = layout::chunk_key(&layout::event_key(up_to), u32::MAX);
        let range = if start <= end { self.tree.range(start..=end) } else { self.tree.range(end.clone()..end) };
        Records { range, next: after.next(), up_to }
    }

    /// Removes every record and moves the horizon to the end, as retention may one day.
    #[cfg(test)]
    pub fn empty(&self) {
        let head = self.head().expect("head").expect("a head");
        let mut batch = LogBatch::default();
        for key in self.tree.range(layout::event_key(Sequence::START)..).keys() {
            batch.batch.remove(key.expect("key"));
        }
        self.write(batch, Head { horizon: head.last, ..head }).expect("written");
    }

    /// The tree itself, to damage it.
    #[cfg(test)]
    pub fn tree(&self) -> &sled::Tree {
        &self.tree
    }
}

/// Consecutive records of the log.
pub struct Records {
    range: sled::Iter,
    next: Sequence,
    up_to: Sequence,
}

impl Records {
    /// The value of chunk `chunk` of the record that is next; the range must be standing there.
    fn chunk(&mut self, key: &[u8], chunk: u32) -> Result<sled::IVec, StoreError> {
        let missing = StoreError::Corrupt { sequence: self.next };
        let (found, value) = self.range.next().ok_or_else(|| missing.clone())?.map_err(read_failed)?;
        if found == layout::chunk_key(key, chunk) { Ok(value) } else { Err(missing) }
    }

    fn record(&mut self) -> Result<Vec<u8>, StoreError> {
        let key = layout::event_key(self.next);
        let damaged = StoreError::Corrupt { sequence: self.next };
        let mut partial = Partial::start(&self.chunk(&key, 0)?).ok_or_else(|| damaged.clone())?;
        for number in 1.. {
            if partial.is_whole() {
                break;
            }
            partial.push(&self.chunk(&key, number)?).ok_or_else(|| damaged.clone())?;
        }
        partial.finish(&key).ok_or(damaged)
    }
}

impl Iterator for Records {
    type Item = Result<(Sequence, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.up_to {
            return None;
        }
        let sequence = self.next;
        let record = self.record();
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

fn read_failed(error: sled::Error) -> StoreError {
    StoreError::Read { what: "the log", source: cause(error) }
}
