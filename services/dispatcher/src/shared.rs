//! What all couriers share.

use std::sync::Arc;

use event_model::{Subscription, delivery::PendingDelivery};
use event_store::{EventStore, Sealer, Table, TableName};
use tokio::sync::Semaphore;

use crate::{
    DispatcherConfig, DispatcherError, Metrics, feed::Feed, gate::Gate, metrics::Boards, scribe::Scribe,
    sender::Sender, way::Way,
};

/// Couriers that load at once: each read of the store takes a thread, and ten thousand may start together.
const MAX_LOADING: usize = 8;

pub(crate) struct Shared {
    pub(crate) subscriptions: Table<Subscription>,
    pub(crate) pending: Table<PendingDelivery>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) gate: Gate,
    pub(crate) way: Way,
    /// One permit for each courier that may load what is stored of it.
    pub(crate) loading: Semaphore,
    pub(crate) scribe: Scribe,
    pub(crate) sender: Sender,
    pub(crate) store: EventStore,
    pub(crate) metrics: Metrics,
    pub(crate) boards: Boards,
    pub(crate) config: DispatcherConfig,
}

impl Shared {
    pub(crate) fn new(
        config: DispatcherConfig,
        store: EventStore,
        sealer: Sealer,
        metrics: Metrics,
    ) -> Result<Self, DispatcherError> {
        Ok(Self {
            subscriptions: store.table(TableName::Subscriptions),
            pending: store.table(TableName::Pending),
            feed: Arc::new(Feed::new(&store)),
            gate: Gate::new(config.max_connections),
            way: Way::default(),
            loading: Semaphore::new(MAX_LOADING),
            scribe: Scribe::new(store.table(TableName::Progress)),
            sender: Sender::new(&config, sealer)?,
            store,
            metrics,
            boards: Boards::default(),
            config,
        })
    }
}
