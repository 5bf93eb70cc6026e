//! A simulated Expensify, a configuration for it, a service maybe, and a doctor that looks at them.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use assert_cmd::Command;
use expensewire::{config::Config, service::Service};
use expensify_sim::{RateLimits, SimConfig, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

/// Far beyond what any of these takes; only a hang meets it.
pub const DEADLINE: Duration = Duration::from_secs(60);
const KEY: &str = "a-key-that-is-long-enough-for-tests";
/// A name that this machine has, and what its certificate is for.
pub const HOST: &str = "localhost";

/// A simulated Expensify, a configuration for it, and maybe a service.
pub struct World {
    pub directory: TempDir,
    pub simulator: Simulator,
    pub service: Option<Running>,
}

pub struct Running {
    address: String,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limits = RateLimits { per_10s: 500, per_60s: 1000 };
        let config = SimConfig { reports: 5, policies: 2, cards: 2, limits, ..SimConfig::default() };
        let simulator = Simulator::start(config, TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap();
        let world = Self { directory: tempfile::tempdir().unwrap(), simulator, service: None };
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\n[security]\nadmin_key = '{KEY}'\n[store]\npath = {:?}\n\
             [delivery]\nallow_http = true\nallow_cidrs = ['127.0.0.0/8', '::1/128']\n\
             [accounts.acme]\npartner_user_id = 'aa_finance_acme_example'\npartner_user_secret = 'simulated-secret'\n\
             endpoint = '{}'\n[accounts.acme.budget]\nper_10s = 500\nper_60s = 1000\n",
            world.data(),
            world.simulator.endpoint(),
        );
        fs::write(world.file(), text).unwrap();
        world
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("expensewire.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub async fn started(mut self) -> Self {
        let service =
            Service::start(Config::load(Some(&self.file()), std::iter::empty()).unwrap().config).await.unwrap();
        let (address, stop) = (service.address().to_string(), CancellationToken::new());
        let task = tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
        self.service = Some(Running { address, stop, task });
        #[cfg(unix)]
        fs::set_permissions(self.data(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        self
    }

    /// Waits until everything was read once.
    pub async fn read(self) -> Self {
        let began = Instant::now();
        while self.simulator.exports(0).is_empty() || self.get("accounts").await["accounts"][0]["freshness_s"].is_null()
        {
            assert!(began.elapsed() < DEADLINE, "nothing was read");
            sleep(Duration::from_millis(100)).await;
        }
        self
    }

    pub async fn stopped(mut self) -> Self {
        let Running { stop, task, .. } = self.service.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
        self
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.service.as_ref().unwrap().address)
    }

    pub async fn get(&self, path: &str) -> Value {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(self.url(path)).bearer_auth(KEY).send().await.unwrap().json().await.unwrap()
    }

    pub async fn subscribe(&self, url: &str) -> String {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({ "url": url, "events": ["subscription.*"] });
        let made = http.post(self.url("subscriptions")).bearer_auth(KEY).json(&body).send().await.unwrap();
        made.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("expensewire").unwrap();
        command.arg("doctor").arg("--config").arg(self.file()).args(args).timeout(DEADLINE);
        command.env_remove("EXPENSEWIRE_SERVER").env_remove("EXPENSEWIRE_KEY").env("NO_PROXY", "*");
        if let Some(service) = &self.service {
            command.env("EXPENSEWIRE_SERVER", format!("http://{}", service.address));
        }
        command
    }

    /// Exit code and checks, of a doctor that is off this thread: the service runs on it.
    pub async fn doctor(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let mut command = self.command(&[args, &["-o", "json"]].concat());
        ran(&mut command).await
    }
}

pub async fn ran(command: &mut Command) -> (i32, Vec<Value>) {
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap_or(-1), told["checks"].as_array().unwrap().clone())
}

pub fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

pub fn states(checks: &[Value]) -> Vec<(&str, &str)> {
    checks.iter().map(|check| (check["name"].as_str().unwrap(), check["status"].as_str().unwrap())).collect()
}
