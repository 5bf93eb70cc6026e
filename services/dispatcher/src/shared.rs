//! What all couriers share.

use event_model::{
    Subscription,
    delivery::{PendingDelivery, Progress},
};
use event_store::{EventStore, Sealer, Table, TableName};

use crate::{DispatcherConfig, DispatcherError, Metrics, metrics::Boards, sender::Sender};

pub(crate) struct Shared {
    pub(crate) subscriptions: Table<Subscription>,
    pub(crate) progress: Table<Progress>,
    pub(crate) pending: Table<PendingDelivery>,
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
            progress: store.table(TableName::Progress),
            pending: store.table(TableName::Pending),
            sender: Sender::new(&config, sealer)?,
            store,
            metrics,
            boards: Boards::default(),
            config,
        })
    }
}
