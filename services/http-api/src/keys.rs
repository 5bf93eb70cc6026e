//! API keys as they are kept: bearer tokens of which the store has only a hash.
//!
//! A key is found by the hash of its token, so no comparison of secrets takes a time that tells anything. The hash is
//! fast (BLAKE3 with a context of its own): tokens are 32 random bytes, or long ones that a person configured, so there is
//! nothing to stretch. What a configuration sets is a record of its own: when the configured key changes or goes, the
//! record follows, and the old key no longer opens anything.
//!
//! A key never changes once it is made: what is remembered of it elsewhere (a subscription's owner) does not go stale.

use data_encoding::BASE64URL_NOPAD;
use event_model::{Grant, KeyId};
use event_store::{Durability, EventStore, StoreError, Table, TableName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    config::{MAX_TOKEN, MIN_ADMIN_KEY},
    error::ApiError,
};

/// Domain of the hash: a token's hash here is no hash of it anywhere else.
const HASH_CONTEXT: &str = "expensewire 2026 api key v1";
const TOKEN_PREFIX: &str = "ew_";
const TOKEN_BYTES: usize = 32;
/// What is shorter is no token, nor so much of one that the rest could be found.
const MIN_MASKED: usize = 16;

/// A key as it is stored, under the hash of its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    /// Says which key it was without saying what it is.
    pub id: KeyId,
    pub origin: Origin,
    pub created_at: Timestamp,
    /// What it allows. Records of before keys had scopes are those of administrators.
    #[serde(default = "Grant::everything")]
    pub grant: Grant,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// It opens nothing from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The key that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<KeyId>,
    /// Requests a second, where it is not the common limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<u32>,
}

impl StoredKey {
    pub fn admin(origin: Origin) -> Result<Self, ApiError> {
        Ok(Self {
            id: new_id().map_err(ApiError::KeyId)?,
            origin,
            created_at: Timestamp::now(),
            grant: Grant::everything(),
            description: None,
            expires_at: None,
            made_by: None,
            rate_per_s: None,
        })
    }

    /// Whether it opens nothing any more at `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Whether it allows everything, for ever.
    pub fn is_lasting_admin(&self) -> bool {
        self.grant.is_everything() && self.expires_at.is_none()
    }
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "KeyOrigin")]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// Made at the first start and shown once.
    Generated,
    /// Set by configuration.
    Configured,
    /// Made through the API.
    Made,
}

/// Sees to it that an admin key exists.
///
/// With `configured`, that key opens the API from now on and a formerly configured one no longer does. Without it, and
/// without any other key that allows everything, a new one is made and returned, to be shown once: only its hash is kept.
///
/// # Errors
/// When the configured key is shorter than 24 characters or does not go into a header, or when the store fails.
pub async fn ensure_admin_key(store: &EventStore, configured: Option<&str>) -> Result<Option<String>, ApiError> {
    let keys = store.table::<StoredKey>(TableName::Keys);
    let known = keys.list("").await.map_err(|source| ApiError::Store { doing: "read the API keys", source })?;
    let wanted = configured.map(checked).transpose()?.map(hash);
    let is_gone = |hash: &String, key: &StoredKey| key.origin == Origin::Configured && wanted.as_ref() != Some(hash);
    let gone = known.iter().filter(|(hash, key)| is_gone(hash, key));
    let mut changes: Vec<_> = gone.map(|(hash, _)| (hash.clone(), None)).collect();
    let has_admin = known.iter().any(|(hash, key)| key.is_lasting_admin() && !is_gone(hash, key));
    let mut made = None;
    match wanted {
        // A key made through the API and then configured is the configuration's from now on.
        Some(hash) if known.iter().any(|(known, key)| *known == hash && key.origin == Origin::Configured) => {}
        Some(hash) => changes.push((hash, Some(StoredKey::admin(Origin::Configured)?))),
        None if !has_admin => {
            let token = new_token();
            changes.push((hash(&token), Some(StoredKey::admin(Origin::Generated)?)));
            made = Some(token.to_string());
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

/// An id that no other key has, growing with time.
pub(crate) fn new_id() -> Result<KeyId, event_model::InvalidId> {
    KeyId::from_unique(&Uuid::now_v7().simple().to_string())
}

/// A token at random. It is wiped when dropped.
pub(crate) fn new_token() -> Zeroizing<String> {
    let drawn = Zeroizing::new(rand::random::<[u8; TOKEN_BYTES]>());
    Zeroizing::new(format!("{TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(&*drawn)))
}

/// `text` without the tokens in it: people type them into the wrong place, and refusals repeat what was typed.
pub(crate) fn masked(text: &str) -> String {
    let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(TOKEN_PREFIX) {
        let (before, found) = rest.split_at(at);
        let (token, after) = found.split_at(found.find(|c| !in_token(c)).unwrap_or(found.len()));
        masked.push_str(before);
        masked.push_str(if token.len() < MIN_MASKED { token } else { "ew_…" });
        rest = after;
    }
    masked + rest
}

/// What a token is kept and found by.
pub(crate) fn hash(token: &str) -> String {
    blake3::Hasher::new_derive_key(HASH_CONTEXT).update(token.as_bytes()).finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_repeated_wherever_it_was_typed() {
        let token = new_token();
        for text in [format!("{:?} is no name", *token), token.to_string(), format!("new_{}, {}", *token, *token)] {
            let masked = masked(&text);
            assert!(masked.contains("ew_…") && !masked.contains(&token[3..]), "{masked}");
        }
        for plain in ["", "a new_thing is renew_ed", "ew_", "é ew_short"] {
            assert_eq!(masked(plain), plain);
        }
    }
}
