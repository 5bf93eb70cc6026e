//! The layout on disk, version 3: names of trees, keys, bounds. `schemas/store-layout.md` says the same in prose.
//!
//! Keys are typed by their first byte and big-endian, so that their order is the order of sequences.
//!
//! # Why values are bounded
//!
//! sled writes a message of its log that is larger than a quarter of a segment into a file of its own under `blobs/`.
//! Neither its `flush` nor our fdatasync of `db` reaches that file: of stores that had one, none opened after a power
//! cut. A message is not only a value: sled rewrites whole leaves, so the bound is on the largest **leaf**. A leaf
//! splits before the next insert once it has more than 16 items and takes up the items of a neighbour that has fewer
//! than 4: 20 at most ([`LEAF_ITEMS`]). An inner node holds keys only, 256 and again a neighbour of up to 63.
//! The assertions below hold those products under the quarter with room to spare; a test looks for files in `blobs/`.

use event_model::{AccountName, EntityKind, Sequence, Subject};

/// The version of this layout.
pub const FORMAT: u32 = 3;

/// sled's unit of allocation and of its write buffer. Fixed for the life of a directory.
pub const SEGMENT_BYTES: usize = 4 << 20;
/// No value under any key of any tree is larger; see the head of this file.
pub const MAX_VALUE_BYTES: usize = 32 << 10;
/// No key is longer.
pub const MAX_KEY_BYTES: usize = 1 << 10;
/// Largest record that is split into values: 64 MiB, far above any report; a length beyond it is damage, not data.
pub const MAX_RECORD_BYTES: usize = 64 << 20;

/// Most items of a leaf of sled's tree.
const LEAF_ITEMS: usize = 20;
/// Most keys of an inner node of sled's tree.
const INDEX_KEYS: usize = 320;
/// What sled adds to an item or a message at most: lengths as varints, page ids, headers.
const ITEM_OVERHEAD_BYTES: usize = 64;
/// sled's bound on a message; the assertions keep a quarter of it free.
const MESSAGE_BYTES: usize = SEGMENT_BYTES / 4;
const _: () = assert!(LEAF_ITEMS * (MAX_VALUE_BYTES + MAX_KEY_BYTES + ITEM_OVERHEAD_BYTES) < MESSAGE_BYTES * 3 / 4);
const _: () = assert!(INDEX_KEYS * (MAX_KEY_BYTES + ITEM_OVERHEAD_BYTES) < MESSAGE_BYTES * 3 / 4);

/// Tree of the format version.
pub const META_TREE: &str = "meta";
/// Tree of the log: the truth.
pub const LOG_TREE: &str = "log";
/// Tree of the entities' states: a fold of the log.
pub const STATE_TREE: &str = "state";

/// Tree of a change of several keys while it is made; see [`crate::intent`].
pub const INTENT_TREE: &str = "intent";

/// In `intent`: the only key.
pub const INTENT_KEY: &[u8] = b"change";
/// In `meta`: the format, u32.
pub const FORMAT_KEY: &[u8] = b"format";
/// In `meta`: the horizon of the log, framed u64.
pub const HORIZON_KEY: &[u8] = b"horizon";
/// In `meta`: the sequence up to which no two blocks should be merged any more, framed u64. A hint.
pub const ARRANGED_KEY: &[u8] = b"arranged";
/// In `meta`: the number of the newest lease, framed u64; see [`crate::lease`].
pub const LEASE_KEY: &[u8] = b"lease";
/// In `meta`: rounds of changes to tables, framed u64; see [`crate::engine::Mark`].
pub const CHANGES_KEY: &[u8] = b"changes";
/// In `state`: the sequence that the states are folded up to.
pub const HEAD_KEY: &[u8] = &[0];
/// First byte of every other key of `state`, and of the events of `log` in version 1.
pub const ITEM: u8 = 1;
/// First byte of the blocks in `log`.
const BLOCK: u8 = 2;
/// The first of those other keys, and below all of them.
pub const AFTER_HEAD: &[u8] = &[ITEM];
/// Between the parts of a key, none of which contains it.
const SEPARATOR: u8 = 0;

/// Bytes of the chunk number that ends a key.
pub const CHUNK_NUMBER_BYTES: usize = 4;

