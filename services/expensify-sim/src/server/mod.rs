//! HTTP: the integration URL and the control API.
//!
//! hyper is driven directly: the `Date` header must be able to be wrong, or missing, and connections to be cut.

pub(crate) mod connection;
mod control;
mod integration;
pub(crate) mod params;

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::sim::Sim;
use connection::CuttableStream;

/// The one URL of the Integration Server.
pub(crate) const INTEGRATION_PATH: &str = "/Integration-Server/ExpensifyIntegrations";
/// Where the control API lives.
pub(crate) const CONTROL_PATH: &str = "/control";
/// Before the next try when a connection cannot be accepted: the system is out of descriptors, which takes a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until shutdown, then lets running requests end.
pub(crate) async fn serve(sim: Arc<Sim>, listener: TcpListener) {
    let shutdown = sim.shutdown.clone();
    let router = Router::new()
        .route(INTEGRATION_PATH, get(integration::handle).post(integration::handle))
        .nest(CONTROL_PATH, control::router())
        .layer(DefaultBodyLimit::max(params::MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&sim), dated))
        .with_state(sim);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Without the option small answers leave a little later.
    let _ = stream.set_nodelay(true);
    let (stream, scissors) = CuttableStream::new(stream);
    let app = router.layer(Extension(ConnectInfo(scissors)));
    let service =
        service_fn(move |request: hyper::Request<hyper::body::Incoming>| app.clone().oneshot(request.map(Body::new)));
    let mut served =
        std::pin::pin!(http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Says when the answer was made, on the server's clock, unless the settings say not to.
async fn dated(State(sim): State<Arc<Sim>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !sim.settings().no_date_header {
        let text = sim.server_clock(Timestamp::now()).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(header::DATE, value);
        }
    }
    response
}
