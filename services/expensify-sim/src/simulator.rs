//! The handle of a running simulator.

use jiff::Timestamp;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::access::{Access, AccessChange};
use crate::config::SimConfig;
use crate::error::{ControlError, SimError};
use crate::exports::Export;
use crate::faults::Faults;
use crate::journal::Record;
use crate::life;
use crate::server::{self, CONTROL_PATH, INTEGRATION_PATH};
use crate::settings::Settings;
use crate::sim::{ReportLine, Sim};
use crate::stats::Stats;
use crate::world::burst::Burst;
use crate::world::hidden::Hide;
use crate::world::trigger::{EntityKind, Trigger};

/// How long [`Simulator::stop`] lets running requests end before it drops them.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// A running simulator. Dropping it stops it too, without waiting.
pub struct Simulator {
    sim: Arc<Sim>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
    life: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Seeds the tenant and serves it on the listener. The control API has no credential: bind to loopback.
    ///
    /// # Errors
    /// When the listener has no address, or a value of the configuration is out of range; nothing runs then.
    pub async fn start(config: SimConfig, listener: TcpListener) -> Result<Self, SimError> {
        let address = listener.local_addr().map_err(SimError::Listener)?;
        let sim = Arc::new(Sim::new(config, Timestamp::now(), Instant::now())?);
        let server = tokio::spawn(server::serve(Arc::clone(&sim), listener));
        let life = tokio::spawn(life::supervise(Arc::clone(&sim)));
        tracing::info!(%address, seed = sim.config.seed, "simulator listening");
        Ok(Self { sim, address, server: Some(server), life: Some(life) })
    }

    /// The Integration Server's URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}{INTEGRATION_PATH}", self.address)
    }

    /// The control API's URL, without a slash at the end.
    pub fn control_url(&self) -> String {
        format!("http://{}{CONTROL_PATH}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes one named change and gives its record.
    ///
    /// # Errors
    /// When the entity is not there or the change cannot be made to it.
    pub fn trigger(&self, trigger: &Trigger) -> Result<Record, ControlError> {
        self.sim.trigger(trigger)
    }

    /// All changes after this number that are still kept, oldest first.
    pub fn changes(&self, after: u64) -> Vec<Record> {
        self.sim.world().journal.after(after, usize::MAX)
    }

    /// Makes several changes between two reads and gives every record that they made.
    ///
    /// # Errors
    /// That of the first change that cannot be made; those before it stand.
    pub fn burst(&self, burst: &Burst) -> Result<Vec<Record>, ControlError> {
        self.sim.burst(burst)
    }

    /// What the credential may see.
    pub fn access(&self) -> Access {
        self.sim.world().access()
    }

    /// Takes away or gives back a role or the domain.
    ///
    /// # Errors
    /// For an unknown policy, and when it is so already.
    pub fn change_access(&self, change: &AccessChange) -> Result<Record, ControlError> {
        self.sim.change_access(change)
    }

    /// Hides entities from reads, without removing them, and gives the ids of those that it hid now.
    ///
    /// # Errors
    /// When a given id is not there; nothing is hidden then.
    pub fn hide(&self, hide: &Hide) -> Result<Vec<String>, ControlError> {
        self.sim.world().hide(hide)
    }

    /// Shows everything of a kind again, or of every kind, and says how many were hidden.
    pub fn show(&self, kind: Option<EntityKind>) -> usize {
        self.sim.world().show(kind)
    }

    /// The settings as they stand.
    pub fn settings(&self) -> Settings {
        self.sim.settings()
    }

    /// Replaces all settings.
    ///
    /// # Errors
    /// When a value is out of range; nothing changes then.
    pub fn set_settings(&self, settings: Settings) -> Result<(), ControlError> {
        self.sim.set_settings(settings)
    }

    /// The exports after this number that are remembered, oldest first.
    pub fn exports(&self, after: u64) -> Vec<Export> {
        self.sim.exports().after(after)
    }

    /// What it did so far.
    pub fn stats(&self) -> Stats {
        self.sim.snapshot()
    }

    /// The fault switches as they stand, counts included.
    pub fn faults(&self) -> Faults {
        self.sim.fault_state().faults()
    }

    /// Replaces all fault switches.
    ///
    /// # Errors
    /// When a probability is not between 0 and 1; nothing changes then.
    pub fn set_faults(&self, faults: Faults) -> Result<(), ControlError> {
        self.sim.set_faults(faults)
    }

    /// Sets the pace of the living tenant; 0 stands still.
    ///
    /// # Errors
    /// When it is negative, not a number, or over 60,000.
    pub fn set_pace(&self, changes_per_minute: f64) -> Result<(), ControlError> {
        self.sim.set_pace(changes_per_minute)
    }

    /// Every report's id and state.
    pub fn reports(&self) -> Vec<ReportLine> {
        self.sim.reports()
    }

    /// What an export template would see of one report, by either spelling of its id.
    pub fn report(&self, id: &str) -> Option<Value> {
        self.sim.report(id)
    }

    /// Stops: no new connections, running requests are answered 503, the living tenant ends. Takes a second at most.
    pub async fn stop(mut self) {
        self.sim.shutdown.cancel();
        for task in [self.server.take(), self.life.take()].into_iter().flatten() {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP_WITHIN, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.sim.shutdown.cancel();
    }
}
