//! Signing in with an API key, and out again.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::de::IgnoredAny;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Answer, Asked, page, with_status};
use crate::{
    api::Caller,
    config::{FAILURES_KEPT, MAX_KEY},
    cookie,
    failure::Failure,
    form::{Fields, Posted},
    link,
    shell::Shell,
    state::Console,
    visitor::Remote,
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    shell: Shell,
    next: String,
    /// Why they are here again; empty at first.
    trouble: String,
}

impl SignIn {
    fn to(next: &str, trouble: impl Into<String>) -> Self {
        let shell = Shell::outside("Sign in");
        Self { shell, next: link::local(next).to_owned(), trouble: trouble.into() }
    }
}

/// `GET /console/sign-in?next=`
pub(super) async fn show(uri: Uri) -> Answer {
    let asked = Asked::of(&uri);
    let trouble = match asked.text("ended") {
        "key" => "The session is over: its API key has expired or was deleted.",
        _ => "",
    };
    page(&SignIn::to(asked.text("next"), trouble))
}

/// `POST /console/sign-in`: a key that the API takes begins a session.
pub(super) async fn enter(
    State(console): State<Arc<Console>>,
    remote: Remote,
    headers: HeaderMap,
    fields: Fields,
) -> Answer {
    let (next, now) = (fields.text("next"), Instant::now());
    if !console.attempts.may_try(remote.ip(), now) {
        let minutes = FAILURES_KEPT.as_secs() / 60;
        let trouble = format!("Too many failed sign-ins from your address. Try again in {minutes} minutes.");
        return with_status(StatusCode::TOO_MANY_REQUESTS, &SignIn::to(next, trouble));
    }
    let key = fields.text("key");
    if !is_taken(&console, remote, key).await? {
        console.attempts.failed(remote.ip(), now);
        note(remote, "refused");
        let trouble = "The service does not know this key. It begins with ew_ and was shown once when it was made.";
        return with_status(StatusCode::UNAUTHORIZED, &SignIn::to(next, trouble));
    }
    if let Some(before) = cookie::session_id(&headers) {
        console.sessions.end(before);
    }
    note(remote, "done");
    let id = console.sessions.begin(Zeroizing::new(key.to_owned()), now);
    Ok(([(header::SET_COOKIE, cookie::set(&headers, &id))], Redirect::to(link::local(next))).into_response())
}

/// A line in the audit trail, under the tracing target of the API's.
fn note(remote: Remote, outcome: &'static str) {
    let remote = remote.ip().map(|remote| remote.to_string()).unwrap_or_default();
    tracing::info!(target: "audit", outcome, remote, "a sign-in to the console");
}

/// Whether the API takes `key`, asked by what every key may see.
async fn is_taken(console: &Console, Remote(remote): Remote, key: &str) -> Result<bool, Failure> {
    // What is no text of a key is none, and must not become part of a header.
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(false);
    }
    let caller = Caller { router: &console.api, key: Some(key), remote };
    match caller.get::<IgnoredAny>("/v1/event-types").await {
        Ok(_) => Ok(true),
        Err(Failure::KeyRefused) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// `POST /console/sign-out`
pub(super) async fn leave(State(console): State<Arc<Console>>, headers: HeaderMap, _: Posted) -> Response {
    if let Some(id) = cookie::session_id(&headers) {
        console.sessions.end(id);
    }
    ([(header::SET_COOKIE, cookie::cleared(&headers))], Redirect::to("/console/sign-in")).into_response()
}
