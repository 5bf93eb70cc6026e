//! Who looks at a page.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::{HeaderMap, Method, header, request::Parts};
use tokio::time::Instant;

use crate::{
    api::Caller,
    cookie,
    failure::Failure,
    session::{Notice, Session},
    shell::{Part, Shell},
    state::Console,
};

/// What the script of a page sends when the page loads itself again.
const REFRESH: &str = "x-console-refresh";

/// Somebody who is signed in.
pub(crate) struct Visitor {
    pub console: Arc<Console>,
    pub session: Arc<Session>,
    remote: Option<SocketAddr>,
    is_by_itself: bool,
}

impl Visitor {
    /// Asks the API in their name.
    pub fn api(&self) -> Caller<'_> {
        Caller { router: &self.console.api, key: Some(self.session.key()), remote: self.remote }
    }

    /// The frame of a page for them. What was to be told is told by it, unless it loads itself: a page on another window must
    /// not take away what is shown once.
    pub fn shell(&self, part: Part, title: impl Into<String>) -> Shell {
        let notice = if self.is_by_itself { None } else { self.session.told() };
        Shell::of(&self.session, part, title).saying(notice)
    }

    /// Whether their key allows `action`.
    pub fn may(&self, action: &str) -> bool {
        self.session.own().allows(action)
    }

    /// Says `notice` on their next page.
    pub fn tell(&self, notice: Notice) {
        self.session.tell(notice);
    }
}

impl FromRequestParts<Arc<Console>> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Failure> {
        let id = cookie::SESSION.of(&parts.headers);
        let now = Instant::now();
        let is_by_itself = is_by_itself(&parts.headers);
        let session = id.and_then(|id| match is_by_itself {
            true => console.sessions.peek(id, now),
            false => console.sessions.used(id, now),
        });
        let signed_out = || {
            let wanted = parts.uri.path_and_query().filter(|_| parts.method == Method::GET);
            Failure::SignedOut { next: wanted.map(ToString::to_string).unwrap_or_default() }
        };
        let session = session.ok_or_else(signed_out)?;
        Ok(Self { console: Arc::clone(console), session, remote: Remote::of(parts).0, is_by_itself })
    }
}

/// Whether a page asks and not the person before it: a stream, or what loads itself again. That is no use of a session.
fn is_by_itself(headers: &HeaderMap) -> bool {
    let streams = headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/event-stream");
    streams || headers.contains_key(REFRESH)
}

/// From where a request comes, as far as the listener noted it.
#[derive(Clone, Copy)]
pub(crate) struct Remote(pub Option<SocketAddr>);

impl Remote {
    fn of(parts: &Parts) -> Self {
        Self(parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address))
    }

    pub fn ip(self) -> Option<IpAddr> {
        self.0.map(|address| address.ip())
    }
}

impl<S: Sync> FromRequestParts<S> for Remote {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
