//! The routes.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderValue, header, request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    auth,
    config::MAX_BODY_BYTES,
    edge,
    problem::{Fault, Refusal},
    state::Api,
};

mod accounts;
mod catalogue;
mod deliveries;
mod entities;
mod events;
mod health;
mod log;
mod replays;
mod signing;
mod stream;
mod subscriptions;

/// Every route, each layer inside the one that follows it.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    Router::new()
        .merge(keyed())
        .route("/", get(health::index))
        .route("/metrics", get(health::metrics))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .fallback(async || Refusal::NoRoute)
        .method_not_allowed_fallback(async || Refusal::NoMethod)
        .layer(from_fn_with_state(Arc::clone(api), auth::required))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(Arc::clone(api), edge::around))
        .with_state(Arc::clone(api))
}

/// The routes that need a key, as everything does that begins so.
fn keyed() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route(
            "/v1/subscriptions/{id}",
            get(subscriptions::show).patch(subscriptions::change).delete(subscriptions::delete),
        )
        .route("/v1/subscriptions/{id}/pause", post(subscriptions::pause))
        .route("/v1/subscriptions/{id}/resume", post(subscriptions::resume))
        .route("/v1/subscriptions/{id}/test", post(subscriptions::test))
        .route("/v1/subscriptions/{id}/rotate-secret", post(signing::rotate))
        .route("/v1/subscriptions/{id}/public-keys", get(signing::public_keys))
        .route("/v1/subscriptions/{id}/deliveries", get(deliveries::list))
        .route("/v1/subscriptions/{id}/deliveries/retry", post(deliveries::retry_all))
        .route("/v1/subscriptions/{id}/replay", post(replays::create))
        .route("/v1/subscriptions/{id}/replays", get(replays::list))
        .route("/v1/subscriptions/{id}/replays/{replay}", get(replays::show))
        .route("/v1/subscriptions/{id}/replays/{replay}/cancel", post(replays::cancel))
        .route("/v1/deliveries/{id}", get(deliveries::show))
        .route("/v1/deliveries/{id}/retry", post(deliveries::retry))
        .route("/v1/events", get(events::list))
        .route("/v1/events/stream", get(stream::open))
        .route("/v1/events/{id}", get(events::show))
        .route("/v1/accounts", get(accounts::list))
        .route("/v1/accounts/{name}", get(accounts::show))
        .route("/v1/accounts/{name}/refresh", post(accounts::refresh))
        .route("/v1/accounts/{name}/release", post(accounts::release))
        .route("/v1/event-types", get(catalogue::list))
        .route("/v1/event-types/{type}", get(catalogue::show))
        .route("/v1/event-types/{type}/schema", get(catalogue::schema))
        .route("/v1/entities/{kind}/{id}", get(entities::show))
        .route("/v1/log/verify", post(log::verify))
        .route("/v1/log/export", get(log::export))
        .route("/v1/log/tables", get(log::tables))
        .route("/v1/state/check", post(log::check_states))
        .route("/v1/state/rebuild", post(log::rebuild_states))
}

/// What the path holds, or a refusal that can be read.
struct InPath<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = Path::from_request_parts(parts, state).await;
        let Path(value) = read.map_err(|why| Refusal::Parameters(vec![Fault::of("path", why.body_text())]))?;
        Ok(Self(value))
    }
}

/// A page of JSON with the address of the next one (RFC 8288), if there is one.
fn page(body: impl Serialize, next: Option<&str>) -> Response {
    linked(Json(body).into_response(), next)
}

fn linked(mut response: Response, next: Option<&str>) -> Response {
    let link = next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}
