//! The log as server-sent events.
//!
//! Each stream is a cursor of its own that reads the store when its client has taken what it was given: nothing is queued
//! for a client, so a slow one costs one bounded page and delays nobody. `id:` is the sequence, so that a browser resumes
//! by itself with `Last-Event-ID`. A stream that is filtered moves on without showing anything; it then sends its
//! position as an `id:` without data, which the specification defines to set the last event id and to dispatch nothing
//! (WHATWG HTML, section 9.2.6), so that resuming does not read again what was passed over.
//!
//! A stream ends when the key that opened it expires or is deleted: it is looked up before each piece, and both wake it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use event_model::{Event, Sequence};
use event_store::{StoreError, StoredEvent};
use futures_util::stream;
use http::{HeaderMap, HeaderName, Uri, header};
use jiff::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep, sleep_until},
};

use super::events::{after, bootstrap, position, start, state_first};
use crate::{
    caller::Caller,
    config::{HEARTBEAT, MAX_STREAM_BYTES, READ_BATCH, RECONNECT_MS},
    metrics::OpenStream,
    page::{self, Bounds, EventQuery},
    params::Params,
    problem::Refusal,
    state::Api,
};

pub(super) mod operations;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// One piece of a stream: small, so that what one client holds is small.
const PIECE: Bounds = Bounds { events: READ_BATCH, bytes: MAX_STREAM_BYTES, scanned: READ_BATCH };

/// `GET /v1/events/stream?after=&type=&account=&subject=&since=&bootstrap=`, or with `Last-Event-ID`; from now on without
/// either.
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let last = api.deps.store.last_sequence();
    let mut params = Params::of(&uri, &[&["after", "bootstrap"], &EventQuery::NAMES[..]].concat());
    let after = after(&mut params, last);
    let bootstrap = bootstrap(&mut params);
    let query = EventQuery::read(&mut params, caller.sight(&api));
    let resumed = resumed(&headers, &mut params, last);
    params.finish()?;
    let place = Arc::clone(&api.streams).try_acquire_owned();
    let place = place.map_err(|_| Refusal::Busy("all places for streams are taken"))?;
    // A browser that reconnects repeats the address it first had: where it stopped counts for more.
    let from_start = if query.since.is_some() { Sequence::START } else { last };
    let store = &api.deps.store;
    let asked = resumed.or(after).unwrap_or(from_start);
    let after = start(store, &query, asked).await?;
    let feed = Feed {
        state_first: state_first(&query, asked, after, store.horizon(), bootstrap)?,
        tail: api.deps.store.tail(),
        keys: api.keys.changes(),
        caller,
        query,
        after,
        told: after,
        greeted: false,
        beat_at: Instant::now() + HEARTBEAT,
        _place: place,
        _counted: api.metrics.stream_opened(),
        api,
    };
    let pieces = stream::unfold(feed, async |mut feed| Some((Ok::<_, Infallible>(feed.piece().await?), feed)));
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // nginx holds streams back unless told.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((head, Body::from_stream(pieces)).into_response())
}

fn resumed(headers: &HeaderMap, params: &mut Params, last: Sequence) -> Option<Sequence> {
    let value = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty())?;
    match position(&String::from_utf8_lossy(value.as_bytes()), last) {
        Ok(sequence) => Some(sequence),
        Err(why) => {
            params.refuse(LAST_EVENT_ID.as_str(), why);
            None
        }
    }
}

/// One client's place in the log.
struct Feed {
    api: Arc<Api>,
    caller: Caller,
    tail: watch::Receiver<Sequence>,
    /// Moves when a key is made or deleted.
    keys: watch::Receiver<u64>,
    query: EventQuery,
    /// Everything up to here was looked at.
    after: Sequence,
    /// What retention left below the horizon is wanted. Otherwise the stream ends should retention be forced past it.
    state_first: bool,
    /// The last `id:` that the client was sent.
    told: Sequence,
    greeted: bool,
    beat_at: Instant,
    _place: OwnedSemaphorePermit,
    _counted: OpenStream,
}

