//! Whether a request may be made at all: its key is known, has not had its share, and allows what the route needs.
//!
//! **Denied by default.** What a route needs is said where the route is ([`crate::routes`]), in one table from which the router
//! is made. A request under `/v1` that matches a route of which the table does not know is refused, whoever makes it; so is
//! one without a key that is not for a route at all, which learns nothing of what there is.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use event_model::Action;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;

use crate::{
    audit::{Remote, Trail},
    caller::Caller,
    config::MAX_TOKEN,
    keys::hash,
    limits::Standing,
    problem::{Denied, Refusal},
    state::Api,
};

/// What a route needs of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// That there is one.
    AnyKey,
    /// That it allows this action.
    Action(Action),
    /// The same, and all policies: an account is watched as a whole.
    AllPolicies(Action),
    /// The same, and to see everything: it is about the whole log.
    WholeLog(Action),
}

impl Needs {
    /// The action, if one is needed.
    pub const fn action(self) -> Option<Action> {
        match self {
            Self::AnyKey => None,
            Self::Action(action) | Self::AllPolicies(action) | Self::WholeLog(action) => Some(action),
        }
    }

    fn check(self, caller: &Caller) -> Result<(), Refusal> {
        let grant = &caller.key().grant;
        if let Some(action) = self.action().filter(|action| !grant.actions.permits(action)) {
            return Err(Denied::action(action).into());
        }
        match self {
            Self::AllPolicies(_) if !grant.reach.policies.is_all() => {
                Err(Denied::scope("policies", "all policies").into())
            }
            Self::WholeLog(_) if !grant.reach.is_everything() => {
                Err(Denied::scope("accounts", "all accounts, policies and events").into())
            }
            Self::AnyKey | Self::Action(_) | Self::AllPolicies(_) | Self::WholeLog(_) => Ok(()),
        }
    }
}

/// What each keyed route needs, by its template and method.
#[derive(Debug, Default)]
pub(crate) struct Rules(HashMap<&'static str, Vec<(Method, Needs)>>);

impl Rules {
    pub fn add(&mut self, method: Method, path: &'static str, needs: Needs) {
        self.0.entry(path).or_default().push((method, needs));
    }

    /// What `method` of the route `path` needs. `HEAD` is answered as `GET` is.
    fn of(&self, method: &Method, path: &str) -> Result<Needs, Missing<'_>> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let known = self.0.get(path).ok_or(Missing::Rule)?;
        let found = known.iter().find(|(method, _)| method == wanted);
        found.map(|(_, needs)| *needs).ok_or(Missing::Method(known))
    }
}

/// Why nothing is known of what a request needs.
enum Missing<'a> {
    Rule,
    /// The route has others.
    Method(&'a [(Method, Needs)]),
}

impl Missing<'_> {
    fn refused(self) -> Response {
        match self {
            Self::Rule => Refusal::from(Denied::route()).into_response(),
            Self::Method(known) => not_allowed(known),
        }
    }
}

