//! What the demo sets up around the service: the simulator, the receiver, and the configuration file between them.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use expensify_sim::{RateLimits, SimConfig, Simulator};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Mutex};

use super::{Limits, receiver::Receiver};
use crate::cli::DemoArgs;

/// The demo's surroundings; clones are the same ones.
#[derive(Clone)]
pub struct Scene {
    folder: Arc<TempDir>,
    simulator: Arc<Mutex<Option<Simulator>>>,
    /// Where the simulator takes orders.
    pub control_url: String,
    /// Who gets the deliveries.
    pub receiver: Receiver,
}

impl Scene {
    /// Starts the simulator and the receiver and writes the configuration.
    pub async fn set(args: &DemoArgs, limits: Limits) -> Result<Self> {
        let started = Instant::now();
        let folder = tempfile::Builder::new().prefix("expensewire-demo-").tempdir().context("a temporary directory")?;
        let limits = RateLimits { per_10s: limits.per_10s, per_60s: limits.per_60s };
        let config = SimConfig { seed: args.seed, limits, ..SimConfig::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the simulator")?;
        let user = config.credentials.partner_user_id.clone();
        let secret = config.credentials.partner_user_secret.clone();
        let domain = config.domain.clone();
        let simulator = Simulator::start(config, listener).await.context("starting the simulator")?;
        let receiver = Receiver::start(started).await.context("starting the receiver")?;
        let data = folder.path().join("data");
        let text = format!(
            r#"[server]
listen = "{listen}"

[store]
path = {data:?}

[accounts.demo]
partner_user_id = "{user}"
partner_user_secret = "{secret}"
endpoint = "{endpoint}"
domains = ["{domain}"]

[accounts.demo.budget]
per_10s = {per_10s}
per_60s = {per_60s}

[delivery]
allow_http = true
allow_cidrs = ["127.0.0.0/8"]
"#,
            listen = free_address(args.listen).await?,
            endpoint = simulator.endpoint(),
            per_10s = limits.per_10s,
            per_60s = limits.per_60s,
        );
        fs::write(folder.path().join("expensewire.toml"), text).context("writing the demo's configuration")?;
        Ok(Self {
            folder: Arc::new(folder),
            control_url: simulator.control_url(),
            simulator: Arc::new(Mutex::new(Some(simulator))),
            receiver,
        })
    }

    /// The configuration that the service runs with.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("expensewire.toml")
    }

    /// Says what runs where.
    pub fn announce(&self, api: &str, key: &str, limits: Limits) {
        let control = &self.control_url;
        println!(
            "A simulated Expensify, the service, and a receiver that checks signatures. Ctrl-C stops all of it.\n"
        );
        println!("  service     {api}");
        println!("  receiver    {}", self.receiver.url());
        println!("  simulator   {control}");
        println!("  settings    {}", self.config_path().display());
        println!("\n  look        curl -H 'Authorization: Bearer {key}' '{api}/v1/events?after=0&limit=3'");
        println!("  follow      curl -N -H 'Authorization: Bearer {key}' {api}/v1/events/stream");
        println!(
            "  change      curl -H 'content-type: application/json' -d '{{\"change\":\"approved\"}}' {control}/changes\n"
        );
        if limits == Limits::QUICK {
            println!(
                "The simulator allows ten times Expensify's rate, so that you need not wait: changes show in about a"
            );
            println!("second; with --real-limits, as with Expensify itself, in about eight.\n");
        }
    }

    /// Stops the simulator; the temporary directory goes with the last clone.
    pub async fn clear(&self) {
        if let Some(simulator) = self.simulator.lock().await.take() {
            simulator.stop().await;
        }
    }
}

/// `wanted` if it is free, else any port.
async fn free_address(wanted: SocketAddr) -> Result<SocketAddr> {
    let listener = match TcpListener::bind(wanted).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("127.0.0.1:0").await.context("a port for the service")?,
    };
    Ok(listener.local_addr()?)
}
