//! What the handlers share.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use event_model::{
    AccountName, Replay, Subscription, SubscriptionId,
    delivery::{ERRANDS, PendingDelivery, Progress},
    status::AccountStatus,
};
use event_store::{Durability, EventStore, Sealer, StoreError, Table, TableName};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    config::{MAX_EXPORTS, MAX_STREAMS, READY_KEPT},
    edge,
    idempotency::Record,
    ids::Ids,
    keys::StoredKey,
    limits::Limits,
    metrics::Metrics,
    problem::Refusal,
    watching::Watching,
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
    /// What may be asked of the watching of the accounts.
    pub watching: Arc<dyn Watching>,
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

    /// Asks the endpoint of `subscription`, which is not stored yet, whether it wants the deliveries; words for the caller
    /// when it does not say so. Whoever cannot ask refuses.
    fn challenge<'a>(&'a self, _subscription: &'a Subscription) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Err("no endpoint can be challenged here".to_owned()) })
    }
}

/// The dependencies, with the tables opened and the counters of what is under way.
pub(crate) struct Api {
    pub deps: Deps,
    pub subscriptions: Table<Subscription>,
    pub progress: Table<Progress>,
    pub pending: Table<PendingDelivery>,
    pub replays: Table<Replay>,
    /// Notes for the dispatcher that something was asked of a subscription.
    pub errands: Table<Timestamp>,
    pub keys: Table<StoredKey>,
    pub answers: Table<Record>,
    /// Events by their ids.
    pub ids: Ids,
    pub metrics: Metrics,
    /// How often each caller has asked.
    pub limits: Limits,
    pub stop: CancellationToken,
    /// One permit for each open stream.
    pub streams: Arc<Semaphore>,
    /// One permit for each export.
    pub exports: Arc<Semaphore>,
    /// The permit for work that reads the whole log.
    pub whole_log: Arc<Semaphore>,
    /// Held while a subscription is changed, so that two changes of it never mix. Changes are made by people: rare.
    pub changing: tokio::sync::Mutex<()>,
    claims: Mutex<BTreeSet<String>>,
    readiness: tokio::sync::Mutex<Option<Readiness>>,
}

/// What the store said when it was last asked.
struct Readiness {
    at: Instant,
    ready: bool,
}

impl Api {
    pub fn new(deps: Deps, metrics: Metrics, stop: CancellationToken) -> Self {
        Self {
            subscriptions: deps.store.table(TableName::Subscriptions),
            progress: deps.store.table(TableName::Progress),
            pending: deps.store.table(TableName::Pending),
            replays: deps.store.table(TableName::Replays),
            errands: deps.store.table(TableName::Service),
            keys: deps.store.table(TableName::Keys),
            answers: deps.store.table(TableName::Idempotency),
            ids: Ids::default(),
            metrics,
            limits: Limits::new(),
            stop,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            exports: Arc::new(Semaphore::new(MAX_EXPORTS)),
            whole_log: Arc::new(Semaphore::new(1)),
            changing: tokio::sync::Mutex::new(()),
            claims: Mutex::new(BTreeSet::new()),
            readiness: tokio::sync::Mutex::new(None),
            deps,
        }
    }

    /// The configured accounts.
    pub fn account_names(&self) -> Vec<AccountName> {
        self.deps.accounts.borrow().iter().map(|status| status.name.clone()).collect()
    }

    /// Fails unless the store can be read and takes writes. That it began to fail is logged once, not at each probe.
    pub async fn ready(&self) -> Result<(), Refusal> {
        let mut known = self.readiness.lock().await;
        let ready = match &*known {
            Some(Readiness { at, ready }) if at.elapsed() < READY_KEPT => *ready,
            before => {
                let failing = before.as_ref().is_some_and(|before| !before.ready);
                let ready = self.asked().await.inspect_err(|error| {
                    if !failing {
                        tracing::error!(failure = %edge::chain(error), "the store is not ready");
                    }
                });
                let ready = ready.is_ok();
                *known = Some(Readiness { at: Instant::now(), ready });
                ready
            }
        };
        if ready { Ok(()) } else { Err(Refusal::NotReady) }
    }

