//! What the store takes and what room it has, as gauges that are looked up now and then.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use event_store::EventStore;
use prometheus::{IntGauge, Registry};
use tokio::time::{MissedTickBehavior, interval};

/// How often the gauges are set: below any scrape interval.
const EVERY: Duration = Duration::from_secs(2);

/// The store's gauges.
pub struct Gauges {
    last_sequence: IntGauge,
    bytes: IntGauge,
    free_bytes: IntGauge,
}

impl Gauges {
    /// Makes the gauges and registers them.
    ///
    /// # Errors
    /// When `registry` has a metric of one of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            last_sequence: gauge("expensewire_log_last_sequence", "Sequence of the last durable event.")?,
            bytes: gauge("expensewire_store_bytes", "Bytes that the store takes on disk.")?,
            free_bytes: gauge(
                "expensewire_store_free_bytes",
                "Bytes that the store's file system still has for it; -1 where the system does not tell.",
            )?,
        })
    }

    /// Sets them, over and over, from the store in `directory`.
    pub async fn keep(self, store: EventStore, directory: PathBuf) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.last_sequence.set(whole(store.last_sequence().0));
            self.bytes.set(whole(store.disk_bytes()));
            self.free_bytes.set(free_bytes(&directory).map_or(-1, whole));
        }
    }
}

/// What the file system of `directory` has left for those who are not root.
#[cfg(unix)]
fn free_bytes(directory: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(directory).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_directory: &Path) -> Option<u64> {
    None
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
