//! The seam: what the store needs of whatever keeps its bytes. Nothing above this module knows which engine runs.
//!
//! An engine keeps **trees**: named, ordered maps from byte keys to byte values. The store asks for little, so that another
//! engine (a replicated log with a key-value store beside it, say) can give it:
//!
//! - [`Tree::append`]: **one** value goes after all others, if the last one is the one that was expected. The log uses nothing
//!   else to grow; a commit that is several values long is told from half of one above (see [`crate::log`]);
//! - a **batch** of one tree is applied whole or not at all, also after a crash. Only tables need that of more than one key:
//!   what the dispatcher changes together. The log and the states change one key at a time, in an order in which every
//!   prefix is right. Nothing is atomic across trees;
//! - what was applied before a successful [`Engine::make_durable`] stands, and what is applied to a tree later never stands without
//!   what was applied to it earlier. Between trees there is no order but that: what is derived from something else, as the states are
//!   from the log, is written when that is durable;
//! - a change is visible to every read that begins after it has returned, durable or not;
//! - a [`Scan`] goes on while others write. It shows each key at most once, ascending; of what is applied meanwhile it may show a
//!   part, even half of a [large](Values::Large) value, which its digest tells above;
//! - an engine that failed to write or to make durable need not give anything any more. The store poisons itself and asks no
//!   second time;
//! - comparing a table's key before setting it is the writer's affair, who alone writes; an engine that others write to as well would
//!   have to offer it;
//! - one store at a time has an engine's data, from opening until the last handle to the engine and its trees is dropped. An
//!   engine that several nodes share would have to fence the one that lost it; these two need not.
//!
//! Keys have at most [`MAX_KEY_BYTES`](crate::layout::MAX_KEY_BYTES). How an engine splits a large value is its own affair.

mod chunks;
mod mark;
mod memory;
mod on_sled;
mod tail;

use std::sync::Arc;

pub use mark::{MARK_FILE, Mark, Marked};
pub use memory::MemoryDisk;
pub use on_sled::SledEngine;

use crate::Cause;

/// Where trees are kept.
pub trait Engine: Send + Sync {
    /// Opens the tree `name`, or makes an empty one. A tree is always opened for the same kind of values.
    fn tree(&self, name: &str, values: Values) -> Result<Arc<dyn Tree>, Cause>;

    /// Everything applied so far, to any tree, survives what the engine is there to survive when this returns.
    fn make_durable(&self) -> Result<(), Cause>;

    /// Everything [appended](Tree::append) so far does; what else was applied need not yet. An engine may do it for less.
    fn make_appends_durable(&self) -> Result<(), Cause> {
        self.make_durable()
    }

    /// Bytes that all trees take where they are kept.
    fn disk_bytes(&self) -> u64;

    /// Keeps, outside the trees, that `mark` is durable; `firmly` also through a power cut. An engine that cannot lose its end
    /// without saying so need not.
    fn mark(&self, _mark: &Mark, _firmly: bool) -> Result<(), Cause> {
        Ok(())
    }

    /// What was marked last.
    fn marked(&self) -> Result<Marked, Cause> {
        Ok(Marked::Nothing)
    }

    /// Whether what is durable survives a power cut.
    fn is_firm(&self) -> bool {
        true
    }
}

/// What a tree keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// At most [`MAX_VALUE_BYTES`](crate::layout::MAX_VALUE_BYTES).
    Small,
    /// Up to [`MAX_RECORD_BYTES`](crate::layout::MAX_RECORD_BYTES) and what frames them. No key is the beginning of another.
    Large,
}

/// One ordered map of byte keys.
pub trait Tree: Send + Sync {
    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause>;

    /// The keys from `from` on (inclusive) that are below `to`; to the end without it. `from` may lie at or beyond `to`:
    /// then there are none.
    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan>;

    /// The last key and its value.
    fn last(&self) -> Result<Option<Owned>, Cause>;

    /// Sets the value under `key`, which sorts after every other, if `after` is the last key (none: there is no key); says
    /// whether it did.
    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause>;

    /// Makes all changes of `batch` or none.
    fn apply(&self, batch: Batch) -> Result<(), Cause>;

    /// What was appended up to the key `up_to` stays as it is for long. An engine that keeps new values elsewhere at first may
    /// put it where it stays.
    fn settle(&self, _up_to: &[u8]) -> Result<(), Cause> {
        Ok(())
    }
}

/// Keys of a tree in order, one at a time: nothing is copied that the caller does not copy.
pub trait Scan: Send {
    /// The next key and its value; none at the end. After an error it gives nothing that can be relied on.
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause>;
}

/// A key and its value.
pub type Owned = (Vec<u8>, Vec<u8>);

/// A key and its value, as a [`Scan`] lends them.
pub type Item<'a> = (&'a [u8], &'a [u8]);

/// Changes that are made together. Of several changes to one key the last stands.
#[derive(Default)]
pub struct Batch {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// The one change that sets the value under `key`.
    pub fn of(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { changes: vec![(key.into(), Some(value.into()))] }
    }

    /// The one change that removes `key`.
    pub fn without(key: impl Into<Vec<u8>>) -> Self {
        Self { changes: vec![(key.into(), None)] }
    }

    /// Sets the value under `key`.
    pub fn insert(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Removes `key`, if it is there.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), None));
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The change, if it is one alone; else the batch as it is.
    pub fn into_one(mut self) -> Result<(Vec<u8>, Option<Vec<u8>>), Self> {
        if self.changes.len() == 1
            && let Some(change) = self.changes.pop()
        {
            return Ok(change);
        }
        Err(self)
    }

    /// The changes in the order in which they were added; no value: the key goes.
    pub fn into_changes(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.changes.into_iter()
    }
}

/// The first key after all that begin with `prefix`; none if no key is.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_first_key_that_does_not_begin_with_it() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0]), Some(vec![1, 1]));
        assert_eq!(prefix_end(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255]), None);
        assert_eq!(prefix_end(&[]), None);
    }
}
