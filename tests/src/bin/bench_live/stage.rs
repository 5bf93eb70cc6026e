//! The simulator and the service as processes of their own, and what is asked of them over HTTP.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::wait;
use tokio::process::{Child, Command};

/// How long a process may take to listen.
const START_LIMIT: Duration = Duration::from_secs(30);
const ADMIN_KEY: &str = "ew_bench_0123456789abcdef0123456789abcdef";
/// How much of the service's log is shown when something fails.
const LOG_TAIL_BYTES: usize = 4_000;
/// The longer rate window, and a little.
const RATE_WINDOW: Duration = Duration::from_secs(70);
/// Between two downloads: what is refused counts too.
const RATE_PAUSE: Duration = Duration::from_secs(5);
/// An export and its download.
const REQUESTS_A_READ: u64 = 2;
/// Probes whose middle one is taken.
const PROBES: usize = 9;
/// A read of a part of the reports (by id) is none of the plan's period: it has fewer rows than this share of them.
const WHOLE_READ_SHARE: f64 = 0.5;

/// The two processes in a folder of their own. Dropping it ends both.
pub struct Stage {
    folder: TempDir,
    http: Client,
    sim_port: u16,
    api_port: u16,
    reports: u32,
    _simulator: Child,
    service: Child,
}

/// What the plan of reading everything whole cannot go below.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Mean time between two reads of the tenant.
    pub period_s: f64,
    /// Mean time from reading the tenant to the answer.
    pub render_s: f64,
    /// The answer's way, and a download.
    pub round_trips_s: f64,
    /// Mean time from the answer to the download's request. The service's own: not in the floor.
    pub download_wait_s: f64,
}

/// The spans between two reads in which nothing else was asked for.
#[derive(Clone, Debug, Default)]
pub struct Alone {
    /// From one read to the next.
    pub spans: Vec<(Timestamp, Timestamp)>,
}

impl Alone {
    /// Of these reads, in their order.
    pub fn among(reads: &[Value]) -> Self {
        let only_read = |pair: &&[Value]| {
            let requests = |read: &Value| read["requests"].as_u64().unwrap_or(0);
            requests(&pair[1]).saturating_sub(requests(&pair[0])) == REQUESTS_A_READ
        };
        let span = |pair: &[Value]| Some((time(&pair[0]["read_at"])?, time(&pair[1]["read_at"])?));
        Self { spans: reads.windows(2).filter(only_read).filter_map(span).collect() }
    }

    /// Their mean length in seconds.
    pub fn period_s(&self) -> f64 {
        let all: f64 = self.spans.iter().map(|(from, to)| to.duration_since(*from).as_secs_f64()).sum();
        all / self.spans.len().max(1) as f64
    }
}

impl Floor {
    /// Half the period, the rendering, the round trips.
    pub fn seconds(self) -> f64 {
        self.period_s / 2.0 + self.render_s + self.round_trips_s
    }
}

