//! Subscriptions: made, listed, changed, paused, tested, deleted.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use data_encoding::BASE64URL_NOPAD;
use event_model::{
    EventType, Sequence, Subscription, SubscriptionId,
    delivery::{Payload, PendingDelivery, PendingState},
    subscription::Status,
};
use event_store::{Durability, StoreError};
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{InPath, page};
use crate::{
    caller::Caller,
    config::MAX_WAITING_TESTS,
    fields::{Faults, JsonObject, OptionalObject, Setting},
    idempotency::{Effect, Keyed, Plan, once},
    input::{self, Change, Known},
    params::{Params, cut, with},
    problem::{Fault, Refusal},
    sample::{self, Wish},
    scope,
    signing::Secret,
    state::Api,
    view::{CreatedView, SubscriptionView},
};

pub(super) mod operations;

const COLLECTION: &str = "/v1/subscriptions";

type Shared = State<Arc<Api>>;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SubscriptionPage")]
struct Subscriptions {
    subscriptions: Vec<SubscriptionView>,
    /// The cursor of the next page; `null` on the last.
    next: Option<String>,
}

/// `GET /v1/subscriptions?limit=&cursor=`, oldest first.
pub(super) async fn list(State(api): Shared, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    let mut params = Params::of(&uri, &["limit", "cursor"]);
    let limit = params.limit();
    let cursor = params.one("cursor", opened_cursor);
    params.finish()?;
    let mut all = api.subscriptions.list("").await?;
    all.retain(|(_, subscription)| caller.owns(subscription));
    let begin = cursor.map_or(0, |cursor| all.partition_point(|(id, _)| *id <= cursor));
    let more = all.len() > begin + limit;
    let mut subscriptions = Vec::new();
    for (_, subscription) in all.drain(begin..).take(limit) {
        subscriptions.push(view(&api, subscription).await?);
    }
    let last = subscriptions.last().filter(|_| more);
    let next = last.map(|last| BASE64URL_NOPAD.encode(last.id.as_str().as_bytes()));
    let link = next.as_deref().map(|next| with(&uri, &[("cursor", next)]));
    Ok(page(Subscriptions { subscriptions, next }, link.as_deref()))
}

fn opened_cursor(text: &str) -> Result<String, &'static str> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let id = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|id| id.parse::<SubscriptionId>().is_ok());
    id.ok_or("is no cursor that a page gave")
}

/// `POST /v1/subscriptions`
pub(super) async fn create(
    State(api): Shared,
    caller: Caller,
    headers: HeaderMap,
    body: JsonObject,
) -> Result<Response, Refusal> {
    let keyed = Keyed::read(&headers, &caller, COLLECTION, &body.bytes)?;
    once(&api, keyed, planned_creation(&api, &caller, body.fields)).await
}

async fn planned_creation(api: &Api, caller: &Caller, body: Map<String, Value>) -> Result<Plan, Refusal> {
    scope::within(&body, caller.reach())?;
    let accounts = caller.accounts(api);
    let last = api.deps.store.last_sequence();
    let sealer = &api.deps.sealer;
    let (mut creation, mut faults) = input::creation(body, &Known { sealer, accounts: &accounts, last });
    if let Some(url) = &creation.url {
        check_target(api, url, &mut faults).await;
    }
    let id = SubscriptionId::from_unique(&unique()).map_err(|error| Refusal::Encoding(Box::new(error)))?;
    let secret = creation.secret.take().unwrap_or_else(Secret::drawn);
    let subscription = creation.complete(faults, id, sealer, &secret, caller.owner(), Timestamp::now())?;
    let earliest = api.deps.store.horizon();
    if Sequence::START < subscription.start_after && subscription.start_after < earliest {
        return Err(Refusal::Gone { earliest });
    }
    if subscription.challenge {
        challenge(api, &subscription).await?;
    }
    let shown = secret.text();
    let public_key = subscription.ed25519_keys.first().map(|key| key.public_key.as_str());
    let view = SubscriptionView::of(subscription.clone(), None, &[], last);
    Ok(Plan {
        status: StatusCode::CREATED.as_u16(),
        location: Some(format!("{COLLECTION}/{}", subscription.id)),
        body: json(&CreatedView { subscription: view, secret: &shown, public_key })?,
        effect: Effect::Subscribe { subscription: Box::new(subscription) },
    })
}

