//! The connections to receivers: HTTP/1.1, to those addresses alone that the guard lets through.
//!
//! **Theory.** An attempt takes a connection, drives it itself until the answer is read, and gives it back. No task stands
//! beside a connection, so a request costs no hand-over to one and back; that is most of what a general client costs here.
//! The price: nobody looks at an idle connection. Whether its receiver has closed it is found out when it is taken again,
//! and [`Wire::sweep`] closes those that were idle for long.
//!
//! **Guarantees.** There is no proxy and nothing follows a redirect: there is no code that could. A request that was not
//! sent, because the receiver had closed the connection meanwhile, goes over another one; what was sent, if only in part, is
//! never sent again here.

mod line;

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    runtime::{self, Handle},
    time::{Instant, interval},
};
use tower::{Service, ServiceExt};
use url::Url;

use self::line::Line;
pub(crate) use self::line::Reply;
use crate::guard::{CheckedAddresses, Guard, Refusal};

/// Headers of an answer; more is no honest answer.
const MAX_ANSWER_HEADERS: usize = 100;
/// Bytes of an answer that are held before they are looked through: eight times what servers commonly allow for a head. Up
/// to as many again may have come by then.
const MAX_HELD_BYTES: usize = 64 * 1024;
/// An idle connection is kept for this long: longer than most pauses between events, shorter than most servers keep it.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
/// Pause between two looks for connections that were idle for longer.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum WireError {
    /// There was no connection.
    Connect(Box<dyn Error + Send + Sync>),
    /// There was one, and it failed.
    Exchange(hyper::Error),
}

/// Where requests go: made once from a URL that is used often.
pub(crate) struct Place {
    /// Scheme, host and port: whoever has the same shares connections.
    origin: Arc<str>,
    uri: Uri,
    path: Uri,
    host: HeaderValue,
}

impl Place {
    /// None when the URL cannot be asked for over HTTP.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let uri: Uri = url.as_str().parse().ok()?;
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let origin = format!("{}://{host}", url.scheme()).into();
        let path = uri.path_and_query()?.as_str().parse().ok()?;
        Some(Self { origin, path, host: HeaderValue::try_from(host).ok()?, uri })
    }

    /// What the request line asks for.
    pub(crate) const fn path(&self) -> &Uri {
        &self.path
    }

    pub(crate) const fn host(&self) -> &HeaderValue {
        &self.host
    }
}

/// All connections.
pub(crate) struct Wire {
    connector: HttpsConnector<HttpConnector<Resolving>>,
    idle: Mutex<Idle>,
    max_idle: usize,
}

#[derive(Default)]
struct Idle {
    /// By the runtime too that waits for what comes in: another one would be woken by it for each answer.
    lines: HashMap<(runtime::Id, Arc<str>), Vec<Line>>,
    count: usize,
}

impl Wire {
    /// Connections to what `guard` lets through; at most `max_idle` are kept.
    ///
    /// # Errors
    /// When this machine has no CA certificates.
    pub(crate) fn new(guard: &Guard, max_idle: usize) -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(Resolving(guard.clone()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = connector.enable_http1().wrap_connector(tcp);
        Ok(Self { connector, idle: Mutex::default(), max_idle })
    }

    /// Sends a request; the answer's head, and what reads its body.
    pub(crate) async fn send(&self, place: &Place, mut request: Request<Full<Bytes>>) -> Result<Reply, WireError> {
        while let Some(line) = self.take(place) {
            let Some(line) = line.if_open().await else { continue };
            match line.send(request).await {
                Ok(reply) => return Ok(reply),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(WireError::Exchange(failed.into_error())),
                },
            }
        }
        // Rare and large: an attempt that finds a connection has no room for it.
        let line = Box::pin(self.connect(place)).await?;
        line.send(request).await.map_err(|failed| WireError::Exchange(failed.into_error()))
    }

    async fn connect(&self, place: &Place) -> Result<Line, WireError> {
        let stream = self.connector.clone().oneshot(place.uri.clone()).await.map_err(WireError::Connect)?;
        let mut builder = http1::Builder::new();
        let handshake = builder.max_headers(MAX_ANSWER_HEADERS).max_buf_size(MAX_HELD_BYTES).handshake(stream).await;
        let (sender, connection) = handshake.map_err(WireError::Exchange)?;
        Ok(Line::new(sender, connection))
    }

    /// The connection of this runtime that was given back last.
    fn take(&self, place: &Place) -> Option<Line> {
        let mut idle = self.idle();
        let line = idle.lines.get_mut(&(Handle::current().id(), Arc::clone(&place.origin)))?.pop()?;
        idle.count -= 1;
        Some(line)
    }

    /// Keeps the connection of an answer that was read to its end by this runtime.
    pub(crate) fn give_back(&self, place: &Place, line: Line) {
        let mut idle = self.idle();
        if idle.count >= self.max_idle {
            return;
        }
        idle.count += 1;
        idle.lines.entry((Handle::current().id(), Arc::clone(&place.origin))).or_default().push(line);
    }

    /// Closes connections that are idle for long, for ever.
    pub(crate) async fn sweep(&self) {
        let mut timer = interval(SWEEP_INTERVAL);
        loop {
            let now = timer.tick().await;
            self.close_older_than(now.checked_sub(IDLE_CONNECTION).unwrap_or(now));
        }
    }

    fn close_older_than(&self, since: Instant) {
        let mut idle = self.idle();
        idle.lines.retain(|_, lines| {
            lines.retain(|line| line.idle_since() >= since);
            !lines.is_empty()
        });
        idle.count = idle.lines.values().map(Vec::len).sum();
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns names into the addresses that the guard lets through, at the moment of connecting.
#[derive(Clone)]
struct Resolving(Guard);

impl Service<Name> for Resolving {
    type Response = CheckedAddresses;
    type Error = Refusal;
    type Future = BoxFuture<'static, Result<CheckedAddresses, Refusal>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move { guard.addresses(name.as_str()).await })
    }
}

#[cfg(test)]
mod tests;
