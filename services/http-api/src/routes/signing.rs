//! What a subscription's deliveries are signed with: changed, and for the public half shown.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use event_model::{Subscription, SubscriptionId, subscription::Ed25519Key};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{InPath, subscriptions::json};
use crate::{
    caller::Caller,
    fields::{Faults, Fields, OptionalObject, whole},
    idempotency::{Effect, Keyed, Plan, Replacement, once},
    problem::{Fault, Refusal},
    signing::{Secret, drawn_ed25519, read},
    state::Api,
};

pub(super) mod operations;

/// How long a replaced secret goes on signing unless said otherwise.
const DEFAULT_OVERLAP_S: i64 = 24 * 60 * 60;
/// The longest: a receiver that has not changed over within a week never will.
const MAX_OVERLAP_S: i64 = 7 * 24 * 60 * 60;
/// Secrets, or keys, that sign at once: each makes the head of every delivery 50 to 100 bytes longer.
const MAX_SIGNING: usize = 5;

type Shared = State<Arc<Api>>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scheme {
    #[default]
    V1,
    V1a,
}

#[derive(Debug)]
struct Wanted {
    scheme: Scheme,
    secret: Option<Secret>,
    overlap_s: i64,
}

/// The answer to a rotation: the only one that shows the new secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RotatedSecret")]
struct RotatedView<'a> {
    id: &'a SubscriptionId,
    scheme: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    /// What was replaced signs until then at the most.
    overlap_until: Timestamp,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PublicKeys {
    /// Newest first; a delivery carries one `v1a` signature of each. Empty where `ed25519` was not asked for.
    keys: Vec<PublicKey>,
}

#[derive(Serialize, JsonSchema)]
struct PublicKey {
    algorithm: &'static str,
    key: String,
    /// It signs until then; `null` for the one that stands.
    until: Option<Timestamp>,
}

/// `GET /v1/subscriptions/{id}/public-keys`
pub(super) async fn public_keys(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<PublicKeys>, Refusal> {
    let subscription = caller.subscription(&api, &id).await?;
    let shown = |key: &Ed25519Key| PublicKey { algorithm: "ed25519", key: key.public_key.clone(), until: key.until };
    Ok(Json(PublicKeys { keys: subscription.ed25519_keys_at(Timestamp::now()).map(shown).collect() }))
}

/// `POST /v1/subscriptions/{id}/rotate-secret {"secret", "overlap_s", "scheme"}`, all optional: another secret (or, by
/// `"scheme": "v1a"`, another ed25519 key) signs from now on, and what it replaces goes on beside it for the overlap.
pub(super) async fn rotate(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
    headers: HeaderMap,
    OptionalObject(body): OptionalObject,
) -> Result<Response, Refusal> {
    let keyed = Keyed::read(&headers, &caller, &format!("/v1/subscriptions/{id}/rotate-secret"), &body.bytes)?;
    once(&api, keyed, planned(&api, &caller, &id, body.fields)).await
}

async fn planned(api: &Api, caller: &Caller, id: &str, body: Map<String, Value>) -> Result<Plan, Refusal> {
    let wanted = wanted(body)?;
    let subscription = caller.subscription(api, id).await?;
    let at = Timestamp::now();
    let overlap = SignedDuration::from_secs(wanted.overlap_s);
    check(api, &subscription, &wanted, at)?;
    let (sealer, id) = (&api.deps.sealer, &subscription.id);
    let (replacement, secret) = match wanted.scheme {
        Scheme::V1 => {
            let secret = wanted.secret.unwrap_or_else(Secret::drawn);
            (Replacement::Secret { sealed: secret.sealed(sealer, id)? }, Some(secret))
        }
        Scheme::V1a => (Replacement::Ed25519(drawn_ed25519(sealer, id)?), None),
    };
    let text = secret.as_ref().map(Secret::text);
    let public_key = match &replacement {
        Replacement::Ed25519(key) => Some(key.public_key.as_str()),
        Replacement::Secret { .. } => None,
    };
    let overlap_until = at.checked_add(overlap).unwrap_or(Timestamp::MAX);
    let scheme = if secret.is_some() { "v1" } else { "v1a" };
    let secret = text.as_ref().map(|text| text.as_str());
    let body = json(&RotatedView { id, scheme, secret, public_key, overlap_until })?;
    let effect = Effect::Rotate { id: id.clone(), at, overlap, replacement };
    Ok(Plan { effect, status: StatusCode::OK.as_u16(), location: None, body })
}

fn wanted(body: Map<String, Value>) -> Result<Wanted, Refusal> {
    let mut fields = Fields::new(body);
    let wanted = Wanted {
        scheme: fields.take("scheme", scheme).or_default(),
        secret: fields.take("secret", read).given(),
        overlap_s: fields.take("overlap_s", overlap).given().unwrap_or(DEFAULT_OVERLAP_S),
    };
    if wanted.scheme == Scheme::V1a && wanted.secret.is_some() {
        fields.faults.note("/secret", "is of v1; the keys of v1a are made here, and only their public half is shown");
    }
    fields.finish(&["secret", "overlap_s", "scheme"]).finish()?;
    Ok(wanted)
}

fn scheme(faults: &mut Faults, at: &str, value: Value) -> Option<Scheme> {
    match value.as_str() {
        Some("v1") => Some(Scheme::V1),
        Some("v1a") => Some(Scheme::V1a),
        Some(_) | None => {
            faults.note(at, "must be \"v1\" (HMAC-SHA256) or \"v1a\" (ed25519)");
            None
        }
    }
}

fn overlap(faults: &mut Faults, at: &str, value: Value) -> Option<i64> {
    let overlap_s = whole(&value)
        .and_then(|overlap_s| i64::try_from(overlap_s).ok())
        .filter(|overlap_s| (0..=MAX_OVERLAP_S).contains(overlap_s));
    if overlap_s.is_none() {
        faults.note(at, format!("must be a whole number of seconds from 0 to {MAX_OVERLAP_S} (7 days)"));
    }
    overlap_s
}

/// Refuses what would change nothing, and one secret more than may sign at once.
fn check(api: &Api, subscription: &Subscription, wanted: &Wanted, at: Timestamp) -> Result<(), Refusal> {
    let same = |secret: &Secret| {
        subscription.secrets_at(at).any(|sealed| secret.is_in(&api.deps.sealer, &subscription.id, sealed))
    };
    if wanted.secret.as_ref().is_some_and(same) {
        return Err(Refusal::Fields(vec![Fault::at("/secret", "signs already; take another one")]));
    }
    let signing = match wanted.scheme {
        Scheme::V1 => subscription.secrets_at(at).count(),
        Scheme::V1a if subscription.ed25519_keys.is_empty() => {
            let why = "the subscription is not signed by v1a; change it to {\"ed25519\": true} first";
            return Err(Refusal::Conflict(why.to_owned()));
        }
        Scheme::V1a => subscription.ed25519_keys_at(at).count(),
    };
    if signing >= MAX_SIGNING && wanted.overlap_s > 0 {
        let why =
            format!("{signing} of them sign already; wait until one has lapsed, or end them all by \"overlap_s\": 0");
        return Err(Refusal::Conflict(why));
    }
    Ok(())
}
