//! The seam: what the store needs of whatever keeps its bytes. Nothing above this module knows which engine runs.
//!
//! An engine keeps **trees**: named, ordered maps from byte keys to byte values. The store asks for little, so that another
//! engine (a replicated log with a key-value store beside it, say) can give it:
//!
//! - [`Tree::append`]: **one** value goes after all others, if the last one is the one that was expected. The log uses nothing
//!   else to grow; a commit that is several values long is told from half of one above (see [`crate::log`]);
//! - everything else changes **one key at a time**: [`Tree::put`], [`Tree::remove`], and [`Tree::compare_and_swap`], between whose
//!   look and change nobody comes. No change of several keys is asked for. The log and the states are changed in an order in which
//!   every prefix is right; a change of several keys of a table is written down as one value first ([`crate::intent`]);
//! - what was applied before a successful [`Engine::make_durable`] stands, and what is applied later never stands without
//!   what was applied earlier. [Appends](Tree::append) alone may be durable sooner ([`Engine::make_appends_durable`]) than what
//!   else was applied before them: so what is derived from the log, as the states are, is written when that is durable, and nothing in
//!   the log relies on what is not;
//! - a change is visible to every read that begins after it has returned, durable or not;
//! - a [`Scan`] goes on while others write. It shows each key at most once, ascending; of what is applied meanwhile it may show a
//!   part, even half of a [large](Values::Large) value, which its digest tells above;
//! - an engine that failed to write or to make durable need not give anything any more. The store poisons itself and asks no
//!   second time;
//! - one store at a time writes. It holds the **lease** ([`crate::lease`]), a number in a key of `meta` that whoever opens the store makes one
//!   larger by compare-and-swap, and tells the engine ([`Engine::fence`]). An engine that several nodes can have open refuses every
//!   write of a handle with an older number, atomically with the write: a node that was paused and believes itself the writer
//!   changes nothing. sled's directory belongs to one process, so it has nothing to refuse; the engine in memory does refuse.
//!
//! Keys have at most [`MAX_KEY_BYTES`](crate::layout::MAX_KEY_BYTES). How an engine splits a large value is its own affair.

mod chunks;
mod mark;
mod memory;
mod on_sled;
mod packs;
mod syncing;
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

    /// This handle writes as holder of the lease `number` from now on. An engine that others can have open, too, refuses every write of
    /// a handle that was told a lower number than another one.
    fn fence(&self, _number: u64) -> Result<(), Cause> {
        Ok(())
    }

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

    /// Sets the value under `key`.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause>;

    /// Removes `key`, if it is there.
    fn remove(&self, key: &[u8]) -> Result<(), Cause>;

    /// Sets the value under `key`, or without `new` removes it, if it holds `expected` (none: it is not there); says whether
    /// it did.
    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause>;

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
