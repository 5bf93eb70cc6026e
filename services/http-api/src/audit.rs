//! The audit trail: one line for each change and each refusal, under the tracing target `audit`.
//!
//! A line says who (`key_id`, `remote`), what (`action`, `method`, `resource`), how it ended (`outcome`, `status`) and under which
//! `request_id` there is more. It never has a token: of a path only what is an id or a name of ours is shown. Refusals of one
//! address beyond some a second have no line each; all are counted.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use axum::response::Response;
use event_model::{Action, KeyId};
use http::{Method, StatusCode, header};

use crate::{problem::Refusal, state::Api};

/// What a tracing filter finds these lines by.
const TARGET: &str = "audit";
/// Longest part of a path that is shown: a delivery's id has 80.
const MAX_SHOWN: usize = 96;

/// Where a request comes from; the listener puts it into the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(pub IpAddr);

/// What is learned of a request on its way, for its line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<OnceLock<Known>>);

#[derive(Debug)]
struct Known {
    key_id: KeyId,
    action: Option<Action>,
}

impl Trail {
    /// Notes whose key it is, and which action the route needs.
    pub fn known(&self, key_id: &KeyId, action: Option<Action>) {
        // Noted once: each request passes by once.
        let _ = self.0.set(Known { key_id: key_id.clone(), action });
    }

    fn key_id(&self) -> &str {
        self.0.get().map_or("", |known| known.key_id.as_str())
    }

    fn action(&self) -> &'static str {
        self.0.get().and_then(|known| known.action).map_or("", Action::as_str)
    }
}

/// What a line is about.
pub(crate) struct Asked<'a> {
    pub trail: &'a Trail,
    pub method: &'a Method,
    /// The template of the path.
    pub route: &'a str,
    pub path: &'a str,
    pub remote: Option<IpAddr>,
    pub request_id: &'a str,
}

impl Asked<'_> {
    /// Tells what became of the request, if it was a change or was refused.
    pub fn tell(&self, api: &Api, response: &Response) {
        let reason = response.extensions().get::<Arc<Refusal>>().and_then(|refusal| reason(refusal));
        if let Some(reason) = reason {
            api.metrics.refused(reason);
            if api.limits.may_be_lined(self.remote) {
                self.line(response, reason, "refused");
            }
        } else if self.route.starts_with("/v1") && !self.method.is_safe() {
            let outcome = if response.status().is_success() { "done" } else { "failed" };
            self.line(response, "", outcome);
        }
    }

    fn line(&self, response: &Response, reason: &'static str, outcome: &'static str) {
        let made = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let made = made.filter(|_| response.status() == StatusCode::CREATED);
        let resource = made.map_or_else(|| resource(self.route, self.path), str::to_owned);
        let remote = self.remote.map(|remote| remote.to_string()).unwrap_or_default();
        tracing::info!(
            target: TARGET,
            key_id = self.trail.key_id(),
            action = self.trail.action(),
            method = %self.method,
            resource,
            outcome,
            reason,
            status = response.status().as_u16(),
            remote,
            request_id = self.request_id,
            "audit"
        );
    }
}

/// Why a request was refused that its caller was not entitled to; the names are labels.
fn reason(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::NoKey => Some("no_key"),
        Refusal::BadKey => Some("bad_key"),
        Refusal::Forbidden(_) => Some("forbidden"),
        Refusal::Limited(_) => Some("limited"),
        _ => None,
    }
}

/// The path, with what may be anything left out: somebody may have typed a token into it.
fn resource(route: &str, path: &str) -> String {
    let shown = |(template, part): (&str, &'_ str)| match template {
        "{id}" | "{name}" | "{replay}" if is_ours(part) => part.to_owned(),
        _ => template.to_owned(),
    };
    route.split('/').zip(path.split('/')).map(shown).collect::<Vec<_>>().join("/")
}

/// An id that we gave out, a sequence, or something as short as the name of an account is: no token.
fn is_ours(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let given =
        ["sub_", "key_", "evt_", "rpl_"].iter().any(|prefix| part.starts_with(prefix)) && part.len() <= MAX_SHOWN;
    let short = part.len() < crate::config::MIN_ADMIN_KEY;
    (given || short) && !part.starts_with("ew_") && part.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_by_its_id_and_a_token_in_its_place_is_not_shown() {
        let keys = "/v1/keys/{id}";
        assert_eq!(resource(keys, "/v1/keys/key_0a1b"), "/v1/keys/key_0a1b");
        let accounts = "/v1/accounts/{name}/refresh";
        assert_eq!(resource(accounts, "/v1/accounts/acme/refresh"), "/v1/accounts/acme/refresh");
        for token in ["ew_abc", "ew_Zm9vYmFyYmF6", "a-configured-key-of-the-operator", "sub_%20x", "Short"] {
            assert_eq!(resource(keys, &format!("/v1/keys/{token}")), keys, "{token}");
        }
        assert_eq!(resource("(none)", "/v1/ew_abc"), "(none)");
    }
}
