//! From layout 1: a log of one record per event becomes one of blocks.
//!
//! Version 1 kept in `log` a head (`00`: horizon, which was 0, and last sequence) and a record per event under `01` ‖ sequence, in
//! chunks like any large value. The rest is as it was. Block after block is written behind them (`02` sorts last) and made
//! durable; then the records that went into it are removed. So a kill at any moment leaves blocks up to some sequence and the
//! records after it at least, and the next start goes on from the last block. The format changes when no record is left, and
//! the head goes after that.

use std::{collections::HashMap, sync::Arc};

use event_model::{Event, Sequence};

use crate::{
    StoreError,
    arrange::packer,
    block::Packer,
    engine::{Engine, Tree, Values},
    frame, layout,
    log::{Log, Tail, read_failed, write_failed},
    prepare::nanoseconds,
};

/// The layout that this brings up.
pub const FROM: u32 = 1;

/// Blocks written before they are made durable and the records in them are removed.
const BLOCKS_PER_STEP: usize = 32;
/// Bytes of the body of the head: horizon and last sequence.
const HEAD_BYTES: usize = 16;
/// How often it is told how far it is.
const TELL_EVERY: u64 = 100_000;

/// The last event of each entity, by a hash of its key: as good as the key, and small.
type Previous = HashMap<[u8; 16], Sequence>;

/// Writes the blocks of all events of version 1.
pub fn run(engine: &dyn Engine) -> Result<(), StoreError> {
    let small = engine.tree(layout::LOG_TREE, Values::Small).map_err(read_failed)?;
    let large = engine.tree(layout::LOG_TREE, Values::Large).map_err(read_failed)?;
    let meta = engine.tree(layout::META_TREE, Values::Small).map_err(read_failed)?;
    let head = small.get(layout::HEAD_KEY).map_err(read_failed)?;
    let last = head.as_deref().and_then(last_of).ok_or_else(|| damaged("head"))?;
    let log = Log::open(Arc::clone(&large), meta)?;
    let begun = layout::block_last(&large.last().map_err(read_failed)?.ok_or_else(|| damaged("head"))?.0).is_some();
    let tail = if begun { log.mend(Sequence::START)? } else { Tail::EMPTY };
    tracing::info!(after = %tail.last, %last, "bringing the log from layout 1 to this one");
    let previous = previous(&log, tail.last)?;
    let mut migration = Migration { engine, large: &*large, log, packer: packer()?, previous };
    let mut tail = tail;
    while tail.last < last {
        tail = migration.step(tail, last)?;
    }
    migration.sweep(last)
}

struct Migration<'a> {
    engine: &'a dyn Engine,
    large: &'a dyn Tree,
    log: Log,
    packer: Packer,
    previous: Previous,
}

impl Migration<'_> {
    /// Writes the next blocks, and removes the records in them once they are durable.
    fn step(&mut self, mut tail: Tail, last: Sequence) -> Result<Tail, StoreError> {
        let from = tail.last;
        for _ in 0..BLOCKS_PER_STEP {
            let mut block = tail.block();
            while !block.is_full() && block.header.last < last {
                let sequence = block.header.last.next();
                let body = self.record(sequence)?;
                let event = crate::fold::parse(sequence, &body)?;
                let previous = self.previous.insert(short(&event), sequence).unwrap_or_default();
                block.push(previous, nanoseconds(event.detection.observed_at), &body);
            }
            if block.header.count == 0 {
                break;
            }
            let sealed = block.seal(&mut self.packer).map_err(|error| write_failed(Arc::new(error)))?;
            self.log.replace(block.header.last, &sealed)?;
            if tail.last.0 / TELL_EVERY != block.header.last.0 / TELL_EVERY {
                tracing::info!(at = %block.header.last, %last, "bringing the log to this layout");
            }
            tail = Tail::of(&block.header);
        }
        self.engine.make_durable().map_err(write_failed)?;
        self.remove(from, tail.last)?;
        Ok(tail)
    }

    fn record(&self, sequence: Sequence) -> Result<Vec<u8>, StoreError> {
        let key = event_key(sequence);
        let value = self.large.get(&key).map_err(read_failed)?.ok_or(StoreError::Corrupt { sequence })?;
        frame::open(&key, &value).map(<[u8]>::to_vec).ok_or(StoreError::Corrupt { sequence })
    }

    fn remove(&self, after: Sequence, up_to: Sequence) -> Result<(), StoreError> {
        for sequence in after.0 + 1..=up_to.0 {
            self.large.remove(&event_key(Sequence(sequence))).map_err(write_failed)?;
        }
        Ok(())
    }

    /// Removes what a kill left of records that are in blocks.
    fn sweep(&self, last: Sequence) -> Result<(), StoreError> {
        loop {
            let mut scan = self.large.scan(&[layout::ITEM], Some(&event_key(last.next())));
            let Some((key, _)) = scan.next().map_err(read_failed)? else { return Ok(()) };
            let key = key.to_vec();
            self.large.remove(&key).map_err(write_failed)?;
        }
    }
}

/// The head of version 1 goes when the format says so and nobody looks for it.
pub fn finish(engine: &dyn Engine) -> Result<(), StoreError> {
    let small = engine.tree(layout::LOG_TREE, Values::Small).map_err(read_failed)?;
    match small.get(layout::HEAD_KEY).map_err(read_failed)? {
        Some(_) => small.remove(layout::HEAD_KEY).map_err(write_failed),
        None => Ok(()),
    }
}

/// Whether `key` and `value` are the head of a log of version 1 without events, which is written before the format is.
pub fn is_empty_head(key: &[u8], value: &[u8]) -> bool {
    key == layout::HEAD_KEY && last_of(value) == Some(Sequence::START)
}

fn last_of(head: &[u8]) -> Option<Sequence> {
    let body: &[u8; HEAD_BYTES] = frame::open(layout::HEAD_KEY, head)?.try_into().ok()?;
    let last = body.last_chunk()?;
    Some(Sequence(u64::from_be_bytes(*last)))
}

fn event_key(sequence: Sequence) -> Vec<u8> {
    [&[layout::ITEM][..], &sequence.0.to_be_bytes()].concat()
}

/// The last event of each entity in the blocks that an earlier start wrote, up to `last`.
fn previous(log: &Log, last: Sequence) -> Result<Previous, StoreError> {
    let mut previous = Previous::new();
    for block in log.blocks(Sequence::START, last)? {
        for entry in block?.entries() {
            previous.insert(short(&crate::fold::parse(entry.sequence, entry.body)?), entry.sequence);
        }
    }
    Ok(previous)
}

fn short(event: &Event) -> [u8; 16] {
    let hash = blake3::hash(&layout::entity_key(&event.account, &event.subject));
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

fn damaged(key: &str) -> StoreError {
    StoreError::CorruptValue { place: layout::LOG_TREE, key: key.to_owned() }
}
