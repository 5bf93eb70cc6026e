//! Keeps the watching of one account going. Accounts do not know each other: what stops one stops no other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tracing::error;

use crate::{account::Account, shift::watch_account};

/// The wait after a first failure; doubled by each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait: what fails for so long is the disk or a bug, and a minute more does not matter.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After so long without a failure, the next one is a first one.
const HEALTHY: Duration = Duration::from_secs(300);

/// Watches `account` until it is stopped; starts again after errors and panics.
pub(crate) async fn supervise(account: Arc<Account>) {
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        if watched(&account).await {
            break;
        }
        account.metrics.restarted(account.name());
        if started.elapsed() >= HEALTHY {
            wait = FIRST_WAIT;
        }
        tokio::select! {
            () = account.stopped() => break,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    if let Err(source) = account.gate.flush().await {
        error!(account = %account.name(), error = &source as &dyn std::error::Error, "the budget could not be written at the end");
    }
}

/// Whether it ended because it was told to. In a task of its own, so that a panic ends there.
async fn watched(account: &Arc<Account>) -> bool {
    let mut task = JoinSet::new();
    task.spawn(watch_account(Arc::clone(account)));
    let name = account.name();
    match task.join_next().await {
        Some(Ok(Ok(()))) | None => return true,
        Some(Ok(Err(source))) => {
            error!(account = %name, error = &source as &dyn std::error::Error, "watching failed");
        }
        Some(Err(source)) => {
            error!(account = %name, error = &source as &dyn std::error::Error, "watching panicked");
        }
    }
    false
}
