//! The format version of a directory: looked at before anything else, written last.

use std::path::Path;

use crate::{
    StoreError,
    disk::{Disk, cause},
    layout,
    log::{Head, Log, LogBatch},
};

/// Refuses a directory whose format is not ours, and leaves it as it is; writes an empty log and our format into a new
/// one, durably.
///
/// The log's head goes first: where the format stands, the directory is complete. One that has neither, or an empty log
/// only, is new, or was being made when the process ended.
pub fn check_or_begin(path: &Path, disk: &Disk) -> Result<(), StoreError> {
    let meta = disk.tree(layout::META_TREE)?;
    let failed =
        |step| move |error: sled::Error| StoreError::Open { path: path.to_path_buf(), step, source: cause(error) };
    if let Some(value) = meta.get(layout::FORMAT_KEY).map_err(failed("read the format"))? {
        return check(path, &value);
    }
    let log = Log::open(disk)?;
    match log.head()? {
        Some(head) if head == Head::default() => {}
        None if log.is_blank() => log.write(LogBatch::default(), Head::default())?,
        _ => return Err(damaged()),
    }
    meta.insert(layout::FORMAT_KEY, &layout::FORMAT.to_be_bytes()).map_err(failed("write the format"))?;
    let step = "make the new store durable";
    disk.make_durable().map_err(|source| StoreError::Open { path: path.to_path_buf(), step, source })
}

fn check(path: &Path, value: &[u8]) -> Result<(), StoreError> {
    let value = value.try_into().map_err(|_| damaged())?;
    match u32::from_be_bytes(value) {
        layout::FORMAT => Ok(()),
        0 => Err(damaged()),
        found => Err(StoreError::NewerFormat { path: path.to_path_buf(), found, known: layout::FORMAT }),
    }
}

fn damaged() -> StoreError {
    StoreError::CorruptValue { place: layout::META_TREE, key: "format".to_owned() }
}
