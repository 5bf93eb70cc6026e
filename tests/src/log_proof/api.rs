//! The HTTP interface over a store and nothing else: no accounts, no subscribers to guard.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Result, ensure};
use event_model::AccountName;
use event_store::{EventStore, Sealer};
use futures_util::future::BoxFuture;
use http_api::{Deps, Metrics, Refresh, Released, TargetPolicy, Watching, WatchingRefusal};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

/// The key that everything is asked with.
pub const KEY: &str = "ew_proof_0123456789abcdef0123456789abcdef";

/// The interface while it serves.
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), http_api::ApiError>>,
}

impl Served {
    /// Serves `store` on a free port of this machine.
    pub async fn start(store: EventStore) -> Result<Self> {
        let made = http_api::ensure_admin_key(&store, Some(KEY)).await?;
        ensure!(made.is_none(), "another key was made");
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry)?;
        let deps = Deps {
            store,
            sealer: Sealer::new([7; 32]),
            accounts: watch::channel(Vec::new()).1,
            watching: Arc::new(Nothing),
            registry,
            targets: Arc::new(Nothing),
            version: "0.0.0".to_owned(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let serving = tokio::spawn(http_api::serve(listener, deps, metrics, stop.clone()));
        Ok(Self { address, stop, serving })
    }

    /// Ends it.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.serving.await??)
    }
}

/// Nobody asks it anything.
struct Nothing;

impl TargetPolicy for Nothing {
    fn check<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Err("no target is allowed here".to_owned()) })
    }
}

impl Watching for Nothing {
    fn refresh<'a>(&'a self, _: &'a AccountName, _: Refresh) -> BoxFuture<'a, Result<(), WatchingRefusal>> {
        Box::pin(async { Err(WatchingRefusal::Stopped) })
    }

    fn release<'a>(
        &'a self,
        _: &'a AccountName,
        _: &'a str,
        _: u64,
    ) -> BoxFuture<'a, Result<Released, WatchingRefusal>> {
        Box::pin(async { Err(WatchingRefusal::Stopped) })
    }
}
