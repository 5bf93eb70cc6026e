//! Keys: made, listed, shown, deleted. A token is shown once, in the answer that made it.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use data_encoding::BASE64URL_NOPAD;
use event_model::{Grant, KeyId, Owner, Subscription};
use event_store::Durability;
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use self::body::Wanted;
use super::{
    InPath, page,
    subscriptions::{json, remove},
};
use crate::{
    caller::Caller,
    config::MAX_KEYS,
    fields::JsonObject,
    idempotency::{Effect, Keyed, Plan, once},
    keys::{Origin, StoredKey, hash, new_id, new_token},
    params::{Params, cut, with},
    problem::Refusal,
    state::Api,
};

mod body;
pub(super) mod operations;

const COLLECTION: &str = "/v1/keys";

type Shared = State<Arc<Api>>;

/// A key as people see it: never its token, nor the hash of that.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(super) struct KeyView {
    id: KeyId,
    description: Option<String>,
    #[serde(flatten)]
    grant: Grant,
    origin: Origin,
    /// The key that made it.
    made_by: Option<KeyId>,
    /// Requests a second; `null` for the common limit.
    rate_per_s: Option<u32>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    expired: bool,
}

impl From<StoredKey> for KeyView {
    fn from(key: StoredKey) -> Self {
        Self {
            expired: key.has_expired(Timestamp::now()),
            id: key.id,
            description: key.description,
            grant: key.grant,
            origin: key.origin,
            made_by: key.made_by,
            rate_per_s: key.rate_per_s,
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// The answer to a creation: the only one that shows the token.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedKey")]
struct CreatedView<'a> {
    #[serde(flatten)]
    view: KeyView,
    key: &'a str,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyPage")]
struct Keys {
    keys: Vec<KeyView>,
    /// The cursor of the next page; `null` on the last.
    next: Option<String>,
}

/// Whether `caller` may see `key`: itself, and what it made; who may do everything sees all.
fn sees(caller: &Caller, key: &StoredKey) -> bool {
    caller.is_admin() || key.id == *caller.key_id() || key.made_by.as_ref() == Some(caller.key_id())
}

/// `GET /v1/keys?limit=&cursor=`, oldest first.
pub(super) async fn list(State(api): Shared, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    let mut params = Params::of(&uri, &["limit", "cursor"]);
    let limit = params.limit();
    let cursor = params.one("cursor", opened_cursor);
    params.finish()?;
    let mut all: Vec<_> = api.keys.list("").await?.into_iter().map(|(_, key)| key).collect();
    all.retain(|key| sees(&caller, key));
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let begin = cursor.map_or(0, |cursor| all.partition_point(|key| key.id <= cursor));
    let more = all.len() > begin + limit;
    let keys: Vec<KeyView> = all.drain(begin..).take(limit).map(KeyView::from).collect();
    let next = keys.last().filter(|_| more).map(|last| BASE64URL_NOPAD.encode(last.id.as_str().as_bytes()));
    let link = next.as_deref().map(|next| with(&uri, &[("cursor", next)]));
    Ok(page(Keys { keys, next }, link.as_deref()))
}

fn opened_cursor(text: &str) -> Result<KeyId, &'static str> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let id = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|id| id.parse().ok());
    id.ok_or("is no cursor that a page gave")
}

/// `GET /v1/keys/self`: what the key that asks allows, whatever that is. Ids begin otherwise.
pub(super) async fn show_own(caller: Caller) -> Json<KeyView> {
    Json(caller.key().clone().into())
}

/// `GET /v1/keys/{id}`
pub(super) async fn show(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<KeyView>, Refusal> {
    let (_, key) = found(&api, &caller, &id).await?;
    Ok(Json(key.into()))
}

/// The key `id` and the record that it is kept under, if the caller may see it.
async fn found(api: &Api, caller: &Caller, id: &str) -> Result<(String, StoredKey), Refusal> {
    let all = api.keys.list("").await?;
    let found = all.into_iter().find(|(_, key)| key.id.as_str() == id && sees(caller, key));
    found.ok_or_else(|| Refusal::NotFound { what: "key", id: cut(id) })
}

/// `POST /v1/keys {"description", "accounts", "policies", "events", "actions", "expires_at" | "expires_in_s", "rate_per_s"}`
pub(super) async fn create(
    State(api): Shared,
    caller: Caller,
    headers: HeaderMap,
    body: JsonObject,
) -> Result<Response, Refusal> {
    let keyed = Keyed::read(&headers, &caller, COLLECTION, &body.bytes)?;
    once(&api, keyed, planned(&api, &caller, body.fields)).await
}

async fn planned(api: &Api, caller: &Caller, body: Map<String, Value>) -> Result<Plan, Refusal> {
    let now = Timestamp::now();
    let Wanted { grant, description, expires_at, rate_per_s } = body::read(body, now)?.allowed_by(caller)?;
    let known = api.keys.list("").await?.len();
    if known >= MAX_KEYS {
        return Err(Refusal::Conflict(format!("there are {known} keys already; delete those that are not used")));
    }
    let key = StoredKey {
        id: new_id().map_err(|error| Refusal::Encoding(Box::new(error)))?,
        origin: Origin::Made,
        created_at: now,
        grant,
        description,
        expires_at,
        made_by: Some(caller.key_id().clone()),
        rate_per_s,
    };
    let token = new_token();
    Ok(Plan {
        status: StatusCode::CREATED.as_u16(),
        location: Some(format!("{COLLECTION}/{}", key.id)),
        body: json(&CreatedView { view: key.clone().into(), key: &token })?,
        effect: Effect::MakeKey { record: hash(&token), key: Box::new(key) },
    })
}

/// What becomes of the subscriptions of a key that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// They go too.
    Deleted,
    /// They are the caller's from then on, and deliver what they may now.
    Kept,
}

impl Left {
    fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "delete" => Ok(Self::Deleted),
            "keep" => Ok(Self::Kept),
            _ => Err("must be delete or keep"),
        }
    }
}

