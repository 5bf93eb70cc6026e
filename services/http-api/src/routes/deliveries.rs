//! Deliveries that are not done, were given up, or arrived after failures: seen, and sent again.
//!
//! What succeeds at once leaves no record and is not here. A delivery's id is `<subscription>.<sequence>`; that of a test
//! `<subscription>.test-<event id>`.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use data_encoding::BASE64URL_NOPAD;
use event_model::{
    EventId, EventType, Sequence, SubscriptionId,
    delivery::{Attempt, Payload, PendingDelivery, PendingState},
};
use event_store::Durability;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{InPath, page};
use crate::{
    caller::Caller,
    params::{Params, cut, with},
    problem::Refusal,
    state::Api,
};

pub(super) mod operations;

/// Dead letters that are put in line by one write.
const RETRY_BATCH: usize = 256;
/// The words of [`PendingState::as_str`].
const STATES: [&str; 4] = ["due", "waiting", "dead", "done"];

type Shared = State<Arc<Api>>;

/// A delivery as people see it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub(super) struct DeliveryView {
    id: String,
    subscription: SubscriptionId,
    #[schemars(extend("enum" = STATES))]
    state: &'static str,
    event: EventView,
    /// Attempts that count; probes of a suspended receiver are in `history` alone.
    attempts: u32,
    /// The last attempts, oldest first.
    history: Vec<Attempt>,
    /// When it was first put off.
    since: Timestamp,
    /// When it is tried next; `null` unless it is `due`.
    next_attempt_at: Option<Timestamp>,
    /// When it was given up, or arrived.
    ended_at: Option<Timestamp>,
}

/// What is delivered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveredEvent")]
struct EventView {
    id: EventId,
    #[serde(rename = "type")]
    event_type: Option<EventType>,
    sequence: Option<Sequence>,
    subject: Option<String>,
    account: Option<String>,
}

impl From<Payload> for EventView {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Event { sequence, id, event_type, subject, account } => Self {
                id,
                event_type: Some(event_type),
                sequence: Some(sequence),
                subject: Some(subject),
                account: Some(account),
            },
            Payload::Test { id, .. } => Self { id, event_type: None, sequence: None, subject: None, account: None },
        }
    }
}

impl DeliveryView {
    fn of(key: &str, record: PendingDelivery) -> Self {
        let (next_attempt_at, ended_at) = match record.state {
            PendingState::Due { at } => (Some(at), None),
            PendingState::Waiting => (None, None),
            PendingState::Dead { at } | PendingState::Done { at } => (None, Some(at)),
        };
        Self {
            id: id_of(key),
            subscription: record.subscription,
            state: record.state.as_str(),
            event: record.payload.into(),
            attempts: record.attempts,
            history: record.history,
            since: record.since,
            next_attempt_at,
            ended_at,
        }
    }
}

/// The id of the delivery under this key of the table, whose number has leading zeros.
fn id_of(key: &str) -> String {
    match key.split_once('/') {
        Some((subscription, rest)) if rest.starts_with("test-") => format!("{subscription}.{rest}"),
        Some((subscription, number)) => format!("{subscription}.{}", number.trim_start_matches('0')),
        None => key.to_owned(),
    }
}

/// The key under which the table has the delivery `id`.
fn key_of(id: &str) -> Option<String> {
    let (subscription, rest) = id.split_once('.')?;
    let subscription: SubscriptionId = subscription.parse().ok()?;
    if let Some(test) = rest.strip_prefix("test-") {
        return test.parse::<EventId>().ok().map(|test| format!("{subscription}/test-{test}"));
    }
    rest.parse::<u64>().ok().map(|number| format!("{subscription}/{number:020}"))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryPage")]
struct Deliveries {
    deliveries: Vec<DeliveryView>,
    /// The cursor of the next page; `null` on the last.
    next: Option<String>,
}

/// `GET /v1/subscriptions/{id}/deliveries?state=&limit=&cursor=`, oldest event first.
pub(super) async fn list(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut params = Params::of(&uri, &["state", "limit", "cursor"]);
    let limit = params.limit();
    let states = params.many("state", |text| {
        STATES.into_iter().find(|known| *known == text).ok_or_else(|| format!("is one of {}", STATES.join(", ")))
    });
    let cursor = params.one("cursor", |text| opened_cursor(text).ok_or("is no cursor that a page gave"));
    params.finish()?;
    let mut found = records(&api, &caller, &id).await?;
    found.retain(|(key, record)| {
        cursor.as_ref().is_none_or(|cursor| key > cursor)
            && (states.is_empty() || states.contains(&record.state.as_str()))
    });
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(key, _)| BASE64URL_NOPAD.encode(key.as_bytes()));
    let link = next.as_deref().map(|next| with(&uri, &[("cursor", next)]));
    let deliveries = found.into_iter().map(|(key, record)| DeliveryView::of(&key, record)).collect();
    Ok(page(Deliveries { deliveries, next }, link.as_deref()))
}

