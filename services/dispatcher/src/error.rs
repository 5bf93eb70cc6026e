//! What can go wrong.

use std::io;

use event_model::SubscriptionId;
use event_store::{SealError, StoreError};

/// The dispatcher cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DispatcherError {
    /// TLS could not be set up: most often, this machine has no CA certificates.
    #[error("could not set up TLS for deliveries")]
    Client(#[source] rustls::Error),
    /// The threads that deliver could not be started.
    #[error("could not start the threads that deliver")]
    Threads(#[source] io::Error),
    /// One of them ended, and what ran on it.
    #[error("a thread that delivers has ended")]
    ThreadEnded,
    /// The store failed.
    #[error("could not read the subscriptions")]
    Store(#[source] StoreError),
}

/// Delivery to one subscription stopped; it is started again after a while, from what is stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CourierError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A signing secret or a header does not open: most often, the sealing key is another one.
    #[error("a signing secret or a header of {subscription} cannot be opened")]
    Secret {
        subscription: SubscriptionId,
        #[source]
        source: SealError,
    },
}
