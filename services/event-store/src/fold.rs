//! The states of entities: a fold of the log, kept so that nobody has to fold from the start.
//!
//! # Behind, but never seen behind
//!
//! Folding an event costs several times what appending it does, so it is done beside the traffic. The writer hands over what
//! it committed ([`Fold::add`]); until it is folded it is **pending**: kept in memory, the last event of each entity,
//! where every reader looks before it looks into the tree. So a state is never older than what was acknowledged. The thread of
//! [`crate::keeper`] folds what is pending; of an entity that changed five times meanwhile it writes one state. What is
//! pending is bounded ([`MAX_PENDING_EVENTS`]): beyond that the writer waits.
//!
//! # Crashes
//!
//! States are written first, one by one, then the sequence that they are folded up to, and only from events that are
//! durable. So after a crash each state is that of some sequence at or after the one that the tree says, and
//! [`Fold::catch_up`] folds the rest. Folding an event again, in the order of the log, ends in the same states, because
//! an event carries the whole object. States that claim to be ahead of the log are thrown away and folded anew.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use event_model::{AccountName, EntityKind, EntityState, Event, EventType, Revision, Sequence, Subject};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Cause, StoreError, StoredEvent,
    engine::{Tree, prefix_end},
    frame,
    history::stored,
    layout,
    log::{Log, Tail},
};

/// Entities and bytes of events that may be pending before the writer waits, twice: while as many are being folded. It bounds the
/// memory of them.
const MAX_PENDING_ENTITIES: usize = 8192;
const MAX_PENDING_BYTES: usize = 8 << 20;
/// Events that may be: what a start after a crash has to fold, in a tenth of a second.
const MAX_PENDING_EVENTS: usize = 32_768;
/// From so many quarters of a bound on they are folded at once.
const ENOUGH: usize = 3;
/// All quarters of it.
const FULL: usize = 4;
/// States thrown away in one batch: bounds the memory of it.
const FORGET_STATES: usize = 4096;

/// The state tree and what is pending.
#[derive(Clone)]
pub struct Fold {
    tree: Arc<dyn Tree>,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Held while states are written.
    writing: Mutex<()>,
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Default)]
struct Pending {
    gathering: Generation,
    /// What is being folded.
    folding: Arc<Generation>,
    since: Option<Instant>,
    /// Who folds is at it, or looks by itself when it is due.
    awake: bool,
    ended: bool,
}

/// The last event of an entity that is pending.
#[derive(Clone)]
pub struct Unfolded {
    /// Its revision.
    pub revision: Revision,
    /// Its sequence.
    pub sequence: Sequence,
    /// Its JSON.
    pub body: Bytes,
}

impl Unfolded {
    fn state(&self) -> Result<EntityState, StoreError> {
        let corrupt = StoreError::Corrupt { sequence: self.sequence };
        match serde_json::from_slice::<Parts>(&self.body) {
            Ok(Parts { sequence, revision, event_type, subject, data }) if sequence == self.sequence => {
                Ok(EntityState::of(revision, sequence, event_type, subject.kind, &data.object))
            }
            _ => Err(corrupt),
        }
    }
}

/// What of an event its state depends on; half of the cost of reading all of it.
#[derive(Deserialize)]
struct Parts {
    sequence: Sequence,
    revision: Revision,
    #[serde(rename = "type")]
    event_type: EventType,
    subject: Subject,
    data: Object,
}

#[derive(Deserialize)]
struct Object {
    object: Value,
}

/// The key of an entity in `state`; several hold the same.
pub type EntityKey = Arc<[u8]>;

/// What is folded together: the last event of each entity, by its key.
#[derive(Default)]
pub struct Generation {
    last: BTreeMap<EntityKey, Unfolded>,
    events: usize,
    bytes: usize,
    up_to: Sequence,
}

impl Generation {
    fn add(&mut self, key: EntityKey, event: Unfolded) {
        self.events += 1;
        self.up_to = event.sequence;
        self.bytes += event.body.len();
        if let Some(old) = self.last.insert(key, event) {
            self.bytes -= old.body.len();
        }
    }

