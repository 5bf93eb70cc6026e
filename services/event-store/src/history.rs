//! Reading the log other than by sequence: by time, by entity, by link.

use std::iter::Peekable;

use event_model::{AccountName, Sequence, Subject};
use jiff::Timestamp;

use crate::{
    StoreError, StoredEvent,
    block::{Block, Entry},
    chain::Link,
    fold::Fold,
    log::Log,
    prepare::nanoseconds,
};

/// The event of `entry`, with its bytes copied: a slice would keep its whole block in memory for as long as anybody holds it.
pub fn stored(entry: &Entry<'_>) -> Result<StoredEvent, StoreError> {
    StoredEvent::read(entry.sequence, bytes::Bytes::copy_from_slice(entry.body))
}

/// The next events of `entries`, at least one if there is one, whose bodies are at most `most` bytes together: they are copied as one, which costs
/// two allocations for all of them.
pub fn stored_together<'a>(
    entries: &mut Peekable<impl Iterator<Item = Entry<'a>>>,
    most: usize,
) -> impl Iterator<Item = Result<StoredEvent, StoreError>> {
    let mut bodies = Vec::with_capacity(most);
    let mut ends = Vec::with_capacity(most / 512);
    let fits = |length: usize, entry: &Entry<'_>| length == 0 || length + entry.body.len() <= most;
    while let Some(entry) = entries.next_if(|entry| fits(bodies.len(), entry)) {
        bodies.extend_from_slice(entry.body);
        ends.push((entry.sequence, bodies.len()));
    }
    let (bodies, mut start) = (bytes::Bytes::from(bodies), 0);
    ends.into_iter().map(move |(sequence, end)| {
        let body = bodies.slice(start..end);
        start = end;
        StoredEvent::read(sequence, body)
    })
}

/// The event at `sequence`, which is not beyond the end; none where retention removed it.
pub fn event(log: &Log, sequence: Sequence) -> Result<Option<StoredEvent>, StoreError> {
    log.block_of(sequence)?.find(sequence).map(|entry| stored(&entry)).transpose()
}

/// The cursor (exclusive) that every event follows which was observed at or after `at`, in a log that ends at `last`.
///
/// Each block tells the latest observation of all up to its end, which only grows: the first one that is not before `at` has the
/// first event that is not.
pub fn first_since(log: &Log, at: Timestamp, last: Sequence) -> Result<Sequence, StoreError> {
    let at_ns = nanoseconds(at);
    if last == Sequence::START || log.header_of(last)?.0.newest < at_ns {
        return Ok(last);
    }
    // Everything up to `low` was observed before; in the block of `high` something was not.
    let (mut low, mut high) = (Sequence::START, log.header_of(last)?.0.first);
    while high > low.next() {
        let (header, _) = log.header_of(Sequence(low.0 + (high.0 - low.0) / 2))?;
        if header.newest < at_ns {
            low = header.last;
        } else {
            high = header.first.max(low.next());
        }
    }
    let block = log.block_of(low.next())?;
    for entry in block.entries_after(low) {
        if stored(&entry)?.head.observed_at() >= at {
            return Ok(Sequence(entry.sequence.0 - 1));
        }
    }
    Ok(block.header.last)
}

/// The events about `subject` in `account` before `before` (exclusive; none: to the end), at most `limit` of them, the newest first.
/// It ends where retention cut the history.
pub fn history(
    log: &Log,
    fold: &Fold,
    (account, subject): (&AccountName, &Subject),
    before: Option<Sequence>,
    limit: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut next = start(log, fold, (account, subject), before)?;
    let (mut found, mut block): (Vec<StoredEvent>, Option<Block>) = (Vec::new(), None);
    while next > Sequence::START && found.len() < limit {
        let known = block.take().filter(|block| block.header.first <= next && next <= block.header.last);
        let there = match known {
            Some(block) => block,
            None => log.block_of(next)?,
        };
        let Some(entry) = there.find(next) else {
            let cut = next <= log.horizon();
            return if cut { Ok(found) } else { Err(StoreError::Corrupt { sequence: next }) };
        };
        let event = stored(&entry)?;
        if event.head.subject != *subject || event.head.account != *account {
            return Err(StoreError::Corrupt { sequence: next });
        }
        if before.is_none_or(|before| next < before) {
            found.push(event);
        }
        next = entry.previous;
        block = Some(there);
    }
    Ok(found)
}

/// Where to begin: at `before` itself if that is an event of the entity, as it is for whoever reads page by page; else at its last.
fn start(
    log: &Log,
    fold: &Fold,
    (account, subject): (&AccountName, &Subject),
    before: Option<Sequence>,
) -> Result<Sequence, StoreError> {
    let Some(state) = fold.state(account, subject)? else { return Ok(Sequence::START) };
    if let Some(before) = before.filter(|before| *before > Sequence::START && *before < state.sequence)
        && let Some(event) = event(log, before)?
        && event.head.subject == *subject
        && event.head.account == *account
    {
        return Ok(before);
    }
    Ok(state.sequence)
}

/// The link of the event at `sequence`, which is not beyond the end; none where retention removed too much to tell.
pub fn link_at(log: &Log, sequence: Sequence) -> Result<Option<Link>, StoreError> {
    if sequence == Sequence::START {
        return Ok(Some(Link::START));
    }
    Ok(log.block_of(sequence)?.link_of(sequence))
}
