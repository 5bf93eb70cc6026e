//! Events, as they are stored: the bytes that were signed are the bytes shown.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use event_model::{EventId, Sequence};
use event_store::StoredEvent;
use http::{Uri, header};

use super::{InPath, linked};
use crate::{
    config::{MAX_PAGE_BYTES, MAX_SCAN},
    page::{self, Bounds, EventQuery, Page},
    params::{Params, cut, with},
    problem::{Fault, Refusal},
    state::Api,
};

/// `GET /v1/events?after=&limit=&type=&account=&subject=&since=`
///
/// `next` is where the page ends, to be given as `after` for the following one. With a filter a page may have fewer events
/// than the limit, even none, and still not be the last: that one is reached when `next` is `last`.
pub(super) async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Refusal> {
    let last = api.deps.store.last_sequence();
    let mut params = Params::of(&uri, &[&["after", "limit"], &EventQuery::NAMES[..]].concat());
    let after = after(&mut params, last);
    let limit = params.limit();
    let query = EventQuery::read(&mut params);
    params.finish()?;
    let after = start(&api, &query, after.unwrap_or(Sequence::START)).await?;
    let bounds = Bounds { events: limit, bytes: MAX_PAGE_BYTES, scanned: MAX_SCAN };
    let found = page::read(&api.deps.store, &query, after, bounds).await?;
    let next = (found.next < last).then(|| with(&uri, &[("after", &found.next.to_string())]));
    // The log may have grown while it was read.
    let body = written(&found, last.max(found.next));
    Ok(linked(json(body), next.as_deref()))
}

/// `GET /v1/events/{sequence}`
pub(super) async fn show(State(api): State<Arc<Api>>, InPath(id): InPath<String>) -> Result<Response, Refusal> {
    let wrong = |why: &str| Refusal::Parameters(vec![Fault::of("id", why)]);
    if id.parse::<EventId>().is_ok() {
        return Err(Refusal::NoLookup(
            "looking up an event by its id is not available yet; ask by the sequence, which is in the event's body",
        ));
    }
    let sequence = id.parse().map(Sequence).map_err(|_| wrong("must be the sequence of an event"))?;
    let missing = || Refusal::NotFound { what: "event", id: cut(&id) };
    let event = api.deps.store.event(sequence).await?.ok_or_else(missing)?;
    Ok(json(Body::from(event.body)))
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

/// Where reading begins: after `after`, and not long before what `since` asks for.
pub(super) async fn start(api: &Api, query: &EventQuery, after: Sequence) -> Result<Sequence, Refusal> {
    let Some(since) = query.since else { return Ok(after) };
    Ok(after.max(page::position_before(&api.deps.store, since).await?))
}

/// `{"events":[…],"next":…,"last":…}` around the stored bytes, which are shared and not copied.
fn written(page: &Page, last: Sequence) -> Body {
    let mut pieces = Vec::with_capacity(page.events.len() * 2 + 2);
    pieces.push("{\"events\":[".into());
    for (index, StoredEvent { body, .. }) in page.events.iter().enumerate() {
        if index > 0 {
            pieces.push(",".into());
        }
        pieces.push(body.clone());
    }
    pieces.push(format!("],\"next\":{},\"last\":{last}}}", page.next).into());
    Body::from_stream(futures_util::stream::iter(pieces.into_iter().map(Ok::<bytes::Bytes, Infallible>)))
}

fn json(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