    /// Whether it is beyond so many quarters of what may be pending.
    fn is_beyond(&self, quarters: usize) -> bool {
        self.last.len() > MAX_PENDING_ENTITIES / 4 * quarters
            || self.bytes > MAX_PENDING_BYTES / 4 * quarters
            || self.events > MAX_PENDING_EVENTS / 4 * quarters
    }
}

impl Pending {
    fn find(&self, key: &[u8]) -> Option<&Unfolded> {
        self.gathering.last.get(key).or_else(|| self.folding.last.get(key))
    }
}

impl Fold {
    /// The states in `tree` as they are; see [`Self::catch_up`].
    pub fn new(tree: Arc<dyn Tree>) -> Self {
        Self { tree, queue: Arc::default() }
    }

    /// Folds what is missing up to the end of the log, which has nothing pending yet.
    pub fn catch_up(&self, log: &Log, tail: Tail) -> Result<(), StoreError> {
        let mut folded = self.folded_up_to()?;
        if folded > tail.last {
            tracing::warn!(%folded, last = %tail.last, "the states were ahead of the log; folding it from the start");
            self.forget()?;
            folded = Sequence::START;
        }
        let mut missing = Generation::default();
        for block in log.blocks(folded, tail.last)? {
            let block = block?;
            for entry in block.entries_after(folded) {
                let StoredEvent { head, body } = stored(&entry)?;
                let key = layout::entity_key(&head.account, &head.subject);
                missing.add(key.into(), Unfolded { revision: head.revision, sequence: entry.sequence, body });
            }
            if missing.is_beyond(ENOUGH) {
                self.write(&mem::take(&mut missing), block.header.last)?;
            }
        }
        if folded < tail.last {
            self.write(&missing, tail.last)?;
            tracing::info!(after = %folded, last = %tail.last, "folded the log into the states of entities");
        }
        Ok(())
    }

    /// Throws every state away, and only then what says how far they are folded: a crash between leaves states that are
    /// still ahead of the log and thrown away at the next start.
    fn forget(&self) -> Result<(), StoreError> {
        loop {
            let mut states = Vec::new();
            let mut scan = self.tree.scan(layout::AFTER_HEAD, None);
            for _ in 0..FORGET_STATES {
                let Some((key, _)) = scan.next().map_err(read_failed)? else { break };
                states.push(key.to_vec());
            }
            if states.is_empty() {
                return self.tree.remove(layout::HEAD_KEY).map_err(fold_failed);
            }
            for key in states {
                self.tree.remove(&key).map_err(fold_failed)?;
            }
        }
    }

