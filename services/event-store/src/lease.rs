//! Who writes: the holder of the newest lease.
//!
//! A lease is a number in one key of `meta`. Opening a store makes it one larger by compare-and-swap and durable before anything is
//! acknowledged, so of two that open at once each has its own, and a number is never given twice. It is a **fencing number**: the
//! engine is told ([`Engine::fence`]), and one that several nodes share refuses writes under an older one. The writer looks, too,
//! before each commit: an engine with one process to a directory has nothing to refuse, and whoever lost the store
//! should hear so by name. A lease has no time to live: what a clock says of another node is no reason to write.
//!
//! Rejected: to look before writing and no more. Between the look and the write the other one may have begun.

use std::sync::Arc;

use crate::{
    Cause, StoreError,
    engine::{Engine, Tree, Values},
    frame, layout,
    log::read_failed,
};

/// How often it is tried while others open the same store, each of them just then: more is a loop and no coincidence.
const ATTEMPTS: u32 = 64;

/// A lease that was taken.
pub struct Lease {
    meta: Arc<dyn Tree>,
    number: u64,
    /// What is kept of it.
    record: Vec<u8>,
}

impl Lease {
    /// Takes the next one of the store that `engine` keeps, and fences off who had it before. Durable with what is next.
    pub fn take(engine: &dyn Engine) -> Result<Self, StoreError> {
        let failed = |source: Cause| StoreError::Commit { step: "take the lease of the store", source };
        let meta = engine.tree(layout::META_TREE, Values::Small).map_err(read_failed)?;
        for _ in 0..ATTEMPTS {
            let found = meta.get(layout::LEASE_KEY).map_err(read_failed)?;
            let number = number(found.as_deref())?.checked_add(1).ok_or_else(corrupt)?;
            let record = frame::seal(layout::LEASE_KEY, &number.to_be_bytes());
            if meta.compare_and_swap(layout::LEASE_KEY, found.as_deref(), Some(&record)).map_err(failed)? {
                engine.fence(number).map_err(failed)?;
                return Ok(Self { meta, number, record });
            }
        }
        let (table, key) = (layout::META_TREE, String::from_utf8_lossy(layout::LEASE_KEY).into_owned());
        Err(StoreError::Contended { table, key, attempts: ATTEMPTS })
    }

    /// Whether it is still the newest.
    ///
    /// Errors: [`StoreError::Superseded`] if not.
    pub fn check(&self) -> Result<(), StoreError> {
        let found = self.meta.get(layout::LEASE_KEY).map_err(read_failed)?;
        if found.as_ref() == Some(&self.record) {
            return Ok(());
        }
        let newest = number(found.as_deref())?;
        Err(StoreError::Superseded { held: self.number, newest })
    }
}

/// The number that `found` keeps; 0 if nobody had a lease yet.
fn number(found: Option<&[u8]>) -> Result<u64, StoreError> {
    let Some(value) = found else { return Ok(0) };
    let body = frame::open(layout::LEASE_KEY, value).and_then(|body| body.try_into().ok());
    body.map(u64::from_be_bytes).ok_or_else(corrupt)
}

fn corrupt() -> StoreError {
    StoreError::CorruptValue { place: layout::META_TREE, key: "lease".to_owned() }
}
