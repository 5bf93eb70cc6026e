//! The states of entities: a fold of the log, kept so that nobody has to fold from the start.
//!
//! A state and the sequence that the states are folded up to are written in one batch of one tree, and only from events
//! that are durable. So after a crash the states are those of some earlier sequence, the tree says which, and
//! [`Fold::catch_up`] folds the rest. Folding an event again, in the order of the log, ends in the same states, because
//! an event carries the whole object. States that claim to be ahead of the log are thrown away and folded anew.

use event_model::{AccountName, EntityKind, EntityState, Event, Sequence, Subject};

use crate::{
    StoreError,
    disk::{Disk, cause},
    frame, layout,
    log::{Head, Log},
};

/// Events folded in one batch when catching up: bounds the memory that it takes.
const CATCH_UP_EVENTS: usize = 512;

/// The state tree.
#[derive(Clone)]
pub struct Fold {
    tree: sled::Tree,
}

impl Fold {
    /// The tree as it is; see [`Self::catch_up`].
    pub fn open(disk: &Disk) -> Result<Self, StoreError> {
        Ok(Self { tree: disk.tree(layout::STATE_TREE)? })
    }

    /// Folds what is missing up to `head.last`.
    pub fn catch_up(&self, log: &Log, head: Head) -> Result<(), StoreError> {
        let mut folded = self.folded_up_to()?;
        if folded > head.last {
            tracing::warn!(%folded, last = %head.last, "the states were ahead of the log; folding it from the start");
            self.tree.clear().map_err(fold_failed)?;
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

    /// Folds `events`, which follow those folded before. Not durable yet, and need not be.
    pub fn fold(&self, events: &[Event]) -> Result<(), StoreError> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut batch = sled::Batch::default();
        for event in events {
            let key = layout::entity_key(&event.account, &event.subject);
            let state = serde_json::to_vec(&EntityState::after(event)).expect("a state has string keys only");
            let value = frame::split(&key, &state).concat();
            batch.insert(key, value);
        }
        let sequence = last.sequence.0.to_be_bytes();
        batch.insert(layout::HEAD_KEY, frame::split(layout::HEAD_KEY, &sequence).concat());
        self.tree.apply_batch(batch).map_err(fold_failed)
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

    /// The ids and states of all entities of one kind, ascending by id.
    pub fn states(&self, account: &AccountName, kind: EntityKind) -> Result<Vec<(String, EntityState)>, StoreError> {
        let prefix = layout::kind_prefix(account, kind);
        let one = |item: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = item.map_err(read_failed)?;
            let bad = || corrupt(&String::from_utf8_lossy(&key));
            let id = std::str::from_utf8(&key[prefix.len()..]).map_err(|_| bad())?;
            Ok((id.to_owned(), decode(&key, &value).ok_or_else(bad)?))
        };
        self.tree.scan_prefix(&prefix).map(one).collect()
    }

    /// The tree itself, to damage it.
    #[cfg(test)]
    pub fn tree(&self) -> &sled::Tree {
        &self.tree
    }
}

fn decode(key: &[u8], value: &[u8]) -> Option<EntityState> {
    serde_json::from_slice(&frame::open_single(key, value)?).ok()
}

fn corrupt(key: &str) -> StoreError {
    StoreError::CorruptValue { place: layout::STATE_TREE, key: key.to_owned() }
}

fn read_failed(error: sled::Error) -> StoreError {
    StoreError::Read { what: "the states of entities", source: cause(error) }
}

fn fold_failed(error: sled::Error) -> StoreError {
    StoreError::Commit { step: "fold the log", source: cause(error) }
}
