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
    contract::{Operation, Schemas},
    edge,
    problem::{Fault, Refusal},
    state::Api,
};

mod accounts;
mod catalogue;
mod deliveries;
mod documents;
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
    for Entry { route: Route { method, path, needs }, handler, .. } in keyed() {
        rules.add(method, path, needs);
        router = router.route(path, handler);
    }
    for Open { path, handler, .. } in open() {
        router = router.route(path, handler);
    }
    let door = Arc::new(Door { api: Arc::clone(api), rules });
    router
        .fallback(async || Refusal::NoRoute)
        .method_not_allowed_fallback(async || Refusal::NoMethod)
        .layer(from_fn_with_state(door, auth::required))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(Arc::clone(api), edge::around))
        .with_state(Arc::clone(api))
}

/// Says what a route takes and answers.
pub(crate) type Describe = fn(&mut Schemas) -> Operation;

/// Method, path, needs and description of every route, the open ones too.
pub(crate) fn described() -> Vec<(Method, &'static str, Option<Needs>, Describe)> {
    let keyed = keyed()
        .into_iter()
        .map(|Entry { route: Route { method, path, needs }, describe, .. }| (method, path, Some(needs), describe));
    keyed.chain(open().into_iter().map(|Open { path, describe, .. }| (Method::GET, path, None, describe))).collect()
}

/// A route, what answers it, and what it takes and answers.
struct Entry {
    route: Route,
    handler: MethodRouter<Arc<Api>>,
    describe: Describe,
}

/// A route that needs no key, by `GET`.
struct Open {
    path: &'static str,
    handler: MethodRouter<Arc<Api>>,
    describe: Describe,
}

fn handled<H, T>(method: &Method, handler: H) -> MethodRouter<Arc<Api>>
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    match *method {
        Method::POST => post(handler),
        Method::PATCH => patch(handler),
        Method::DELETE => delete(handler),
        _ => get(handler),
    }
}

/// Each handler of a module is described by the function of its name in the module's `operations`.
macro_rules! keyed {
    ($($method:ident $path:literal $needs:expr => $module:ident::$name:ident;)*) => {
        vec![$(Entry {
            route: Route { method: Method::$method, path: $path, needs: $needs },
            handler: handled(&Method::$method, $module::$name),
            describe: $module::operations::$name,
        }),*]
    };
}

/// The same, of routes that are open to all.
macro_rules! open {
    ($($path:literal => $module:ident::$name:ident;)*) => {
        vec![$(Open { path: $path, handler: get($module::$name), describe: $module::operations::$name }),*]
    };
}

/// The routes that need a key, each with what it needs: there is no other way into the router.
fn keyed() -> Vec<Entry> {
    use Needs::{Action as May, AllPolicies, AnyKey, WholeLog};
    keyed! {
        GET "/v1/subscriptions" May(Action::SubscriptionsRead) => subscriptions::list;
        POST "/v1/subscriptions" May(Action::SubscriptionsWrite) => subscriptions::create;
        GET "/v1/subscriptions/{id}" May(Action::SubscriptionsRead) => subscriptions::show;
        PATCH "/v1/subscriptions/{id}" May(Action::SubscriptionsWrite) => subscriptions::change;
        DELETE "/v1/subscriptions/{id}" May(Action::SubscriptionsWrite) => subscriptions::delete;
        POST "/v1/subscriptions/{id}/pause" May(Action::SubscriptionsWrite) => subscriptions::pause;
        POST "/v1/subscriptions/{id}/resume" May(Action::SubscriptionsWrite) => subscriptions::resume;
        POST "/v1/subscriptions/{id}/test" May(Action::SubscriptionsWrite) => subscriptions::test;
        POST "/v1/subscriptions/{id}/rotate-secret" May(Action::SubscriptionsWrite) => signing::rotate;
        GET "/v1/subscriptions/{id}/public-keys" May(Action::SubscriptionsRead) => signing::public_keys;
        GET "/v1/subscriptions/{id}/deliveries" May(Action::DeliveriesRead) => deliveries::list;
        POST "/v1/subscriptions/{id}/deliveries/retry" May(Action::DeliveriesRetry) => deliveries::retry_all;
        POST "/v1/subscriptions/{id}/replay" May(Action::DeliveriesRetry) => replays::create;
        GET "/v1/subscriptions/{id}/replays" May(Action::DeliveriesRead) => replays::list;
        GET "/v1/subscriptions/{id}/replays/{replay}" May(Action::DeliveriesRead) => replays::show;
        POST "/v1/subscriptions/{id}/replays/{replay}/cancel" May(Action::DeliveriesRetry) => replays::cancel;
        GET "/v1/deliveries/{id}" May(Action::DeliveriesRead) => deliveries::show;
        POST "/v1/deliveries/{id}/retry" May(Action::DeliveriesRetry) => deliveries::retry;
        GET "/v1/events" May(Action::EventsRead) => events::list;
        GET "/v1/events/stream" May(Action::EventsRead) => stream::follow;
        GET "/v1/events/{id}" May(Action::EventsRead) => events::show;
        GET "/v1/entities/{kind}/{id}" May(Action::EventsRead) => entities::show;
        GET "/v1/accounts" AllPolicies(Action::AccountsRead) => accounts::list;
        GET "/v1/accounts/{name}" AllPolicies(Action::AccountsRead) => accounts::show;
        POST "/v1/accounts/{name}/refresh" AllPolicies(Action::AccountsAct) => accounts::refresh;
        POST "/v1/accounts/{name}/release" AllPolicies(Action::AccountsAct) => accounts::release;
        GET "/v1/event-types" AnyKey => catalogue::list;
        GET "/v1/event-types/{type}" AnyKey => catalogue::show;
        GET "/v1/event-types/{type}/schema" AnyKey => catalogue::schema;
        GET "/v1/keys" May(Action::KeysRead) => keys::list;
        POST "/v1/keys" May(Action::KeysWrite) => keys::create;
        GET "/v1/keys/self" AnyKey => keys::show_own;
        GET "/v1/keys/{id}" May(Action::KeysRead) => keys::show;
        DELETE "/v1/keys/{id}" May(Action::KeysWrite) => keys::delete;
        POST "/v1/log/verify" WholeLog(Action::LogAdmin) => log::verify;
        GET "/v1/log/export" WholeLog(Action::LogAdmin) => log::export;
        GET "/v1/log/tables" WholeLog(Action::LogAdmin) => log::tables;
        POST "/v1/state/check" WholeLog(Action::LogAdmin) => log::check_states;
        POST "/v1/state/rebuild" WholeLog(Action::LogAdmin) => log::rebuild_states;
    }
}

/// The routes that are open to all.
fn open() -> Vec<Open> {
    open! {
        "/" => health::index;
        "/metrics" => health::metrics;
        "/livez" => health::livez;
        "/readyz" => health::readyz;
        "/openapi.json" => documents::openapi;
        "/asyncapi.json" => documents::asyncapi;
    }
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
