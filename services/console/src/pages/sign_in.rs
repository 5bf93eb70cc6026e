//! Signing in with an API key, and out again.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Answer, Asked, with_status};
use crate::{
    api::Caller,
    config::{FAILURES_KEPT, MAX_KEY},
    cookie,
    failure::Failure,
    form::{Fields, Posted},
    link,
    model::key::Key,
    random,
    shell::Shell,
    state::Console,
    visitor::Remote,
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    shell: Shell,
    /// What the cookie holds as well.
    token: String,
    next: String,
    /// Why they are here again; empty at first.
    trouble: String,
}

impl SignIn {
    /// The form, with the token that the browser has or a new one in a cookie.
    fn shown(headers: &HeaderMap, status: StatusCode, next: &str, trouble: impl Into<String>) -> Answer {
        let token = kept(headers).map_or_else(random::token, str::to_owned);
        let cookie = [(header::SET_COOKIE, cookie::FORM.set(headers, &token))];
        let shell = Shell::outside("Sign in");
        let form = Self { shell, token, next: link::local(next).to_owned(), trouble: trouble.into() };
        Ok((cookie, with_status(status, &form)?).into_response())
    }
}

/// The token of the form that a browser has kept.
fn kept(headers: &HeaderMap) -> Option<&str> {
    cookie::FORM.of(headers).filter(|token| random::is_token(token))
}

/// `GET /console/sign-in?next=`
pub(super) async fn show(headers: HeaderMap, uri: Uri) -> Answer {
    let asked = Asked::of(&uri);
    let trouble = match asked.text("ended") {
        "key" => "The session is over: its API key has expired or was deleted.",
        _ => "",
    };
    SignIn::shown(&headers, StatusCode::OK, asked.text("next"), trouble)
}

/// `POST /console/sign-in`: a key that the API takes begins a session.
pub(super) async fn enter(
    State(console): State<Arc<Console>>,
    remote: Remote,
    headers: HeaderMap,
    fields: Fields,
) -> Answer {
    let (next, now) = (fields.text("next"), Instant::now());
    if !kept(&headers).is_some_and(|token| fields.carry(token)) {
        let trouble =
            "The form was not taken: it comes from elsewhere, or your browser keeps no cookies. Send it once more.";
        return SignIn::shown(&headers, StatusCode::FORBIDDEN, next, trouble);
    }
    if !console.attempts.may_try(remote.ip(), now) {
        let minutes = FAILURES_KEPT.as_secs() / 60;
        let trouble = format!("Too many failed sign-ins from your address. Try again in {minutes} minutes.");
        return SignIn::shown(&headers, StatusCode::TOO_MANY_REQUESTS, next, trouble);
    }
    let key = fields.text("key");
    let Some(own) = taken(&console, remote, key).await? else {
        console.attempts.failed(remote.ip(), now);
        note(remote, "refused", "");
        let trouble = "The service does not know this key. It begins with ew_ and was shown once when it was made.";
        return SignIn::shown(&headers, StatusCode::UNAUTHORIZED, next, trouble);
    };
    if let Some(before) = cookie::SESSION.of(&headers) {
        console.sessions.end(before);
    }
    note(remote, "done", &own.id);
    let id = console.sessions.begin(Zeroizing::new(key.to_owned()), own, now);
    let cookies = [cookie::SESSION.set(&headers, &id), cookie::FORM.cleared(&headers)];
    let cookies = AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok((cookies, Redirect::to(link::local(next))).into_response())
}

/// A line in the audit trail, under the tracing target of the API's: who by the id of their key, which opens nothing.
fn note(remote: Remote, outcome: &'static str, key_id: &str) {
    let remote = remote.ip().map(|remote| remote.to_string()).unwrap_or_default();
    tracing::info!(target: "audit", outcome, key_id, remote, "a sign-in to the console");
}

/// What the API says of `key`; nothing where it does not take it.
async fn taken(console: &Console, Remote(remote): Remote, key: &str) -> Result<Option<Key>, Failure> {
    // What is no text of a key is none, and must not become part of a header.
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(None);
    }
    let caller = Caller { router: &console.api, key: Some(key), remote };
    match caller.get::<Key>("/v1/keys/self").await {
        Ok(own) => Ok(Some(own)),
        Err(Failure::KeyRefused) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// `POST /console/sign-out`
pub(super) async fn leave(State(console): State<Arc<Console>>, headers: HeaderMap, _: Posted) -> Response {
    if let Some(id) = cookie::SESSION.of(&headers) {
        console.sessions.end(id);
    }
    ([(header::SET_COOKIE, cookie::SESSION.cleared(&headers))], Redirect::to("/console/sign-in")).into_response()
}
