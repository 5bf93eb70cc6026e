//! The routes.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path},
    handler::Handler,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post},
};
use event_model::Action;
use http::{HeaderValue, Method, header, request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    auth::{self, Door, Needs, Rules},
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
mod keys;
mod log;
mod replays;
mod signing;
mod stream;
mod subscriptions;

/// A route under `/v1`, and what it needs of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The template of the path.
    pub path: &'static str,
    /// What a key must allow.
    pub needs: Needs,
}

/// Every route under `/v1`.
pub fn keyed_routes() -> Vec<Route> {
    keyed().into_iter().map(|entry| entry.route).collect()
}

/// Every route, each layer inside the one that follows it.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    let (mut router, mut rules) = (Router::new(), Rules::default());
    for Entry { route: Route { method, path, needs }, handler } in keyed() {
        rules.add(method, path, needs);
        router = router.route(path, handler);
    }
    let door = Arc::new(Door { api: Arc::clone(api), rules });
    router
        .route("/", get(health::index))
        .route("/metrics", get(health::metrics))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .fallback(async || Refusal::NoRoute)
        .method_not_allowed_fallback(async || Refusal::NoMethod)
        .layer(from_fn_with_state(door, auth::required))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(Arc::clone(api), edge::around))
        .with_state(Arc::clone(api))
}

/// A route and what answers it.
struct Entry {
    route: Route,
    handler: MethodRouter<Arc<Api>>,
}

fn entry<H, T>(method: Method, path: &'static str, needs: Needs, handler: H) -> Entry
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    let handler = match method {
        Method::POST => post(handler),
        Method::PATCH => patch(handler),
        Method::DELETE => delete(handler),
        _ => get(handler),
    };
    Entry { route: Route { method, path, needs }, handler }
}

/// The routes that need a key, each with what it needs: there is no other way into the router.
fn keyed() -> Vec<Entry> {
    use Needs::{Action as May, AllPolicies, AnyKey, WholeLog};
    let (get, post, patch, delete) = (|| Method::GET, || Method::POST, || Method::PATCH, || Method::DELETE);
    vec![
        entry(get(), "/v1/subscriptions", May(Action::SubscriptionsRead), subscriptions::list),
        entry(post(), "/v1/subscriptions", May(Action::SubscriptionsWrite), subscriptions::create),
        entry(get(), "/v1/subscriptions/{id}", May(Action::SubscriptionsRead), subscriptions::show),
        entry(patch(), "/v1/subscriptions/{id}", May(Action::SubscriptionsWrite), subscriptions::change),
        entry(delete(), "/v1/subscriptions/{id}", May(Action::SubscriptionsWrite), subscriptions::delete),
        entry(post(), "/v1/subscriptions/{id}/pause", May(Action::SubscriptionsWrite), subscriptions::pause),
        entry(post(), "/v1/subscriptions/{id}/resume", May(Action::SubscriptionsWrite), subscriptions::resume),
        entry(post(), "/v1/subscriptions/{id}/test", May(Action::SubscriptionsWrite), subscriptions::test),
        entry(post(), "/v1/subscriptions/{id}/rotate-secret", May(Action::SubscriptionsWrite), signing::rotate),
        entry(get(), "/v1/subscriptions/{id}/public-keys", May(Action::SubscriptionsRead), signing::public_keys),
        entry(get(), "/v1/subscriptions/{id}/deliveries", May(Action::DeliveriesRead), deliveries::list),
        entry(post(), "/v1/subscriptions/{id}/deliveries/retry", May(Action::DeliveriesRetry), deliveries::retry_all),
        entry(post(), "/v1/subscriptions/{id}/replay", May(Action::DeliveriesRetry), replays::create),
        entry(get(), "/v1/subscriptions/{id}/replays", May(Action::DeliveriesRead), replays::list),
        entry(get(), "/v1/subscriptions/{id}/replays/{replay}", May(Action::DeliveriesRead), replays::show),
        entry(post(), "/v1/subscriptions/{id}/replays/{replay}/cancel", May(Action::DeliveriesRetry), replays::cancel),
        entry(get(), "/v1/deliveries/{id}", May(Action::DeliveriesRead), deliveries::show),
        entry(post(), "/v1/deliveries/{id}/retry", May(Action::DeliveriesRetry), deliveries::retry),
        entry(get(), "/v1/events", May(Action::EventsRead), events::list),
        entry(get(), "/v1/events/stream", May(Action::EventsRead), stream::open),
        entry(get(), "/v1/events/{id}", May(Action::EventsRead), events::show),
        entry(get(), "/v1/entities/{kind}/{id}", May(Action::EventsRead), entities::show),
        entry(get(), "/v1/accounts", AllPolicies(Action::AccountsRead), accounts::list),
        entry(get(), "/v1/accounts/{name}", AllPolicies(Action::AccountsRead), accounts::show),
        entry(post(), "/v1/accounts/{name}/refresh", AllPolicies(Action::AccountsAct), accounts::refresh),
        entry(post(), "/v1/accounts/{name}/release", AllPolicies(Action::AccountsAct), accounts::release),
        entry(get(), "/v1/event-types", AnyKey, catalogue::list),
        entry(get(), "/v1/event-types/{type}", AnyKey, catalogue::show),
        entry(get(), "/v1/event-types/{type}/schema", AnyKey, catalogue::schema),
        entry(get(), "/v1/keys", May(Action::KeysRead), keys::list),
        entry(post(), "/v1/keys", May(Action::KeysWrite), keys::create),
        entry(get(), "/v1/keys/{id}", May(Action::KeysRead), keys::show),
        entry(delete(), "/v1/keys/{id}", May(Action::KeysWrite), keys::delete),
        entry(post(), "/v1/log/verify", WholeLog(Action::LogAdmin), log::verify),
        entry(get(), "/v1/log/export", WholeLog(Action::LogAdmin), log::export),
        entry(get(), "/v1/log/tables", WholeLog(Action::LogAdmin), log::tables),
        entry(post(), "/v1/state/check", WholeLog(Action::LogAdmin), log::check_states),
        entry(post(), "/v1/state/rebuild", WholeLog(Action::LogAdmin), log::rebuild_states),
    ]
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
