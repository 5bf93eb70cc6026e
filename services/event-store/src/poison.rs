//! The one flag that says that nobody knows any more what is on disk.

use std::sync::Arc;

use tokio::sync::watch;

use crate::StoreError;

/// Set by the first write that fails, whoever made it; never taken back. Clones are the same flag.
#[derive(Clone)]
pub struct Poison(Arc<watch::Sender<bool>>);

impl Poison {
    /// Not set.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Whether every write is refused.
    pub fn is_spread(&self) -> bool {
        *self.0.borrow()
    }

    /// Sets it, because of `failed`.
    pub fn spread(&self, failed: &StoreError) {
        if !self.0.send_replace(true) {
            let cause = std::error::Error::source(failed).map(ToString::to_string);
            // The writer's own words, whoever met it: it is the writer that stops.
            tracing::error!(target: "event_store::writer", error = %failed, cause, "the event store takes no more writes until it is opened again");
        }
    }

    /// Turns true when it is set.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}
