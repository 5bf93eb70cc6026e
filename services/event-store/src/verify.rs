//! Proving that the log is what was written, and that the states are the fold of it.

use std::collections::BTreeMap;

use event_model::{AccountName, EntityState, Sequence, Subject};

use crate::{
    StoreError,
    block::Block,
    chain::Link,
    fold::{self, Fold},
    layout,
    log::Log,
};

/// What a verification found: everything as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events that stand.
    pub events: u64,
    /// Up to here retention removed what it may.
    pub horizon: Sequence,
    /// The last sequence that was verified.
    pub last: Sequence,
    /// Its link.
    pub link: Link,
}

/// Reads every event up to `last` and follows the chain through them; tells `progress` how far it is after each block.
///
/// Errors: [`StoreError::Corrupt`] at the first sequence that does not read back, for whichever reason, [`StoreError::Unchained`] at
/// the first that does but is not the one that was written.
pub fn verify(log: &Log, last: Sequence, mut progress: impl FnMut(Sequence)) -> Result<Verified, StoreError> {
    let mut found = Verified { events: 0, horizon: log.horizon(), last: Sequence::START, link: Link::START };
    for block in log.blocks(Sequence::START, last)? {
        let block = block.map_err(|error| located(error, found.last.next()))?;
        let from = found.last;
        found.link = follow(&block, from, found.link)?;
        found.events += block.entries_after(from).count() as u64;
        found.last = block.header.last;
        progress(found.last);
    }
    found.horizon = log.horizon();
    Ok(found)
}

/// What cannot be read is as bad as what reads back wrong, and who repairs it wants to know where.
fn located(error: StoreError, sequence: Sequence) -> StoreError {
    let StoreError::Read { source, .. } = error else { return error };
    tracing::error!(%sequence, error = %source, "the log cannot be read on");
    StoreError::Corrupt { sequence }
}

/// The link at the end of `block`, whose events up to `from`, with the link `link`, were in the block before as well, if any: the
/// old ones of a merge that a kill cut short.
fn follow(block: &Block, from: Sequence, link: Link) -> Result<Link, StoreError> {
    let unchained = |sequence, why| Err(StoreError::Unchained { sequence, why });
    let header = &block.header;
    if header.first == from.next() && header.before != link {
        return unchained(header.first, "the block does not follow the one before it");
    }
    let (mut last, mut running) = (Sequence(header.first.0 - 1), header.before);
    for entry in block.entries() {
        let before = entry.before.unwrap_or(running);
        if entry.sequence == last.next() && before != running {
            return unchained(entry.sequence, "it does not follow the event before it");
        }
        let event = crate::StoredEvent::read(entry.sequence, bytes::Bytes::copy_from_slice(entry.body))?;
        event.head.parse().map_err(|_| StoreError::Corrupt { sequence: entry.sequence })?;
        (last, running) = (entry.sequence, before.next(entry.body));
        if last == from && running != link {
            return unchained(last, "two blocks hold different events");
        }
    }
    if last == header.last && running != header.after {
        return unchained(last, "the link after it is another");
    }
    Ok(header.after)
}

/// What comparing the states with a fold of the whole log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateCheck {
    /// Entities that the log knows.
    pub entities: u64,
    /// The sequence up to which the log was folded.
    pub folded_up_to: Sequence,
    /// Entities whose state is missing, damaged, or not the fold of the log; or that have a state and no event.
    pub differ: u64,
    /// The first hundred of them.
    pub differing: Vec<(AccountName, Subject)>,
}

/// Most entities that a check names.
const NAMED: usize = 100;
/// Most entities that one pass puts right: bounds its memory to some 50 MiB.
const MENDED_AT_ONCE: usize = 100_000;

/// A check, and what it found wrong.
#[derive(Default)]
pub struct Checked {
    /// What is told.
    pub check: StateCheck,
    /// Keys of what differs, at most [`MENDED_AT_ONCE`].
    wrong: BTreeMap<Vec<u8>, Option<EntityState>>,
}

impl Checked {
    fn wrong(&mut self, key: Vec<u8>) {
        if self.wrong.contains_key(&key) {
            return;
        }
        self.check.differ += 1;
        if self.check.differing.len() < NAMED {
            self.check.differing.extend(layout::entity_of(&key));
        }
        if self.wrong.len() < MENDED_AT_ONCE {
            self.wrong.insert(key, None);
        }
    }
}

/// One bit for each sequence of a log: whether its event is the last about its entity.
struct Newest(Vec<u64>);

