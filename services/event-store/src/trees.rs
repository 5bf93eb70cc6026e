//! The trees of an engine, opened together: what is missing is made, what a crash left is mended.

use std::{path::Path, sync::Arc};

use crate::{
    Cause, StoreError,
    arrange::Turn,
    engine::{Engine, MARK_FILE, Marked, Values},
    fold::Fold,
    format,
    history::link_at,
    layout,
    lease::Lease,
    log::{Log, Tail, read_failed},
    tables::Tables,
};

/// Every tree of a store; clones are handles to the same.
#[derive(Clone)]
pub struct Trees {
    /// The log.
    pub log: Log,
    /// Who may rewrite its blocks.
    pub turn: Turn,
    /// The states of entities.
    pub fold: Fold,
    /// The tables.
    pub tables: Arc<Tables>,
    /// Where the log ended when it was opened.
    pub tail: Tail,
    /// That this store may write.
    pub lease: Arc<Lease>,
    /// How many rounds of changes the tables have had.
    pub changes: u64,
}

impl Trees {
    /// Opens or makes the trees of `engine`, folds what is missing, and makes what it found durable: what a killed process
    /// wrote may be in the kernel's memory alone, and is about to be shown. `path` is for errors.
    pub fn open(path: &Path, engine: &dyn Engine) -> Result<Self, StoreError> {
        let failed = |step| move |source: Cause| StoreError::Open { path: path.to_path_buf(), step, source };
        format::check_or_begin(path, engine)?;
        // Before anything is looked at: who had the store before writes nothing more.
        let lease = Arc::new(Lease::take(engine)?);
        let tree = |name, values| engine.tree(name, values).map_err(failed("open a tree"));
        let meta = tree(layout::META_TREE, Values::Small)?;
        let log = Log::open(tree(layout::LOG_TREE, Values::Large)?, meta)?;
        let fold = Fold::new(tree(layout::STATE_TREE, Values::Small)?);
        let tables = Arc::new(Tables::open(engine).map_err(failed("open a tree"))?);
        tables.finish()?;
        let marked = engine.marked().map_err(read_failed)?;
        // What is known to have been durable is no half of a commit.
        let durable = fold.folded_up_to()?.max(marked.firmly_up_to());
        let tail = log.mend(durable)?;
        let changes = log.noted(layout::CHANGES_KEY)?.0;
        reaches_its_mark(marked, &log, tail, changes)?;
        if log.horizon() > tail.last {
            // Noted before the blocks below it, which a crash took.
            log.set_horizon(tail.last)?;
        }
        fold.catch_up(&log, tail)?;
        engine.make_durable().map_err(failed("sync what was found"))?;
        Ok(Self { log, turn: Turn::default(), fold, tables, tail, lease, changes })
    }
}

/// Refuses a store that has lost its end: one that was durable further once than it is.
fn reaches_its_mark(marked: Marked, log: &Log, tail: Tail, changes: u64) -> Result<(), StoreError> {
    let mark = match marked {
        Marked::At(mark) => mark,
        Marked::Damaged => return Err(StoreError::CorruptValue { place: MARK_FILE, key: "all of it".to_owned() }),
        Marked::Nothing => return Ok(()),
    };
    let lost = mark.last > tail.last || mark.changes > changes;
    if lost && !mark.firm {
        tracing::error!(durable = %mark.last, last = %tail.last, "the end of the store is lost, as after a power cut at this level of durability");
        return Ok(());
    }
    if mark.last > tail.last {
        return Err(StoreError::Corrupt { sequence: tail.last.next() });
    }
    if mark.changes > changes {
        return Err(StoreError::CorruptValue { place: "tables", key: "what was written last".to_owned() });
    }
    match link_at(log, mark.last)? {
        Some(link) if link != mark.link => {
            Err(StoreError::Unchained { sequence: mark.last, why: "another log was durable here" })
        }
        Some(_) | None => Ok(()),
    }
}
