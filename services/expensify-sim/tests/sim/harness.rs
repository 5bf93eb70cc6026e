//! A simulator on a free port and a client that reads nothing but bytes.

use expensify_sim::{RateLimits, SimConfig, Simulator};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;

pub const DEADLINE: Duration = Duration::from_secs(10);
const NONCE: &str = "0123456789abcdef0123456789abcdef";

/// One answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The code and the message of an envelope that came with HTTP 200.
    pub fn refusal(&self) -> (u64, String) {
        assert_eq!(self.status, 200);
        assert!(self.body.starts_with(b"{\"responseMessage\""), "{}", self.text());
        let json = self.json();
        (json["responseCode"].as_u64().unwrap(), json["responseMessage"].as_str().unwrap().to_owned())
    }
}

/// A running simulator.
pub struct Upstream {
    pub sim: Simulator,
    pub http: Client,
}

/// Still, without rate limits.
pub fn calm() -> SimConfig {
    SimConfig { reports: 60, limits: RateLimits { per_10s: 0, per_60s: 0 }, ..SimConfig::default() }
}

pub async fn start(config: SimConfig) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sim = Simulator::start(config, listener).await.unwrap();
    // reqwest wants a provider even for plain http. A second test of this process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().timeout(DEADLINE).build().unwrap();
    Upstream { sim, http }
}

pub fn template() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../expensify-client/templates/reports.min.ftl");
    std::fs::read_to_string(path).unwrap().trim_end_matches('\n').replace("@NONCE@", NONCE)
}

/// A job with good credentials.
pub fn job(kind: &str, input: Value) -> Value {
    let config = SimConfig::default();
    json!({
        "type": kind,
        "credentials": {
            "partnerUserID": config.credentials.partner_user_id,
            "partnerUserSecret": config.credentials.partner_user_secret,
        },
        "inputSettings": input,
    })
}

/// A report export job over everything of the last 301 days, with `filters` and `input` laid over it.
pub fn export_job(filters: Value, input: Value) -> Value {
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 301);
    let mut all =
        json!({ "type": "combinedReportData", "filters": { "startDate": start.strftime("%Y-%m-%d").to_string() } });
    for (key, value) in filters.as_object().unwrap() {
        all["filters"][key] = value.clone();
    }
    for (key, value) in input.as_object().unwrap() {
        all[key] = value.clone();
    }
    let mut job = job("file", all);
    job["onReceive"] = json!({ "immediateResponse": ["returnRandomFileName"] });
    job["outputSettings"] = json!({ "fileExtension": "json", "fileBasename": "snap" });
    job
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    Answer {
        status: response.status().as_u16(),
        content_type: content_type.unwrap_or_default(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

impl Upstream {
    /// Posts a job, urlencoded, with further form fields.
    pub async fn post_with(&self, job: &Value, fields: &[(&str, &str)]) -> Answer {
        let text = job.to_string();
        let mut form = vec![("requestJobDescription", text.as_str())];
        form.extend_from_slice(fields);
        answer(self.http.post(self.sim.endpoint()).form(&form)).await
    }

    pub async fn post(&self, job: &Value) -> Answer {
        self.post_with(job, &[]).await
    }

    pub async fn refusal(&self, kind: &str, input: Value) -> (u64, String) {
        self.post(&job(kind, input)).await.refusal()
    }

    pub async fn download(&self, name: &str) -> Answer {
        let mut job = job("download", json!({}));
        job["fileName"] = json!(name);
        self.post(&job).await
    }

    /// Exports and downloads.
    pub async fn exported(&self, job: &Value) -> String {
        let name = self.post_with(job, &[("template", &template())]).await.text();
        assert!(name.starts_with("snap") && name.ends_with(".json"), "{name}");
        self.download(&name).await.text()
    }

    /// Exports and gives each report as an object of its columns, its lists included.
    pub async fn rows(&self, filters: Value, input: Value) -> Vec<Value> {
        let text = self.exported(&export_job(filters, input)).await;
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let columns =
            |list: &str| -> Vec<String> { serde_json::from_value(lines[0]["columns"][list].clone()).unwrap() };
        let object = |list: &str, cells: &Value| -> Value {
            let cells = cells.as_array().unwrap().iter().cloned();
            columns(list).into_iter().zip(cells).collect::<serde_json::Map<_, _>>().into()
        };
        let row = |line: &Value| {
            let mut row = object("report", &line["report"]);
            for list in ["approvers", "actionList", "transactionList"] {
                row[list] = line[list].as_array().unwrap().iter().map(|item| object(list, item)).collect();
            }
            row
        };
        lines.iter().filter(|line| line["t"] == "row").map(row).collect()
    }

    /// One report by its id; nothing when reads do not show it.
    pub async fn row(&self, id: &str) -> Option<Value> {
        self.rows(json!({ "startDate": "", "reportIDList": id }), json!({})).await.into_iter().next()
    }

    pub async fn cards(&self) -> Vec<Value> {
        let answer = self.post(&job("get", json!({ "type": "domainCardList", "domain": "acme.example" }))).await.json();
        answer["domainCardList"].as_array().unwrap().clone()
    }

    pub async fn control(&self, path: &str) -> Answer {
        answer(self.http.get(format!("{}{path}", self.sim.control_url()))).await
    }

    /// Posts to the control API.
    pub async fn command(&self, path: &str, body: Value) -> Answer {
        answer(self.http.post(format!("{}{path}", self.sim.control_url())).json(&body)).await
    }

    pub async fn change(&self, body: Value) -> Answer {
        self.command("/changes", body).await
    }

    pub async fn policies(&self) -> Vec<Value> {
        let list = self.post(&job("get", json!({ "type": "policyList" }))).await.json();
        list["policyList"].as_array().unwrap().clone()
    }

    /// One policy's section.
    pub async fn section(&self, policy: &str, name: &str) -> Value {
        let input = json!({ "type": "policy", "policyIDList": [policy], "fields": [name] });
        self.post(&job("get", input)).await.json()["policyInfo"][policy][name].clone()
    }

    /// The state of a report, from the control API's side.
    pub fn in_state(&self, state: &str) -> String {
        self.sim.reports().into_iter().find(|line| line.state == state).unwrap().id
    }

    /// Waits, with a deadline, until the journal has `n` records.
    pub async fn changes(&self, n: usize) -> Vec<expensify_sim::Record> {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let changes = self.sim.changes(0);
            if changes.len() >= n {
                return changes;
            }
            assert!(tokio::time::Instant::now() < deadline, "only {} changes", changes.len());
            tokio::task::yield_now().await;
        }
    }
}
