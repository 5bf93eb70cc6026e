//! The subscriber: verifies each delivery with the official Standard Webhooks library and writes it down.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use crate::wait;

/// How long a first delivery waits for the file with the secret: the subscription is made after the receiver listens.
const SECRET_LIMIT: Duration = Duration::from_secs(60);

/// One delivery as it arrived, a line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// The `webhook-id` header.
    pub id: String,
    /// Whether the official library took the signature.
    pub verified: bool,
    /// Hash of the body, to tell a repeat from a different event of the same id.
    pub body_hash: String,
    /// The event.
    pub event: Value,
}

struct Book {
    secret_file: PathBuf,
    file: Mutex<File>,
}

/// Receives on `listener` until killed. The secret is read from `secret_file` as soon as that is there.
pub async fn run(listener: TcpListener, secret_file: PathBuf, out: &Path) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(out).context("the file of arrivals")?;
    let book = Arc::new(Book { secret_file, file: Mutex::new(file) });
    let router = Router::new().route("/hook", post(receive)).with_state(book);
    axum::serve(listener, router).await.context("receiving")
}

async fn receive(State(book): State<Arc<Book>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match write_down(&book, &headers, &body).await {
        Ok(true) => StatusCode::NO_CONTENT,
        Ok(false) => StatusCode::UNAUTHORIZED,
        Err(error) => {
            eprintln!("receiver: {error:#}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

async fn write_down(book: &Book, headers: &HeaderMap, body: &Bytes) -> Result<bool> {
    let secret = wait::until("the secret", SECRET_LIMIT, || async {
        std::fs::read_to_string(&book.secret_file).ok().filter(|text| !text.is_empty())
    })
    .await?;
    let verified = Webhook::new(secret.trim()).context("the secret")?.verify(body, headers).is_ok();
    let id = headers.get("webhook-id").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let arrival = Arrival {
        at: Timestamp::now(),
        id: id.to_owned(),
        verified,
        body_hash: short_hash(body),
        event: serde_json::from_slice(body).unwrap_or(Value::Null),
    };
    let line = serde_json::to_string(&arrival)? + "\n";
    let mut file = book.file.lock().map_err(|_| anyhow::anyhow!("another delivery panicked"))?;
    file.write_all(line.as_bytes())?;
    Ok(verified)
}

fn short_hash(body: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