/// The key of `chunk` of the record under `key`.
pub fn chunk_key(key: &[u8], chunk: u32) -> Vec<u8> {
    [key, &chunk.to_be_bytes()].concat()
}

/// Whether `found` is the key of `chunk` of the record under `key`.
pub fn is_chunk_key(found: &[u8], key: &[u8], chunk: u32) -> bool {
    found.strip_prefix(key) == Some(&chunk.to_be_bytes())
}

/// Bytes of the key of a block.
pub const BLOCK_KEY_BYTES: usize = 9;

/// The key in `log` of the block whose last sequence is `last`.
pub fn block_key(last: Sequence) -> [u8; BLOCK_KEY_BYTES] {
    let mut key = [BLOCK; BLOCK_KEY_BYTES];
    key[1..].copy_from_slice(&last.0.to_be_bytes());
    key
}

/// The last sequence of the block under `key`; none if it is the key of no block.
pub fn block_last(key: &[u8]) -> Option<Sequence> {
    let last = key.strip_prefix(&[BLOCK])?.try_into().ok()?;
    Some(Sequence(u64::from_be_bytes(last)))
}

/// The key of an entity in `state`.
pub fn entity_key(account: &AccountName, subject: &Subject) -> Vec<u8> {
    let mut key = kind_prefix(account, subject.kind);
    key.extend_from_slice(subject.id.as_bytes());
    key
}

/// The entity under `key` in `state`; none if it is the key of no entity.
pub fn entity_of(key: &[u8]) -> Option<(AccountName, Subject)> {
    let text = std::str::from_utf8(key.strip_prefix(&[ITEM])?).ok()?;
    let mut parts = text.splitn(3, '\0');
    let (account, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = EntityKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    Some((account.parse().ok()?, Subject::new(kind, id)))
}

/// What the keys of all entities of a kind begin with.
pub fn kind_prefix(account: &AccountName, kind: EntityKind) -> Vec<u8> {
    let mut key = vec![ITEM];
    key.extend_from_slice(account.as_str().as_bytes());
    key.push(SEPARATOR);
    key.extend_from_slice(kind.as_str().as_bytes());
    key.push(SEPARATOR);
    key
}

/// A key after those of all entities of `account`, and before those of any later one.
pub fn after_account(account: &AccountName) -> Vec<u8> {
    [&[ITEM], account.as_str().as_bytes(), &[SEPARATOR + 1]].concat()
}

/// The key of a table's record.
pub fn table_key(key: &str) -> Vec<u8> {
    [key.as_bytes(), &[SEPARATOR]].concat()
}

/// The key that a table's user gave, from [`table_key`]; none if it is no such key.
pub fn user_key(stored: &[u8]) -> Option<&str> {
    let key = stored.strip_suffix(&[SEPARATOR])?;
    std::str::from_utf8(key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_sort_by_their_last_sequence_and_the_head_comes_first() {
        let keys = [1, 255, 256, u64::MAX].map(|last| block_key(Sequence(last)));
        assert!(keys.is_sorted() && HEAD_KEY < &keys[0][..]);
        assert_eq!(keys.map(|key| block_last(&key).expect("a block").0), [1, 255, 256, u64::MAX]);
        assert_eq!((block_last(HEAD_KEY), block_last(&[ITEM; 9])), (None, None));
    }

    #[test]
    fn table_keys_sort_as_the_keys_of_their_users_and_read_back() {
        let keys = ["a", "a/1", "a0", "aa", "b", "é"];
        let stored: Vec<_> = keys.iter().map(|k| table_key(k)).collect();
        assert!(stored.is_sorted());
        assert_eq!(stored.iter().filter_map(|k| user_key(k)).collect::<Vec<_>>(), keys);
        assert_eq!(user_key(b"a"), None);
    }

    #[test]
    fn no_entity_lies_under_the_prefix_of_another_account_or_kind() {
        let (short, long) = ("a".parse().expect("name"), "a-b".parse().expect("name"));
        let key = entity_key(&long, &Subject::new(EntityKind::Report, "1"));
        assert!(!key.starts_with(&kind_prefix(&short, EntityKind::Report)));
        assert!(key.starts_with(&kind_prefix(&long, EntityKind::Report)));
        assert!(!key.starts_with(&kind_prefix(&long, EntityKind::Expense)));
    }
}
