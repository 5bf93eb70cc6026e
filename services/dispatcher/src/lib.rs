#![doc = include_str!("../README.md")]

pub mod challenge;
mod config;
mod courier;
pub mod cursors;
mod error;
mod feed;
mod format;
mod gate;
pub mod guard;
mod headers;
mod metrics;
mod notices;
mod scribe;
mod sender;
mod shared;
pub mod signature;
pub mod single;
mod supervisor;
mod target;
mod threads;
mod trace;
mod way;
mod wire;

use std::sync::Arc;

pub use change_engine::delivery::{Limits, Patience, Schedule};
use event_store::{EventStore, Sealer};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::{config::DispatcherConfig, courier::Kept, error::DispatcherError, metrics::Metrics};

/// Delivers the log of `store` to its active subscriptions until `stop`, then returns within 3 seconds.
///
/// Reads the log and the table of subscriptions; writes the tables of progress and of pending deliveries; disables a
/// subscription whose receiver is gone; appends `subscription.disabled` and `subscription.exhausted`. Secrets are opened
/// with `sealer` (associated text: the subscription's id) and wiped when nothing is in flight to their subscription.
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
    // Dropped at the end, or with this future: then they end too.
    let mut helpers = JoinSet::new();
    let (reading, ahead) = (Arc::clone(&shared), Arc::clone(&shared));
    helpers.spawn(async move { reading.feed.follow().await });
    helpers.spawn(async move { ahead.feed.read_ahead().await });
    let (writing, closing) = (Arc::clone(&shared), Arc::clone(&shared));
    helpers.spawn(async move { writing.scribe.run().await });
    helpers.spawn(async move { closing.sender.close_idle().await });
    let threads = threads::Threads::start().map_err(DispatcherError::Threads)?;
    let ended = tokio::select! {
        ended = supervisor::Supervisor::new(Arc::clone(&shared), &threads, stop).run() => ended.map_err(DispatcherError::Store),
        () = threads.one_ended() => Err(DispatcherError::ThreadEnded),
    };
    threads.stop().await;
    helpers.shutdown().await;
    // The couriers have told the scribe where they stand.
    let written = shared.scribe.flush().await;
    ended.and(written.map_err(DispatcherError::Store))
}
