//! Replays: events that a subscription was sent, or that were given up, sent to it once more.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use event_model::{
    AccountName, Replay, ReplayId, Sequence, Subject, Subscription, SubscriptionId,
    delivery::{Attempt, Trouble},
    replay::ReplayState,
};
use event_store::Durability;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{InPath, subscriptions::json};
use crate::{
    caller::Caller,
    fields::{Faults, Fields, JsonObject, text, whole},
    idempotency::{Effect, Keyed, Plan, once},
    input,
    params::cut,
    problem::Refusal,
    replay::{self, Found, Wanted},
    state::Api,
};

pub(super) mod operations;

const FIELDS: &[&str] = &["from", "to", "subject", "account", "failed", "rate_per_s", "dry_run"];

type Shared = State<Arc<Api>>;

/// Where a replay begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum From {
    #[default]
    Beginning,
    After(Sequence),
    Since(Timestamp),
}

#[derive(Debug)]
struct Request {
    from: Option<From>,
    to: Option<Sequence>,
    subject: Option<Subject>,
    account: Option<AccountName>,
    failed: bool,
    rate_per_s: Option<u32>,
    dry_run: bool,
}

/// What a replay would send.
#[derive(Serialize, JsonSchema)]
struct DryRun<'a> {
    dry_run: bool,
    after: Sequence,
    up_to: Sequence,
    #[serde(flatten)]
    found: &'a Found,
}