impl Newest {
    /// Each event of the log up to `last` names the one before it of its entity; those that none names are the last.
    fn of(log: &Log, last: Sequence) -> Result<Self, StoreError> {
        let mut newest = Self(vec![0; last.0 as usize / u64::BITS as usize + 1]);
        let mut seen = Sequence::START;
        for block in log.blocks(Sequence::START, last)? {
            let block = block?;
            for entry in block.entries_after(seen).filter(|entry| entry.sequence <= last) {
                let (word, bit) = place(entry.previous);
                newest.0[word] &= !bit;
                let (word, bit) = place(entry.sequence);
                newest.0[word] |= bit;
            }
            seen = block.header.last;
        }
        Ok(newest)
    }

    fn is(&self, sequence: Sequence) -> bool {
        let (word, bit) = place(sequence);
        self.0.get(word).is_some_and(|found| found & bit != 0)
    }
}

fn place(sequence: Sequence) -> (usize, u64) {
    let bits = u64::from(u64::BITS);
    ((sequence.0 / bits) as usize, 1 << (sequence.0 % bits))
}

/// Folds the log up to `last` and compares. A state is what follows from the last event of its entity: that is the fold, without
/// keeping a second set of states in memory. A first pass finds those events, the second looks at them alone, each with its state; so it
/// costs what the entities cost, not what all of their events do. What is appended meanwhile does not disturb.
pub fn check_states(log: &Log, fold: &Fold, last: Sequence) -> Result<Checked, StoreError> {
    let mut checked =
        Checked { check: StateCheck { folded_up_to: last, ..StateCheck::default() }, ..Checked::default() };
    let newest = Newest::of(log, last)?;
    let mut seen = Sequence::START;
    for block in log.blocks(Sequence::START, last)? {
        let block = block?;
        for entry in block.entries_after(seen).filter(|entry| newest.is(entry.sequence)) {
            let event = fold::parse(entry.sequence, entry.body)?;
            let key = layout::entity_key(&event.account, &event.subject);
            match fold.state(&event.account, &event.subject) {
                // What was appended meanwhile; or what a restored log holds below its horizon of an entity that has a newer event, which
                // does not name it.
                Ok(Some(kept)) if kept.sequence > entry.sequence => continue,
                Ok(kept) if kept.as_ref() == Some(&EntityState::after(&event)) => {}
                Ok(_) | Err(StoreError::CorruptValue { .. }) => checked.wrong(key),
                Err(failed) => return Err(failed),
            }
            checked.check.entities += 1;
        }
        seen = block.header.last;
    }
    // As many states as entities, and each entity with its own: then none is left over.
    let differ = checked.check.differ;
    if fold.count()? + differ > checked.check.entities {
        strays(log, fold, last, &mut checked)?;
    }
    Ok(checked)
}

/// States whose event is not there, or is about something else.
fn strays(log: &Log, fold: &Fold, last: Sequence, checked: &mut Checked) -> Result<(), StoreError> {
    let mut scan = fold.tree().scan(layout::AFTER_HEAD, None);
    let mut block: Option<Block> = None;
    while let Some((key, value)) = scan.next().map_err(fold::read_failed)? {
        let Some(state) = fold::decode(key, value) else {
            checked.wrong(key.to_vec());
            continue;
        };
        if state.sequence > last && fold.folded_up_to()? >= state.sequence {
            continue;
        }
        let known = block.take().filter(|b| b.header.first <= state.sequence && state.sequence <= b.header.last);
        let there = match known {
            Some(block) => Some(block),
            None => log.block_of(state.sequence).ok(),
        };
        let entry = there.as_ref().and_then(|block| block.find(state.sequence));
        let head = entry.map(|entry| crate::history::stored(&entry)).transpose()?.map(|stored| stored.head);
        if head.is_none_or(|head| layout::entity_key(&head.account, &head.subject) != key) {
            // Retention removes an event only once a newer one of its entity stands: then this state was replaced meanwhile.
            if fold.kept(key).ok().flatten().is_none_or(|now| now.sequence == state.sequence) {
                checked.wrong(key.to_vec());
            }
        }
        block = there;
    }
    Ok(())
}

/// Puts right what `checked` found wrong: the state of each is that after its last event up to `last`, or none. Nothing may
/// be folded meanwhile; what is pending is folded afterwards.
pub fn mend(log: &Log, fold: &Fold, last: Sequence, mut checked: Checked) -> Result<StateCheck, StoreError> {
    if checked.wrong.is_empty() {
        return Ok(checked.check);
    }
    for block in log.blocks(Sequence::START, last)? {
        for entry in block?.entries() {
            let head = crate::history::stored(&entry)?.head;
            if let Some(state) = checked.wrong.get_mut(&layout::entity_key(&head.account, &head.subject)) {
                *state = Some(EntityState::after(&fold::parse(entry.sequence, entry.body)?));
            }
        }
    }
    for (key, state) in &checked.wrong {
        match state {
            Some(state) => fold.write_state(key, state)?,
            None => fold.remove_state(key)?,
        }
    }
    tracing::warn!(differ = checked.check.differ, "put right states that were not the fold of the log");
    Ok(checked.check)
}
