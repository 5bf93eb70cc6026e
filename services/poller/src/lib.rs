#![doc = include_str!("../README.md")]

mod account;
mod board;
mod clock;
mod config;
mod error;
mod gate;
mod handle;
mod metrics;
mod read;
pub mod scribe;
mod shift;
mod status;
mod supervise;
mod trace;

use std::{sync::Arc, time::Duration};

use event_model::status::AccountStatus;
use event_store::EventStore;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use config::{AccountConfig, BudgetConfig};
pub use error::PollerError;
pub use handle::{Handle, HandleError, Inbox, What};
pub use metrics::Metrics;
pub use scribe::{
    Asked, CardsSeen, Ingested, PoliciesConfirmed, PoliciesSeen, Reading, Released, ReportsAsked, ReportsEnded, Scribe,
    ScribeConfig, Wanted, Watch,
};

use crate::account::Account;

/// From the stop until what is still running is cut off. Reads are dropped at their next wait; what they appended stands.
const DRAIN: Duration = Duration::from_millis(1_500);

/// Watches `accounts` until `stop`, appends what changed to `store`, tells through `status` how it stands, and does what is
/// asked of it through `inbox`. Returns within 2 s of the stop.
///
/// # Errors
/// Before anything is sent: when two accounts share a name or a credential pair, when a client cannot be made, when what is
/// kept of an account cannot be read. Later failures are an account's own: logged, counted, and it is started again.
pub async fn run(
    accounts: Vec<AccountConfig>,
    store: EventStore,
    metrics: Metrics,
    status: tokio::sync::watch::Sender<Vec<AccountStatus>>,
    mut inbox: Inbox,
    stop: CancellationToken,
) -> Result<(), PollerError> {
    config::check(&accounts)?;
    let nudge = Arc::new(Notify::new());
    let mut open = Vec::new();
    for account in accounts {
        let commands = inbox.take(&account.name);
        open.push(Arc::new(Account::open(account, &store, &metrics, &nudge, commands, &stop).await?));
    }
    info!(accounts = open.len(), "watching");
    let mut tasks = JoinSet::new();
    for account in &open {
        tasks.spawn(supervise::supervise(Arc::clone(account)));
    }
    tokio::select! {
        () = stop.cancelled() => {}
        () = board::publish(&open, &metrics, &nudge, &status) => {}
    }
    if tokio::time::timeout(DRAIN, drain(&mut tasks)).await.is_err() {
        warn!("some reads did not end in time and are cut off");
    }
    board::show(&open, &metrics, &status);
    Ok(())
}

async fn drain(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}
