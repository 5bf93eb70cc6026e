//! One attempt: signs, posts, and says how it ended.

use std::{
    error::Error,
    io,
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use change_engine::delivery::retry_after;
use event_model::{
    EventId, Spans, Subscription,
    delivery::{Attempt, Outcome},
};
use event_store::{SealError, Sealer};
use http::{
    Method, Request,
    header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER},
};
use http_body_util::Full;
use jiff::Timestamp;
use tokio::time::{Instant as Deadline, timeout_at};

use crate::{
    DispatcherConfig, DispatcherError,
    format::Content,
    guard::{Guard, Refusal},
    headers,
    target::Target,
    trace::Traced,
    wire::{Wire, WireError},
};

/// Bytes of an answer that are read and kept; a short one must be drained to keep the connection.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

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
    wire: Wire,
    guard: Guard,
    sealer: Sealer,
    agent: HeaderValue,
    timeout: Duration,
    spans: Spans,
}

impl Sender {
    pub(crate) fn new(config: &DispatcherConfig, sealer: Sealer) -> Result<Self, DispatcherError> {
        let guard = Guard::with_resolver(config.allow_http, config.allow_cidrs.clone(), config.resolver.clone());
        let wire = Wire::new(&guard, config.max_connections).map_err(DispatcherError::Client)?;
        let (agent, timeout) = (headers::agent(&config.version), config.timeout);
        Ok(Self { wire, guard, sealer, agent, timeout, spans: config.spans.clone() })
    }

    /// Closes connections that nobody uses any more, for ever.
    pub(crate) async fn close_idle(&self) {
        self.wire.sweep().await;
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
        let trace = self.spans.are_recorded().then(|| content.trace()).flatten();
        let traced = trace.map(|trace| Traced { trace, id, subscription: &subscription.id, at });
        let reply = match content.message(subscription.format) {
            Ok(message) => {
                let mut headers = self.own_headers(subscription)?;
                let signatures = target.signatures(&self.sealer, id, at, &message.body)?;
                headers::stamp(&mut headers, &message.headers, &self.agent, id, at.as_second(), &signatures);
                if let Some(traced) = traced {
                    headers::trace(&mut headers, traced.trace, traced.span(), self.spans.wants(traced.trace));
                }
                self.post(target, headers, message.body.clone()).await
            }
            Err(no_event) => Outcome::Blocked { why: no_event.to_string() }.into(),
        };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let attempt = Attempt { at, duration_ms, outcome: reply.outcome };
        if let Some(traced) = traced {
            traced.record(&self.spans, &attempt);
        }
        Ok((Answer { attempt, retry_after: reply.retry_after }, reply.body))
    }

    /// The subscription's own headers. The opened values are wiped here; the request's copies go with it.
    fn own_headers(&self, subscription: &Subscription) -> Result<HeaderMap, SealError> {
        headers::own(&subscription.sealed_headers, |name, sealed| {
            self.sealer.open(&Subscription::header_place(&subscription.id, name), sealed)
        })
    }

    async fn post(&self, target: &Target, mut headers: HeaderMap, body: Bytes) -> Reply {
        if let Err(refusal) = self.guard.check_url(&target.subscription.url) {
            return refused(&refusal).into();
        }
        let Some(place) = &target.place else { return Outcome::Transport.into() };
        headers.insert(HOST, place.host().clone());
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, place.path().clone());
        *request.headers_mut() = headers;
        // What is known once the answer's head is there, should its body never end.
        let mut status = None;
        let mut wait = None;
        let read = {
            // Pinned here, so that it is not moved into what bounds it.
            let exchange = pin!(async {
                let reply = self.wire.send(place, request).await?;
                status = Some(reply.head.status.as_u16());
                let value = reply.head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                wait = value.and_then(|value| retry_after(value, Timestamp::now()));
                let (body, line) = reply.read(MAX_ANSWER_BYTES).await;
                line.into_iter().for_each(|line| self.wire.give_back(place, line));
                Ok(body)
            });
            timeout_at(Deadline::now() + self.timeout, exchange).await
        };
        match (read, status) {
            (Err(_elapsed), _) => Reply { outcome: Outcome::Timeout, retry_after: wait, body: Vec::new() },
            (Ok(Err(error)), _) => classify(&error).into(),
            (Ok(Ok(body)), Some(status @ 200..=299)) => {
                Reply { outcome: Outcome::Delivered { status }, retry_after: None, body }
            }
            (Ok(Ok(body)), status) => {
                Reply { outcome: Outcome::Status { status: status.unwrap_or_default() }, retry_after: wait, body }
            }
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

fn classify(error: &WireError) -> Outcome {
    match error {
        WireError::Connect(error) => {
            let error: &(dyn Error + 'static) = &**error;
            if let Some(refusal) = cause::<Refusal>(error) {
                refused(refusal)
            } else if cause::<rustls::Error>(error).is_some() {
                Outcome::Tls
            } else if cause::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                Outcome::Timeout
            } else {
                Outcome::Refused
            }
        }
        WireError::Exchange(error) if cause::<rustls::Error>(error).is_some() => Outcome::Tls,
        WireError::Exchange(error) if error.is_parse_too_large() => Outcome::TooLarge,
        WireError::Exchange(_) => Outcome::Transport,
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
