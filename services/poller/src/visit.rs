//! A few questions to an account's upstream by a person, while no service runs.
//!
//! They go through the gate that the service's own requests go through, with the ledger of the credential pair in the same
//! store: what was spent before counts, what is spent here counts for the service that is started next, and the store's lock
//! shows that none runs meanwhile. However often the client asks, no more than the number that was agreed goes out.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use event_model::status::BudgetStatus;
use event_store::{EventStore, StoreError};
use expensify_client::{Client, ClientConfig, Gate, GateClosed, JobKind, Permit};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{AccountConfig, Metrics, PollerError, gate::AccountGate};

/// One account, asked by hand.
pub struct Visit {
    client: Client,
    gate: AccountGate,
    left: Arc<AtomicU32>,
    most: u32,
}

impl Visit {
    /// Opens the account's budget as it is kept in `store`, for at most `most` requests.
    ///
    /// # Errors
    /// When what is kept of the account cannot be read, or no client can be made.
    pub async fn open(
        account: AccountConfig,
        store: &EventStore,
        metrics: Metrics,
        most: u32,
    ) -> Result<Self, PollerError> {
        let account = account.canonical();
        let gate = AccountGate::open(&account, store, metrics, Arc::new(Notify::new()), CancellationToken::new())
            .await
            .map_err(|source| PollerError::Load { account: account.name.clone(), source })?;
        let left = Arc::new(AtomicU32::new(most));
        let config = ClientConfig {
            download_waits: account.download_waits.clone(),
            ..ClientConfig::new(account.endpoint.clone(), account.credentials.clone())
        };
        let counted = Counted { gate: gate.clone(), left: Arc::clone(&left) };
        let client = Client::new(config, Arc::new(counted))
            .map_err(|source| PollerError::Client { account: account.name.clone(), source })?;
        Ok(Self { client, gate, left, most })
    }

    /// What asks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How the budget stands.
    pub fn budget(&self) -> BudgetStatus {
        self.gate.status()
    }

    /// Requests that went out.
    pub fn sent(&self) -> u32 {
        self.most - self.left.load(Ordering::Relaxed)
    }

    /// Writes down what was answered. A request that was not yet answered stays held, as after a crash.
    ///
    /// # Errors
    /// When the store takes no write. What was sent is on disk all the same.
    pub async fn close(self) -> Result<(), StoreError> {
        self.gate.flush().await
    }
}

/// The gate, for so many requests.
struct Counted {
    gate: AccountGate,
    left: Arc<AtomicU32>,
}

impl Gate for Counted {
    fn acquire(&self, job: JobKind) -> Pin<Box<dyn Future<Output = Result<Box<dyn Permit>, GateClosed>> + Send + '_>> {
        let one_less = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match one_less {
            Ok(_) => self.gate.acquire(job),
            Err(_) => Box::pin(async { Err(GateClosed) }),
        }
    }
}
