//! The log tree: blocks of events under the last sequence of each.
//!
//! The tree is the truth, and it alone: the last block says where the log ends and what its link is. A commit appends its
//! blocks one after the other, each with the sequence at which the commit ends. So a commit that was cut short by a
//! crash shows in the last block, which says that more was to come; [`Log::mend`] removes what is there of it. Nobody
//! was told of it: an append is acknowledged when all its blocks are durable.
//!
//! The block of a sequence is the first whose key is not below it. Blocks are merged, and thinned out below the horizon, while
//! others read (see [`crate::arrange`]): the new block is written under the key of the last of those it replaces, and
//! then the others go. A reader sees the old ones, the new one, or both, and all of them hold what it looks for. What a scan
//! shows in between, half of a large value, or a gap because a leaf was read before and the next after, does not
//! agree; so a reader looks again, afresh, before it calls anything corrupt.
//!
//! Readers are given the last **durable** sequence as their bound; what a commit has written beyond it, and may still
//! lose, they do not look at. They take no lock that a commit waits for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use event_model::Sequence;

use crate::{
    Cause, StoreError,
    block::{Block, Header, Unpacker},
    chain::Link,
    engine::{Scan, Tree},
    frame, layout,
};

/// How often a place of the log is read before it is corrupt: a block may just be replaced, and hardly twice in a row.
const READS: u32 = 4;

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last sequence that was assigned, whether its event still stands or not.
    pub last: Sequence,
    /// Its link.
    pub link: Link,
    /// The latest `observed_at` up to it, in nanoseconds.
    pub newest: i64,
}

impl Tail {
    /// Of a log that never had an event.
    pub const EMPTY: Self = Self { last: Sequence::START, link: Link::START, newest: i64::MIN };

    /// At the end of the block with `header`.
    pub fn of(header: &Header) -> Self {
        Self { last: header.last, link: header.after, newest: header.newest }
    }

    /// An empty block that goes on from here.
    pub fn block(self) -> Block {
        Block::after(self.last, self.link, self.newest, false)
    }
}

/// The log tree; clones are handles to the same.
#[derive(Clone)]
pub struct Log {
    tree: Arc<dyn Tree>,
    meta: Arc<dyn Tree>,
    horizon: Arc<AtomicU64>,
}

impl Log {
    /// The log in `tree`, whose horizon `meta` keeps.
    pub fn open(tree: Arc<dyn Tree>, meta: Arc<dyn Tree>) -> Result<Self, StoreError> {
        let log = Self { tree, meta, horizon: Arc::default() };
        let horizon = log.noted(layout::HORIZON_KEY)?;
        log.horizon.store(horizon.0, Ordering::SeqCst);
        Ok(log)
    }

    /// Up to here retention was; 0: nowhere. Every sequence after it has its event.
    pub fn horizon(&self) -> Sequence {
        Sequence(self.horizon.load(Ordering::SeqCst))
    }

    /// Moves the horizon. Not durable yet; what was below it must stand until it is.
    pub fn set_horizon(&self, horizon: Sequence) -> Result<(), StoreError> {
        self.note(layout::HORIZON_KEY, horizon)?;
        self.horizon.store(horizon.0, Ordering::SeqCst);
        Ok(())
    }

    /// A sequence that `meta` keeps under `key`; 0 if it keeps none.
    pub fn noted(&self, key: &[u8]) -> Result<Sequence, StoreError> {
        let Some(value) = self.meta.get(key).map_err(read_failed)? else { return Ok(Sequence::START) };
        let body = frame::open(key, &value).and_then(|body| body.try_into().ok());
        let key = || String::from_utf8_lossy(key).into_owned();
        let corrupt = || StoreError::CorruptValue { place: layout::META_TREE, key: key() };
        body.map(|body| Sequence(u64::from_be_bytes(body))).ok_or_else(corrupt)
    }

    /// Keeps `sequence` in `meta` under `key`.
    pub fn note(&self, key: &[u8], sequence: Sequence) -> Result<(), StoreError> {
        let value = frame::seal(key, &sequence.0.to_be_bytes());
        self.meta.put(key, &value).map_err(write_failed)
    }

    /// Removes what a crash left of the commit that it cut short, and says where the log ends. Up to `durable` there were durable
    /// events, as others know.
    pub fn mend(&self, durable: Sequence) -> Result<Tail, StoreError> {
        let mut torn: Option<Header> = None;
        let header = loop {
            let Some(header) = self.last_header()? else { break None };
            if header.commit == header.last {
                break Some(header);
            }
            // What was durable was so to its end: then it was not cut short, but lost.
            if durable >= header.first {
                return Err(StoreError::Corrupt { sequence: header.last.next() });
            }
            self.remove(header.last)?;
            torn = Some(Header { last: torn.map_or(header.last, |torn| torn.last), ..header });
        };
        if let Some(Header { first, last, commit, .. }) = torn {
            tracing::warn!(%first, %last, %commit, "removed half of a commit that was cut short; nobody was told of it");
        }
        Ok(header.as_ref().map_or(Tail::EMPTY, Tail::of))
    }

    fn last_header(&self) -> Result<Option<Header>, StoreError> {
        let Some((key, value)) = self.tree.last().map_err(read_failed)? else { return Ok(None) };
        let last = layout::block_last(&key).ok_or_else(|| StoreError::CorruptValue {
            place: layout::LOG_TREE,
            key: String::from_utf8_lossy(&key).into_owned(),
        })?;
        let block = decode(&key, &value, &mut unpacker()?);
        block.map(|block| Some(block.header)).ok_or(StoreError::Corrupt { sequence: last })
    }