/// The refusal of a method that a route does not have, with those that it has (RFC 9110, section 15.5.6).
fn not_allowed(known: &[(Method, Needs)]) -> Response {
    let mut allow: Vec<_> = known.iter().map(|(method, _)| method.as_str()).collect();
    if allow.contains(&"GET") {
        allow.push("HEAD");
    }
    let mut response = Refusal::NoMethod.into_response();
    if let Ok(value) = HeaderValue::try_from(allow.join(", ")) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// What the middleware knows.
pub(crate) struct Door {
    pub api: Arc<Api>,
    pub rules: Rules,
}

/// Whether `path` needs a key: everything under `/v1` does, also what is not there, so that who has none learns nothing.
fn is_keyed(path: &str) -> bool {
    path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lets a request through that needs no key, or whose key allows what the route needs; tells the handler and the log whose it is.
pub(crate) async fn required(
    State(door): State<Arc<Door>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if !is_keyed(request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let trail = request.extensions().get::<Trail>().cloned().unwrap_or_default();
    let caller = match known(&door.api, request.headers(), &trail).await {
        Ok(caller) => caller,
        Err(refusal @ (Refusal::NoKey | Refusal::BadKey)) => {
            let remote = request.extensions().get::<Remote>().map(|Remote(address)| *address);
            return Err(counted(&door.api, remote, refusal));
        }
        Err(failure) => return Err(failure),
    };
    tracing::Span::current().record("key_id", caller.key_id().as_str());
    let standing = match door.api.limits.of_key(caller.key()) {
        Ok(standing) => standing,
        Err(standing) => {
            trail.known(caller.key_id(), None);
            return Ok(with(standing, Refusal::Limited(standing).into_response()));
        }
    };
    let route = request.extensions().get::<MatchedPath>().cloned();
    let needs = match route.as_ref().map(|route| door.rules.of(request.method(), route.as_str())) {
        Some(Ok(needs)) => needs,
        Some(Err(missing)) => {
            trail.known(caller.key_id(), None);
            return Ok(with(standing, missing.refused()));
        }
        // There is no such route: the fallback says so.
        None => Needs::AnyKey,
    };
    trail.known(caller.key_id(), needs.action());
    if let Err(refusal) = needs.check(&caller) {
        return Ok(with(standing, refusal.into_response()));
    }
    request.extensions_mut().insert(caller);
    Ok(with(standing, next.run(request).await))
}

fn with(standing: Standing, mut response: Response) -> Response {
    standing.write(response.headers_mut());
    response
}

/// Whose request it is. A key that has expired is as unknown as one that never was, but to the audit trail.
async fn known(api: &Api, headers: &HeaderMap, trail: &Trail) -> Result<Caller, Refusal> {
    let token = bearer(headers).ok_or(Refusal::NoKey)?;
    if token.len() > MAX_TOKEN {
        return Err(Refusal::BadKey);
    }
    let record = hash(token);
    let key = api.keys.get(&record).await?.ok_or(Refusal::BadKey)?;
    if key.has_expired(Timestamp::now()) {
        trail.known(&key.id, None);
        return Err(Refusal::BadKey);
    }
    Ok(Caller::new(record, key))
}

/// `refusal`, unless `remote` has been refused too often.
fn counted(api: &Api, remote: Option<IpAddr>, refusal: Refusal) -> Refusal {
    api.limits.of_stranger(remote).err().map_or(refusal, Refusal::Limited)
}

/// The token of `Authorization: Bearer …`; the scheme in any case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;
    use crate::{keys::ensure_admin_key, routes, state::testing};

    fn request(token: &str, path: &str) -> Request {
        let request = Request::builder().uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        request.body(Body::empty()).expect("a request")
    }

    #[tokio::test]
    async fn the_log_says_which_key_was_used_and_not_what_it_is() {
        let (api, _directory) = testing::api();
        let token = ensure_admin_key(&api.deps.store, None).await.expect("a store").expect("a key");
        let key = api.keys.get(&hash(&token)).await.expect("read").expect("stored");
        let (lines, _noting) = testing::Lines::noted();
        let response = routes::router(&api).oneshot(request(&token, "/v1/accounts")).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(lines.with("answered").len(), 1);
        assert!(lines.with("answered")[0].contains(key.id.as_str()), "{:?}", lines.with("answered"));
        assert!(lines.with(&token).is_empty());
    }

    #[tokio::test]
    async fn a_route_that_no_rule_knows_is_open_to_nobody() {
        let (api, _directory) = testing::api();
        let token = ensure_admin_key(&api.deps.store, None).await.expect("a store").expect("a key");
        let forgotten =
            || Router::new().route("/v1/forgotten", get(async || "open")).route("/v1/{id}/too", get(async || "open"));
        let door = Arc::new(Door { api: Arc::clone(&api), rules: Rules::default() });
        let guarded = forgotten().layer(from_fn_with_state(door, required));
        for path in ["/v1/forgotten", "/v1/1/too"] {
            let open = forgotten().oneshot(request(&token, path)).await.expect("an answer");
            assert_eq!(open.status(), StatusCode::OK, "{path}");
            let denied = guarded.clone().oneshot(request(&token, path)).await.expect("an answer");
            assert_eq!(denied.status(), StatusCode::FORBIDDEN, "{path}");
        }
    }

    #[test]
    fn everything_under_v1_is_keyed_and_nothing_else() {
        for keyed in ["/v1", "/v1/", "/v1/events", "/v1//", "/v1/%"] {
            assert!(is_keyed(keyed), "{keyed}");
        }
        for open in ["/", "/metrics", "/v10", "/v2/v1/"] {
            assert!(!is_keyed(open), "{open}");
        }
    }
}
