//! Events, as they are stored: the bytes that were signed are the bytes shown.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::{BufMut, BytesMut};
use event_model::{EventId, Sequence};
use event_store::{EventStore, StoredEvent};
use http::{Uri, header};

use super::{InPath, linked};
use crate::{
    caller::Caller,
    config::{MAX_PAGE_BYTES, MAX_SCAN},
    ids::Found,
    page::{self, Bounds, EventQuery, Page},
    params::{Params, cut, with},
    problem::{Fault, Refusal},
    state::Api,
};

pub(super) mod operations;

/// Bytes of a page beside its events and its query: names, and two numbers of at most 20 digits.
const FRAME_BYTES: usize = 128;

/// `GET /v1/events?after=&limit=&type=&account=&subject=&since=&bootstrap=`
///
/// `next` is where the page ends, to be given as `after` for the following one. With a filter a page may have fewer events
/// than the limit, even none, and still not be the last: that one is reached when `next` is `last`.
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    let store = &api.deps.store;
    let last = store.last_sequence();
    let mut params = Params::of(&uri, &[&["after", "limit", "bootstrap"], &EventQuery::NAMES[..]].concat());
    let after = after(&mut params, last);
    let limit = params.limit();
    let bootstrap = bootstrap(&mut params);
    let query = EventQuery::read(&mut params, caller.sight(&api));
    params.finish()?;
    let asked = after.unwrap_or(Sequence::START);
    let after = start(store, &query, asked).await?;
    let bounds = Bounds { events: limit, bytes: MAX_PAGE_BYTES, scanned: MAX_SCAN };
    let found = page::read(store, &query, after, bounds).await?;
    // Asked afterwards: had it moved past the page meanwhile, the page would have gaps.
    let horizon = store.horizon();
    let state_first = state_first(&query, asked, after, horizon, bootstrap)?;
    let next = (found.next < last).then(|| {
        let bootstrap = state_first.then_some(("bootstrap", "true"));
        let position = found.next.to_string();
        let changes: Vec<_> = [("after", position.as_str())].into_iter().chain(bootstrap).collect();
        with(&uri, &changes)
    });
    // The log may have grown while it was read.
    let body = written(&found, last.max(found.next), next.as_deref());
    Ok(linked(json(body), next.as_deref()))
}

/// Whether what retention left below the horizon is taken for what it is: state, and no history.
pub(super) fn bootstrap(params: &mut Params) -> bool {
    let read = |text: &str| text.parse::<bool>().map_err(|_| "must be true or false");
    params.one("bootstrap", read).unwrap_or(false)
}

/// Whether reading gives what retention left below the horizon: the state first, then every change. The beginning is always
/// answered so, everything else only when it is asked for. Who asks for changes is refused when some of them are gone:
/// after a position, or since a time, which then lies at the horizon or below.
pub(super) fn state_first(
    query: &EventQuery,
    asked: Sequence,
    start: Sequence,
    horizon: Sequence,
    bootstrap: bool,
) -> Result<bool, Refusal> {
    let is_cut = match query.since {
        // Of what was removed no time is known: the horizon itself may be all that is left of long ago.
        Some(_) => asked < horizon && start <= horizon,
        None => start < horizon,
    };
    let from_start = query.since.is_none() && asked == Sequence::START;
    match is_cut {
        true if bootstrap || from_start => Ok(true),
        true => Err(Refusal::Gone { earliest: horizon }),
        false => Ok(bootstrap),
    }
}

/// `GET /v1/events/{id}`, by the event's sequence or its id
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Response, Refusal> {
    let event = match id.parse() {
        Ok(id) => by_id(&api, &id).await,
        Err(_) => by_sequence(&api, &id).await,
    };
    // An event that may not be seen is answered as one that is not there.
    let (event, missing) = event?;
    if !caller.sight(&api).shows(&event.head).await? {
        return Err(missing);
    }
    Ok(json(Body::from(event.body)))
}

/// An event, and how its absence would be answered.
type Event = (StoredEvent, Refusal);

async fn by_sequence(api: &Api, text: &str) -> Result<Event, Refusal> {
    let wrong = |_| Refusal::Parameters(vec![Fault::of("id", "must be the sequence of an event, or its id (evt_…)")]);
    let sequence = text.parse().map(Sequence).map_err(wrong)?;
    let found = api.deps.store.event(sequence).await?;
    let missing = match api.deps.store.horizon() {
        earliest if Sequence::START < sequence && sequence <= earliest => Refusal::Gone { earliest },
        _ => Refusal::NotFound { what: "event", id: cut(text) },
    };
    match found {
        Some(event) => Ok((event, missing)),
        None => Err(missing),
    }
}

async fn by_id(api: &Api, id: &EventId) -> Result<Event, Refusal> {
    let missing = Refusal::NotFound { what: "event", id: id.to_string() };
    match api.ids.find(&api.deps.store, id).await? {
        Found::Event(event) => Ok((*event, missing)),
        Found::Nothing => Err(missing),
        Found::NotAmongNewest => Err(Refusal::NoLookup(
            "none of the newest events has this id, and the log is too long for older ones to be known by theirs; ask by the sequence",
        )),
        Found::NotYet => Err(Refusal::Busy(
            "the ids of the log are being read, as at the first such question after a start; ask again, or by the sequence",
        )),
    }
}

/// The position that `after` names.
pub(super) fn after(params: &mut Params, last: Sequence) -> Option<Sequence> {
    params.one("after", |text| position(text, last))
}

/// The position that `text` names. One beyond the log was never given out by it: waiting there would be waiting silently
/// for events that another log had.
pub(super) fn position(text: &str, last: Sequence) -> Result<Sequence, String> {
    match text.parse() {
        Ok(sequence) if sequence <= last.0 => Ok(Sequence(sequence)),
        Ok(sequence) => Err(format!("{sequence} is beyond the log, which ends at {last}")),
        Err(_) => Err(format!("{:?} is not a sequence: a whole number, 0 for the beginning", cut(text))),
    }
}

/// Where reading begins: after `after`, and after what was all observed before `since`.
pub(super) async fn start(store: &EventStore, query: &EventQuery, after: Sequence) -> Result<Sequence, Refusal> {
    let Some(since) = query.since else { return Ok(after) };
    Ok(after.max(store.first_since(since).await?))
}

/// `{"events":[…],"next":…,"last":…}` around the stored bytes, and `next_query` unless it is the last page. One piece: a
/// thousand small ones cost more to send than to copy.
fn written(page: &Page, last: Sequence, next: Option<&str>) -> Body {
    let bytes: usize = page.events.iter().map(|event| event.body.len() + 1).sum();
    let query = next.and_then(|next| next.split_once('?')).map(|(_, query)| query);
    let mut text = BytesMut::with_capacity(bytes + query.map_or(0, str::len) + FRAME_BYTES);
    text.put_slice(b"{\"events\":[");
    for (index, StoredEvent { body, .. }) in page.events.iter().enumerate() {
        if index > 0 {
            text.put_u8(b',');
        }
        text.put_slice(body);
    }
    text.put_slice(format!("],\"next\":{},\"last\":{last}", page.next).as_bytes());
    if let Some(query) = query {
        // An encoded query has nothing that JSON would have to escape.
        text.put_slice(format!(",\"next_query\":\"{query}\"").as_bytes());
    }
    text.put_u8(b'}');
    Body::from(text.freeze())
}

fn json(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