/// `DELETE /v1/keys/{id}?subscriptions=delete|keep`: it opens nothing from then on, and streams that it opened end.
pub(super) async fn delete(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
    uri: Uri,
) -> Result<StatusCode, Refusal> {
    let mut params = Params::of(&uri, &["subscriptions"]);
    let left = params.one("subscriptions", Left::read);
    params.finish()?;
    // No subscription is made meanwhile, nor is a key.
    let _alone = api.changing.lock().await;
    let (record, key) = found(&api, &caller, &id).await?;
    check_deletable(&api, &caller, &key).await?;
    let all = api.subscriptions.list("").await?.into_iter().map(|(_, subscription)| subscription);
    let is_its = |one: &Subscription| one.owner.as_ref().is_some_and(|owner| owner.key == key.id);
    let owned: Vec<_> = all.filter(is_its).collect();
    if !owned.is_empty() && left.is_none() {
        let why = "subscriptions belong to the key; say what becomes of them: ?subscriptions=delete, or keep";
        return Err(Refusal::Conflict(format!("{} {why}", owned.len())));
    }
    for subscription in owned {
        match left {
            Some(Left::Kept) => pass_on(&api, &caller, subscription).await?,
            Some(Left::Deleted) | None => remove(&api, &subscription.id).await?,
        }
    }
    api.keys.delete(&record, Durability::Durable).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check_deletable(api: &Api, caller: &Caller, key: &StoredKey) -> Result<(), Refusal> {
    let conflict = |why: &str| Err(Refusal::Conflict(why.to_owned()));
    if key.id == *caller.key_id() {
        return conflict("a key cannot delete itself; use another one");
    }
    if key.origin == Origin::Configured {
        return conflict("the key is in the configuration; take it out there");
    }
    let all = api.keys.list("").await?;
    let others = all.iter().filter(|(_, other)| other.id != key.id && other.is_lasting_admin()).count();
    if key.is_lasting_admin() && others == 0 {
        return conflict("it is the last key that allows everything for ever");
    }
    Ok(())
}

/// Makes `subscription` the caller's. What it may deliver stays.
async fn pass_on(api: &Api, caller: &Caller, subscription: Subscription) -> Result<(), Refusal> {
    let (now, to) = (Timestamp::now(), caller.owner());
    let update = move |stands: Option<Subscription>| {
        let mut stands = stands?;
        let reach = stands.owner.take().map_or_else(|| to.reach.clone(), |owner| owner.reach);
        stands.owner = Some(Owner { reach, ..to.clone() });
        stands.updated_at = now;
        Some(stands)
    };
    api.subscriptions.update(subscription.id.as_str(), Durability::Durable, update).await?;
    Ok(())
}
