//! The outermost layer: what is true of every request. A request id, a span, a deadline, the metrics, and refusals
//! written as `application/problem+json`.
//!
//! Neither the span nor the log has the query or a header: both may hold secrets. The route is the template, never the
//! path, so that no id becomes a label.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    audit::{Asked, Remote, Trail},
    config::REQUEST_TIMEOUT,
    keys,
    problem::{Problem, Refusal, inner},
    state::Api,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a caller; a longer one is replaced.
const MAX_REQUEST_ID: usize = 64;

/// What a request that no route takes is counted under.
const NO_ROUTE: &str = "(none)";

/// How long a caller that met a bound should wait.
const RETRY_AFTER_S: &str = "5";

/// Wraps every request.
pub(crate) async fn around(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let trail = Trail::default();
    request.extensions_mut().insert(trail.clone());
    let remote = request.extensions().get::<Remote>().map(|Remote(address)| *address);
    let path = request.uri().path().to_owned();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| NO_ROUTE.to_owned(), |m| m.as_str().to_owned());
    let span = tracing::info_span!(
        "request",
        %method,
        route,
        request_id = id,
        key_id = tracing::field::Empty,
        status = tracing::field::Empty
    );

    async {
        let answered = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
        let mut response = rendered(answered.unwrap_or_else(|_| Refusal::TooSlow.into_response()), &id);
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        Asked { trail: &trail, method: &method, route: &route, path: &path, remote, request_id: &id }
            .tell(&api, &response);
        let took = started.elapsed();
        api.metrics.answered(&route, &method, response.status(), took);
        told(&method, response.status(), took);
        response
    }
    .instrument(span)
    .await
}

/// A caller's own id, if it is short and visible, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let visible = |id: &&str| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(visible);
    given.map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
}

/// One line a request: changes for everybody, reads for those who look.
fn told(method: &Method, status: StatusCode, took: Duration) {
    let latency_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::Span::current().record("status", status.as_u16());
    if method.is_safe() {
        tracing::debug!(status = status.as_u16(), latency_ms, "answered");
    } else {
        tracing::info!(status = status.as_u16(), latency_ms, "answered");
    }
}

/// Writes the refusal that `response` carries, if it does, and logs what is ours to mend.
fn rendered(response: Response, request_id: &str) -> Response {
    let Some(refusal) = response.extensions().get::<Arc<Refusal>>().cloned() else { return response };
    let problem = Problem::of(&refusal).for_request(request_id);
    if let Some(failure) = inner(&refusal) {
        tracing::error!(failure = %chain(failure), "a request failed");
    }
    // A problem is strings and numbers: it always goes into JSON.
    let body = keys::masked(&serde_json::to_string(&problem).unwrap_or_default());
    let (mut parts, _) = response.into_parts();
    parts.status = problem.status;
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    match *refusal {
        Refusal::NoKey => {
            parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="expensewire""#));
        }
        Refusal::BadKey => {
            let challenge = HeaderValue::from_static(r#"Bearer realm="expensewire", error="invalid_token""#);
            parts.headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        Refusal::Limited(standing) => {
            standing.write(&mut parts.headers);
            let wait_s = HeaderValue::from(standing.wait_s.unwrap_or_default());
            parts.headers.insert(header::RETRY_AFTER, wait_s);
        }
        Refusal::Busy(_) => {
            parts.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        _ => {}
    }
    Response::from_parts(parts, Body::from(body))
}

/// A failure and what it came from, outermost first.
pub(crate) fn chain(failure: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(failure), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A handler that panicked is our fault and nobody else's concern: the service goes on.
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a request handler panicked");
    Refusal::Panicked.into_response()
}

#[cfg(test)]
mod tests;
