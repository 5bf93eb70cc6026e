//! One HTTP request: through the gate, out, and its answer back, bounded in time and size.
//!
//! Each request has a connection of its own, closed with it. That costs a handshake for some twenty requests a minute
//! and buys two certainties: an HTTP library repeats nothing on a pooled connection that turned out to be dead, and a
//! request that is given up has no connection left on which it could still arrive.
//!
//! Nothing is ever decompressed: `accept-encoding: identity` is sent, and an answer that is encoded nevertheless is refused.
//! Nobody knows whether the server would compress, rendering takes longer than the transfer, and bytes that are counted as
//! they arrive are the bytes that memory holds: there is no bomb to bound.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::{Response, header, redirect, retry};
use rustls::{ClientConfig as TlsConfig, RootCertStore};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded::byte_serialize;

use crate::{
    classify::{Answer, classify, head_outcome},
    clock::ServerClock,
    config::{ClientConfig, Credentials, Timeouts},
    error::{ClientError, SetupError},
    gate::{Gate, Permit, RequestOutcome},
    job::Job,
    text::presentable,
};

/// The largest answer that is no file. Five hundred policies with a thousand members each fit.
const MAX_ANSWER_BYTES: u64 = 32 * 1024 * 1024;
/// Not compressed.
const IDENTITY: &str = "identity";
/// So much of a foreign encoding's name is shown.
const ENCODING_CHARS: usize = 40;

pub(crate) struct Transport {
    http: reqwest::Client,
    endpoint: url::Url,
    credentials: Credentials,
    gate: Arc<dyn Gate>,
    pub(crate) timeouts: Timeouts,
    pub(crate) clock: ServerClock,
}

/// The head of an answer. Whoever takes it reports to the permit.
pub(crate) struct Head {
    pub(crate) response: Response,
    pub(crate) permit: Box<dyn Permit>,
    pub(crate) sent_at: Timestamp,
    /// When the time that was given to the request is up.
    pub(crate) deadline: Instant,
}

/// A whole answer and its times.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    status: u16,
    pub(crate) sent_at: Timestamp,
    pub(crate) answered_at: Timestamp,
}

impl Transport {
    pub(crate) fn new(config: &ClientConfig, gate: Arc<dyn Gate>) -> Result<Self, SetupError> {
        let http = http_client(config)?;
        Ok(Self {
            http,
            endpoint: config.endpoint.clone(),
            credentials: config.credentials.clone(),
            gate,
            timeouts: config.timeouts.clone(),
            clock: ServerClock::default(),
        })
    }

