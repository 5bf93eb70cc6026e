//! A local server that answers as it is told and remembers what it was asked, and a gate that remembers who passed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response},
};
use event_model::Report;
use expensify_client::{
    Client, ClientConfig, ClientError, Credentials, Gate, GateClosed, JobKind, Permit, ReportExport, RequestOutcome,
    RowStep, RowsEnd, Timeouts, rows,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Nothing in these tests takes longer, or it hangs.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// What our templates send to see whether it comes back.
pub const CANARY: &str = "<>&'\"\\/ é € 😀 \u{2028} \t  .";
pub const SECRET: &str = "s3cr3t+&=%value";

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub headers: HeaderMap,
    pub raw: String,
    pub form: BTreeMap<String, String>,
}

impl Seen {
    pub fn description(&self) -> Value {
        serde_json::from_str(&self.form["requestJobDescription"]).unwrap()
    }
}

pub type Reply = Box<dyn Fn(&Seen) -> Response<Body> + Send>;

#[derive(Clone, Default)]
pub struct Upstream {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// A server that gives these replies in turn, and 500 after the last.
    pub async fn start(replies: Vec<Reply>) -> (Self, String) {
        let upstream = Self::default();
        upstream.replies.lock().unwrap().extend(replies);
        let app = Router::new().fallback(answer).with_state(upstream.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/Integration-Server/ExpensifyIntegrations", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (upstream, url)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(upstream): State<Upstream>, method: Method, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let raw = String::from_utf8(body.to_vec()).unwrap();
    let form = url::form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
    let seen = Seen { method, headers, raw, form };
    let reply = upstream.replies.lock().unwrap().pop_front();
    let response = match reply {
        Some(reply) => reply(&seen),
        None => Response::builder().status(500).body(Body::from("no more replies")).unwrap(),
    };
    upstream.seen.lock().unwrap().push(seen);
    response
}

/// Always this status and body.
pub fn reply(status: u16, body: impl Into<String>) -> Reply {
    let body = body.into();
    Box::new(move |_| Response::builder().status(status).body(Body::from(body.clone())).unwrap())
}

/// What happened at the gate, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    Acquired(JobKind),
    Answered(RequestOutcome),
    /// The permit was dropped uncalled.
    Unanswered,
}

pub struct CountingGate(mpsc::UnboundedSender<Passed>);
struct CountingPermit(Option<mpsc::UnboundedSender<Passed>>);

impl Gate for CountingGate {
    fn acquire(&self, job: JobKind) -> BoxFuture<'_, Result<Box<dyn Permit>, GateClosed>> {
        let _ = self.0.send(Passed::Acquired(job));
        let permit = CountingPermit(Some(self.0.clone()));
        Box::pin(async { Ok(Box::new(permit) as Box<dyn Permit>) })
    }
}

impl Permit for CountingPermit {
    fn answered(mut self: Box<Self>, outcome: RequestOutcome) {
        let _ = self.0.take().map(|events| events.send(Passed::Answered(outcome)));
    }
}

impl Drop for CountingPermit {
    fn drop(&mut self) {
        if let Some(events) = self.0.take() {
            let _ = events.send(Passed::Unanswered);
        }
    }
}

/// What happened at the gate so far.
pub struct Events(mpsc::UnboundedReceiver<Passed>);

impl Events {
    pub fn all(&mut self) -> Vec<Passed> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }

    pub async fn next(&mut self) -> Passed {
        tokio::time::timeout(DEADLINE, self.0.recv()).await.expect("something happens at the gate").unwrap()
    }
}

pub fn config(url: &str) -> ClientConfig {
    let mut config = ClientConfig::new(url.parse().unwrap(), Credentials::new("aa_me", SECRET));
    config.download_waits = vec![Duration::from_millis(1); 4];
    config
}

/// Short enough to be waited for.
pub fn impatient() -> Timeouts {
    let short = Duration::from_millis(200);
    Timeouts { connect: short, short, export: short, download: DEADLINE, download_idle: short }
}

pub fn client(config: ClientConfig) -> (Client, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Client::new(config, Arc::new(CountingGate(sender))).unwrap(), Events(receiver))
}

/// The nonce that a template carries.
pub fn nonce_of(template: &str) -> &str {
    template.split(' ').nth(2).unwrap()
}

const ROW_END: &str = r#""approvers":[],"actionList":[],"transactionList":[]}"#;

/// What the engine would write for the template in `seen`, for open reports with these ids.
pub fn export_file(template: &str, ids: &[&str]) -> String {
    let nonce = nonce_of(template);
    let columns = json!({ "report": rows::REPORT, "approvers": rows::APPROVER, "actionList": rows::ACTION,
        "transactionList": rows::EXPENSE });
    let begin = json!({ "v": 1, "nonce": nonce, "addHeader": true, "kind": "sequence", "size": ids.len(),
        "engine": "2.3.31", "locale": "en_US", "canary": CANARY, "columns": columns });
    let mut file = record("begin", &begin);
    for (i, id) in ids.iter().enumerate() {
        let mut report = vec![Value::Null; rows::REPORT.len()];
        report[0] = json!(id);
        report[3] = json!("Open");
        let report = Value::from(report);
        file += &format!("{{\"t\":\"row\",\"i\":{i},\"report\":{report},{ROW_END}\n");
    }
    file + &record("end", &json!({ "nonce": nonce, "rows": ids.len(), "faults": 0, "done": true }))
}

fn record(kind: &str, fields: &Value) -> String {
    format!("{{\"t\":\"{kind}\",{}\n", &fields.to_string()[1..])
}

/// Status and body of a download, for the template of the export before it.
pub type File = Box<dyn Fn(&str) -> (u16, String) + Send>;

/// An upstream whose export succeeds and whose downloads are `downloads` of the file that its template asks for.
pub async fn exporting(downloads: Vec<File>) -> (Upstream, String) {
    let template = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&template);
    let export = move |seen: &Seen| {
        kept.lock().unwrap().clone_from(&seen.form["template"]);
        Response::new(Body::from("file1.json"))
    };
    let mut replies: Vec<Reply> = vec![Box::new(export)];
    for download in downloads {
        let template = Arc::clone(&template);
        replies.push(Box::new(move |_| {
            let (status, body) = download(&template.lock().unwrap());
            Response::builder().status(status).body(Body::from(body)).unwrap()
        }));
    }
    Upstream::start(replies).await
}

/// The reports of an export, each read, and how the read ended.
pub async fn read_all(client: &Client) -> Result<(Vec<Report>, RowsEnd), ClientError> {
    let mut rows = client.report_rows(&ReportExport::default()).await?;
    let mut reports = Vec::new();
    while let Some(step) = rows.next().await? {
        match step {
            RowStep::Row(row) => reports.extend(rows.observed(&row)),
            RowStep::Restarted => reports.clear(),
        }
    }
    Ok((reports, rows.finish()))
}
