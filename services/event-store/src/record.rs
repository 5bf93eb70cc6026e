//! Records in a tree: bodies of any size within the bound of a record, as chunks under numbered keys; see [`frame`].

use crate::{
    Cause,
    engine::{Batch, Scan, Tree},
    frame::{self, Partial},
    layout,
};

/// Why a record was not read.
pub enum Unread {
    /// A chunk is missing, or the body is not what was written.
    Damaged,
    /// The engine failed.
    Failed(Cause),
}

impl From<Cause> for Unread {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause)
    }
}

/// Adds to `batch` what writes `body` as the record under `key`.
pub fn put(batch: &mut Batch, key: &[u8], body: &[u8]) {
    for (chunk, value) in (0..).zip(frame::split(key, body)) {
        batch.insert(layout::chunk_key(key, chunk), value);
    }
}

/// The body of the record under `key`; none if there is no record.
pub fn get(tree: &dyn Tree, key: &[u8]) -> Result<Option<Vec<u8>>, Unread> {
    let Some(first) = tree.get(&layout::chunk_key(key, 0))? else { return Ok(None) };
    let mut partial = Partial::start(&first).ok_or(Unread::Damaged)?;
    for number in 1.. {
        if partial.is_whole() {
            break;
        }
        let chunk = tree.get(&layout::chunk_key(key, number))?.ok_or(Unread::Damaged)?;
        partial.push(&chunk).ok_or(Unread::Damaged)?;
    }
    partial.finish(key).ok_or(Unread::Damaged).map(Some)
}

/// The body of the record under `key` that `scan` gives next.
pub fn next(scan: &mut dyn Scan, key: &[u8]) -> Result<Vec<u8>, Unread> {
    let mut partial = Partial::start(chunk(scan, key, 0)?).ok_or(Unread::Damaged)?;
    rest(scan, key, &mut partial)?;
    partial.finish(key).ok_or(Unread::Damaged)
}

/// Adds the chunks after the first to `partial`, as long as it wants some.
pub fn rest(scan: &mut dyn Scan, key: &[u8], partial: &mut Partial) -> Result<(), Unread> {
    for number in 1.. {
        if partial.is_whole() {
            break;
        }
        partial.push(chunk(scan, key, number)?).ok_or(Unread::Damaged)?;
    }
    Ok(())
}

fn chunk<'a>(scan: &'a mut dyn Scan, key: &[u8], number: u32) -> Result<&'a [u8], Unread> {
    match scan.next()? {
        Some((found, value)) if layout::is_chunk_key(found, key, number) => Ok(value),
        _ => Err(Unread::Damaged),
    }
}