    /// Sends a job and waits for the head of its answer, `timeout` at most.
    pub(crate) async fn send(&self, job: &Job, timeout: Duration) -> Result<Head, ClientError> {
        let acquired = self.gate.acquire(job.kind).await;
        // Declared before the request: when this is dropped half way, the connection goes first, then the permit.
        let permit = acquired.map_err(|source| ClientError::GateClosed { asked: job.asked(), source })?;
        let (sent_at, deadline) = (Timestamp::now(), Instant::now() + timeout);
        let request = self
            .http
            .post(self.endpoint.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT_ENCODING, IDENTITY)
            .body(self.form(job));
        let response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.failed(job, error, timeout, false)),
            Err(_) => return Err(ClientError::TimedOut { asked: job.asked(), after: timeout }),
        };
        let date = response.headers().get(header::DATE).map(header::HeaderValue::as_bytes);
        self.clock.heard(date, sent_at, Timestamp::now());
        match self.encoded(job, &response) {
            None => Ok(Head { response, permit, sent_at, deadline }),
            Some((outcome, error)) => {
                permit.answered(outcome);
                Err(error)
            }
        }
    }

    /// The outcome and the error for an answer that is encoded: nothing of it but its status can be understood.
    fn encoded(&self, job: &Job, response: &Response) -> Option<(RequestOutcome, ClientError)> {
        let encoding = response.headers().get(header::CONTENT_ENCODING)?.to_str().unwrap_or("unreadable");
        if encoding.is_empty() || encoding.eq_ignore_ascii_case(IDENTITY) {
            return None;
        }
        let (asked, encoding) = (job.asked(), presentable(encoding, ENCODING_CHARS));
        let reason = format!("the answer is encoded ({encoding}), which was not asked for");
        Some(match head_outcome(response.status().as_u16()) {
            RequestOutcome::RateLimited => {
                (RequestOutcome::RateLimited, ClientError::RateLimited { asked, message: reason })
            }
            _ => (RequestOutcome::Transport, ClientError::Unexpected { asked, reason }),
        })
    }

    /// Sends a job whose answer is small, reads and classifies it, and tells the permit.
    pub(crate) async fn ask(&self, job: &Job, timeout: Duration) -> Result<Answered, ClientError> {
        let Head { response, permit, sent_at, deadline } = self.send(job, timeout).await?;
        let status = response.status().as_u16();
        let body = timeout_at(deadline, self.small_body(job, response, timeout)).await;
        match body.unwrap_or_else(|_| Err(ClientError::TimedOut { asked: job.asked(), after: timeout })) {
            Ok(body) => {
                let answer = classify(job.kind, status, &body);
                permit.answered(answer.outcome());
                Ok(Answered { answer, status, sent_at, answered_at: Timestamp::now() })
            }
            Err(error) => {
                permit.answered(RequestOutcome::Transport);
                Err(error)
            }
        }
    }

    async fn small_body(&self, job: &Job, mut response: Response, timeout: Duration) -> Result<Bytes, ClientError> {
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|e| self.failed(job, e, timeout, true))? {
            if body.len() as u64 + piece.len() as u64 > MAX_ANSWER_BYTES {
                return Err(ClientError::TooLarge { asked: job.asked(), limit_bytes: MAX_ANSWER_BYTES });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// The error for a request or a body that broke.
    pub(crate) fn failed(&self, job: &Job, error: reqwest::Error, timeout: Duration, answering: bool) -> ClientError {
        let asked = job.asked();
        if error.is_timeout() {
            let after = if error.is_connect() { self.timeouts.connect } else { timeout };
            return ClientError::TimedOut { asked, after };
        }
        ClientError::NoAnswer { asked, answering, source: error.without_url() }
    }

    /// The error for an answer that is not what the job was to give.
    pub(crate) fn refused(&self, job: &Job, answer: Answer, status: u16) -> ClientError {
        let asked = job.asked();
        match answer {
            Answer::RateLimited { message } => ClientError::RateLimited { asked, message: self.redacted(message) },
            Answer::Refused { code, message } => ClientError::Refused { asked, code, message: self.redacted(message) },
            Answer::Redirected => ClientError::Redirected { asked, status },
            Answer::Foreign { excerpt } => ClientError::Foreign { asked, status, excerpt: self.redacted(excerpt) },
            Answer::Empty => ClientError::NotReady { asked },
            Answer::Done(_) | Answer::Files(_) | Answer::File => {
                ClientError::Unexpected { asked, reason: "an answer of another kind of job".to_owned() }
            }
        }
    }

    /// A server that repeats the request must not bring the secret into a log.
    fn redacted(&self, text: String) -> String {
        let secret = self.credentials.partner_user_secret.expose_secret();
        if secret.is_empty() { text } else { text.replace(secret, "[secret]") }
    }

    fn form(&self, job: &Job) -> String {
        let description = job.with_credentials(&self.credentials);
        let mut form = format!("requestJobDescription={}", percent_encoded(&description));
        if let Some(template) = &job.template {
            form.push_str("&template=");
            form.push_str(&percent_encoded(template));
        }
        form
    }
}

impl Answered {
    /// The error for this answer, when it is not what the job was to give.
    pub(crate) fn refused(self, transport: &Transport, job: &Job) -> ClientError {
        transport.refused(job, self.answer, self.status)
    }
}

/// As a form wants it, and blanks as `%20`: then no `+` is left that anybody could read in two ways.
fn percent_encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn http_client(config: &ClientConfig) -> Result<reqwest::Client, SetupError> {
    let builder = reqwest::Client::builder()
        .user_agent(&config.user_agent)
        .connect_timeout(config.timeouts.connect)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0);
    let builder = match config.endpoint.scheme() {
        "https" => {
            // Fails when a provider is installed already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            builder.https_only(true)
        }
        "http" => builder.tls_backend_preconfigured(no_tls()?),
        other => return Err(SetupError::Scheme(other.to_owned())),
    };
    builder.build().map_err(SetupError::Http)
}

/// For an endpoint without TLS (a simulator, a test): trusts nobody, and needs no authorities on the machine.
fn no_tls() -> Result<TlsConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = TlsConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(SetupError::Tls)?.with_root_certificates(RootCertStore::empty());
    Ok(config.with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_means_something_in_a_form_is_percent_encoded() {
        assert_eq!(percent_encoded("a b+c&d=e%f/é\n\"<#"), "a%20b%2Bc%26d%3De%25f%2F%C3%A9%0A%22%3C%23");
        assert_eq!(percent_encoded("A-z_0.9*~"), "A-z_0.9*%7E");
    }
}
