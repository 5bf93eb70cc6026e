//! One attempt: signs, posts, and says how it ended.

use std::{
    error::Error,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use change_engine::delivery::retry_after;
use event_model::{
    EventId, Subscription,
    delivery::{Attempt, Outcome},
};
use event_store::{SealError, Sealer};
use jiff::Timestamp;
use reqwest::{
    Client, Response,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use tokio::time::{Instant as Deadline, timeout_at};
use url::Url;

use crate::{
    DispatcherConfig, DispatcherError,
    format::Content,
    guard::{Guard, Refusal},
    headers, signature,
};

/// Bytes of an answer that are read and kept; a short one must be drained to keep the connection.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Headers of an answer; more is no honest answer.
const MAX_ANSWER_HEADERS: usize = 100;
/// An idle connection is kept for this long: longer than most pauses between events, shorter than most servers keep it.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// Where and how one subscription is delivered to.
pub(crate) struct Target {
    subscription: Arc<Subscription>,
}

impl Target {
    pub(crate) fn of(subscription: &Arc<Subscription>) -> Self {
        Self { subscription: Arc::clone(subscription) }
    }
}

/// How an attempt went.
pub(crate) struct Answer {
    pub(crate) attempt: Attempt,
    pub(crate) retry_after: Option<Duration>,
}

/// What came back.
struct Reply {
    outcome: Outcome,
    retry_after: Option<Duration>,
    /// The beginning of the answer's body. It belongs to whoever owns the subscription, and to nobody else.
    body: Vec<u8>,
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None, body: Vec::new() }
    }
}

/// Sends deliveries. One for all subscriptions, which share its idle connections.
pub(crate) struct Sender {
    client: Client,
    guard: Guard,
    sealer: Sealer,
    agent: HeaderValue,
    timeout: Duration,
}

impl Sender {
    pub(crate) fn new(config: &DispatcherConfig, sealer: Sealer) -> Result<Self, DispatcherError> {
        // An error says that the process has a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard::with_resolver(config.allow_http, config.allow_cidrs.clone(), config.resolver.clone());
        let client = Client::builder()
            .dns_resolver(Arc::new(guard.clone()))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_max_headers(MAX_ANSWER_HEADERS)
            .pool_max_idle_per_host(config.max_connections)
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()
            .map_err(DispatcherError::Client)?;
        let (agent, timeout) = (headers::agent(&config.version), config.timeout);
        Ok(Self { client, guard, sealer, agent, timeout })
    }

    /// Makes one attempt. Whoever calls holds a pass of the gate.
    ///
    /// # Errors
    /// When a secret or a header of the subscription cannot be opened; nothing was sent then.
    pub(crate) async fn send(
        &self,
        target: &Target,
        id: &EventId,
        content: impl Into<Content>,
    ) -> Result<Answer, SealError> {
        self.ask(target, id, content).await.map(|(answer, _)| answer)
    }

    /// The same, with what was read of the answer's body.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn ask(
        &self,
        target: &Target,
        id: &EventId,
        content: impl Into<Content>,
    ) -> Result<(Answer, Vec<u8>), SealError> {
        let (at, began) = (Timestamp::now(), Instant::now());
        let (subscription, content) = (&target.subscription, content.into());
        let reply = match content.message(subscription.format) {
            Ok(message) => {
                let mut headers = self.own_headers(subscription)?;
                let signatures = self.signatures(subscription, id, at, &message.body)?;
                headers::stamp(&mut headers, &message.headers, &self.agent, id, at.as_second(), &signatures);
                self.post(&subscription.url, headers, message.body.clone()).await
            }
            Err(no_event) => Outcome::Blocked { why: no_event.to_string() }.into(),
        };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let attempt = Attempt { at, duration_ms, outcome: reply.outcome };
        Ok((Answer { attempt, retry_after: reply.retry_after }, reply.body))
    }

    /// The subscription's own headers. The opened values are wiped here; the request's copies go with it.
    fn own_headers(&self, subscription: &Subscription) -> Result<HeaderMap, SealError> {
        headers::own(&subscription.sealed_headers, |name, sealed| {
            self.sealer.open(&Subscription::header_place(&subscription.id, name), sealed)
        })
    }

    /// One signature per secret and key that signs at `at`. The opened ones are wiped when they are dropped here.
    fn signatures(
        &self,
        subscription: &Subscription,
        id: &EventId,
        at: Timestamp,
        body: &[u8],
    ) -> Result<Vec<String>, SealError> {
        let mut signatures = Vec::new();
        for sealed in subscription.secrets_at(at) {
            let secret = self.sealer.open(subscription.id.as_str(), sealed)?;
            signatures.push(signature::sign(&secret, id.as_str(), at.as_second(), body));
        }
        for key in subscription.ed25519_keys_at(at) {
            let seed = self.sealer.open(&Subscription::ed25519_place(&subscription.id), &key.sealed_seed)?;
            let signature = signature::sign_ed25519(&seed, id.as_str(), at.as_second(), body);
            signatures.push(signature.ok_or(SealError::Damaged)?);
        }
        Ok(signatures)
    }

    async fn post(&self, url: &Url, headers: HeaderMap, body: Bytes) -> Reply {
        if let Err(refusal) = self.guard.check_url(url) {
            return refused(&refusal).into();
        }
        let deadline = Deadline::now() + self.timeout;
        let request = self.client.post(url.clone()).headers(headers).body(body).send();
        let response = match timeout_at(deadline, request).await {
            Err(_elapsed) => return Outcome::Timeout.into(),
            Ok(Err(error)) => return classify(&error).into(),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|value| retry_after(value, Timestamp::now()));
        let Ok(body) = timeout_at(deadline, read(response)).await else {
            return Reply { outcome: Outcome::Timeout, retry_after: wait, body: Vec::new() };
        };
        match status.as_u16() {
            status @ 200..=299 => Reply { outcome: Outcome::Delivered { status }, retry_after: None, body },
            status => Reply { outcome: Outcome::Status { status }, retry_after: wait, body },
        }
    }
}

/// Reads the answer's body to its end or to the bound, and gives what was read. Whether it breaks off is of no account: the
/// status has been given. A body that is too long costs the connection.
async fn read(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    body
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
        Outcome::Refused
    } else if cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse_too_large) {
        Outcome::TooLarge
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