/// What a stream waits for.
enum Woken {
    /// There may be something to do: the log grew, or a key was deleted or has expired.
    Moved,
    Beat,
    Ended,
}

impl Feed {
    /// The next bytes for the client; `None` ends the stream. Called when it has taken the last ones.
    async fn piece(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(format!("retry: {RECONNECT_MS}\n\n").into());
        }
        loop {
            if self.api.stop.is_cancelled() {
                return None;
            }
            self.keys.borrow_and_update();
            if !self.caller.stands(&self.api).await {
                tracing::info!(key_id = %self.caller.key_id(), "a stream of events ends: its key no longer stands");
                return None;
            }
            // Seen before the log is read: what is appended after the reading wakes the wait below.
            self.tail.borrow_and_update();
            let before = self.after;
            let read = self.read().await;
            if !self.state_first && before < self.api.deps.store.horizon() {
                tracing::info!(after = %before, "a stream of events ends: retention has passed it");
                return None;
            }
            match read {
                Ok(Some(piece)) => return Some(piece),
                Ok(None) if Instant::now() >= self.beat_at => return Some(self.heartbeat()),
                Ok(None) if self.after > before => {}
                Ok(None) => {
                    // It has the whole state: from here on changes are wanted.
                    self.state_first = false;
                    match self.wait().await {
                        Woken::Moved => {}
                        Woken::Beat => return Some(self.heartbeat()),
                        Woken::Ended => return None,
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a stream of events ends early");
                    return None;
                }
            }
        }
    }

    /// Looks at the next events; gives those that are wanted.
    async fn read(&mut self) -> Result<Option<Bytes>, StoreError> {
        let page = page::read(&self.api.deps.store, &self.query, self.after, PIECE).await?;
        self.after = page.next;
        let Some(last) = page.events.last() else { return Ok(None) };
        self.told = last.head.sequence;
        self.beat_at = Instant::now() + HEARTBEAT;
        Ok(Some(written(&page.events)))
    }

    async fn wait(&mut self) -> Woken {
        tokio::select! {
            biased;
            () = self.api.stop.cancelled() => Woken::Ended,
            changed = self.tail.changed() => if changed.is_ok() { Woken::Moved } else { Woken::Ended },
            changed = self.keys.changed() => if changed.is_ok() { Woken::Moved } else { Woken::Ended },
            () = expiry(&self.caller) => Woken::Moved,
            () = sleep_until(self.beat_at) => Woken::Beat,
        }
    }

    /// A comment, and the position if it moved since the client was last told.
    fn heartbeat(&mut self) -> Bytes {
        self.beat_at = Instant::now() + HEARTBEAT;
        if self.told == self.after {
            return Bytes::from_static(b": heartbeat\n\n");
        }
        self.told = self.after;
        format!(": heartbeat\nid: {}\n\n", self.after).into()
    }
}

/// Waits until the key of `caller` expires, as far as the clock tells now.
async fn expiry(caller: &Caller) {
    match caller.key().expires_at {
        Some(at) => sleep(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

/// The events as the specification frames them. A body is compact JSON: it has no line break of its own.
fn written(events: &[StoredEvent]) -> Bytes {
    let mut text = BytesMut::new();
    for StoredEvent { head, body } in events {
        text.put_slice(format!("id: {}\nevent: {}\ndata: ", head.sequence, head.event_type).as_bytes());
        text.put_slice(body);
        text.put_slice(b"\n\n");
    }
    text.freeze()
}

/// What a client that follows the log gets of `event`.
fn written_example(event: &Event) -> String {
    let body = serde_json::to_string(event).unwrap_or_default();
    format!("retry: {RECONNECT_MS}\n\nid: {}\nevent: {}\ndata: {body}\n\n", event.sequence, event.event_type)
}

#[cfg(test)]
mod tests;
