//! The seam: what the store needs of whatever keeps its bytes. Nothing above this module knows which engine runs.
//!
//! An engine keeps **trees**: named, ordered maps from byte keys to byte values. The store asks for little, so that another
//! engine (a replicated one, say) can give it:
//!
//! - a **batch** of one tree is applied whole or not at all, also after a crash. Nothing is atomic across trees, and no order
//!   is promised across them but this: what was applied before a successful [`Engine::make_durable`] stands;
//! - a batch is visible to every read that begins after [`Tree::apply`] has returned, durable or not;
//! - a [`Scan`] goes on while others write. It shows each key at most once, ascending; a batch that is applied meanwhile may
//!   show in part;
//! - an engine that failed to write or to make durable need not give anything any more. The store poisons itself and asks no
//!   second time;
//! - one store at a time has an engine's data, from opening until the last handle to the engine and its trees is dropped.
//!
//! Keys have at most [`MAX_KEY_BYTES`](crate::layout::MAX_KEY_BYTES), values at most
//! [`MAX_VALUE_BYTES`](crate::layout::MAX_VALUE_BYTES): what is larger is split above, in [`record`](crate::record).

mod memory;
mod on_sled;

use std::sync::Arc;

pub use memory::MemoryDisk;
pub use on_sled::SledEngine;

use crate::Cause;

/// Where trees are kept.
pub trait Engine: Send + Sync {
    /// Opens the tree `name`, or makes an empty one.
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, Cause>;

    /// Everything applied so far, to any tree, survives what the engine is there to survive when this returns.
    fn make_durable(&self) -> Result<(), Cause>;

    /// Bytes that all trees take where they are kept.
    fn disk_bytes(&self) -> u64;
}

/// One ordered map of byte keys.
pub trait Tree: Send + Sync {
    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause>;

    /// The keys from `from` on (inclusive) that are below `to`; to the end without it. `from` may lie at or beyond `to`:
    /// then there are none.
    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan>;

    /// Makes all changes of `batch` or none.
    fn apply(&self, batch: Batch) -> Result<(), Cause>;
}

/// Keys of a tree in order, one at a time: nothing is copied that the caller does not copy.
pub trait Scan: Send {
    /// The next key and its value; none at the end. After an error it gives nothing that can be relied on.
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause>;
}

/// A key and its value, as a [`Scan`] lends them.
pub type Item<'a> = (&'a [u8], &'a [u8]);

/// Changes that are made together. Of several changes to one key the last stands.
#[derive(Default)]
pub struct Batch {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
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

    /// The changes in the order in which they were added; no value: the key goes.
    pub fn into_changes(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.changes.into_iter()
    }
}

/// The keys that begin with `prefix`.
pub fn scan_prefix(tree: &dyn Tree, prefix: &[u8]) -> Box<dyn Scan> {
    tree.scan(prefix, prefix_end(prefix).as_deref())
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
