//! The trees of an engine, opened together: what is missing is made, what a crash left is mended.

use std::{path::Path, sync::Arc};

use crate::{
    Cause, StoreError,
    engine::Engine,
    fold::Fold,
    format, layout,
    log::{Head, Log},
    tables::Tables,
};

/// Every tree of a store; clones are handles to the same.
#[derive(Clone)]
pub struct Trees {
    /// The log.
    pub log: Log,
    /// The states of entities.
    pub fold: Fold,
    /// The tables.
    pub tables: Arc<Tables>,
    /// Where the log began and ended when it was opened.
    pub head: Head,
}

impl Trees {
    /// Opens or makes the trees of `engine`, folds what is missing, and makes what it found durable: what a killed process
    /// wrote may be in the kernel's memory alone, and is about to be shown. `path` is for errors.
    pub fn open(path: &Path, engine: &dyn Engine) -> Result<Self, StoreError> {
        let failed = |step| move |source: Cause| StoreError::Open { path: path.to_path_buf(), step, source };
        let tree = |name| engine.tree(name).map_err(failed("open a tree"));
        format::check_or_begin(path, engine)?;
        let log = Log::open(tree(layout::LOG_TREE)?)?;
        let fold = Fold::new(tree(layout::STATE_TREE)?);
        let tables = Arc::new(Tables::open(engine).map_err(failed("open a tree"))?);
        let missing = || StoreError::CorruptValue { place: layout::LOG_TREE, key: "head".to_owned() };
        let head = log.head()?.ok_or_else(missing)?;
        fold.catch_up(&log, head)?;
        engine.make_durable().map_err(failed("sync what was found"))?;
        Ok(Self { log, fold, tables, head })
    }
}
