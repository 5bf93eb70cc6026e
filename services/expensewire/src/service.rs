//! The service, composed: store, poller, dispatcher and API, started in this order, watched, and drained.
//!
//! Each part is a task. None of them ends before it is told to; one that does takes the others with it, and the process
//! ends with an error that names it, so that whoever supervises the process starts it afresh. The store is such a part: when
//! it takes no more writes nothing can be done but to open it anew. Stopping takes less than five seconds (`STOP_LIMIT` and
//! `CLOSE_LIMIT`), clients connected or not.

mod gauges;
mod keeper;
mod parts;
mod sealer;
#[cfg(test)]
mod tests;
mod traces;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Error, Result, anyhow, ensure};
use event_store::{DurabilityLevel, EventStore, StoreConfig};
use parts::{Ended, Parts};
use prometheus::Registry;
use secrecy::ExposeSecret;
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Durability};

/// From the wish to stop to the end of every part.
const STOP_LIMIT: Duration = Duration::from_secs(4);
/// The store's last flush, on top.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// The file in a store's directory that says that a backup is being restored into it: half of it is no store to work on.
pub const RESTORING: &str = "restoring";

/// The running service.
pub struct Service {
    address: SocketAddr,
    new_admin_key: Option<String>,
    store: EventStore,
    parts: JoinSet<Ended>,
    stop: CancellationToken,
}

impl Service {
    /// Starts everything that `config` says. When this returns the API answers.
    ///
    /// # Errors
    /// What could not be opened or bound; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self> {
        let listener = TcpListener::bind(config.server.listen)
            .await
            .with_context(|| format!("listening on {} (server.listen)", config.server.listen))?;
        let address = listener.local_addr().context("the address listened on")?;
        let store = open_store(&config).await?;
        let sealer = sealer::open(&config.security, &store).await?;
        let configured_key = config.security.admin_key.as_ref().map(ExposeSecret::expose_secret);
        let new_admin_key = http_api::ensure_admin_key(&store, configured_key).await.context("the admin key")?;
        let accounts = config.accounts.len();
        let stop = CancellationToken::new();
        let parts = Parts::new(config, store.clone(), sealer, Registry::new(), stop.clone()).spawn_all(listener)?;
        tracing::info!(%address, accounts, "expensewire is up");
        Ok(Self { address, new_admin_key, store, parts, stop })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin key that was made by this start, to be shown once; `None` when there was one.
    pub fn new_admin_key(&self) -> Option<&str> {
        self.new_admin_key.as_deref()
    }

    /// Runs until `asked` to stop, then drains.
    ///
    /// # Errors
    /// The first part that ended by itself, failed while stopping, or did not stop in time.
    pub async fn run_until(mut self, asked: impl Future<Output = ()>) -> Result<()> {
        let mut failure = tokio::select! {
            biased;
            () = asked => None,
            Some(ended) = self.parts.join_next() => Some(ended_early(ended)),
        };
        tracing::info!("stopping");
        self.stop.cancel();
        let drained = timeout(STOP_LIMIT, drain(&mut self.parts)).await;
        self.parts.abort_all();
        failure = failure.or(drained.unwrap_or_else(|_| Some(anyhow!("a part did not stop within {STOP_LIMIT:?}"))));
        failure = failure.or(close(self.store).await.err());
        failure.map_or(Ok(()), Err)
    }
}

fn ended_early(ended: Result<Ended, JoinError>) -> Error {
    match ended {
        Ok((name, Ok(()))) => anyhow!("the {name} ended without being asked to"),
        Ok((name, Err(error))) => error.context(format!("the {name} failed")),
        Err(panic) => Error::new(panic).context("a part of the service panicked"),
    }
}

/// Waits for every part; answers the first failure.
async fn drain(parts: &mut JoinSet<Ended>) -> Option<Error> {
    let mut failure = None;
    while let Some(ended) = parts.join_next().await {
        let failed = match ended {
            Ok((_, Ok(()))) => None,
            Ok((name, Err(error))) => Some(error.context(format!("the {name} failed while stopping"))),
            Err(panic) => Some(Error::new(panic).context("a part of the service panicked while stopping")),
        };
        failure = failure.or(failed);
    }
    failure
}

/// Closes the store and lets go of its directory. Letting go waits for the disk too, so it is done on a thread that can be
/// left behind.
async fn close(store: EventStore) -> Result<()> {
    let closed = async {
        let closed = store.close().await.context("closing the store");
        closed.and(tokio::task::spawn_blocking(move || drop(store)).await.context("letting go of the store"))
    };
    timeout(CLOSE_LIMIT, closed).await.map_err(|_| anyhow!("the store did not close within {CLOSE_LIMIT:?}"))?
}

async fn open_store(config: &Config) -> Result<EventStore> {
    let durability = match config.store.durability {
        Durability::PowerLoss => DurabilityLevel::PowerLoss,
        Durability::ProcessCrash => DurabilityLevel::ProcessCrash,
    };
    let path = &config.store.path;
    ensure!(
        !path.join(RESTORING).exists(),
        "a backup is being restored into {}: run `expensewire restore` again to its end",
        path.display()
    );
    let store = StoreConfig { durability, ..StoreConfig::at(&config.store.path) };
    let opened = tokio::task::spawn_blocking(move || EventStore::open(&store)).await.context("opening the store")?;
    opened.with_context(|| format!("opening the store at {} (store.path)", config.store.path.display()))
}
