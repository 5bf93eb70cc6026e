//! The format version of the data: looked at before anything else, written last.

use std::path::Path;

use crate::{
    Cause, StoreError,
    engine::{Batch, Engine},
    layout,
    log::{Head, Log, LogBatch},
};

/// Refuses data whose format is not ours, and leaves it as it is; writes an empty log and our format where there is none,
/// durably. `path` is for errors.
///
/// The log's head goes first: where the format stands, the data is complete. What has neither, or an empty log
/// only, is new, or was being made when the process ended.
pub fn check_or_begin(path: &Path, engine: &dyn Engine) -> Result<(), StoreError> {
    let failed = |step| move |source: Cause| StoreError::Open { path: path.to_path_buf(), step, source };
    let meta = engine.tree(layout::META_TREE).map_err(failed("open a tree"))?;
    if let Some(value) = meta.get(layout::FORMAT_KEY).map_err(failed("read the format"))? {
        return check(path, &value);
    }
    let log = Log::open(engine.tree(layout::LOG_TREE).map_err(failed("open a tree"))?)?;
    match log.head()? {
        Some(head) if head == Head::default() => {}
        None if log.is_blank()? => log.write(LogBatch::default(), Head::default())?,
        _ => return Err(damaged()),
    }
    let mut format = Batch::default();
    format.insert(layout::FORMAT_KEY, layout::FORMAT.to_be_bytes());
    meta.apply(format).map_err(failed("write the format"))?;
    engine.make_durable().map_err(failed("make the new store durable"))
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
