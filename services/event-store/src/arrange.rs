//! Arranging the log: small blocks become large ones, and compressed, beside traffic.
//!
//! A commit writes a block however small, and as it is. Once enough of them are durable they are put together: the new block is written under the
//! key of the last one, in its place, and then the others are removed, **from the last to the first**. So at any moment, and
//! after a kill at any moment, the blocks that stand answer for every sequence in order: what is left over of the old ones is
//! the beginning of what the new one holds. The next pass removes it.
//!
//! Nothing here needs to be atomic, durable, or done at all: it only saves room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_model::Sequence;

use crate::{
    StoreError,
    block::{BLOCK_BYTES, BLOCK_EVENTS, Block, Packer},
    layout,
    log::{Log, Look, write_failed},
};

/// A packed block of so many bytes on disk is left alone, like one of half the events: merging it gains next to nothing.
const LARGE_BYTES: usize = BLOCK_BYTES / 8;
/// After so many steps over large blocks it is noted how far they go.
const NOTE_EVERY: usize = 64;
/// Blocks that are made in one turn, a third of a millisecond each: retention waits no longer than that.
const GROUPS: usize = 32;

/// Who rewrites blocks holds this while it does; clones are the same.
#[derive(Clone, Default)]
pub struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Waits for it.
    pub fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts small blocks together.
pub struct Arranger {
    log: Log,
    turn: Turn,
    packer: Packer,
    /// Up to here there is nothing to do.
    done: Sequence,
    steps: usize,
}

impl Arranger {
    /// One that goes on where the last one noted that it was.
    pub fn new(log: Log, turn: Turn) -> Result<Self, StoreError> {
        let done = log.noted(layout::ARRANGED_KEY)?;
        Ok(Self { log, turn, packer: packer()?, done, steps: 0 })
    }

    /// Arranges what lies before `up_to`, which is durable, as far as there is enough of it.
    pub fn arrange(&mut self, up_to: Sequence) -> Result<(), StoreError> {
        while up_to.0.saturating_sub(self.done.0) >= BLOCK_EVENTS as u64 {
            let turn = self.turn.clone();
            let _turn = turn.take();
            let Look { header, bytes, packed, .. } = self.log.look_at(self.done.next())?;
            let large = header.count >= BLOCK_EVENTS / 2 || bytes >= LARGE_BYTES;
            if header.sparse || (large && packed) {
                self.advance(header.last, 1)?;
            } else if !self.merge(up_to)? {
                break;
            }
        }
        let _turn = self.turn.take();
        self.log.settle(self.done)
    }

    fn advance(&mut self, done: Sequence, steps: usize) -> Result<(), StoreError> {
        self.done = done;
        self.steps += steps;
        if self.steps >= NOTE_EVERY {
            self.steps = 0;
            self.log.note(layout::ARRANGED_KEY, done)?;
        }
        Ok(())
    }

    /// Merges the small blocks that follow, a few groups of them in one go over the log; says whether it got on.
    fn merge(&mut self, up_to: Sequence) -> Result<bool, StoreError> {
        let (mut group, mut done) = (None::<Group>, 0);
        // What lies above the horizon must not share a block with what retention thins out.
        let horizon = self.log.horizon();
        for block in self.log.blocks(self.done, up_to)? {
            let block = block?;
            match &mut group {
                // What a kill left over of the blocks that this one replaced.
                Some(left) if block.header.first <= left.block.header.first => {
                    remove_from_last(&self.log, &left.members)?;
                    if block.header.sparse {
                        self.advance(block.header.last, 1)?;
                        return Ok(true);
                    }
                    group = Some(Group::of(block));
                }
                Some(group) if group.block.header.last != horizon && group.block.takes(&block) => group.join(&block),
                Some(ended) => {
                    self.write(ended)?;
                    done += 1;
                    // What is packed already is looked at, and not merged.
                    if done == GROUPS || block.was_packed() || block.header.sparse {
                        return Ok(true);
                    }
                    group = Some(Group::of(block));
                }
                None => group = Some(Group::of(block)),
            }
        }
        if let Some(mut full) = group.filter(|group| group.block.is_full()) {
            self.write(&mut full)?;
            done += 1;
        }
        Ok(done > 0)
    }

    /// Puts the block that `group` makes in its place.
    fn write(&mut self, group: &mut Group) -> Result<(), StoreError> {
        let Group { block, members } = group;
        block.header.commit = block.header.last;
        put_in_place(&self.log, block, members, &mut self.packer)?;
        self.advance(block.header.last, NOTE_EVERY)
    }
}

/// Small blocks that become one.
struct Group {
    /// All of them together.
    block: Block,
    /// Their keys.
    members: Vec<Sequence>,
}

impl Group {
    fn of(block: Block) -> Self {
        Self { members: vec![block.header.last], block }
    }

    fn join(&mut self, next: &Block) {
        self.block.join(next);
        self.members.push(next.header.last);
    }
}

/// Writes `block` where the last of `members` is, which it replaces, and removes the others.
pub fn put_in_place(log: &Log, block: &Block, members: &[Sequence], packer: &mut Packer) -> Result<(), StoreError> {
    let sealed = block.seal(packer).map_err(|error| write_failed(Arc::new(error)))?;
    log.replace(block.header.last, &sealed)?;
    remove_from_last(log, &members[..members.len().saturating_sub(1)])
}

fn remove_from_last(log: &Log, members: &[Sequence]) -> Result<(), StoreError> {
    members.iter().rev().try_for_each(|last| log.remove(*last))
}

/// What compresses blocks.
pub fn packer() -> Result<Packer, StoreError> {
    Packer::new().map_err(|error| write_failed(Arc::new(error)))
}