    /// Takes over `events`, with the keys of their entities, which are durable and follow those taken before. Waits when too much
    /// is pending.
    pub fn add(&self, events: Vec<(EntityKey, Unfolded)>) {
        if events.is_empty() {
            return;
        }
        let mut pending = self.pending();
        while pending.gathering.is_beyond(FULL) && !pending.ended {
            pending = self.queue.changed.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        pending.since.get_or_insert_with(Instant::now);
        events.into_iter().for_each(|(key, event)| pending.gathering.add(key, event));
        let wake = pending.gathering.is_beyond(ENOUGH) || !pending.awake;
        drop(pending);
        if wake {
            self.queue.changed.notify_all();
        }
    }

    /// Whether [`Self::add`] would not wait.
    pub fn has_room(&self) -> bool {
        !self.pending().gathering.is_beyond(FULL)
    }

    /// Waits until something should be folded: enough is pending, something has been for `patience` (if that is given), or
    /// nothing more will come. None when that is so and all is folded.
    pub fn next(&self, patience: Option<Duration>) -> Option<Arc<Generation>> {
        let mut pending = self.pending();
        loop {
            let left = pending.since.zip(patience).map(|(since, patience)| patience.saturating_sub(since.elapsed()));
            let due = pending.ended || left.is_some_and(|left| left.is_zero());
            if pending.gathering.is_beyond(ENOUGH) || (due && pending.gathering.events > 0) {
                pending.folding = Arc::new(mem::take(&mut pending.gathering));
                (pending.since, pending.awake) = (None, true);
                self.queue.changed.notify_all();
                return Some(Arc::clone(&pending.folding));
            }
            if pending.ended {
                return None;
            }
            pending.awake = left.is_some() || patience.is_none();
            pending = match left {
                Some(left) => self.queue.changed.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.queue.changed.wait(pending).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Folds what [`Self::next`] gave, and forgets it. Says up to where the states are folded.
    pub fn fold(&self, generation: &Generation) -> Result<Sequence, StoreError> {
        let writing = self.pause();
        self.write(generation, generation.up_to)?;
        drop(writing);
        self.pending().folding = Arc::default();
        self.queue.changed.notify_all();
        Ok(generation.up_to)
    }

    /// Nothing more will be added, or nothing more will be folded.
    pub fn end(&self) {
        self.pending().ended = true;
        self.queue.changed.notify_all();
    }

    /// Nothing is folded for as long as the answer is held; what is appended meanwhile is pending.
    pub fn pause(&self) -> MutexGuard<'_, ()> {
        self.queue.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.queue.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Not durable yet, and need not be.
    fn write(&self, generation: &Generation, up_to: Sequence) -> Result<(), StoreError> {
        for (key, event) in &generation.last {
            self.write_state(key, &event.state()?)?;
        }
        let value = frame::seal(layout::HEAD_KEY, &up_to.0.to_be_bytes());
        self.tree.put(layout::HEAD_KEY, &value).map_err(fold_failed)
    }

    /// Writes one state as it is.
    pub fn write_state(&self, key: &[u8], state: &EntityState) -> Result<(), StoreError> {
        let state = serde_json::to_vec(state).expect("a state has string keys only");
        self.tree.put(key, &frame::seal(key, &state)).map_err(fold_failed)
    }

    /// Removes one state.
    pub fn remove_state(&self, key: &[u8]) -> Result<(), StoreError> {
        self.tree.remove(key).map_err(fold_failed)
    }

    /// The states in the tree.
    pub fn count(&self) -> Result<u64, StoreError> {
        let (mut scan, mut count) = (self.tree.scan(layout::AFTER_HEAD, None), 0);
        while scan.next().map_err(read_failed)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// The sequence that the states in the tree are folded up to.
    pub fn folded_up_to(&self) -> Result<Sequence, StoreError> {
        let Some(value) = self.tree.get(layout::HEAD_KEY).map_err(read_failed)? else {
            return Ok(Sequence::START);
        };
        let body = frame::open(layout::HEAD_KEY, &value);
        let sequence = body.and_then(|body| body.try_into().ok()).map(u64::from_be_bytes);
        sequence.map(Sequence).ok_or_else(|| corrupt("head"))
    }

    /// Revision and sequence of the last event of the entity under `key`; none if it has none.
    pub fn position(&self, key: &[u8]) -> Result<Option<(Revision, Sequence)>, StoreError> {
        if let Some(event) = self.pending().find(key) {
            return Ok(Some((event.revision, event.sequence)));
        }
        Ok(self.kept(key)?.map(|state| (state.revision, state.sequence)))
    }

    /// The state of one entity.
    pub fn state(&self, account: &AccountName, subject: &Subject) -> Result<Option<EntityState>, StoreError> {
        let key = layout::entity_key(account, subject);
        let pending = self.pending().find(&key).cloned();
        match pending {
            Some(event) => event.state().map(Some),
            None => self.kept(&key),
        }
    }

    /// What the tree holds under `key`.
    pub fn kept(&self, key: &[u8]) -> Result<Option<EntityState>, StoreError> {
        let value = self.tree.get(key).map_err(read_failed)?;
        value.map(|value| decode(key, &value).ok_or_else(|| corrupt(&String::from_utf8_lossy(key)))).transpose()
    }

    /// The ids and states of at most `limit` entities of one kind, ascending by id, from the one that follows `after`.
    pub fn states(
        &self,
        account: &AccountName,
        kind: EntityKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, EntityState)>, StoreError> {
        let prefix = layout::kind_prefix(account, kind);
        // The least key that follows another is that key and a zero.
        let from = after.map_or_else(|| prefix.clone(), |id| [&prefix, id.as_bytes(), &[0]].concat());
        // The pending ones first: what is folded between is in the tree, or in both.
        let mut states = BTreeMap::new();
        for (key, event) in self.pending_from(&from, &prefix, limit) {
            states.insert(key.to_vec(), event.state()?);
        }
        let mut scan = self.tree.scan(&from, prefix_end(&prefix).as_deref());
        for _ in 0..limit {
            let Some((key, value)) = scan.next().map_err(read_failed)? else { break };
            let state = decode(key, value);
            match (states.get_mut(key), state) {
                (Some(pending), Some(state)) if state.sequence > pending.sequence => *pending = state,
                (Some(_), _) => {}
                (None, Some(state)) => drop(states.insert(key.to_vec(), state)),
                (None, None) => return Err(corrupt(&String::from_utf8_lossy(key))),
            }
        }
        let named = |(key, state): (Vec<u8>, EntityState)| {
            let id = std::str::from_utf8(&key[prefix.len()..]);
            id.map(|id| (id.to_owned(), state)).map_err(|_| corrupt(&String::from_utf8_lossy(&key)))
        };
        states.into_iter().take(limit).map(named).collect()
    }

    /// The first account after `after` that an entity is of.
    pub fn next_account(&self, after: Option<&AccountName>) -> Result<Option<AccountName>, StoreError> {
        let from = after.map_or_else(|| layout::AFTER_HEAD.to_vec(), layout::after_account);
        let pending = self.pending_from(&from, layout::AFTER_HEAD, 1).into_keys().next().map(|key| key.to_vec());
        let mut scan = self.tree.scan(&from, None);
        let kept = scan.next().map_err(read_failed)?.map(|(key, _)| key.to_vec());
        let Some(key) = pending.into_iter().chain(kept).min() else { return Ok(None) };
        let (account, _) = layout::entity_of(&key).ok_or_else(|| corrupt(&String::from_utf8_lossy(&key)))?;
        Ok(Some(account))
    }

    fn pending_from(&self, from: &[u8], prefix: &[u8], limit: usize) -> BTreeMap<EntityKey, Unfolded> {
        let pending = self.pending();
        let mut found = BTreeMap::new();
        // The newer ones last.
        for generation in [&*pending.folding, &pending.gathering] {
            let range = generation.last.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Unbounded));
            let ours = range.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
            found.extend(ours.map(|(key, event)| (Arc::clone(key), event.clone())));
        }
        found
    }

    /// The tree itself: to check it, and in tests to damage it.
    pub fn tree(&self) -> &dyn Tree {
        &*self.tree
    }
}

/// The event of `sequence` from its body.
pub fn parse(sequence: Sequence, body: &[u8]) -> Result<Event, StoreError> {
    let event: Event = serde_json::from_slice(body).map_err(|_| StoreError::Corrupt { sequence })?;
    if event.sequence == sequence { Ok(event) } else { Err(StoreError::Corrupt { sequence }) }
}

/// The state in `value`, if it is what was written under `key`.
pub fn decode(key: &[u8], value: &[u8]) -> Option<EntityState> {
    serde_json::from_slice(frame::open(key, value)?).ok()
}

fn corrupt(key: &str) -> StoreError {
    StoreError::CorruptValue { place: layout::STATE_TREE, key: key.to_owned() }
}

/// That reading the states failed below us.
pub fn read_failed(source: Cause) -> StoreError {
    StoreError::Read { what: "the states of entities", source }
}

fn fold_failed(source: Cause) -> StoreError {
    StoreError::Commit { step: "fold the log", source }
}
