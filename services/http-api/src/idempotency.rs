//! `Idempotency-Key`: a creating request that is sent again is answered as the first time, and creates nothing more.
//!
//! What a request will do and answer is decided first, as a [`Plan`]; the plan is stored, sealed (it holds a secret that is
//! shown once), under the caller and the key; only then is it carried out. Carrying it out twice is the same as once,
//! since ids are part of the plan. So a crash between the two is healed by the request that comes again:
//!
//! | crash | what is stored | the repeated request |
//! |---|---|---|
//! | before the plan is stored | nothing | is a first request |
//! | after that | a plan, not `done` | carries the plan out, and answers from it |
//! | after `done` | a plan, `done` | answers from it; what was deleted since stays deleted |
//!
//! Two requests with one key at the same time: the second is refused (409) until the first has its answer.
//!
//! A caller that goes away in the midst is no crash: carrying out and noting `done` is a task of its own. Else a plan that
//! was carried out and not noted would be carried out again up to a day later, and bring back what was deleted since.

use std::sync::Arc;

use axum::response::Response;
use event_model::{KeyId, Replay, Subscription, SubscriptionId, delivery::PendingDelivery, subscription::Ed25519Key};
use event_store::{Durability, StoreError};
use http::{HeaderMap, HeaderName, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::{
    caller::Caller,
    config::{IDEMPOTENCY_KEPT, IDEMPOTENCY_SWEEP, MAX_IDEMPOTENCY_KEY},
    keys::StoredKey,
    problem::{Fault, Refusal},
    replay,
    state::{Api, Claim},
};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// What a creating request does, and what it is answered.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    pub effect: Effect,
    pub status: u16,
    pub location: Option<String>,
    /// The JSON of the answer.
    pub body: String,
}

/// A write that may be done twice.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Effect {
    /// A new subscription.
    Subscribe { subscription: Box<Subscription> },
    /// A new key, under the hash of its token.
    MakeKey { record: String, key: Box<StoredKey> },
    /// A delivery for the dispatcher, under this key.
    Enqueue { key: String, delivery: Box<PendingDelivery> },
    /// Events once more to a subscription.
    Replay { replay: Box<Replay> },
    /// Another secret or key of the subscription from `at` on.
    Rotate { id: SubscriptionId, at: Timestamp, overlap: SignedDuration, replacement: Replacement },
}

/// What takes the place of what signed before.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Replacement {
    Secret { sealed: String },
    Ed25519(Ed25519Key),
}

impl Replacement {
    /// Makes `subscription` be signed so, unless it is already.
    fn apply(&self, subscription: &mut Subscription, at: Timestamp, overlap: SignedDuration) {
        match self {
            Self::Secret { sealed } => {
                let retiring = subscription.retiring_secrets.iter().map(|one| &one.sealed);
                if !subscription.sealed_secrets.iter().chain(retiring).any(|known| known == sealed) {
                    subscription.rotate_secret(sealed.clone(), at, overlap);
                }
            }
            Self::Ed25519(key) => {
                if !subscription.ed25519_keys.iter().any(|known| known.public_key == key.public_key) {
                    subscription.rotate_ed25519(key.clone(), at, overlap);
                }
            }
        }
    }
}

/// A plan as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    at: Timestamp,
    /// Hash of the request's path and body.
    request: String,
    sealed_plan: String,
    done: bool,
}

/// A request that may have come before.
pub(crate) struct Keyed {
    /// Of the record: a hash of the caller and the key.
    record: String,
    request: String,
}

impl Keyed {
    /// The key that `headers` carry, if they do, for a request of `caller` to `path` with `body`.
    pub fn read(headers: &HeaderMap, caller: &Caller, path: &str, body: &[u8]) -> Result<Option<Self>, Refusal> {
        let Some(value) = headers.get(HEADER) else { return Ok(None) };
        let key = value.as_bytes();
        if !(1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
            let why = format!("must have 1 to {MAX_IDEMPOTENCY_KEY} visible characters");
            return Err(Refusal::Parameters(vec![Fault::of(HEADER.as_str(), why)]));
        }
        Ok(Some(Self {
            record: digest(&[caller.key_id().as_str().as_bytes(), key]),
            request: digest(&[path.as_bytes(), body]),
        }))
    }
}

/// A hash of `parts`, each preceded by its length so that no two lists run together.
fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// Answers a creating request: by the plan that is kept for its key, or by a new one that `make` gives.
pub(crate) async fn once(
    api: &Arc<Api>,
    keyed: Option<Keyed>,
    make: impl Future<Output = Result<Plan, Refusal>>,
) -> Result<Response, Refusal> {
    let Some(Keyed { record: key, request }) = keyed else {
        let plan = make.await?;
        carry_out(api, &plan.effect).await?;
        return answer(plan);
    };
    let in_progress = || Refusal::Conflict("a request with this idempotency key is being answered".to_owned());
    let claim = api.claim(&key).ok_or_else(in_progress)?;
    let kept = api.answers.get(&key).await?.filter(|record| is_kept(record, Timestamp::now()));
    let (record, plan) = match kept {
        Some(record) if record.request != request => return Err(Refusal::KeyReused),
        Some(record) => {
            let plan = opened(api, &key, &record)?;
            (record, plan)
        }
        None => {
            let plan = make.await?;
            let record = sealed(api, &key, request, &plan)?;
            api.answers.put(&key, &record, Durability::Durable).await?;
            (record, plan)
        }
    };
    if record.done {
        return answer(plan);
    }
    let finishing = tokio::spawn(finish(Arc::clone(api), claim, key, record, plan).in_current_span());
    // A panic there is one of this request.
    answer(finishing.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?)
}

