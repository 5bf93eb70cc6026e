//! One sync at a time, and none after one that failed.
//!
//! Linux may drop the pages that it could not write and report success the next time. So whoever comes after a failed sync must not
//! take its own for a proof of what was written before.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::Cause;

/// The turn to sync; remembers that one failed.
#[derive(Default)]
pub struct Syncing(Mutex<bool>);

impl Syncing {
    /// Waits for the turn and does `sync`; or fails as an earlier one did. Who finds nothing to sync must not go on before what another
    /// one took is synced: so that is looked for within `sync`.
    pub fn turn(&self, sync: impl FnOnce() -> Result<(), Cause>) -> Result<(), Cause> {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *failed {
            return Err(Arc::new(io::Error::other("an earlier sync failed")));
        }
        let outcome = sync();
        *failed = outcome.is_err();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_sync_that_failed_none_succeeds() {
        let syncing = Syncing::default();
        syncing.turn(|| Ok(())).expect("synced");
        syncing.turn(|| Err(Arc::new(io::Error::other("the disk")))).expect_err("the disk failed");
        let refused = syncing.turn(|| Ok(())).expect_err("nobody knows what is on the disk");
        assert_eq!(refused.to_string(), "an earlier sync failed");
    }
}