/// A replay, and how far it has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Replay")]
pub(super) struct ReplayView {
    id: ReplayId,
    subscription: SubscriptionId,
    #[schemars(extend("enum" = ["running", "done", "cancelled"]))]
    state: &'static str,
    after: Sequence,
    up_to: Sequence,
    /// Events that it sends; `null` when they were too many to count.
    count: Option<u64>,
    rate_per_s: Option<u32>,
    /// Everything up to here was sent, given up, or is counted as pending.
    cursor: Sequence,
    delivered: u64,
    /// Given up: no attempt was left.
    failed: u64,
    /// Waiting for the next attempt, or behind one that does.
    pending: usize,
    last_failure: Option<Attempt>,
    trouble: Option<Trouble>,
    created_at: Timestamp,
    /// When it was done or cancelled.
    ended_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Replays {
    replays: Vec<ReplayView>,
}

/// `POST /v1/subscriptions/{id}/replay`. With `dry_run` it answers what would be sent, and sends nothing.
pub(super) async fn create(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
    headers: HeaderMap,
    body: JsonObject,
) -> Result<Response, Refusal> {
    let keyed = Keyed::read(&headers, &caller, &format!("/v1/subscriptions/{id}/replay"), &body.bytes)?;
    let (request, faults) = read(body.fields);
    faults.finish()?;
    if request.dry_run {
        let subscription = caller.subscription(&api, &id).await?;
        let (wanted, found) = looked_up(&api, &subscription, &request).await?;
        let shown = DryRun { dry_run: true, after: wanted.after, up_to: wanted.up_to, found: &found };
        return Ok(axum::response::IntoResponse::into_response(Json(shown)));
    }
    once(&api, keyed, planned(&api, &caller, &id, request)).await
}

async fn planned(api: &Api, caller: &Caller, id: &str, request: Request) -> Result<Plan, Refusal> {
    let subscription = caller.subscription(api, id).await?;
    replay::refuse_beside(&replay::of(api, subscription.id.as_str()).await?)?;
    let (wanted, found) = looked_up(api, &subscription, &request).await?;
    let unique = Uuid::now_v7().simple().to_string();
    let replay = Replay {
        id: ReplayId::from_unique(&unique).map_err(|error| Refusal::Encoding(Box::new(error)))?,
        subscription: subscription.id,
        after: wanted.after,
        up_to: wanted.up_to,
        chosen: found.chosen,
        rate_per_s: request.rate_per_s,
        count: found.count,
        state: ReplayState::Running,
        created_at: Timestamp::now(),
    };
    let location = format!("/v1/subscriptions/{}/replays/{}", replay.subscription, replay.id);
    let body = json(&view(api, replay.clone()).await?)?;
    let effect = Effect::Replay { replay: Box::new(replay) };
    Ok(Plan { effect, status: StatusCode::ACCEPTED.as_u16(), location: Some(location), body })
}

fn read(body: Map<String, Value>) -> (Request, Faults) {
    let mut fields = Fields::new(body);
    let request = Request {
        from: fields.take("from", from).given(),
        to: fields.take("to", sequence).given(),
        subject: fields.take("subject", parsed::<Subject>).given(),
        account: fields.take("account", parsed::<AccountName>).given(),
        failed: fields.take("failed", input::flag).or_default(),
        rate_per_s: fields.take("rate_per_s", input::rate).given(),
        dry_run: fields.take("dry_run", input::flag).or_default(),
    };
    let mut faults = fields.finish(FIELDS);
    if request.from.is_none() && request.subject.is_none() && !request.failed {
        faults.note(
            "/from",
            "is required unless \"subject\" or \"failed\" says what: \"beginning\", a sequence or a time",
        );
    }
    if request.account.is_some() && request.subject.is_none() && !request.failed {
        faults.note("/account", "goes with \"subject\" or \"failed\"");
    }
    (request, faults)
}

fn from(faults: &mut Faults, at: &str, value: Value) -> Option<From> {
    let read = match (&value, whole(&value)) {
        (_, Some(sequence)) => Some(From::After(Sequence(sequence))),
        (Value::String(word), None) if word == "beginning" => Some(From::Beginning),
        (Value::String(time), None) => time.parse().ok().map(From::Since),
        _ => None,
    };
    if read.is_none() {
        faults
            .note(at, "must be \"beginning\", the sequence after which it begins, or a time like 2026-04-02T09:14:00Z");
    }
    read
}

fn sequence(faults: &mut Faults, at: &str, value: Value) -> Option<Sequence> {
    let read = whole(&value).map(Sequence);
    if read.is_none() {
        faults.note(at, "must be the sequence of the last event");
    }
    read
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(faults: &mut Faults, at: &str, value: Value) -> Option<T> {
    match text(faults, at, value)?.parse() {
        Ok(read) => Some(read),
        Err(why) => {
            faults.note(at, why);
            None
        }
    }
}

/// What is asked, as a span of the log that the subscription was sent, and what is found there.
async fn looked_up(api: &Api, subscription: &Subscription, request: &Request) -> Result<(Wanted, Found), Refusal> {
    let store = &api.deps.store;
    let progress = api.progress.get(subscription.id.as_str()).await?;
    let sent = progress.map_or(subscription.start_after, |progress| progress.cursor);
    let from = request.from.unwrap_or_default();
    let after = match from {
        From::Beginning => Sequence::START,
        From::After(sequence) => sequence,
        From::Since(time) => store.first_since(time).await?,
    };
    let mut faults = Faults::default();
    if matches!(from, From::After(sequence) if sequence > sent) {
        faults.note("/from", format!("is beyond what was sent, which ends at {sent}"));
    }
    if let Some(to) = request.to.filter(|to| *to > sent || *to < after) {
        faults.note("/to", format!("{to} is not from {after} to {sent}, where what was sent ends"));
    }
    faults.finish()?;
    let earliest = store.horizon();
    if from != From::Beginning && after < earliest {
        return Err(Refusal::Gone { earliest });
    }
    let mut wanted = Wanted {
        after: after.min(sent),
        up_to: request.to.unwrap_or(sent),
        subject: request.subject.clone(),
        account: request.account.clone(),
        failed: request.failed,
    };
    let found = replay::find(api, subscription, &wanted).await?;
    if let Some(chosen) = &found.chosen {
        wanted.up_to = chosen.last().copied().unwrap_or(wanted.after);
    }
    Ok((wanted, found))
}

async fn view(api: &Api, replay: Replay) -> Result<ReplayView, Refusal> {
    let progress = api.progress.get(replay.id.as_str()).await?;
    let pending = api.pending.list(&format!("{}/", replay.id)).await?.len();
    let (cursor, delivered, failed, last_failure, trouble) = match progress {
        Some(progress) => {
            (progress.cursor, progress.delivered, progress.given_up, progress.last_failure, progress.trouble)
        }
        None => (replay.after, 0, 0, None, None),
    };
    Ok(ReplayView {
        id: replay.id,
        subscription: replay.subscription,
        state: replay.state.as_str(),
        after: replay.after,
        up_to: replay.up_to,
        count: replay.count,
        rate_per_s: replay.rate_per_s,
        cursor,
        delivered,
        failed,
        pending,
        last_failure,
        trouble,
        created_at: replay.created_at,
        ended_at: match replay.state {
            ReplayState::Running => None,
            ReplayState::Done { at } | ReplayState::Cancelled { at } => Some(at),
        },
    })
}

/// `GET /v1/subscriptions/{id}/replays`, oldest first; there are few.
pub(super) async fn list(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<Replays>, Refusal> {
    let subscription = caller.subscription(&api, &id).await?;
    let mut replays = Vec::new();
    for one in replay::of(&api, subscription.id.as_str()).await? {
        replays.push(view(&api, one).await?);
    }
    Ok(Json(Replays { replays }))
}

/// `GET /v1/subscriptions/{id}/replays/{replay}`
pub(super) async fn show(
    State(api): Shared,
    caller: Caller,
    InPath((id, replay)): InPath<(String, String)>,
) -> Result<Json<ReplayView>, Refusal> {
    let key = key(&api, &caller, &id, &replay).await?;
    let known = api.replays.get(&key).await?.ok_or_else(|| missing(&replay))?;
    Ok(Json(view(&api, known).await?))
}

/// `POST /v1/subscriptions/{id}/replays/{replay}/cancel`: what is in flight is let finish, the rest is not sent.
pub(super) async fn cancel(
    State(api): Shared,
    caller: Caller,
    InPath((id, replay)): InPath<(String, String)>,
) -> Result<Json<ReplayView>, Refusal> {
    let key = key(&api, &caller, &id, &replay).await?;
    let at = Timestamp::now();
    let cancelled = move |known: Option<Replay>| {
        known.map(|mut replay| {
            if replay.state == ReplayState::Running {
                replay.state = ReplayState::Cancelled { at };
            }
            replay
        })
    };
    let stands = api.replays.update(&key, Durability::Durable, cancelled).await?.ok_or_else(|| missing(&replay))?;
    Ok(Json(view(&api, stands).await?))
}

async fn key(api: &Api, caller: &Caller, id: &str, replay: &str) -> Result<String, Refusal> {
    let subscription = caller.subscription(api, id).await?;
    let replay: ReplayId = replay.parse().map_err(|_| missing(replay))?;
    Ok(format!("{}/{replay}", subscription.id))
}

fn missing(id: &str) -> Refusal {
    Refusal::NotFound { what: "replay", id: cut(id) }
}
