//! Accepting connections, and letting them go.
//!
//! `axum::serve` has no bound on connections and its graceful shutdown waits for ever on a stream of events. Here hyper is
//! driven directly. On stop: no further connection is accepted; streams end by themselves, since they watch the same token;
//! each connection finishes the request it is in and closes; what still runs after [`DRAIN`] is dropped.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    config::{ACCEPT_PAUSE, DRAIN, HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD_BYTES, WRITE_STALL},
    error::ApiError,
    idempotency,
    metrics::Metrics,
    routes,
    stall::Stalled,
    state::{Api, Deps},
};

/// Serves the API on `listener` until `stop`; then returns within 2 s and a little, streams connected or not.
///
/// # Errors
/// When the listener is none that can be served. A connection that fails is its own affair.
pub async fn serve(
    listener: TcpListener,
    deps: Deps,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<(), ApiError> {
    serve_behind(listener, deps, metrics, stop, |api| api).await
}

/// As [`serve`], with what `front` makes of the API's router in its place: pages beside it, which ask it as any caller does.
///
/// # Errors
/// As [`serve`].
pub async fn serve_behind(
    listener: TcpListener,
    deps: Deps,
    metrics: Metrics,
    stop: CancellationToken,
    front: impl FnOnce(Router) -> Router,
) -> Result<(), ApiError> {
    let address = listener.local_addr().map_err(ApiError::Listener)?;
    let api = Arc::new(Api::new(deps, metrics, stop.clone()));
    let app = front(routes::router(&api));
    let sweeper = tokio::spawn(idempotency::sweep_until_stopped(Arc::clone(&api)));
    tracing::info!(%address, "serving the API");
    let mut connections = JoinSet::new();
    accept_until_stopped(&listener, &app, &stop, &mut connections).await;
    drop(listener);
    drain(&mut connections).await;
    sweeper.abort();
    // It holds the store: when this returns, nothing here does.
    let _ = sweeper.await;
    Ok(())
}

/// What [`serve`] answers requests by, for who serves it otherwise: within another server, or in a test without a network.
/// Of a connection it knows nothing: what bounds one is not there, and neither is the sweeping of kept answers.
pub fn router(deps: Deps, metrics: Metrics, stop: CancellationToken) -> Router {
    routes::router(&Arc::new(Api::new(deps, metrics, stop)))
}

async fn accept_until_stopped(
    listener: &TcpListener,
    app: &Router,
    stop: &CancellationToken,
    connections: &mut JoinSet<()>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(_ended) = connections.join_next() => {}
            (stream, place) = next_connection(listener, &places) => {
                let served = connection(stream, app.clone(), stop.clone(), Patience::default());
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
        }
    }
}

/// Waits for a free place first, then for a caller: who finds no place waits in the kernel's backlog.
async fn next_connection(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed; were it, serving on without the bound beats not serving.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How long a connection waits for its peer.
#[derive(Clone, Copy)]
struct Patience {
    /// For the whole head of a request; on a kept-alive connection from the last answer.
    head: Duration,
    /// For a peer that takes nothing of its answer.
    write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: HEAD_TIMEOUT, write: WRITE_STALL }
    }
}

async fn connection(stream: TcpStream, app: Router, stop: CancellationToken, patience: Patience) {
    // Small answers and events should leave at once; on a socket that refuses the option they leave a little later.
    let _ = stream.set_nodelay(true);
    let remote = stream.peer_addr().ok().map(ConnectInfo);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        if let Some(remote) = remote {
            request.extensions_mut().insert(remote);
        }
        app.clone().oneshot(request)
    });
    let mut served = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.head)
            .max_header_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(Stalled::new(stream, patience.write)), service)
    );
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn drain(connections: &mut JoinSet<()>) {
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, all_ended).await.is_err() {
        tracing::info!(dropped = connections.len(), waited_ms = millis(DRAIN), "dropping connections that did not end");
        connections.shutdown().await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