/// Carries the plan out and notes that it is done, with the key claimed until then.
async fn finish(api: Arc<Api>, _claim: Claim, key: String, record: Record, plan: Plan) -> Result<Plan, Refusal> {
    carry_out(&api, &plan.effect).await?;
    api.answers.put(&key, &Record { done: true, ..record }, Durability::Durable).await?;
    Ok(plan)
}

async fn carry_out(api: &Api, effect: &Effect) -> Result<(), Refusal> {
    match effect {
        Effect::Subscribe { subscription } => {
            // A key is deleted with what it owns, or that is passed on: nothing may be added for a key that is gone by now.
            let _alone = api.changing.lock().await;
            if let Some(owner) = &subscription.owner {
                standing_key(api, &owner.key).await?;
            }
            api.subscriptions.put(subscription.id.as_str(), subscription, Durability::Durable).await?;
        }
        Effect::MakeKey { record, key } => {
            let _alone = api.changing.lock().await;
            if let Some(maker) = &key.made_by {
                standing_key(api, maker).await?;
            }
            api.keys.put(record, key, Durability::Durable).await?;
        }
        Effect::Enqueue { key, delivery } => {
            // A deletion takes what waits with it: nothing may be added for a subscription that is gone by now.
            let _alone = api.changing.lock().await;
            let id = delivery.subscription.as_str();
            if api.subscriptions.get(id).await?.is_none() {
                return Err(Refusal::NotFound { what: "subscription", id: id.to_owned() });
            }
            api.pending.put(key, delivery, Durability::Durable).await?;
            api.ask(&delivery.subscription).await?;
        }
        Effect::Replay { replay } => {
            let _alone = api.changing.lock().await;
            let id = replay.subscription.as_str();
            if api.subscriptions.get(id).await?.is_none() {
                return Err(Refusal::NotFound { what: "subscription", id: id.to_owned() });
            }
            replay::begin(api, replay).await?;
        }
        Effect::Rotate { id, at, overlap, replacement } => {
            let (at, overlap, replacement) = (*at, *overlap, replacement.clone());
            let rotated = move |known: Option<Subscription>| {
                known.map(|mut subscription| {
                    replacement.apply(&mut subscription, at, overlap);
                    subscription.updated_at = subscription.updated_at.max(at);
                    subscription
                })
            };
            let stands = api.subscriptions.update(id.as_str(), Durability::Durable, rotated).await?;
            stands.ok_or_else(|| Refusal::NotFound { what: "subscription", id: id.to_string() })?;
        }
    }
    Ok(())
}

/// Refuses what is asked under a key that has been deleted since.
async fn standing_key(api: &Api, id: &KeyId) -> Result<(), Refusal> {
    let all = api.keys.list("").await?;
    all.iter().any(|(_, key)| key.id == *id).then_some(()).ok_or(Refusal::BadKey)
}

fn sealed(api: &Api, key: &str, request: String, plan: &Plan) -> Result<Record, Refusal> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(plan).map_err(encoding)?);
    let sealed_plan = api.deps.sealer.seal(key, &plain)?;
    Ok(Record { at: Timestamp::now(), request, sealed_plan, done: false })
}

fn opened(api: &Api, key: &str, record: &Record) -> Result<Plan, Refusal> {
    let plain = api.deps.sealer.open(key, &record.sealed_plan)?;
    serde_json::from_slice(&plain).map_err(encoding)
}

fn encoding(error: serde_json::Error) -> Refusal {
    Refusal::Encoding(Box::new(error))
}

fn answer(plan: Plan) -> Result<Response, Refusal> {
    let status = StatusCode::from_u16(plan.status).map_err(|error| Refusal::Encoding(Box::new(error)))?;
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    if let Some(location) = plan.location {
        response = response.header(header::LOCATION, location);
    }
    // The answer may hold a secret: no cache keeps it.
    let response = response.header(header::CACHE_CONTROL, "no-store").body(plan.body.into());
    response.map_err(|error| Refusal::Encoding(Box::new(error)))
}

fn is_kept(record: &Record, now: Timestamp) -> bool {
    now.duration_since(record.at).unsigned_abs() < IDEMPOTENCY_KEPT
}

/// Takes away what is kept no longer, at the start and once an hour.
pub(crate) async fn sweep_until_stopped(api: Arc<Api>) {
    let mut ticks = tokio::time::interval(IDEMPOTENCY_SWEEP);
    loop {
        tokio::select! {
            () = api.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = sweep(&api, Timestamp::now()).await {
            tracing::warn!(%error, "cannot sweep the answers kept for idempotency keys");
        }
    }
}

async fn sweep(api: &Api, now: Timestamp) -> Result<(), StoreError> {
    let all = api.answers.list("").await?;
    let old = all.into_iter().filter(|(_, record)| !is_kept(record, now)).map(|(key, _)| (key, None));
    let old: Vec<_> = old.collect();
    if old.is_empty() { Ok(()) } else { api.answers.apply(old, Durability::Relaxed).await }
}

#[cfg(test)]
mod tests;
