//! What the process tells the service manager that started it (systemd, `Type=notify`): ready, alive, stopping.
//!
//! The protocol is sd_notify(3): lines in a datagram to the socket that `NOTIFY_SOCKET` names. Where it names none, nothing is
//! told. A message that cannot be sent is logged and changes nothing else: the manager acts on silence by itself.

use std::net::SocketAddr;

use event_store::EventStore;

#[cfg(target_os = "linux")]
pub use self::linux::{feed_watchdog, ready, stopping};
#[cfg(not(target_os = "linux"))]
pub use self::nobody::{feed_watchdog, ready, stopping};

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use event_store::{Table, TableName};
    use sd_notify::NotifyState;
    use tokio::time::sleep;

    use super::{EventStore, SocketAddr};

    /// Signs of life in the time after which the manager gives up: two would do, the third may be late.
    const SIGNS_PER_TIMEOUT: u32 = 3;
    /// A key that nobody writes: what counts is that the store answers.
    const NOTHING: &str = "watchdog";

    /// The service answers at `address`.
    pub fn ready(address: SocketAddr) {
        tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving on {address}"))]);
    }

    /// The service was asked to stop, and does.
    pub fn stopping() {
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// Gives signs of life as often as the manager wants them; never ends. Each is preceded by a read of the store: one that
    /// hangs, or a runtime that takes no turns, is silence, and after the manager's timeout a fresh start.
    pub async fn feed_watchdog(store: EventStore) {
        let Some(timeout) = sd_notify::watchdog_enabled().filter(|timeout| *timeout > Duration::ZERO) else {
            return std::future::pending().await;
        };
        let table: Table<String> = store.table(TableName::Service);
        loop {
            match table.get(NOTHING).await {
                Ok(_) => tell(&[NotifyState::Watchdog]),
                Err(error) => {
                    tracing::error!("no sign of life: the store cannot be read: {:#}", anyhow::Error::new(error))
                }
            }
            sleep(timeout / SIGNS_PER_TIMEOUT).await;
        }
    }

    fn tell(what: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(what) {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nobody {
    use super::{EventStore, SocketAddr};

    /// No manager is told here.
    pub fn ready(_address: SocketAddr) {}

    /// No manager is told here.
    pub fn stopping() {}

    /// No manager waits for a sign of life here; never ends.
    pub async fn feed_watchdog(_store: EventStore) {
        std::future::pending().await
    }
}