fn opened_cursor(text: &str) -> Option<String> {
    String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()
}

/// What is kept of the subscription `id`, which must be the caller's.
async fn records(api: &Api, caller: &Caller, id: &str) -> Result<Vec<(String, PendingDelivery)>, Refusal> {
    let subscription = caller.subscription(api, id).await?;
    Ok(api.pending.list(&format!("{}/", subscription.id)).await?)
}

/// The delivery `id` of a subscription of the caller's, and its key in the table.
async fn record(api: &Api, caller: &Caller, id: &str) -> Result<(String, PendingDelivery), Refusal> {
    let missing = || Refusal::NotFound { what: "delivery", id: cut(id) };
    let key = key_of(id).ok_or_else(missing)?;
    let record = api.pending.get(&key).await?.ok_or_else(missing)?;
    let subscription = api.subscriptions.get(record.subscription.as_str()).await?;
    // Of one that is gone, what is left goes too.
    if subscription.is_some_and(|subscription| caller.owns(&subscription)) { Ok((key, record)) } else { Err(missing()) }
}

/// `GET /v1/deliveries/{id}`
pub(super) async fn show(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<DeliveryView>, Refusal> {
    let (key, record) = record(&api, &caller, &id).await?;
    Ok(Json(DeliveryView::of(&key, record)))
}

/// `POST /v1/deliveries/{id}/retry`: a dead letter is sent again with a schedule of its own, one that waits for its next
/// attempt gets that now. Answers when it is in line.
pub(super) async fn retry(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<(StatusCode, Json<DeliveryView>), Refusal> {
    let missing = || Refusal::NotFound { what: "delivery", id: cut(&id) };
    let _alone = api.changing.lock().await;
    let (key, record) = record(&api, &caller, &id).await?;
    match record.state {
        PendingState::Waiting => {
            return Err(Refusal::Conflict("it waits behind an earlier event of its entity; retry that one".to_owned()));
        }
        PendingState::Done { .. } => return Err(Refusal::Conflict("it has arrived".to_owned())),
        PendingState::Due { .. } | PendingState::Dead { .. } => {}
    }
    let now = Timestamp::now();
    let again = move |record: Option<PendingDelivery>| record.map(|record| due_at(record, now));
    let stands = api.pending.update(&key, Durability::Durable, again).await?.ok_or_else(missing)?;
    api.ask(&stands.subscription).await?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::of(&key, stands))))
}

fn due_at(mut record: PendingDelivery, now: Timestamp) -> PendingDelivery {
    match record.state {
        PendingState::Dead { .. } => (record.state, record.attempts) = (PendingState::Due { at: now }, 0),
        PendingState::Due { at } => record.state = PendingState::Due { at: at.min(now) },
        PendingState::Waiting | PendingState::Done { .. } => {}
    }
    record
}

/// How many are in line again.
#[derive(Serialize, JsonSchema)]
pub(super) struct Retried {
    retried: usize,
}

/// `POST /v1/subscriptions/{id}/deliveries/retry`: every dead letter of the subscription is sent again.
pub(super) async fn retry_all(
    State(api): Shared,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<(StatusCode, Json<Retried>), Refusal> {
    let _alone = api.changing.lock().await;
    let mut dead = records(&api, &caller, &id).await?;
    dead.retain(|(_, record)| matches!(record.state, PendingState::Dead { .. }));
    let now = Timestamp::now();
    // Nobody but people changes a dead letter, and they take turns here.
    for batch in dead.chunks(RETRY_BATCH) {
        let again = batch.iter().map(|(key, record)| (key.clone(), Some(due_at(record.clone(), now)))).collect();
        api.pending.apply(again, Durability::Durable).await?;
    }
    if let Some((_, first)) = dead.first() {
        api.ask(&first.subscription).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(Retried { retried: dead.len() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_the_record_and_the_record_its_id() {
        for (id, key) in [("sub_1.42", "sub_1/00000000000000000042"), ("sub_1.test-evt_test9", "sub_1/test-evt_test9")]
        {
            assert_eq!((id_of(key), key_of(id)), (id.to_owned(), Some(key.to_owned())));
        }
        for bad in ["", "sub_1", "sub_1.", "sub_1.x", "sub_1/42", "x.42", "sub_1.test-../x"] {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }
}