/// A part of an id that no other has, growing with time.
fn unique() -> String {
    Uuid::now_v7().simple().to_string()
}

pub(super) fn json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|error| Refusal::Encoding(Box::new(error)))
}

async fn check_target(api: &Api, url: &url::Url, faults: &mut Faults) {
    if let Err(why) = api.deps.targets.check(url).await {
        faults.note("/url", why);
    }
}

async fn challenge(api: &Api, subscription: &Subscription) -> Result<(), Refusal> {
    let met = api.deps.targets.challenge(subscription).await;
    met.map_err(|why| Refusal::Fields(vec![Fault::at("/url", why)]))
}

/// `GET /v1/subscriptions/{id}`
pub(super) async fn show(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<SubscriptionView>, Refusal> {
    let subscription = caller.subscription(&api, &id).await?;
    Ok(Json(view(&api, subscription).await?))
}

/// `PATCH /v1/subscriptions/{id}`
pub(super) async fn change(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
    mut body: JsonObject,
) -> Result<Json<SubscriptionView>, Refusal> {
    let wanted_owner = body.fields.remove("owner");
    let (change, mut faults) = read_change(&api, &caller, &id, body.fields.clone()).await?;
    if let Setting::Set(url) = &change.url {
        check_target(&api, url, &mut faults).await;
    }
    faults.finish()?;
    challenge_anew(&api, &caller, &id, change).await?;
    let _alone = api.changing.lock().await;
    // Another change may have been made while the name was resolved: bounds are checked against what stands now.
    let (change, faults) = read_change(&api, &caller, &id, body.fields).await?;
    faults.finish()?;
    let owner = scope::new_owner(&api, &caller, &id, wanted_owner).await?;
    let change = change.sealed(&api.deps.sealer, &parsed(&id)?)?;
    let changed = changed(&api, &caller, &id, move |subscription| {
        change.apply(subscription);
        subscription.owner = owner.clone().or(subscription.owner.take());
    })
    .await?;
    Ok(Json(view(&api, changed).await?))
}

/// Asks the endpoint that the subscription would have after `change`, if it is another one, or is to be asked from now on.
async fn challenge_anew(api: &Api, caller: &Caller, id: &str, change: Change) -> Result<(), Refusal> {
    let stands = caller.subscription(api, id).await?;
    let mut wanted = stands.clone();
    change.sealed(&api.deps.sealer, &stands.id)?.apply(&mut wanted);
    if wanted.challenge && (wanted.url != stands.url || !stands.challenge) {
        challenge(api, &wanted).await?;
    }
    Ok(())
}

async fn read_change(
    api: &Api,
    caller: &Caller,
    id: &str,
    body: Map<String, Value>,
) -> Result<(Change, Faults), Refusal> {
    let current = caller.subscription(api, id).await?;
    if let Some(owner) = &current.owner {
        scope::within(&body, &owner.reach)?;
    }
    let (sealer, last) = (&api.deps.sealer, api.deps.store.last_sequence());
    let known = Known { sealer, accounts: &caller.accounts(api), last };
    Ok(input::change(body, &current, &known))
}

/// `DELETE /v1/subscriptions/{id}`
///
/// What a crash leaves of it does no harm, and goes when the dispatcher finds it.
pub(super) async fn delete(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, Refusal> {
    let _alone = api.changing.lock().await;
    let subscription = caller.subscription(&api, &id).await?;
    remove(&api, &subscription.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the subscription, which goes first: without it nothing is delivered.
pub(super) async fn remove(api: &Api, id: &SubscriptionId) -> Result<(), StoreError> {
    api.subscriptions.delete(id.as_str(), Durability::Durable).await?;
    api.progress.delete(id.as_str(), Durability::Relaxed).await?;
    let pending = api.pending.list(&format!("{id}/")).await?;
    let gone: Vec<_> = pending.into_iter().map(|(key, _)| (key, None)).collect();
    if !gone.is_empty() {
        api.pending.apply(gone, Durability::Relaxed).await?;
    }
    Ok(())
}

/// `POST /v1/subscriptions/{id}/pause`: its cursor stands. One that is disabled stays so, with its reason.
pub(super) async fn pause(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<SubscriptionView>, Refusal> {
    let paused = changed(&api, &caller, &id, |subscription| {
        subscription.status = match subscription.status.clone() {
            Status::Active | Status::Paused => Status::Paused,
            disabled @ Status::Disabled { .. } => disabled,
        };
    });
    let paused = paused.await?;
    Ok(Json(view(&api, paused).await?))
}

/// `POST /v1/subscriptions/{id}/resume`: goes on where it stood, also when it was disabled.
pub(super) async fn resume(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<SubscriptionView>, Refusal> {
    let resumed = changed(&api, &caller, &id, |subscription| subscription.status = Status::Active).await?;
    Ok(Json(view(&api, resumed).await?))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TestDelivery")]
struct TestView<'a> {
    /// The `webhook-id` under which the test comes.
    id: &'a str,
    #[serde(rename = "type")]
    event_type: EventType,
    /// Whether the subscription asks for events of this type; a test goes to it anyway.
    wanted: bool,
}

/// `POST /v1/subscriptions/{id}/test`: a sample event, marked as a test, goes to the subscriber like a real one. The body, if
/// there is one, says of which type, and which values (`overrides`, by JSON pointer) take the place of the sample's.
pub(super) async fn test(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
    headers: HeaderMap,
    OptionalObject(body): OptionalObject,
) -> Result<Response, Refusal> {
    let keyed = Keyed::read(&headers, &caller, &format!("{COLLECTION}/{id}/test"), &body.bytes)?;
    let wish = Wish::read(body.fields)?;
    once(&api, keyed, planned_test(&api, &caller, &id, wish)).await
}

async fn planned_test(api: &Api, caller: &Caller, id: &str, wish: Wish) -> Result<Plan, Refusal> {
    let subscription = caller.subscription(api, id).await?;
    if subscription.has_lapsed(Timestamp::now()) {
        let why =
            "the key of the subscription's owner has expired, and it delivers nothing; give it another owner first";
        return Err(Refusal::Conflict(why.to_owned()));
    }
    if subscription.status != Status::Active {
        let state = subscription.status.as_str();
        return Err(Refusal::Conflict(format!("the subscription is {state} and delivers nothing; resume it first")));
    }
    let waiting = api.pending.list(&format!("{id}/test-")).await?;
    let waiting = waiting.iter().filter(|(_, one)| one.state.is_open()).count();
    if waiting >= MAX_WAITING_TESTS {
        return Err(Refusal::Conflict(format!("{waiting} tests are waiting to be delivered already")));
    }
    let now = Timestamp::now();
    let account = caller.accounts(api).into_iter().next();
    let sample = sample::test_event(&wish, &subscription.filter, account.as_ref(), &unique(), now)?;
    let wanted = subscription.filter.events.iter().any(|glob| glob.asks_for(sample.event_type));
    let answer = json(&TestView { id: sample.id.as_str(), event_type: sample.event_type, wanted })?;
    let delivery = PendingDelivery {
        subscription: subscription.id,
        state: PendingState::Due { at: now },
        attempts: 0,
        history: Vec::new(),
        since: now,
        payload: Payload::Test { id: sample.id.clone(), body: sample.body },
    };
    Ok(Plan {
        effect: Effect::Enqueue { key: format!("{id}/test-{}", sample.id), delivery: Box::new(delivery) },
        status: StatusCode::ACCEPTED.as_u16(),
        location: None,
        body: answer,
    })
}

fn parsed(id: &str) -> Result<SubscriptionId, Refusal> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> Refusal {
    Refusal::NotFound { what: "subscription", id: cut(id) }
}

/// Changes the caller's subscription in one step against whoever else writes it (the dispatcher disables), and gives what
/// stands.
async fn changed(
    api: &Api,
    caller: &Caller,
    id: &str,
    change: impl Fn(&mut Subscription) + Send + 'static,
) -> Result<Subscription, Refusal> {
    let id = caller.subscription(api, id).await?.id;
    let now = Timestamp::now();
    let update = move |old: Option<Subscription>| {
        let old = old?;
        let mut new = old.clone();
        change(&mut new);
        if new != old {
            new.updated_at = now;
        }
        Some(new)
    };
    let stands = api.subscriptions.update(id.as_str(), Durability::Durable, update).await?;
    stands.ok_or_else(|| missing(id.as_str()))
}

async fn view(api: &Api, subscription: Subscription) -> Result<SubscriptionView, StoreError> {
    let id = subscription.id.clone();
    let progress = api.progress.get(id.as_str()).await?;
    let pending = api.pending.list(&format!("{id}/")).await?;
    Ok(SubscriptionView::of(subscription, progress, &pending, api.deps.store.last_sequence()))
}
