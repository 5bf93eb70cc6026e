//! What is true of every page: the headers that bound what a browser does with it, and failures as pages.

use std::{any::Any, sync::Arc};

use askama::Template;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use crate::{
    cookie,
    failure::{Failure, Told},
    link,
    shell::{Part, Shell},
    state::Console,
};

/// Nothing but our own files: no inline code, no other host, no frame around us.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // No other value keeps the Origin of forms and tells other sites nothing.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    shell: Shell,
    told: Told,
}

/// Wraps every page.
pub(crate) async fn around(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let response = next.run(request).await;
    let failure = response.extensions().get::<Arc<Failure>>().cloned();
    let mut response = match failure {
        Some(failure) => shown(&console, &headers, &failure),
        None => response,
    };
    // A page is one person's, and may show a secret once.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept, cookie"));
    with_headers(response)
}

/// The same headers, for what is not a page.
pub(crate) async fn guarded(request: Request, next: Next) -> Response {
    with_headers(next.run(request).await)
}

fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A failure as its page; whoever is not signed in is led to where that is done.
fn shown(console: &Console, headers: &HeaderMap, failure: &Failure) -> Response {
    if let Some(inner) = failure.inner() {
        tracing::error!(failure = %inner, "a page of the console could not be made");
    }
    match failure {
        Failure::SignedOut { next } => {
            let next = link::local(next);
            Redirect::to(&link::with_query("/console/sign-in", &[("next", if next == "/" { "" } else { next })]))
                .into_response()
        }
        Failure::KeyRefused => {
            if let Some(id) = cookie::SESSION.of(headers) {
                console.sessions.end(id);
            }
            let cookie = [(header::SET_COOKIE, cookie::SESSION.cleared(headers))];
            (cookie, Redirect::to("/console/sign-in?ended=key")).into_response()
        }
        _ => page_of(console, headers, failure),
    }
}

fn page_of(console: &Console, headers: &HeaderMap, failure: &Failure) -> Response {
    let told = failure.told();
    let session = cookie::SESSION.of(headers).and_then(|id| console.sessions.peek(id, Instant::now()));
    let title = told.title.clone();
    let shell = match session {
        Some(session) => Shell::of(&session, Part::Nowhere, title),
        None => Shell::outside(title),
    };
    let status = told.status;
    match (FailurePage { shell, told }).render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page of a failure could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here.\n").into_response()
        }
    }
}

/// A page that panicked is our fault and nobody else's concern: the service goes on.
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    Failure::Unreadable(format!("a page panicked: {text}").into()).into_response()
}
