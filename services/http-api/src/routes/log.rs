//! The log as a whole: proving it, and carrying it elsewhere. For administrators.
//!
//! Everything here may take minutes, so it answers at once with lines of JSON that come as the work goes on. The last line
//! says how it ended; an answer without one was cut short. A position in the log is never lost by that: an export goes on
//! after the last event that arrived.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use event_model::Sequence;
use event_store::{StoreError, Verified};
use futures_util::{Stream, StreamExt, stream};
use http::{Uri, header};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    task::JoinHandle,
    time::sleep,
};

use super::events::{after, position};
use crate::{caller::Caller, config::PROGRESS_EVERY, edge, params::Params, problem::Refusal, state::Api};

mod export;
pub(super) mod operations;

type Shared = State<Arc<Api>>;

/// `POST /v1/log/verify`: reads every event and follows the chain.
pub(super) async fn verify(State(api): Shared, caller: Caller) -> Result<Response, Refusal> {
    let place = place(&api)?;
    tracing::info!(key_id = %caller.key_id(), "the log is verified");
    let (tell, told) = watch::channel(Sequence::START);
    let store = api.deps.store.clone();
    let work = tokio::spawn(async move {
        let _place = place;
        let verified = store.verify(move |sequence| _ = tell.send_replace(sequence)).await?;
        let Verified { events, horizon, last, link } = verified;
        Ok(json!({ "events": events, "horizon": horizon, "last": last, "link": link.to_string() }))
    });
    Ok(lines(progress(api, work, told)))
}

/// `POST /v1/state/check`: folds the log from scratch and compares the states with that.
pub(super) async fn check_states(State(api): Shared, caller: Caller) -> Result<Response, Refusal> {
    states(api, &caller, false)
}

/// `POST /v1/state/rebuild`: the same, and puts right what differs.
pub(super) async fn rebuild_states(State(api): Shared, caller: Caller) -> Result<Response, Refusal> {
    states(api, &caller, true)
}

fn states(api: Arc<Api>, caller: &Caller, rebuild: bool) -> Result<Response, Refusal> {
    let place = place(&api)?;
    tracing::info!(key_id = %caller.key_id(), rebuild, "the states are compared with the log");
    let store = api.deps.store.clone();
    let work = tokio::spawn(async move {
        let _place = place;
        let found = if rebuild { store.rebuild_states().await? } else { store.check_states().await? };
        let differing = found.differing.iter().map(|(account, subject)| json!([account, subject])).collect::<Vec<_>>();
        Ok(json!({
            "entities": found.entities, "folded_up_to": found.folded_up_to,
            "differ": found.differ, "differing": differing, "rebuilt": rebuild,
        }))
    });
    let (_, told) = watch::channel(Sequence::START);
    Ok(lines(progress(api, work, told)))
}

/// `GET /v1/log/export?after=&to=`: the events as they are stored, and what is needed to verify them.
pub(super) async fn export(State(api): Shared, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    let last = api.deps.store.last_sequence();
    let mut params = Params::of(&uri, &["after", "to"]);
    let after = after(&mut params, last).unwrap_or(Sequence::START);
    let to = params.one("to", |text| position(text, last)).unwrap_or(last);
    if to < after {
        params.refuse("to", format!("is before {after}, after which the export begins"));
    }
    params.finish()?;
    tracing::info!(key_id = %caller.key_id(), %after, %to, "events are exported");
    let place = Arc::clone(&api.exports).try_acquire_owned().map_err(|_| busy())?;
    Ok(lines(while_it_stands(export::events(Arc::clone(&api), place, after, to), api, caller)))
}

/// `GET /v1/log/tables`: everything that is kept beside the log. Secrets are sealed, keys are hashed.
pub(super) async fn tables(State(api): Shared, caller: Caller) -> Result<Response, Refusal> {
    tracing::info!(key_id = %caller.key_id(), "the tables are exported");
    let place = Arc::clone(&api.exports).try_acquire_owned().map_err(|_| busy())?;
    Ok(lines(while_it_stands(export::tables(Arc::clone(&api), place), api, caller)))
}

/// `pieces` to their end, or to that of the caller's key.
fn while_it_stands(
    pieces: impl Stream<Item = Bytes> + Send + 'static,
    api: Arc<Api>,
    caller: Caller,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(Box::pin(pieces), move |mut pieces| {
        let (api, caller) = (Arc::clone(&api), caller.clone());
        async move {
            let piece = pieces.next().await?;
            caller.stands(&api).await.then_some((piece, pieces))
        }
    })
}

/// The place of work that reads the whole log: there is one.
fn place(api: &Api) -> Result<OwnedSemaphorePermit, Refusal> {
    let place = Arc::clone(&api.whole_log).try_acquire_owned();
    place.map_err(|_| Refusal::Busy("the log or its states are being checked already"))
}

fn busy() -> Refusal {
    Refusal::Busy("too many exports are under way")
}

/// How far `work` is, now and then, and what came of it. When the service stops the lines end, and the work goes on until
/// the store is closed.
fn progress(
    api: Arc<Api>,
    work: JoinHandle<Result<Value, StoreError>>,
    told: watch::Receiver<Sequence>,
) -> impl Stream<Item = Bytes> {
    stream::unfold(Some((api, work, told)), async |state| {
        let (api, mut work, told) = state?;
        tokio::select! {
            biased;
            done = &mut work => {
                let line = match done {
                    Ok(Ok(result)) => json!({ "result": result }),
                    Ok(Err(error)) => problem(&error),
                    Err(panic) => {
                        tracing::error!(%panic, "a check of the log panicked");
                        unexpected()
                    }
                };
                Some((line_of(&line), None))
            }
            () = api.stop.cancelled() => None,
            () = sleep(PROGRESS_EVERY) => {
                let line = json!({ "progress": { "sequence": *told.borrow(), "last": api.deps.store.last_sequence() } });
                Some((line_of(&line), Some((api, work, told))))
            }
        }
    })
}

/// What ended the work. Damage is told: it is what was asked for. Everything else is ours, and in the log.
fn problem(error: &StoreError) -> Value {
    let damaged = |sequence: Option<Sequence>| {
        json!({ "problem": {
            "type": "/problems/damaged", "title": "The log is not what was written",
            "detail": error.to_string(), "sequence": sequence,
        } })
    };
    match error {
        StoreError::Corrupt { sequence } | StoreError::Unchained { sequence, .. } => damaged(Some(*sequence)),
        StoreError::CorruptValue { .. } => damaged(None),
        other => {
            tracing::error!(failure = %edge::chain(other), "work on the whole log failed");
            unexpected()
        }
    }
}

fn unexpected() -> Value {
    json!({ "problem": {
        "type": "/problems/internal", "title": "Something went wrong here", "detail": "the service's log says what",
    } })
}

fn line_of(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

fn lines(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
