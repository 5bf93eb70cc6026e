//! `expensewire doctor` as a person runs it: beside a service, without one, before the first start; and each check that can
//! be made to fail.

#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

use std::{
    fs,
    io::Write,
    net::TcpListener as StdListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use assert_cmd::Command;
use expensewire::{config::Config, service::Service};
use expensify_sim::{RateLimits, SimConfig, Simulator};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{ServerConfig, ServerConnection, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);
const KEY: &str = "a-key-that-is-long-enough-for-tests";
/// A name that this machine has, and what its certificate is for.
const HOST: &str = "localhost";

/// A simulated Expensify, a configuration for it, and maybe a service.
struct World {
    directory: TempDir,
    simulator: Simulator,
    service: Option<Running>,
}

struct Running {
    address: String,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    async fn new() -> Self {
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

    fn file(&self) -> PathBuf {
        self.directory.path().join("expensewire.toml")
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    async fn started(mut self) -> Self {
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
    async fn read(self) -> Self {
        let began = Instant::now();
        while self.simulator.exports(0).is_empty() || self.get("accounts").await["accounts"][0]["freshness_s"].is_null()
        {
            assert!(began.elapsed() < DEADLINE, "nothing was read");
            sleep(Duration::from_millis(100)).await;
        }
        self
    }

    async fn stopped(mut self) -> Self {
        let Running { stop, task, .. } = self.service.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
        self
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.service.as_ref().unwrap().address)
    }

    async fn get(&self, path: &str) -> Value {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(self.url(path)).bearer_auth(KEY).send().await.unwrap().json().await.unwrap()
    }

    async fn subscribe(&self, url: &str) -> String {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({ "url": url, "events": ["subscription.*"] });
        let made = http.post(self.url("subscriptions")).bearer_auth(KEY).json(&body).send().await.unwrap();
        made.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("expensewire").unwrap();
        command.arg("doctor").arg("--config").arg(self.file()).args(args).timeout(DEADLINE);
        command.env_remove("EXPENSEWIRE_SERVER").env_remove("EXPENSEWIRE_KEY").env("NO_PROXY", "*");
        if let Some(service) = &self.service {
            command.env("EXPENSEWIRE_SERVER", format!("http://{}", service.address));
        }
        command
    }

    /// Exit code and checks, of a doctor that is off this thread: the service runs on it.
    async fn doctor(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let mut command = self.command(&[args, &["-o", "json"]].concat());
        ran(&mut command).await
    }
}

async fn ran(command: &mut Command) -> (i32, Vec<Value>) {
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap_or(-1), told["checks"].as_array().unwrap().clone())
}

fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

fn states(checks: &[Value]) -> Vec<(&str, &str)> {
    checks.iter().map(|check| (check["name"].as_str().unwrap(), check["status"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_service_runs_it_is_asked_and_the_upstream_is_not() {
    let world = World::new().await.started().await.read().await;
    let sub = world.subscribe(&format!("http://{HOST}:1/")).await;
    // The doctor's own way to the upstream ends at somebody who counts.
    let (elsewhere, met) = counting();
    let mut command = world.command(&["-o", "json"]);
    command.env("EXPENSEWIRE__ACCOUNTS__ACME__ENDPOINT", &elsewhere);
    let (code, checks) = ran(&mut command).await;
    assert_eq!(code, 0, "{checks:?}");
    for name in
        ["directory", "space", "sealing key", "service", "budget", "credentials", "template", "subscriber", "log"]
    {
        assert_eq!(check(&checks, name)["status"], "ok", "{checks:?}");
    }
    assert_eq!(met.load(Ordering::Relaxed), 0, "the budget is the service's");
    assert_eq!(
        (&check(&checks, "subscriber")["about"], &check(&checks, "budget")["about"]),
        (&json!(sub), &json!("acme"))
    );
    assert!(check(&checks, "budget")["measure"]["value"].is_number());

    let mut wrong = world.command(&["-o", "json", "--key", "ew_wrong"]);
    let (code, checks) = ran(&mut wrong).await;
    let service = check(&checks, "service");
    assert_eq!((code, &service["status"]), (6, &json!("fail")), "{service}");
    assert!(service["next"].as_str().unwrap().contains("--key"), "{service}");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_runs_the_upstream_is_asked_three_times_at_most_and_the_ledger_counts_it() {
    let world = World::new().await.started().await.read().await.stopped().await;
    let before = world.simulator.stats().requests;
    let (code, checks) = world.doctor(&[]).await;
    assert_eq!(code, 0, "{checks:?}");
    // But for limits that are no Expensify's.
    assert!(states(&checks).iter().all(|(name, state)| *state == "ok" || *name == "configuration"), "{checks:?}");
    assert!(check(&checks, "credentials")["what"].as_str().unwrap().contains("administer"), "{checks:?}");
    assert!(check(&checks, "clock")["measure"]["value"].as_f64().unwrap().abs() <= 2.0, "{checks:?}");
    let asked = world.simulator.stats().requests - before;
    assert!((1..=3).contains(&asked), "{asked}");

    // What the first doctor spent, the second one finds in the ledger.
    let left = |checks: &[Value]| check(checks, "budget")["measure"]["value"].as_f64().unwrap();
    let (_, again) = world.doctor(&["--skip", "log,subscribers"]).await;
    assert!(left(&again) <= left(&checks), "{again:?}");
    assert_eq!(
        (&check(&again, "log")["status"], &check(&again, "subscriber")["status"]),
        (&json!("skipped"), &json!("skipped"))
    );
    let (_, none) = world.doctor(&["--skip", "upstream"]).await;
    assert_eq!(world.simulator.stats().requests, before + 2 * asked, "{none:?}");
    // And the service starts on the store as before.
    world.started().await.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_nothing_is_made() {
    let world = World::new().await;
    let (code, checks) = world.doctor(&["--skip", "upstream"]).await;
    assert_eq!(code, 0, "{checks:?}");
    assert!(check(&checks, "directory")["what"].as_str().unwrap().contains("the first start makes it"));
    assert!(!world.data().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_fail_and_end_what_is_asked() {
    let world = World::new().await.started().await.stopped().await;
    let before = world.simulator.stats().requests;
    let mut command = world.command(&["-o", "json"]);
    command.env("EXPENSEWIRE__ACCOUNTS__ACME__PARTNER_USER_SECRET", "wrong");
    let (code, checks) = ran(&mut command).await;
    assert_eq!((code, &check(&checks, "credentials")["status"]), (6, &json!("fail")), "{checks:?}");
    assert_eq!(check(&checks, "template")["status"], "skipped");
    assert_eq!(world.simulator.stats().requests - before, 1);
    assert!(!format!("{checks:?}").contains("wrong\""), "no secret is told");

    let mut away = world.command(&["-o", "json"]);
    away.env("EXPENSEWIRE__ACCOUNTS__ACME__ENDPOINT", "http://127.0.0.1:1/");
    let (code, checks) = ran(&mut away).await;
    let told = check(&checks, "credentials");
    assert!(code == 6 && told["next"].as_str().unwrap().contains("firewall"), "{told}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_the_ground_is_told_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await.started().await.stopped().await;
    let mode = |mode| fs::set_permissions(world.data(), fs::Permissions::from_mode(mode)).unwrap();
    for (bits, state) in [(0o755, "warn"), (0o707, "fail")] {
        mode(bits);
        let (_, checks) = world.doctor(&["--skip", "upstream,log"]).await;
        let told = check(&checks, "directory");
        assert!(told["status"] == state && told["next"].as_str().unwrap().starts_with("chmod 700"), "{told}");
    }
    mode(0o700);
    fs::remove_file(world.data().join("sealing.key")).unwrap();
    let (code, checks) = world.doctor(&["--skip", "upstream,log"]).await;
    assert_eq!((code, &check(&checks, "sealing key")["status"]), (6, &json!("fail")), "{checks:?}");

    fs::write(world.file(), "[server]\nlistn = 1\n").unwrap();
    let (code, checks) = world.doctor(&[]).await;
    let told = check(&checks, "configuration");
    assert!(code == 6 && checks.len() == 1 && told["why"].as_str().unwrap().contains("listn"), "{checks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_is_for_its_reader() {
    let world = World::new().await.started().await.stopped().await;
    let told = |form: &str| {
        let mut command = world.command(&["-o", form, "--skip", "upstream"]);
        command.env("EXPENSEWIRE__ACCOUNTS__ACME__BUDGET__PER_10S", "5");
        let output = command.env("EXPENSEWIRE__ACCOUNTS__ACME__BUDGET__PER_60S", "20").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = told("text");
    assert!(code == 0 && text.contains("\nok       log: ") && text.contains(" 0 failed"), "{text}");
    let (code, nagios) = told("nagios");
    assert!(metrics_once(&told("prometheus").1), "each series once");
    assert!(code == 0 && nagios.starts_with("EXPENSEWIRE OK - ") && nagios.contains("_free_bytes'="), "{nagios}");
    let (code, metrics) = told("prometheus");
    assert!(code == 0 && metrics.contains("expensewire_doctor_check_state{check=\"log\",about=\"\",state=\"ok\"} 1\n"));
    fs::remove_file(world.data().join("sealing.key")).unwrap();
    assert_eq!((told("nagios").0, told("prometheus").0), (2, 6));
    promtool(&metrics);
}

fn metrics_once(metrics: &str) -> bool {
    let mut series: Vec<_> =
        metrics.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ')).collect();
    let all = series.len();
    series.sort();
    series.dedup_by_key(|one| one.map(|(name, _)| name));
    series.len() == all
}

/// What promtool says of `metrics`, where it is installed.
fn promtool(metrics: &str) {
    let mut command = std::process::Command::new("promtool");
    if let Some(path) = std::env::var_os("EXPENSEWIRE_OPS_PATH") {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let all = std::env::split_paths(&path).chain(std::env::split_paths(&own));
        command.env("PATH", std::env::join_paths(all).unwrap());
    }
    let piped = std::process::Stdio::piped;
    let Ok(mut child) = command.args(["check", "metrics"]).stdin(piped()).stdout(piped()).stderr(piped()).spawn()
    else {
        return;
    };
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribers_name_and_certificate_are_looked_at() {
    let world = World::new().await.started().await;
    let lasting = certificate(2126);
    let trusted = world.directory.path().join("trusted.pem");
    fs::write(&trusted, lasting.0.pem()).unwrap();
    let good = world.subscribe(&serving(&lasting)).await;
    let ended = world.subscribe(&serving(&certificate(2021))).await;
    let silent = world.subscribe(&format!("https://{HOST}:1/")).await;
    let of = |checks: &[Value], id: &str| {
        let found = checks.iter().find(|check| check["about"] == id).unwrap();
        (found["status"].as_str().unwrap().to_owned(), found["what"].as_str().unwrap().to_owned())
    };
    let mut trusting = world.command(&["-o", "json", "--skip", "log"]);
    trusting.env("SSL_CERT_FILE", &trusted).env_remove("SSL_CERT_DIR");
    let (code, checks) = ran(&mut trusting).await;
    assert_eq!(code, 6);
    let (state, what) = of(&checks, &good);
    assert!(state == "ok" && what.contains("its certificate ends on 21"), "{what}");
    let (state, what) = of(&checks, &ended);
    assert!(state == "fail" && what.contains("ended on 2021-01-02T00:00:00Z"), "{what}");
    let (state, what) = of(&checks, &silent);
    assert!(state == "fail" && what.contains("cannot be reached"), "{what}");

    let (_, checks) = world.doctor(&["--skip", "log"]).await;
    let (state, what) = of(&checks, &good);
    assert!(state == "fail" && what.contains("is not trusted"), "{what}");
    world.stopped().await;
}

/// A port that counts who comes.
fn counting() -> (String, Arc<AtomicUsize>) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let met = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&met);
    thread::spawn(move || listener.incoming().for_each(|_| _ = counted.fetch_add(1, Ordering::Relaxed)));
    (url, met)
}

/// A certificate for [`HOST`] that nobody vouches for, that ends as the second of January of `year` begins; and its key.
fn certificate(year: i32) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 2));
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

/// Speaks TLS with `certificate` and says nothing over it. Gives its URL.
fn serving((certificate, key): &(rcgen::Certificate, KeyPair)) -> String {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{HOST}:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            let _ = connection.complete_io(&mut stream);
        }
    });
    url
}
