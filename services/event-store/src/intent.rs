//! How several keys of a table change together on an engine that changes one at a time.
//!
//! All of the change is written down first, as one value: the **intent**. Then its keys are changed one by one, and last the intent
//! goes. What is applied later never stands without what was applied earlier ([`crate::engine`]), so a crash leaves
//!
//! - no intent, and nothing of the change: it was never made;
//! - the intent, and some of the keys: the next start makes the change again, whole. Nothing else was written to a table after
//!   the intent, so doing again what was done changes nothing;
//! - all of the keys and no intent: it was made.
//!
//! Rejected: a batch of several keys, which a replicated key-value store does not have; and a version in every record, by which a
//! reader could tell which of them count, because each read would pay for it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Cause, StoreError, TableName,
    engine::{Engine, Tree, Values},
    frame, layout,
};

/// The changes of one table: by key its new body; none removes it.
pub type Changes = BTreeMap<String, Option<Vec<u8>>>;

/// Says of a body in an intent that it is there, or that the key goes.
const STANDS: u8 = 1;
const GOES: u8 = 0;
/// Bytes of the length of a part.
const LENGTH_BYTES: usize = 4;

/// Where the intent is written down; clones are handles to the same.
#[derive(Clone)]
pub struct Intent {
    tree: Arc<dyn Tree>,
}

impl Intent {
    /// That of the store that `engine` keeps.
    pub fn open(engine: &dyn Engine) -> Result<Self, Cause> {
        Ok(Self { tree: engine.tree(layout::INTENT_TREE, Values::Large)? })
    }

    /// Writes down that `table` is to be changed so.
    pub fn begin(&self, table: TableName, changes: &Changes) -> Result<(), StoreError> {
        let value = frame::seal(layout::INTENT_KEY, &encode(table, changes));
        self.tree.put(layout::INTENT_KEY, &value).map_err(write_failed)
    }

    /// The change is made.
    pub fn done(&self) -> Result<(), StoreError> {
        self.tree.remove(layout::INTENT_KEY).map_err(write_failed)
    }

    /// What was begun and perhaps not done.
    pub fn pending(&self) -> Result<Option<(TableName, Changes)>, StoreError> {
        let Some(value) = self.tree.get(layout::INTENT_KEY).map_err(read_failed)? else { return Ok(None) };
        let changes = frame::open(layout::INTENT_KEY, &value).and_then(decode);
        let corrupt = || StoreError::CorruptValue { place: layout::INTENT_TREE, key: "change".to_owned() };
        changes.map(Some).ok_or_else(corrupt)
    }
}

/// Bytes that an intent takes for a change of `key` to `body`.
pub fn size(key: &str, body: Option<&[u8]>) -> usize {
    LENGTH_BYTES + key.len() + 1 + body.map_or(0, |body| LENGTH_BYTES + body.len())
}

/// ```text
/// length u32 ‖ name of the table, then per change: length u32 ‖ key ‖ 0: it goes, or 1 ‖ length u32 ‖ body
/// ```
fn encode(table: TableName, changes: &Changes) -> Vec<u8> {
    let size: usize = changes.iter().map(|(key, body)| size(key, body.as_deref())).sum();
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + table.as_str().len() + size);
    put(&mut bytes, table.as_str().as_bytes());
    for (key, body) in changes {
        put(&mut bytes, key.as_bytes());
        match body {
            Some(body) => {
                bytes.push(STANDS);
                put(&mut bytes, body);
            }
            None => bytes.push(GOES),
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("keys and bodies are bounded by MAX_RECORD_BYTES");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
}

fn decode(bytes: &[u8]) -> Option<(TableName, Changes)> {
    let mut rest = bytes;
    let table = take(&mut rest)?;
    let table = TableName::ALL.into_iter().find(|name| name.as_str().as_bytes() == table)?;
    let mut changes = Changes::new();
    while !rest.is_empty() {
        let key = std::str::from_utf8(take(&mut rest)?).ok()?.to_owned();
        let (kind, after) = rest.split_first()?;
        rest = after;
        let body = match *kind {
            STANDS => Some(take(&mut rest)?.to_vec()),
            GOES => None,
            _ => return None,
        };
        changes.insert(key, body);
    }
    Some((table, changes))
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(part)
}

fn read_failed(source: Cause) -> StoreError {
    StoreError::Read { what: "the change of a table that was begun", source }
}

fn write_failed(source: Cause) -> StoreError {
    StoreError::Commit { step: "write down the change of a table", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_reads_back_and_no_part_of_it_passes_for_one_that_was_cut() {
        let changes = Changes::from([
            ("a".to_owned(), Some(b"1".to_vec())),
            ("b/é".to_owned(), None),
            ("c".to_owned(), Some(Vec::new())),
        ]);
        for table in TableName::ALL {
            let bytes = encode(table, &changes);
            let sizes: usize = changes.iter().map(|(key, body)| size(key, body.as_deref())).sum();
            assert_eq!(bytes.len(), LENGTH_BYTES + table.as_str().len() + sizes);
            assert_eq!(decode(&bytes), Some((table, changes.clone())));
            let cut: Vec<_> = (0..bytes.len()).filter_map(|length| decode(&bytes[..length])).collect();
            assert!(cut.iter().all(|(_, found)| found.len() < changes.len()), "only whole changes: {cut:?}");
        }
        assert_eq!(decode(b"\0\0\0\x04none"), None);
    }
}
