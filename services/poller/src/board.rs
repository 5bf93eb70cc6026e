//! What is shown of the accounts: status for the API, gauges for metrics.

use std::{sync::Arc, time::Duration};

use event_model::status::AccountStatus;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::{Metrics, account::Account};

/// At most four statuses a second: more than an eye follows, little to compute.
const SHORTEST_GAP: Duration = Duration::from_millis(250);
/// Ages and held slots move without anything happening; they are shown this often.
const REFRESH: Duration = Duration::from_secs(1);

/// Publishes status and gauges, on a nudge and on a timer, for ever.
pub(crate) async fn publish(
    accounts: &[Arc<Account>],
    metrics: &Metrics,
    nudge: &Notify,
    sender: &watch::Sender<Vec<AccountStatus>>,
) {
    loop {
        let news = nudge.notified();
        show(accounts, metrics, sender);
        tokio::time::sleep(SHORTEST_GAP).await;
        tokio::select! {
            () = news => {}
            () = tokio::time::sleep(REFRESH - SHORTEST_GAP) => {}
        }
    }
}

/// Publishes as it is now.
pub(crate) fn show(accounts: &[Arc<Account>], metrics: &Metrics, sender: &watch::Sender<Vec<AccountStatus>>) {
    let statuses: Vec<AccountStatus> = accounts.iter().map(|account| account.status()).collect();
    let now = Timestamp::now();
    for status in &statuses {
        metrics.budget(&status.name, &status.budget);
        metrics.poll_ages(&status.name, &status.watches, now);
    }
    sender.send_if_modified(|shown| {
        let modified = *shown != statuses;
        *shown = statuses;
        modified
    });
}
