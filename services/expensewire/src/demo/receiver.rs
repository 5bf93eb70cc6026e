//! The demo's subscriber: takes deliveries, checks each signature, shows them.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use dispatcher::signature;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

/// How far a delivery's timestamp may be from our clock, in seconds (Standard Webhooks recommends five minutes).
const TOLERANCE_S: i64 = 300;
/// What the demo promises to show.
const PROMISED: [&str; 3] = ["report.approved", "report.reimbursed", "policy.changed"];

/// The running receiver; clones are the same one.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    book: Arc<Book>,
}

struct Book {
    started: Instant,
    secret: OnceLock<String>,
    verified: Mutex<BTreeSet<String>>,
}

impl Receiver {
    /// Listens on a free port.
    pub async fn start(started: Instant) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
        let address = listener.local_addr()?;
        let book = Arc::new(Book { started, secret: OnceLock::new(), verified: Mutex::default() });
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&book));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's receiver ended");
            }
        });
        Ok(Self { address, book })
    }

    /// Where it takes deliveries.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Tells it the subscription's secret. Deliveries before that are refused, and so retried.
    pub fn learn_secret(&self, secret: String) {
        let _ = self.book.secret.set(secret);
    }
}

async fn receive(State(book): State<Arc<Book>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match check(&book, &headers, &body) {
        Ok(event) => {
            show(&book, &event);
            StatusCode::NO_CONTENT
        }
        Err(why) => {
            println!("{:>7.1}s  REFUSED   {why:#}", book.started.elapsed().as_secs_f64());
            StatusCode::UNAUTHORIZED
        }
    }
}

fn check(book: &Book, headers: &HeaderMap, body: &[u8]) -> Result<Value> {
    let secret = book.secret.get().context("no secret yet")?;
    let secret = signature::parse_secret(secret)?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    signature::verify(
        &secret,
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
        body,
        Timestamp::now().as_second(),
        TOLERANCE_S,
    )?;
    serde_json::from_slice(body).context("the body is no JSON")
}

fn show(book: &Book, event: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let event_type = text(&event["type"]);
    println!(
        "{:>7.1}s  verified  #{:<5} {:<18} {:<27} {}",
        book.started.elapsed().as_secs_f64(),
        event["sequence"],
        event_type,
        text(&event["subject"]),
        before_and_after(event),
    );
    let mut verified = book.verified.lock().unwrap_or_else(PoisonError::into_inner);
    let was_all = PROMISED.iter().all(|promised| verified.contains(*promised));
    verified.insert(event_type);
    if !was_all && PROMISED.iter().all(|promised| verified.contains(*promised)) {
        println!(
            "\n          {} have arrived, signed and verified. The tenant now lives on by itself.\n",
            PROMISED.join(", ")
        );
    }
}

/// The first change, as `path: before → after` where after is plain to see.
fn before_and_after(event: &Value) -> String {
    let changed = event["data"]["changed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = changed.iter().find(|path| *path == "state").or_else(|| changed.first()).and_then(Value::as_str);
    let Some(path) = shown else { return String::new() };
    let before = &event["data"]["previous"][path];
    match &event["data"]["object"][path] {
        Value::Null => format!("{path}: was {before}"),
        after => format!("{path}: {before} → {after}"),
    }
}
