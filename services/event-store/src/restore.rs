//! What retention left in another log, on its way into this one.

use bytes::Bytes;
use event_model::Sequence;

use crate::{
    StoreError,
    block::Block,
    chain::Link,
    fold::{EntityKey, Unfolded},
    log::Tail,
    prepare::Prepared,
};

/// An event that retention kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEvent {
    /// The link before it: with it the event can be verified alone.
    pub before: Link,
    /// Its JSON.
    pub body: Bytes,
}

/// Blocks, and the events in them by the keys of their entities.
pub type Placed = (Vec<Block>, Vec<(EntityKey, Unfolded)>);

/// What retention left of the sequences that follow, up to `up_to`.
pub struct KeptRun {
    /// The last sequence of the run, which may have lost its event.
    pub up_to: Sequence,
    /// Its link.
    pub link: Link,
    events: Vec<(Link, Prepared)>,
}

impl KeptRun {
    /// The run with `events`.
    pub fn new(up_to: Sequence, link: Link, events: Vec<KeptEvent>) -> Result<Self, StoreError> {
        let prepared = events.into_iter().map(|kept| Ok((kept.before, Prepared::imported(&kept.body)?)));
        Ok(Self { up_to, link, events: prepared.collect::<Result<_, StoreError>>()? })
    }

    /// Its blocks and its events, for a log that ends at `tail` and has nothing above `horizon`.
    pub fn blocks(self, tail: Tail, horizon: Sequence) -> Result<Placed, StoreError> {
        if tail.last != horizon || self.up_to <= tail.last {
            return Err(StoreError::OutOfPlace { expected: tail.last.next(), found: self.up_to });
        }
        let mut blocks = vec![Block::after(tail.last, tail.link, tail.newest, true)];
        let mut events = Vec::with_capacity(self.events.len());
        let (mut last, mut link) = (tail.last, tail.link);
        for (before, event) in self.events {
            let sequence = event.sequence.unwrap_or(Sequence::START);
            if sequence <= last || sequence > self.up_to {
                return Err(StoreError::OutOfPlace { expected: last.next(), found: sequence });
            }
            if sequence == last.next() && before != link {
                return Err(StoreError::Unchained { sequence, why: "it does not follow the event before it" });
            }
            let (observed_at, revision) = (event.observed_at, event.revision);
            let (key, body) = event.at(sequence);
            (last, link) = (sequence, before.next(&body));
            if blocks.last().is_some_and(Block::is_full) {
                let tail = blocks.last().map_or(tail, |full| Tail::of(&full.header));
                blocks.push(Block::after(tail.last, tail.link, tail.newest, true));
            }
            if let Some(block) = blocks.last_mut() {
                block.place(sequence, Sequence::START, Some(before), &body);
                block.header.newest = block.header.newest.max(observed_at);
                (block.header.last, block.header.after) = (last, link);
            }
            events.push((key, Unfolded { revision, sequence, body }));
        }
        if last == self.up_to && link != self.link {
            return Err(StoreError::Unchained { sequence: last, why: "the link after it is another" });
        }
        if let Some(block) = blocks.last_mut() {
            (block.header.last, block.header.after) = (self.up_to, self.link);
        }
        Ok((blocks, events))
    }
}
