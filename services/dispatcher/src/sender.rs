//! One attempt: signs, posts, and says how it ended.

use std::{
    collections::BTreeMap,
    error::Error,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use change_engine::delivery::retry_after;
use event_model::{
    EventId, Subscription, SubscriptionId,
    delivery::{Attempt, Outcome},
};
use event_store::{SealError, Sealer};
use jiff::Timestamp;
use reqwest::{
    Client, Response,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use tokio::{
    sync::Semaphore,
    time::{Instant as Deadline, timeout_at},
};
use url::Url;

use crate::{
    DispatcherConfig, DispatcherError,
    guard::{Guard, Refusal},
    headers, signature,
};

/// Bytes of an answer that are read: it is not looked at, but a short one must be drained to keep the connection.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Headers of an answer; more is no honest answer.
const MAX_ANSWER_HEADERS: usize = 100;
/// An idle connection is kept for this long: longer than most pauses between events, shorter than most servers keep it.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// Where and how one subscription is delivered to.
pub(crate) struct Target {
    pub(crate) subscription: SubscriptionId,
    pub(crate) url: Url,
    pub(crate) sealed_headers: BTreeMap<String, String>,
    pub(crate) sealed_secrets: Vec<String>,
}

/// How an attempt went.
pub(crate) struct Answer {
    pub(crate) attempt: Attempt,
    pub(crate) retry_after: Option<Duration>,
}

/// Sends deliveries. One for all subscriptions: connections are shared and bounded.
pub(crate) struct Sender {
    client: Client,
    guard: Guard,
    sealer: Sealer,
    agent: HeaderValue,
    timeout: Duration,
    connections: Semaphore,
}

impl Sender {
    pub(crate) fn new(config: &DispatcherConfig, sealer: Sealer) -> Result<Self, DispatcherError> {
        // An error says that the process has a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard::new(config.allow_http, config.allow_cidrs.clone());
        let client = Client::builder()
            .dns_resolver(Arc::new(guard.clone()))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_max_headers(MAX_ANSWER_HEADERS)
            .pool_max_idle_per_host(config.limits.in_flight)
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()
            .map_err(DispatcherError::Client)?;
        let connections = Semaphore::new(config.max_connections.max(1));
        let (agent, timeout) = (headers::agent(&config.version), config.timeout);
        Ok(Self { client, guard, sealer, agent, timeout, connections })
    }

    /// Makes one attempt. The deadline runs from when it is its turn.
    ///
    /// # Errors
    /// When a secret or a header of the subscription cannot be opened; nothing was sent then.
    pub(crate) async fn send(&self, target: &Target, id: &EventId, body: Bytes) -> Result<Answer, SealError> {
        // Never closed; if it were, sending unbounded would still be better than not sending.
        let _permit = self.connections.acquire().await.ok();
        let (at, began) = (Timestamp::now(), Instant::now());
        let mut headers = self.own_headers(target)?;
        headers::stamp(&mut headers, &self.agent, id, at.as_second(), &self.signatures(target, id, at, &body)?);
        let (outcome, retry_after) = self.post(&target.url, headers, body).await;
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Answer { attempt: Attempt { at, duration_ms, outcome }, retry_after })
    }

    /// The subscription's own headers. The opened values are wiped here; the request's copies go with it.
    fn own_headers(&self, target: &Target) -> Result<HeaderMap, SealError> {
        headers::own(&target.sealed_headers, |name, sealed| {
            self.sealer.open(&Subscription::header_place(&target.subscription, name), sealed)
        })
    }

    /// One signature per secret. The opened secrets are wiped when they are dropped here.
    fn signatures(&self, target: &Target, id: &EventId, at: Timestamp, body: &[u8]) -> Result<Vec<String>, SealError> {
        let sign = |sealed: &String| {
            let secret = self.sealer.open(target.subscription.as_str(), sealed)?;
            Ok(signature::sign(&secret, id.as_str(), at.as_second(), body))
        };
        target.sealed_secrets.iter().map(sign).collect()
    }

    async fn post(&self, url: &Url, headers: HeaderMap, body: Bytes) -> (Outcome, Option<Duration>) {
        if let Err(refusal) = self.guard.check_url(url) {
            return (refused(&refusal), None);
        }
        let deadline = Deadline::now() + self.timeout;
        let request = self.client.post(url.clone()).headers(headers).body(body).send();
        let response = match timeout_at(deadline, request).await {
            Err(_elapsed) => return (Outcome::Timeout, None),
            Ok(Err(error)) => return (classify(&error), None),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|value| retry_after(value, Timestamp::now()));
        if timeout_at(deadline, drain(response)).await.is_err() {
            return (Outcome::Timeout, wait);
        }
        match status.as_u16() {
            status @ 200..=299 => (Outcome::Delivered { status }, None),
            status => (Outcome::Status { status }, wait),
        }
    }
}

/// Reads the answer's body to its end or to the bound. What it says, and whether it breaks off, is of no account: the
/// status has been given. A body that is too long costs the connection.
async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_ANSWER_BYTES {
            return;
        }
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Unresolved { .. } => Outcome::Dns,
        Refusal::Scheme(_)
        | Refusal::UserInfo
        | Refusal::NoHost
        | Refusal::Port
        | Refusal::Address { .. }
        | Refusal::TooManyAddresses { .. } => Outcome::Blocked { why: refusal.to_string() },
    }
}

fn classify(error: &reqwest::Error) -> Outcome {
    if let Some(refusal) = cause::<Refusal>(error) {
        refused(refusal)
    } else if error.is_dns() {
        Outcome::Dns
    } else if cause::<rustls::Error>(error).is_some() {
        Outcome::Tls
    } else if error.is_timeout() {
        Outcome::Timeout
    } else if error.is_connect() {
        Outcome::Connect
    } else {
        Outcome::Transport
    }
}

/// The first cause of this type. An `io::Error` hides what it wraps from `source`, so it is opened.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.and_then(|inner| cause::<E>(inner as &(dyn Error + 'static)));
        if let Some(found) = error.downcast_ref::<E>().or(wrapped) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
