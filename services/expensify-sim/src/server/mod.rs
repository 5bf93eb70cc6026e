//! HTTP: the integration URL and the control API.

pub(crate) mod connection;
mod control;
mod integration;
pub(crate) mod params;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use std::sync::Arc;
use tokio::net::TcpListener;

use crate::sim::Sim;
use connection::{CuttableListener, Scissors};

/// The one URL of the Integration Server.
pub(crate) const INTEGRATION_PATH: &str = "/Integration-Server/ExpensifyIntegrations";
/// Where the control API lives.
pub(crate) const CONTROL_PATH: &str = "/control";

/// Serves until shutdown, then lets running requests end.
pub(crate) async fn serve(sim: Arc<Sim>, listener: TcpListener) {
    let shutdown = sim.shutdown.clone();
    let router = Router::new()
        .route(INTEGRATION_PATH, get(integration::handle).post(integration::handle))
        .nest(CONTROL_PATH, control::router())
        .layer(DefaultBodyLimit::max(params::MAX_BODY_BYTES))
        .with_state(sim);
    let service = router.into_make_service_with_connect_info::<Scissors>();
    let served = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(shutdown.cancelled_owned());
    if let Err(failure) = served.await {
        tracing::error!(%failure, "the simulator's server ended");
    }
}
