//! The format version of the data: looked at before anything else, written last.

use std::path::Path;

use event_model::Sequence;

use crate::{
    Cause, StoreError,
    engine::{Engine, Marked, Values},
    layout, migrate,
};

/// The layout that kept all blocks in the tree of the log.
const BLOCKS_IN_TREE: u32 = 2;

/// Refuses data whose format is later than ours, and leaves it as it is; brings data of an earlier one to ours; writes our format
/// where there is none, durably. `path` is for errors.
pub fn check_or_begin(path: &Path, engine: &dyn Engine) -> Result<(), StoreError> {
    let failed = |step| move |source: Cause| StoreError::Open { path: path.to_path_buf(), step, source };
    let meta = engine.tree(layout::META_TREE, Values::Small).map_err(failed("open a tree"))?;
    let stored = meta.get(layout::FORMAT_KEY).map_err(failed("read the format"))?;
    match stored.as_deref().map(version).transpose()? {
        Some(layout::FORMAT) => return migrate::finish(engine),
        Some(migrate::FROM) => migrate::run(engine)?,
        // All of it is in the tree, where it is still read. A program that knows no other place must not open it from here on.
        Some(BLOCKS_IN_TREE) => {}
        Some(found) => {
            return Err(StoreError::NewerFormat { path: path.to_path_buf(), found, known: layout::FORMAT });
        }
        None if !is_new(engine)? || was_more(engine)? => return Err(damaged()),
        None => {}
    }
    meta.put(layout::FORMAT_KEY, &layout::FORMAT.to_be_bytes()).map_err(failed("write the format"))?;
    engine.make_durable().map_err(failed("make the new store durable"))?;
    migrate::finish(engine)
}

/// Whether there is nothing yet: no log, or one of version 1 that was just being made.
fn is_new(engine: &dyn Engine) -> Result<bool, StoreError> {
    let log = engine.tree(layout::LOG_TREE, Values::Small).map_err(crate::log::read_failed)?;
    let last = log.last().map_err(crate::log::read_failed)?;
    Ok(last.is_none_or(|(key, value)| migrate::is_empty_head(&key, &value)))
}

/// Whether the mark knows of events or changes.
fn was_more(engine: &dyn Engine) -> Result<bool, StoreError> {
    Ok(match engine.marked().map_err(crate::log::read_failed)? {
        Marked::At(mark) => mark.firm && (mark.last > Sequence::START || mark.changes > 0),
        Marked::Damaged => true,
        Marked::Nothing => false,
    })
}

fn version(value: &[u8]) -> Result<u32, StoreError> {
    let value = value.try_into().map_err(|_| damaged())?;
    match u32::from_be_bytes(value) {
        0 => Err(damaged()),
        version => Ok(version),
    }
}

fn damaged() -> StoreError {
    StoreError::CorruptValue { place: layout::META_TREE, key: "format".to_owned() }
}
