//! The three processes, and what is asked of them over HTTP.

use std::{fs, net::TcpListener, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Plan, receiver::Arrival};
use crate::wait;

/// How long a process may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const ADMIN_KEY: &str = "ew_soak_0123456789abcdef0123456789abcdef";
/// How much of the service's log is shown when something fails.
const LOG_TAIL_BYTES: usize = 4_000;

/// Everything that runs, in a folder of its own. Dropping it kills what is left.
pub struct Stage {
    plan: Plan,
    folder: TempDir,
    http: Client,
    sim_port: u16,
    api_port: u16,
    hook_port: u16,
    _simulator: Child,
    _subscriber: Child,
    service: Option<Child>,
}

impl Stage {
    /// Starts the three and waits until each listens.
    pub async fn set(plan: &Plan) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [sim_port, api_port, hook_port] = free_ports()?;
        let log = |name: &str| fs::File::create(folder.path().join(name));
        let simulator = Command::new(&plan.program)
            .arg("sim")
            .args(["--listen", &format!("127.0.0.1:{sim_port}"), "--changes-per-minute", "0"])
            .args(["--reports", &plan.reports.to_string()])
            .args(["--quiet-seconds", &plan.quiet.as_secs().to_string()])
            .args(["--per-10s", &plan.per_10s.to_string(), "--per-60s", &plan.per_60s.to_string()])
            .stdout(Stdio::null())
            .stderr(log("sim.log")?)
            .kill_on_drop(true)
            .spawn()
            .context("starting the simulator")?;
        let subscriber = Command::new(&plan.subscriber)
            .args(["receive", "--listen", &format!("127.0.0.1:{hook_port}"), "--secret-file"])
            .arg(folder.path().join("secret"))
            .arg("--out")
            .arg(folder.path().join("arrivals.ndjson"))
            .stderr(log("subscriber.log")?)
            .kill_on_drop(true)
            .spawn()
            .context("starting the subscriber")?;
        // Whoever set a provider before may keep it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().timeout(ANSWER_LIMIT).no_proxy().build()?;
        let mut stage = Self {
            plan: plan.clone(),
            folder,
            http,
            sim_port,
            api_port,
            hook_port,
            _simulator: simulator,
            _subscriber: subscriber,
            service: None,
        };
        wait::until("the simulator", START_LIMIT, || async { stage.stats().await.ok() }).await?;
        stage.write_configuration()?;
        stage.start_service().await?;
        Ok(stage)
    }

    fn write_configuration(&self) -> Result<()> {
        let path = self.folder.path();
        fs::write(path.join("partner-secret"), "simulated-secret")?;
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:{api}"
[store]
path = "{data}"
[security]
admin_key = "{ADMIN_KEY}"
[accounts.acme]
partner_user_id = "aa_finance_acme_example"
partner_user_secret_file = "{secret}"
endpoint = "http://127.0.0.1:{sim}/Integration-Server/ExpensifyIntegrations"
domains = ["acme.example"]
[accounts.acme.budget]
per_10s = {per_10s}
per_60s = {per_60s}
[delivery]
allow_http = true
allow_cidrs = ["127.0.0.0/8"]
"#,
            api = self.api_port,
            data = path.join("data").display(),
            secret = path.join("partner-secret").display(),
            sim = self.sim_port,
            per_10s = self.plan.per_10s,
            per_60s = self.plan.per_60s,
        );
        Ok(fs::write(path.join("expensewire.toml"), text)?)
    }

    /// Starts the service and waits until it is ready.
    pub async fn start_service(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("service.log"))?;
        let child = Command::new(&self.plan.program)
            .args(["serve", "--config"])
            .arg(self.folder.path().join("expensewire.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting the service")?;
        self.service = Some(child);
        let ready = wait::until("the service", START_LIMIT, || async {
            let answer = self.http.get(self.api("readyz")).send().await.ok()?;
            answer.status().is_success().then_some(())
        });
        ready.await.with_context(|| self.log_tail())
    }

    /// Kills the service as a power switch would: no signal that it could handle.
    pub async fn kill_service(&mut self) -> Result<()> {
        let mut child = self.service.take().context("the service is not running")?;
        child.kill().await.context("killing the service")
    }

    /// Subscribes the receiver to everything but snapshots.
    pub async fn subscribe(&self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/hook", self.hook_port);
        let body = json!({ "url": url, "events": ["report.*", "policy.*", "card.*"], "from": "now" });
        let answer = self.http.post(self.api("v1/subscriptions")).bearer_auth(ADMIN_KEY).json(&body).send().await?;
        let status = answer.status();
        let made: Value = answer.json().await?;
        ensure!(status.is_success(), "the subscription was refused: {made}");
        let secret = made["secret"].as_str().context("a secret")?;
        Ok(fs::write(self.folder.path().join("secret"), secret)?)
    }

    /// Whether the service has had its first sight of everything that it watches.
    pub async fn baselined(&self) -> bool {
        let asked = self.http.get(self.api("v1/accounts/acme")).bearer_auth(ADMIN_KEY).send();
        let Ok(answer) = asked.await else { return false };
        let Ok(account) = answer.json::<Value>().await else { return false };
        let watches = account["watches"].as_array().map(Vec::as_slice).unwrap_or_default();
        !watches.is_empty() && watches.iter().all(|watch| watch["baselined"] == true)
    }

    /// Posts to the simulator's control API.
    pub async fn control(&self, what: &str, body: &Value) -> Result<Value> {
        let answer = self.http.post(self.sim(what)).json(body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Switches these faults of the simulator on, and all others off.
    pub async fn set_faults(&self, faults: &Value) -> Result<()> {
        let answer = self.http.put(self.sim("faults")).json(faults).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Every change that the simulator made.
    pub async fn journal(&self) -> Result<Vec<Value>> {
        let answer: Value = self.http.get(self.sim("changes?after=0")).send().await?.json().await?;
        answer["changes"].as_array().cloned().context("a list of changes")
    }

    /// The simulator's counters.
    pub async fn stats(&self) -> Result<Value> {
        Ok(self.http.get(self.sim("stats")).send().await?.error_for_status()?.json().await?)
    }

    /// What the subscriber wrote down so far.
    pub fn arrived(&self) -> Result<Vec<Arrival>> {
        let text = fs::read_to_string(self.folder.path().join("arrivals.ndjson"))?;
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(|line| serde_json::from_str(line).context("a line of the subscriber")).collect()
    }

    /// Ends everything; answers the end of the service's log. With `SOAK_KEEP` set the folder is left for a look.
    pub async fn clear(mut self) -> String {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill().await;
        }
        let logs = self.log_tail();
        if std::env::var_os("SOAK_KEEP").is_some() {
            let kept: PathBuf = self.folder.keep();
            eprintln!("kept {}", kept.display());
        }
        logs
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("service.log")).unwrap_or_default();
        let start = text.len().saturating_sub(LOG_TAIL_BYTES);
        String::from_utf8_lossy(&text.as_bytes()[start..]).into_owned()
    }

    fn api(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.api_port)
    }

    fn sim(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/control/{path}", self.sim_port)
    }
}

/// Three ports that were free a moment ago.
fn free_ports() -> Result<[u16; 3]> {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}