impl Stage {
    /// Starts the simulator, still, then the service, and waits until both listen.
    pub async fn set(program: &Path, reports: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [sim_port, api_port] = free_ports()?;
        let simulator = Command::new(program)
            .args(["sim", "--listen", &format!("127.0.0.1:{sim_port}"), "--changes-per-minute", "0"])
            .args(["--reports", &reports.to_string(), "--policies", "1", "--cards", "0"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("sim.log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("starting the simulator")?;
        // Whoever set a provider before may keep it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().build()?;
        let control = format!("http://127.0.0.1:{sim_port}/control");
        wait::until("the simulator", START_LIMIT, || async { http.get(format!("{control}/stats")).send().await.ok() })
            .await?;
        let reports_only = json!({ "life": { "reports": 1, "policies": 0, "cards": 0 } });
        http.patch(format!("{control}/settings")).json(&reports_only).send().await?.error_for_status()?;
        let service = start_service(program, folder.path(), sim_port, api_port)?;
        let stage = Self { folder, http, sim_port, api_port, reports, _simulator: simulator, service };
        let ready = wait::until("the service", START_LIMIT, || async {
            stage.http.get(stage.api("readyz")).send().await.ok().filter(|answer| answer.status().is_success())
        });
        ready.await.with_context(|| stage.log_tail())?;
        Ok(stage)
    }

    /// Whether the service has had its first sight of everything that it watches.
    pub async fn baselined(&self) -> bool {
        let Ok(answer) = self.http.get(self.api("v1/accounts/acme")).bearer_auth(ADMIN_KEY).send().await else {
            return false;
        };
        let Ok(account) = answer.json::<Value>().await else { return false };
        let watches = account["watches"].as_array().map(Vec::as_slice).unwrap_or_default();
        !watches.is_empty() && watches.iter().all(|watch| watch["baselined"] == true)
    }

    /// The stream of events from now on.
    pub async fn stream(&self) -> Result<Response> {
        let asked = self.http.get(self.api("v1/events/stream")).bearer_auth(ADMIN_KEY).send().await?;
        asked.error_for_status().context("the stream of events")
    }

    /// Sets the tenant's pace.
    pub async fn set_pace(&self, changes_per_minute: f64) -> Result<()> {
        let pace = json!({ "changes_per_minute": changes_per_minute });
        self.http.post(self.control("pace")).json(&pace).send().await?.error_for_status()?;
        Ok(())
    }

    /// Every change that the simulator made.
    pub async fn journal(&self) -> Result<Vec<Value>> {
        let answer: Value = self.http.get(self.control("changes?after=0")).send().await?.json().await?;
        answer["changes"].as_array().cloned().context("a list of changes")
    }

    /// The simulator's counters.
    pub async fn stats(&self) -> Result<Value> {
        Ok(self.http.get(self.control("stats")).send().await?.error_for_status()?.json().await?)
    }

    /// The exports of all reports that read the tenant in this time.
    pub async fn reads(&self, since: Timestamp, until: Timestamp) -> Result<Vec<Value>> {
        let answer: Value = self.http.get(self.control("exports")).send().await?.json().await?;
        let exports = answer["exports"].as_array().context("a list of exports")?;
        let least = f64::from(self.reports) * WHOLE_READ_SHARE;
        let whole = exports.iter().filter(|export| export["rows"].as_f64().is_some_and(|rows| rows >= least));
        Ok(whole
            .filter(|export| time(&export["read_at"]).is_some_and(|at| (since..until).contains(&at)))
            .cloned()
            .collect())
    }

    /// What these reads could not go below. Ends the service first: the downloads that this makes must
    /// not cost it any of its budget.
    pub async fn floor(&mut self, reads: &[Value]) -> Result<Floor> {
        let (Some(first), Some(last)) = (reads.first(), reads.last()) else {
            anyhow::bail!("the service read nothing");
        };
        ensure!(reads.len() > 1, "the service read once only");
        let period = seconds(&first["read_at"], &last["read_at"]).context("times of reads")?;
        let mean = |from: &str, to: &str| {
            let all: Vec<f64> = reads.iter().filter_map(|read| seconds(&read[from], &read[to])).collect();
            all.iter().sum::<f64>() / all.len().max(1) as f64
        };
        self.service.kill().await.context("ending the service")?;
        let file = last["file"].as_str().context("a file's name")?;
        Ok(Floor {
            period_s: period / (reads.len() - 1) as f64,
            render_s: mean("read_at", "answered_at"),
            round_trips_s: self.round_trip().await? + self.download(file).await?,
            download_wait_s: mean("answered_at", "asked_at"),
        })
    }

    /// Seconds of a request without content.
    async fn round_trip(&self) -> Result<f64> {
        let mut probes = Vec::new();
        for _ in 0..PROBES {
            let asked = Instant::now();
            self.http.get(self.control("pace")).send().await?.bytes().await?;
            probes.push(asked.elapsed().as_secs_f64());
        }
        Ok(middle(probes))
    }

    /// Seconds of a download. A probe that the rate windows refuse says nothing; one that they let through is enough.
    async fn download(&self, file: &str) -> Result<f64> {
        let job = json!({
            "type": "download", "fileName": file,
            "credentials": { "partnerUserID": "aa_finance_acme_example", "partnerUserSecret": "simulated-secret" },
        });
        let form = [("requestJobDescription", job.to_string())];
        let probed = wait::until("a download within the limit", RATE_WINDOW, || async {
            let asked = Instant::now();
            let answer = self.http.post(endpoint(self.sim_port)).form(&form).send().await.ok()?;
            let within = answer.status().is_success();
            answer.bytes().await.ok()?;
            if !within {
                tokio::time::sleep(RATE_PAUSE).await;
            }
            within.then(|| asked.elapsed().as_secs_f64())
        });
        probed.await
    }

    /// The end of the service's log.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("service.log")).unwrap_or_default();
        let start = text.len().saturating_sub(LOG_TAIL_BYTES);
        String::from_utf8_lossy(&text.as_bytes()[start..]).into_owned()
    }

    fn api(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.api_port)
    }

    fn control(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/control/{path}", self.sim_port)
    }
}

fn endpoint(sim_port: u16) -> String {
    format!("http://127.0.0.1:{sim_port}/Integration-Server/ExpensifyIntegrations")
}

fn start_service(program: &Path, folder: &Path, sim_port: u16, api_port: u16) -> Result<Child> {
    fs::write(folder.join("partner-secret"), "simulated-secret")?;
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:{api_port}"
[store]
path = "{data}"
[security]
admin_key = "{ADMIN_KEY}"
[accounts.acme]
partner_user_id = "aa_finance_acme_example"
partner_user_secret_file = "{secret}"
endpoint = "{endpoint}"
domains = []
"#,
        data = folder.join("data").display(),
        secret = folder.join("partner-secret").display(),
        endpoint = endpoint(sim_port),
    );
    fs::write(folder.join("expensewire.toml"), text)?;
    Command::new(program)
        .args(["serve", "--config"])
        .arg(folder.join("expensewire.toml"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("service.log"))?)
        .kill_on_drop(true)
        .spawn()
        .context("starting the service")
}

/// A counter by its path.
pub fn count(stats: &Value, path: &[&str]) -> u64 {
    path.iter().fold(stats, |value, key| &value[*key]).as_u64().unwrap_or(0)
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn seconds(from: &Value, to: &Value) -> Option<f64> {
    Some(time(to)?.duration_since(time(from)?).as_secs_f64())
}

fn middle(mut probes: Vec<f64>) -> f64 {
    probes.sort_by(f64::total_cmp);
    probes[probes.len() / 2]
}

/// Two ports that were free a moment ago.
fn free_ports() -> Result<[u16; 2]> {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 2];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}
