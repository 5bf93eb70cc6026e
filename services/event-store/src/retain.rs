//! Retention: below the horizon only the last event of each entity stays.
//!
//! The horizon moves first, durably; only then is anything below it thinned out, block after block, beside traffic. So
//! whoever reads a gap knows that it may be one, and a kill at any moment leaves more than it might, never less; the next run goes
//! on. Running it again changes nothing, unless an entity has a newer event since: its old one goes then.
//!
//! An event stays while the state of its entity is the one after it. Its newer event, if there is one, is durable, because nothing
//! else is folded; so a read from the start shows the last event of every entity, at any moment.

use event_model::Sequence;
use jiff::Timestamp;

use crate::{
    StoreError,
    arrange::{Turn, packer, put_in_place},
    block::{Block, Entry, Packer},
    chain::Link,
    fold::Fold,
    history::{first_since, stored},
    layout,
    log::{Log, Look, Tail},
};

/// Blocks rewritten in one step, while which no other blocks are: bounds its memory, and how long it holds up arranging.
const STEP_BLOCKS: usize = 64;

/// What must be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Everything observed at or after it is.
    pub before: Option<Timestamp>,
    /// No more than so many bytes of the log, as they are on disk once they are packed, are kept whole; the rest may go.
    pub max_bytes: Option<u64>,
    /// Everything after it is: the cursor of the slowest reader.
    pub floor: Sequence,
    /// The floor does not count.
    pub force: bool,
}

/// What retention did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Up to here only the last event of each entity stands.
    pub horizon: Sequence,
    /// Events that went this time.
    pub removed: u64,
    /// Events that stand up to the horizon.
    pub kept: u64,
    /// The floor, where it was what stopped the horizon.
    pub held_at: Option<Sequence>,
}

/// Where the horizon of a log that ends at `last` should be: at the end of a block, never lower than it is.
pub fn target(log: &Log, policy: &Retention, last: Sequence) -> Result<(Sequence, Option<Sequence>), StoreError> {
    let horizon = log.horizon();
    let mut target = horizon;
    if let Some(before) = policy.before {
        target = target.max(first_since(log, before, last)?);
    }
    if let Some(max_bytes) = policy.max_bytes {
        target = target.max(beyond(log, last, max_bytes)?);
    }
    let held = !policy.force && target > policy.floor && target > horizon;
    if held {
        target = policy.floor.max(horizon);
    }
    let held_at = held.then_some(policy.floor);
    if target > horizon {
        let (header, _) = log.header_of(target)?;
        if header.last > target {
            target = Sequence(header.first.0 - 1).max(horizon);
        }
    }
    Ok((target, held_at))
}

/// The last sequence of a log of more than `max_bytes` that is too old to be among them. What is not packed yet counts as what it
/// will take, as far as the packed rest tells: a burst of events must not push out what there is room for a second later.
fn beyond(log: &Log, last: Sequence, max_bytes: u64) -> Result<Sequence, StoreError> {
    let (mut packed, mut packed_plain, mut other) = (0, 0, 0);
    each_look(log, last, |look| {
        match is_packed(look) {
            true => (packed, packed_plain) = (packed + look.bytes as u64, packed_plain + look.plain_bytes as u64),
            false => other += look.bytes as u64,
        }
        true
    })?;
    let share = if packed_plain == 0 { 1.0 } else { packed as f64 / packed_plain as f64 };
    let weight = |bytes: u64| (bytes as f64 * share) as u64;
    let mut bytes = packed + weight(other);
    let mut target = Sequence::START;
    each_look(log, last, |look| {
        if bytes > max_bytes {
            let own = look.bytes as u64;
            bytes = bytes.saturating_sub(if is_packed(look) { own } else { weight(own) });
            target = look.header.last;
        }
        bytes > max_bytes
    })?;
    Ok(target.min(last))
}

fn is_packed(look: &Look) -> bool {
    look.bytes < look.plain_bytes
}

/// Calls `visit` for each block, as long as it says so.
fn each_look(log: &Log, last: Sequence, mut visit: impl FnMut(&Look) -> bool) -> Result<(), StoreError> {
    let mut next = Sequence::START.next();
    while next <= last {
        let look = log.look_at(next)?;
        if !visit(&look) {
            break;
        }
        next = look.header.last.next();
    }
    Ok(())
}

/// Thins out everything up to the horizon, which is durable, of a log that ends at `last`.
pub fn thin(log: &Log, fold: &Fold, turn: &Turn, last: Sequence) -> Result<Retained, StoreError> {
    let horizon = log.horizon();
    let mut thinner = Thinner { log, fold, last, packer: packer()?, done: Retained { horizon, ..Retained::default() } };
    let mut tail = Tail::EMPTY;
    while tail.last < horizon {
        let _turn = turn.take();
        tail = thinner.step(tail, horizon)?;
    }
    let _turn = turn.take();
    log.settle(horizon)?;
    Ok(thinner.done)
}

struct Thinner<'a> {
    log: &'a Log,
    fold: &'a Fold,
    last: Sequence,
    packer: Packer,
    done: Retained,
}

impl Thinner<'_> {
    /// Puts the blocks after `from` into one, as many as go in. Says where it ends.
    fn step(&mut self, from: Tail, horizon: Sequence) -> Result<Tail, StoreError> {
        let mut thinned = Block::after(from.last, from.link, from.newest, true);
        let (mut members, mut changed) = (Vec::new(), false);
        for block in self.log.blocks(from.last, horizon)? {
            let block = block?;
            // It cannot be, since nothing merges across the horizon; if it were, it must stand.
            if block.header.last > horizon {
                break;
            }
            // The first one goes in whatever it holds; after it, what surely fits.
            if !members.is_empty() && (members.len() >= STEP_BLOCKS || !thinned.has_room_for(&block)) {
                break;
            }
            let seen = thinned.header.last;
            let kept = self.keep(&block, seen, &mut thinned)?;
            let there = block.entries_after(seen).count() as u64;
            self.done.removed += there - kept;
            self.done.kept += kept;
            changed |= !block.header.sparse || kept < there;
            thinned.cover(&block.header);
            members.push(block.header.last);
        }
        if changed || members.len() > 1 {
            put_in_place(self.log, &thinned, &members, &mut self.packer)?;
        }
        // None was there to be thinned out: then there is none up to the horizon.
        let done = if members.is_empty() { horizon } else { thinned.header.last };
        Ok(Tail { last: done, ..Tail::of(&thinned.header) })
    }

    /// Adds to `thinned` what stays of `block` after `seen`; says how many that are.
    fn keep(&self, block: &Block, seen: Sequence, thinned: &mut Block) -> Result<u64, StoreError> {
        let mut link: Link = block.header.before;
        let mut kept = 0;
        for entry in block.entries() {
            let before = entry.before.unwrap_or(link);
            link = before.next(entry.body);
            if entry.sequence > seen && self.stays(&entry)? {
                thinned.place(entry.sequence, entry.previous, Some(before), entry.body);
                kept += 1;
            }
        }
        Ok(kept)
    }

    /// Unless the state of the entity is that after a newer event, it stays.
    fn stays(&self, entry: &Entry<'_>) -> Result<bool, StoreError> {
        let head = stored(entry)?.head;
        let position = self.fold.position(&layout::entity_key(&head.account, &head.subject))?;
        Ok(position.is_none_or(|(_, newest)| newest <= entry.sequence || newest > self.last))
    }
}
