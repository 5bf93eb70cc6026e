//! The states of entities: a fold of the log, kept so that nobody has to fold from the start.
//!
//! A state and the sequence that the states are folded up to are written in one batch of one tree, and only from events
//! that are durable. So after a crash the states are those of some earlier sequence, the tree says which, and
//! [`Fold::catch_up`] folds the rest. Folding an event again, in the order of the log, ends in the same states, because
//! an event carries the whole object. States that claim to be ahead of the log are thrown away and folded anew.

use std::sync::Arc;

use event_model::{AccountName, EntityKind, EntityState, Event, Sequence, Subject};

use crate::{
    Cause, StoreError,
    engine::{Batch, Tree, prefix_end},
    frame, layout,
    log::{Head, Log},
};

/// Events folded in one batch when catching up: bounds the memory that it takes.
const CATCH_UP_EVENTS: usize = 512;
/// States thrown away in one batch: bounds the memory of it.
const FORGET_STATES: usize = 4096;

/// The state tree.
#[derive(Clone)]
pub struct Fold {
    tree: Arc<dyn Tree>,
}

impl Fold {
    /// The states in `tree` as they are; see [`Self::catch_up`].
    pub fn new(tree: Arc<dyn Tree>) -> Self {
        Self { tree }
    }

    /// Folds what is missing up to `head.last`.
    pub fn catch_up(&self, log: &Log, head: Head) -> Result<(), StoreError> {
        let mut folded = self.folded_up_to()?;
        if folded > head.last {
            tracing::warn!(%folded, last = %head.last, "the states were ahead of the log; folding it from the start");
            self.forget()?;
            folded = Sequence::START;
        }
        let after = folded.max(head.horizon);
        let mut batch = Vec::new();
        for record in log.records(after, head.last) {
            let (sequence, body) = record?;
            let event: Event = serde_json::from_slice(&body).map_err(|_| StoreError::Corrupt { sequence })?;
            batch.push(event);
            if batch.len() == CATCH_UP_EVENTS {
                self.fold(&batch)?;
                batch.clear();
            }
        }
        if after < head.last {
            tracing::info!(after = %after, last = %head.last, "folded the log into the states of entities");
        }
        self.fold(&batch)
    }

    /// Throws every state away, and only then what says how far they are folded: a crash between leaves states that are
    /// still ahead of the log and thrown away at the next start.
    fn forget(&self) -> Result<(), StoreError> {
        loop {
            let mut batch = Batch::default();
            let mut scan = self.tree.scan(layout::AFTER_HEAD, None);
            for _ in 0..FORGET_STATES {
                let Some((key, _)) = scan.next().map_err(read_failed)? else { break };
                batch.remove(key);
            }
            if batch.is_empty() {
                batch.remove(layout::HEAD_KEY);
                return self.tree.apply(batch).map_err(fold_failed);
            }
            self.tree.apply(batch).map_err(fold_failed)?;
        }
    }

    /// Folds `events`, which follow those folded before. Not durable yet, and need not be.
    pub fn fold(&self, events: &[Event]) -> Result<(), StoreError> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut batch = Batch::default();
        for event in events {
            let key = layout::entity_key(&event.account, &event.subject);
            let state = serde_json::to_vec(&EntityState::after(event)).expect("a state has string keys only");
            let value = frame::split(&key, &state).concat();
            batch.insert(key, value);
        }
        let sequence = last.sequence.0.to_be_bytes();
        batch.insert(layout::HEAD_KEY, frame::split(layout::HEAD_KEY, &sequence).concat());
        self.tree.apply(batch).map_err(fold_failed)
    }

    /// The sequence that the states are folded up to.
    pub fn folded_up_to(&self) -> Result<Sequence, StoreError> {
        let Some(value) = self.tree.get(layout::HEAD_KEY).map_err(read_failed)? else {
            return Ok(Sequence::START);
        };
        let body = frame::open_single(layout::HEAD_KEY, &value);
        let sequence = body.and_then(|body| body.try_into().ok()).map(u64::from_be_bytes);
        sequence.map(Sequence).ok_or_else(|| corrupt("head"))
    }

    /// The state of one entity.
    pub fn state(&self, account: &AccountName, subject: &Subject) -> Result<Option<EntityState>, StoreError> {
        let key = layout::entity_key(account, subject);
        let value = self.tree.get(&key).map_err(read_failed)?;
        value.map(|value| decode(&key, &value).ok_or_else(|| corrupt(&format!("{account} {subject}")))).transpose()
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
        let mut scan = self.tree.scan(&from, prefix_end(&prefix).as_deref());
        let mut states = Vec::new();
        while states.len() < limit
            && let Some((key, value)) = scan.next().map_err(read_failed)?
        {
            let bad = || corrupt(&String::from_utf8_lossy(key));
            let id = std::str::from_utf8(&key[prefix.len()..]).map_err(|_| bad())?;
            states.push((id.to_owned(), decode(key, value).ok_or_else(bad)?));
        }
        Ok(states)
    }

    /// The tree itself, to damage it.
    #[cfg(test)]
    pub fn tree(&self) -> &dyn Tree {
        &*self.tree
    }
}

fn decode(key: &[u8], value: &[u8]) -> Option<EntityState> {
    serde_json::from_slice(&frame::open_single(key, value)?).ok()
}

fn corrupt(key: &str) -> StoreError {
    StoreError::CorruptValue { place: layout::STATE_TREE, key: key.to_owned() }
}

fn read_failed(source: Cause) -> StoreError {
    StoreError::Read { what: "the states of entities", source }
}

fn fold_failed(source: Cause) -> StoreError {
    StoreError::Commit { step: "fold the log", source }
}
