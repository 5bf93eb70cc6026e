//! The service and a simulated Expensify, in this process and over real HTTP.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use event_model::EventType;
use expensewire::{config::Config, service::Service};
use expensify_sim::{RateLimits, SimConfig, Simulator};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

/// The removal of a report takes two reads at least ten seconds apart; the rest is there in a second or two.
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Both, and a client of either.
pub struct World {
    pub http: Client,
    pub simulator: Simulator,
    pub api: String,
    key: String,
    stop: CancellationToken,
    service: JoinHandle<anyhow::Result<()>>,
    _directory: TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// The same with more of configuration.
    pub async fn with(configured: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Limits that leave room for a removal to be confirmed while everything else is read.
        let limits = RateLimits { per_10s: 500, per_60s: 1000 };
        let config = SimConfig { reports: 60, policies: 3, cards: 12, limits, ..SimConfig::default() };
        let simulator = Simulator::start(config, TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("expensewire.toml");
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\n[store]\npath = {:?}\ndurability = 'process-crash'\n\
             [delivery]\nallow_http = true\nallow_cidrs = ['127.0.0.0/8']\n\
             [accounts.acme]\npartner_user_id = 'aa_finance_acme_example'\npartner_user_secret = 'simulated-secret'\n\
             endpoint = '{}'\ndomains = ['acme.example']\n[accounts.acme.budget]\nper_10s = 500\nper_60s = 1000\n{configured}",
            directory.path().join("data"),
            simulator.endpoint(),
        );
        std::fs::write(&file, text).unwrap();
        let service = Service::start(Config::load(Some(&file), std::iter::empty()).unwrap().config).await.unwrap();
        let api = format!("http://{}/v1", service.address());
        let key = service.new_admin_key().unwrap().to_owned();
        let stop = CancellationToken::new();
        let service = tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
        let http = Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        Self { http, simulator, api, key, stop, service, _directory: directory }
    }

    /// The answer to a request that succeeds.
    pub async fn answer(&self, request: RequestBuilder) -> Value {
        let (status, body) = self.tried(request).await;
        assert!((200..300).contains(&status), "{status}: {body}");
        body
    }

    /// Status and body of the answer to a request.
    pub async fn tried(&self, request: RequestBuilder) -> (u16, Value) {
        let answer = request.bearer_auth(&self.key).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A request to the simulator's control interface.
    pub fn control(&self, what: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}/{what}", self.simulator.control_url())).json(body)
    }

    /// Makes one change in the simulated company, and gives the id of what was changed.
    pub async fn change(&self, change: Value) -> String {
        let made = self.answer(self.control("changes", &change)).await;
        made["entity"].as_str().unwrap().split_once('/').unwrap().1.to_owned()
    }

    /// Every event of the log, held to its schema.
    pub async fn events(&self) -> Vec<Value> {
        let page = self.answer(self.http.get(format!("{}/events?after=0&limit=1000", self.api))).await;
        assert_eq!(page["next"], page["last"], "the log is longer than a page");
        page["events"].as_array().unwrap().clone()
    }

    /// Waits for the first sight of reports, policies and cards, and gives the cards.
    pub async fn first_sight(&self) -> Vec<u64> {
        let started = Instant::now();
        loop {
            let events = self.events().await;
            let subjects = |name: &str| {
                let of = events.iter().filter(|event| event["type"] == name);
                of.map(|event| event["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            if subjects("scope.snapshot").len() == 3 {
                return subjects("card.snapshot").iter().map(|card| card["card/".len()..].parse().unwrap()).collect();
            }
            assert!(started.elapsed() < DEADLINE, "no first sight");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until each of `types` was told.
    pub async fn told(&self, types: &[EventType]) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let events = self.events().await;
            let known = |event: &Value| event["type"].as_str()?.parse::<EventType>().ok();
            let seen: BTreeSet<_> = events.iter().filter_map(known).collect();
            let missing: Vec<_> = types.iter().filter(|wanted| !seen.contains(*wanted)).collect();
            if missing.is_empty() {
                return events;
            }
            assert!(started.elapsed() < DEADLINE, "not told: {missing:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    pub async fn stopped(self) {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
        self.simulator.stop().await;
    }
}
