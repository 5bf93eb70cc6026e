//! API keys: bearer tokens of which the store keeps only a hash.
//!
//! A key is found by the hash of its token, so no comparison of secrets takes a time that tells anything. The hash is
//! fast (BLAKE3 with a context of its own): tokens are 32 random bytes, or long ones that a person configured, so there is
//! nothing to stretch. What a configuration sets is a record of its own: when the configured key changes or goes, the
//! record follows, and the old key no longer opens anything.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use data_encoding::BASE64URL_NOPAD;
use event_store::{Durability, EventStore, StoreError, Table, TableName};
use http::{HeaderMap, header, request::Parts};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    config::{MAX_TOKEN, MIN_ADMIN_KEY},
    error::ApiError,
    problem::Refusal,
    state::Api,
};

/// Domain of the hash: a token's hash here is no hash of it anywhere else.
const HASH_CONTEXT: &str = "expensewire 2026 api key v1";
const TOKEN_PREFIX: &str = "ew_";
const TOKEN_BYTES: usize = 32;

/// A key as it is stored, under the hash of its token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    /// `key_…`; says which key it was without saying what it is.
    pub id: String,
    pub origin: Origin,
    pub created_at: Timestamp,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// Made at the first start and shown once.
    Generated,
    /// Set by configuration.
    Configured,
}

/// Who makes a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub key_id: String,
}

/// Sees to it that an admin key exists.
///
/// With `configured`, that key opens the API from now on and a formerly configured one no longer does. Without it, and
/// without any other key, a new one is made and returned, to be shown once: only its hash is kept.
///
/// # Errors
/// When the configured key is shorter than 24 characters or does not go into a header, or when the store fails.
pub async fn ensure_admin_key(store: &EventStore, configured: Option<&str>) -> Result<Option<String>, ApiError> {
    let keys = store.table::<StoredKey>(TableName::Keys);
    let known = keys.list("").await.map_err(|source| ApiError::Store { doing: "read the API keys", source })?;
    let wanted = configured.map(checked).transpose()?.map(hash);
    let mut changes: Vec<_> = known
        .iter()
        .filter(|(hash, key)| key.origin == Origin::Configured && wanted.as_ref() != Some(hash))
        .map(|(hash, _)| (hash.clone(), None))
        .collect();
    let kept = known.len() - changes.len();
    let mut made = None;
    match wanted {
        Some(hash) if known.iter().any(|(known, _)| *known == hash) => {}
        Some(hash) => changes.push((hash, Some(new_key(Origin::Configured)))),
        None if kept == 0 => {
            let token = new_token();
            changes.push((hash(&token), Some(new_key(Origin::Generated))));
            made = Some(token);
        }
        None => {}
    }
    write(&keys, changes).await.map_err(|source| ApiError::Store { doing: "write the API keys", source })?;
    Ok(made)
}

async fn write(keys: &Table<StoredKey>, changes: Vec<(String, Option<StoredKey>)>) -> Result<(), StoreError> {
    if changes.is_empty() { Ok(()) } else { keys.apply(changes, Durability::Durable).await }
}

fn checked(configured: &str) -> Result<&str, ApiError> {
    let length = configured.chars().count();
    if length < MIN_ADMIN_KEY {
        return Err(ApiError::WeakAdminKey { length });
    }
    if configured.len() > MAX_TOKEN || !configured.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(ApiError::UnusableAdminKey);
    }
    Ok(configured)
}

fn new_key(origin: Origin) -> StoredKey {
    StoredKey { id: format!("key_{}", Uuid::now_v7().simple()), origin, created_at: Timestamp::now() }
}

fn new_token() -> String {
    format!("{TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(&rand::random::<[u8; TOKEN_BYTES]>()))
}

fn hash(token: &str) -> String {
    blake3::Hasher::new_derive_key(HASH_CONTEXT).update(token.as_bytes()).finalize().to_hex().to_string()
}

/// Whether `path` needs a key: everything under `/v1` does, also what is not there, so that who has none learns nothing.
fn is_keyed(path: &str) -> bool {
    path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lets a request through that needs no key or carries a known one, and tells the handler and the log whose it is.
pub(crate) async fn required(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if !is_keyed(request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let token = bearer(request.headers()).ok_or(Refusal::NoKey)?;
    if token.len() > MAX_TOKEN {
        return Err(Refusal::BadKey);
    }
    let key = api.keys.get(&hash(token)).await?.ok_or(Refusal::BadKey)?;
    tracing::Span::current().record("key_id", &key.id);
    request.extensions_mut().insert(Caller { key_id: key.id });
    Ok(next.run(request).await)
}

/// The token of `Authorization: Bearer …`; the scheme in any case (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or(Refusal::NoKey)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;
    use crate::{routes, state::testing};

    #[tokio::test]
    async fn the_log_says_which_key_was_used_and_not_what_it_is() {
        let (api, _directory) = testing::api();
        let token = ensure_admin_key(&api.deps.store, None).await.expect("a store").expect("a key");
        let key = api.keys.get(&hash(&token)).await.expect("read").expect("stored");
        let (lines, _noting) = testing::Lines::noted();
        let request = Request::builder().uri("/v1/accounts").header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).expect("a request");
        let response = routes::router(&api).oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), http::StatusCode::OK);
        assert_eq!(lines.with("answered").len(), 1);
        assert!(lines.with("answered")[0].contains(&key.id), "{:?}", lines.with("answered"));
        assert!(lines.with(&token).is_empty());
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
