//! What the pages share, and how they are put before the API.

use std::sync::{Arc, Weak};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use http::header;
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

use crate::{
    api::Caller,
    assets,
    attempts::Attempts,
    config::{REQUEST_TIMEOUT, SAMPLE_EVERY},
    docs::Docs,
    edge,
    failure::Failure,
    pages,
    samples::{Counts, Samples},
    session::Sessions,
};

/// What the pages share.
pub(crate) struct Console {
    /// The API's own router.
    pub api: Router,
    pub sessions: Sessions,
    pub attempts: Attempts,
    pub samples: Samples,
    pub docs: Docs,
    pub stop: CancellationToken,
}

/// The router of `api` with the console before it: `/` for browsers, `/console/…`, `/assets/…`. Everything else is the API's,
/// and so is `/` for who does not ask for HTML. Shows `docs` to everybody. Reads the metrics for its charts until `stop`.
pub fn mount(api: Router, docs: Docs, stop: CancellationToken) -> Router {
    let console = Arc::new(Console {
        api: api.clone(),
        sessions: Sessions::default(),
        attempts: Attempts::default(),
        samples: Samples::default(),
        docs,
        stop,
    });
    tokio::spawn(feed_charts(Arc::downgrade(&console), console.stop.clone()));
    let routes = pages::routes()
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(TimeoutLayer::with_status_code(http::StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(from_fn_with_state(Arc::clone(&console), edge::around));
    let assets = Router::new().route("/assets/{version}/{name}", get(assets::show)).layer(from_fn(edge::guarded));
    routes.layer(from_fn_with_state(api.clone(), index)).with_state(console).merge(assets).fallback_service(api)
}

/// Gives `/` to the API, unless a browser asks.
async fn index(State(api): State<Router>, request: Request, next: Next) -> Response {
    if request.uri().path() == "/" && !wants_html(&request) {
        return match api.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    next.run(request).await
}

/// Whether a browser asks: curl and programs take anything, and get the list of routes.
fn wants_html(request: &Request) -> bool {
    let accepts = request.headers().get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|line| line.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range.eq_ignore_ascii_case("text/html")
    })
}

impl Console {
    /// The text of `/metrics`, which is open to all.
    pub async fn metrics(&self) -> Result<String, Failure> {
        Caller { router: &self.api, key: None, remote: None }.text("/metrics").await
    }

    /// Reads the metrics for the charts.
    pub async fn sample(&self) -> Result<String, Failure> {
        let metrics = self.metrics().await?;
        self.samples.note(Counts::read(&metrics), Timestamp::now());
        Ok(metrics)
    }
}

/// Feeds the charts, and says so if that ends early.
async fn feed_charts(console: Weak<Console>, stop: CancellationToken) {
    if let Err(error) = tokio::spawn(sample_until_stopped(console, stop)).await {
        tracing::error!(%error, "the charts of the console get no further figures until the next start");
    }
}

/// It keeps nothing of the service alive: the console goes with its router.
async fn sample_until_stopped(console: Weak<Console>, stop: CancellationToken) {
    let mut ticks = interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {
                let Some(console) = console.upgrade() else { return };
                // A look that fails leaves its minute to the next one.
                if let Err(failure) = console.sample().await {
                    tracing::debug!(?failure, "the metrics could not be read for the charts");
                }
            }
        }
    }
}