    /// Tells whoever delivers that something was asked of the subscription.
    pub async fn ask(&self, id: &SubscriptionId) -> Result<(), StoreError> {
        self.errands.put(&format!("{ERRANDS}{id}"), &Timestamp::now(), Durability::Durable).await
    }

    /// Nothing has this key, so nothing changes; a store that takes no writes refuses even that.
    async fn asked(&self) -> Result<bool, StoreError> {
        self.answers.delete(READY_KEY, Durability::Relaxed).await
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
    //! An API over an empty store, for tests of its parts, and what is logged meanwhile.

    use std::{
        io::{self, Write},
        sync::LazyLock,
    };

    use event_model::{Data, Detection, EntityKind, EventDraft, EventType, Revision, Subject, TimestampSource};
    use event_store::StoreConfig;
    use tracing::{Dispatch, Level, subscriber::DefaultGuard};

    use super::*;
    use crate::{
        caller::Caller,
        keys::ensure_admin_key,
        watching::{Refresh, Released, WatchingRefusal},
    };

    struct Anywhere;

    impl TargetPolicy for Anywhere {
        fn check<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), String>> {
            Box::pin(async { Ok(()) })
        }
    }

    struct NoWatching;

    impl Watching for NoWatching {
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

    /// A report of `acme` that is new.
    pub(crate) fn draft(id: &str) -> EventDraft {
        let at = "2026-04-02T09:14:00Z".parse().expect("a time");
        EventDraft {
            event_type: EventType::ReportCreated,
            timestamp: at,
            account: "acme".parse::<AccountName>().expect("a name"),
            subject: Subject::new(EntityKind::Report, id),
            revision: Revision(1),
            actor: None,
            data: Data { object: serde_json::json!({}), ..Data::default() },
            detection: Detection {
                observed_at: at,
                not_before: None,
                inferred: false,
                timestamp_source: TimestampSource::Observation,
            },
        }
    }

    /// One who may do everything.
    pub(crate) async fn admin(api: &Api) -> Caller {
        ensure_admin_key(&api.deps.store, None).await.expect("a store");
        let all = api.keys.list("").await.expect("read");
        let (record, key) = all.into_iter().next().expect("a key");
        Caller::new(record, key)
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
            watching: Arc::new(NoWatching),
            registry,
            targets: Arc::new(Anywhere),
            version: "0.0.0".to_owned(),
        };
        (Arc::new(Api::new(deps, metrics, CancellationToken::new())), directory)
    }

    /// A subscriber that nobody uses. While there is only one, tracing asks the thread that meets a callsite first whether
    /// it is wanted, and keeps that answer for all: another test's thread, which notes nothing, would say no.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| {
        Dispatch::new(tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_writer(io::sink).finish())
    });

    /// The lines that this test's thread logs; what a test spawns runs there too.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        /// Begins to note them, until the guard is dropped.
        pub fn noted() -> (Self, DefaultGuard) {
            LazyLock::force(&SECOND);
            let lines = Self::default();
            let writer = lines.clone();
            let noting = tracing_subscriber::fmt().with_ansi(false).with_max_level(Level::DEBUG);
            let noting = noting.with_writer(move || writer.clone()).finish();
            (lines, tracing::subscriber::set_default(noting))
        }

        /// Those with these words.
        pub fn with(&self, words: &str) -> Vec<String> {
            let bytes = self.0.lock().expect("lock").clone();
            let text = String::from_utf8(bytes).expect("text");
            text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lock").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn that_the_store_is_not_ready_is_told_once_however_often_it_is_probed() {
        let (api, _directory) = testing::api();
        let (lines, _noting) = testing::Lines::noted();
        api.ready().await.expect("ready");
        api.deps.store.close().await.expect("closed");
        tokio::time::pause();
        for _ in 0..3 {
            tokio::time::advance(READY_KEPT).await;
            assert!(matches!(api.ready().await, Err(Refusal::NotReady)));
            assert!(matches!(api.ready().await, Err(Refusal::NotReady)));
        }
        assert_eq!(lines.with("the store is not ready").len(), 1);
        assert_eq!(lines.with("ERROR").len(), 1);
    }
}
