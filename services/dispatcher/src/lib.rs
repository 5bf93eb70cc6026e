#![doc = include_str!("../README.md")]

mod config;
mod courier;
pub mod cursors;
mod error;
pub mod guard;
mod headers;
mod metrics;
mod notices;
mod sender;
mod shared;
pub mod signature;
mod supervisor;

use std::sync::Arc;

pub use change_engine::delivery::{Limits, Schedule};
use event_store::{EventStore, Sealer};
use tokio_util::sync::CancellationToken;

pub use self::{config::DispatcherConfig, error::DispatcherError, metrics::Metrics};

/// Delivers the log of `store` to its active subscriptions until `stop`, then returns within 3 seconds.
///
/// Reads the log and the table of subscriptions; writes the tables of progress and of pending deliveries; disables a
/// subscription whose receiver is gone; appends `subscription.disabled` and `subscription.exhausted`. Secrets are opened
/// with `sealer` (associated text: the subscription's id) for one attempt at a time.
///
/// # Errors
/// When it cannot start. Later failures are logged and concern one subscription, which is taken up again after a pause.
pub async fn run(
    config: DispatcherConfig,
    store: EventStore,
    sealer: Sealer,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), DispatcherError> {
    let shared = Arc::new(shared::Shared::new(config, store, sealer, metrics)?);
    supervisor::Supervisor::new(shared, stop).run().await.map_err(DispatcherError::Store)
}
