//! What the handlers share.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use event_model::{
    AccountName, Subscription,
    delivery::{PendingDelivery, Progress},
    status::AccountStatus,
};
use event_store::{Durability, EventStore, Sealer, StoreError, Table, TableName};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    auth::StoredKey,
    config::{MAX_STREAMS, READY_KEPT},
    idempotency::Record,
    metrics::Metrics,
};

/// A key that no record has: the records of its table have hashes for keys.
const READY_KEY: &str = "ready";

/// What the API is built on.
pub struct Deps {
    /// The log and the key-value state.
    pub store: EventStore,
    /// Seals signing secrets and kept answers.
    pub sealer: Sealer,
    /// How each account stands, as the poller publishes it.
    pub accounts: watch::Receiver<Vec<AccountStatus>>,
    /// What `/metrics` shows.
    pub registry: prometheus::Registry,
    /// Where subscriptions may point.
    pub targets: Arc<dyn TargetPolicy>,
    /// The version that `/` names.
    pub version: String,
}

/// Decides where deliveries may go. The dispatcher's guard is one; it is asked again before each connection.
pub trait TargetPolicy: Send + Sync + 'static {
    /// Refuses `url` with words for the caller: which address, in which range.
    fn check<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), String>>;
}

/// The dependencies, with the tables opened and the counters of what is under way.
pub(crate) struct Api {
    pub deps: Deps,
    pub subscriptions: Table<Subscription>,
    pub progress: Table<Progress>,
    pub pending: Table<PendingDelivery>,
    pub keys: Table<StoredKey>,
    pub answers: Table<Record>,
    pub metrics: Metrics,
    pub stop: CancellationToken,
    /// One permit for each open stream.
    pub streams: Arc<Semaphore>,
    /// Held while a subscription is changed, so that two changes of it never mix. Changes are made by people: rare.
    pub changing: tokio::sync::Mutex<()>,
    claims: Mutex<BTreeSet<String>>,
    ready_at: tokio::sync::Mutex<Option<Instant>>,
}

impl Api {
    pub fn new(deps: Deps, metrics: Metrics, stop: CancellationToken) -> Self {
        Self {
            subscriptions: deps.store.table(TableName::Subscriptions),
            progress: deps.store.table(TableName::Progress),
            pending: deps.store.table(TableName::Pending),
            keys: deps.store.table(TableName::Keys),
            answers: deps.store.table(TableName::Idempotency),
            metrics,
            stop,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            changing: tokio::sync::Mutex::new(()),
            claims: Mutex::new(BTreeSet::new()),
            ready_at: tokio::sync::Mutex::new(None),
            deps,
        }
    }

    /// The configured accounts.
    pub fn account_names(&self) -> Vec<AccountName> {
        self.deps.accounts.borrow().iter().map(|status| status.name.clone()).collect()
    }

    /// Fails unless the store can be read and takes writes.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let mut ready_at = self.ready_at.lock().await;
        if ready_at.is_some_and(|at| at.elapsed() < READY_KEPT) {
            return Ok(());
        }
        *ready_at = None;
        // Nothing has this key, so nothing changes; a store that takes no writes refuses even that.
        self.answers.delete(READY_KEY, Durability::Relaxed).await?;
        *ready_at = Some(Instant::now());
        Ok(())
    }

    /// Takes `key` for one request; `None` while another request holds it.
    pub fn claim(self: &Arc<Self>, key: &str) -> Option<Claim> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.insert(key.to_owned()).then(|| Claim { api: Arc::clone(self), key: key.to_owned() })
    }
}

/// An idempotency key that one request works under, until dropped.
pub(crate) struct Claim {
    api: Arc<Api>,
    key: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.api.claims.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! An API over an empty store, for tests of its parts.

    use event_store::StoreConfig;

    use super::*;

    struct Anywhere;

    impl TargetPolicy for Anywhere {
        fn check<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), String>> {
            Box::pin(async { Ok(()) })
        }
    }

    /// The API, and the directory that goes with it.
    pub(crate) fn api() -> (Arc<Api>, tempfile::TempDir) {
        let directory = tempfile::tempdir().expect("a directory");
        let registry = prometheus::Registry::new();
        let metrics = Metrics::register(&registry).expect("registered");
        let deps = Deps {
            store: EventStore::open(&StoreConfig::at(directory.path())).expect("a store"),
            sealer: Sealer::new([7; 32]),
            accounts: watch::channel(Vec::new()).1,
            registry,
            targets: Arc::new(Anywhere),
            version: "0.0.0".to_owned(),
        };
        (Arc::new(Api::new(deps, metrics, CancellationToken::new())), directory)
    }
}