    /// Appends `block` as it is, if `after` is the last sequence. Not durable yet. What was in `memory` goes.
    pub fn append(&self, after: Sequence, block: &Block, memory: &mut Vec<u8>) -> Result<(), StoreError> {
        let key = layout::block_key(block.header.last);
        let expected = (after > Sequence::START).then(|| layout::block_key(after));
        frame::seal_into(memory, &key, |value| block.seal_plain(value));
        match self.tree.append(expected.as_ref().map(|key| &key[..]), &key, memory).map_err(write_failed)? {
            true => Ok(()),
            false => {
                Err(write_failed(Arc::new(std::io::Error::other("the log does not end where this writer left it"))))
            }
        }
    }

    /// Writes the block `sealed` under the key `last`, where another one is that it replaces.
    pub fn replace(&self, last: Sequence, sealed: &[u8]) -> Result<(), StoreError> {
        let key = layout::block_key(last);
        self.tree.put(&key, &frame::seal(&key, sealed)).map_err(write_failed)
    }

    /// Blocks up to the one under the key `last` stay as they are for long.
    pub fn settle(&self, last: Sequence) -> Result<(), StoreError> {
        self.tree.settle(&layout::block_key(last)).map_err(write_failed)
    }

    /// Removes the block under the key `last`.
    pub fn remove(&self, last: Sequence) -> Result<(), StoreError> {
        self.tree.remove(&layout::block_key(last)).map_err(write_failed)
    }

    /// The block that answers for `sequence`, which must not lie beyond the end.
    pub fn block_of(&self, sequence: Sequence) -> Result<Block, StoreError> {
        let before = Sequence(sequence.0.saturating_sub(1));
        self.blocks(before, sequence)?.next().unwrap_or(Err(StoreError::Corrupt { sequence }))
    }

    /// The blocks that answer for the sequences after `after` up to and including `up_to`, in order, without a gap. The first
    /// may begin before them, the last end after them. It ends after the first error.
    pub fn blocks(&self, after: Sequence, up_to: Sequence) -> Result<Blocks, StoreError> {
        let next = after.next();
        let scan = self.scan_from(next);
        Ok(Blocks { log: self.clone(), scan, next, up_to, unpacker: unpacker()? })
    }

    fn scan_from(&self, sequence: Sequence) -> Box<dyn Scan> {
        self.tree.scan(&layout::block_key(sequence), None)
    }

    /// Header and bytes of the block that answers for `sequence`, as it is, without unpacking it.
    pub fn header_of(&self, sequence: Sequence) -> Result<(Header, usize), StoreError> {
        self.look_at(sequence).map(|Look { header, bytes, .. }| (header, bytes))
    }

    /// The same with what else shows without unpacking it.
    pub fn look_at(&self, sequence: Sequence) -> Result<Look, StoreError> {
        for _ in 0..READS {
            let mut scan = self.scan_from(sequence);
            let Some((key, value)) = scan.next().map_err(read_failed)? else { continue };
            let seen = frame::open(key, value).and_then(Header::look);
            match seen {
                Some((header, packed, plain_bytes))
                    if header.first <= sequence && layout::block_last(key) == Some(header.last) =>
                {
                    return Ok(Look { header, bytes: value.len(), packed, plain_bytes });
                }
                _ => {}
            }
        }
        Err(StoreError::Corrupt { sequence })
    }

    /// The tree itself, to damage it.
    #[cfg(test)]
    pub fn tree(&self) -> &dyn Tree {
        &*self.tree
    }
}

/// What a block shows without being unpacked.
pub struct Look {
    /// Its header.
    pub header: Header,
    /// Its bytes as it is kept.
    pub bytes: usize,
    /// Whether it is packed, or too small to be.
    pub packed: bool,
    /// Its bytes unpacked.
    pub plain_bytes: usize,
}

/// Consecutive blocks of the log.
pub struct Blocks {
    log: Log,
    scan: Box<dyn Scan>,
    next: Sequence,
    up_to: Sequence,
    unpacker: Unpacker,
}

impl Blocks {
    /// The next block of the scan; none if it is not one that answers for the next sequence.
    fn step(&mut self) -> Result<Option<Block>, Cause> {
        let Some((key, value)) = self.scan.next()? else { return Ok(None) };
        let block = decode(key, value, &mut self.unpacker);
        let fits = |header: &Header| {
            let stands = !header.sparse || header.last <= self.log.horizon();
            header.first <= self.next && header.last >= self.next && stands
        };
        Ok(block.filter(|block| fits(&block.header)))
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.up_to {
            return None;
        }
        for _ in 0..READS {
            match self.step() {
                Ok(Some(block)) => {
                    self.next = block.header.last.next();
                    return Some(Ok(block));
                }
                Ok(None) => self.scan = self.log.scan_from(self.next),
                Err(cause) => {
                    self.next = self.up_to.next();
                    return Some(Err(read_failed(cause)));
                }
            }
        }
        let sequence = std::mem::replace(&mut self.next, self.up_to.next());
        Some(Err(StoreError::Corrupt { sequence }))
    }
}

/// The block in `value`, if it is what was written under `key`.
fn decode(key: &[u8], value: &[u8], unpacker: &mut Unpacker) -> Option<Block> {
    let block = Block::open(frame::open(key, value)?, unpacker)?;
    (layout::block_last(key) == Some(block.header.last)).then_some(block)
}

fn unpacker() -> Result<Unpacker, StoreError> {
    Unpacker::new().map_err(|error| read_failed(Arc::new(error)))
}

/// That reading the log failed below us.
pub fn read_failed(source: Cause) -> StoreError {
    StoreError::Read { what: "the log", source }
}

/// That writing to the log failed below us.
pub fn write_failed(source: Cause) -> StoreError {
    StoreError::Commit { step: "write to the log", source }
}
