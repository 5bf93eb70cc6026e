//! For machines that watch, and for people who look what is here.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use prometheus::{TEXT_FORMAT, TextEncoder};

use crate::{problem::Refusal, state::Api};

pub(super) mod operations;

const ROUTES: &str = "\
Everything under /v1 needs `Authorization: Bearer <key>`.

  POST   /v1/subscriptions                 {\"url\", \"events\": [\"report.*\"], ...} -> id and signing secret
  GET    /v1/subscriptions                 ?limit=&cursor=
  GET    /v1/subscriptions/{id}            also PATCH and DELETE
  POST   /v1/subscriptions/{id}/pause      also /resume and /test
  POST   /v1/subscriptions/{id}/rotate-secret  {\"secret\", \"overlap_s\", \"scheme\"}: another one signs, the old one for a while too
  GET    /v1/subscriptions/{id}/public-keys    of the signatures v1a
  GET    /v1/subscriptions/{id}/deliveries     what failed; also POST …/retry, GET /v1/deliveries/{id} and POST …/retry
  POST   /v1/subscriptions/{id}/replay     {\"from\", \"to\", \"subject\", \"account\", \"failed\", \"rate_per_s\", \"dry_run\"}: events once more
  GET    /v1/subscriptions/{id}/replays    also …/{replay}, and POST …/{replay}/cancel
  GET    /v1/events                        ?after=&limit=&type=&account=&subject=&since=&bootstrap=
  GET    /v1/events/{id}                   by its sequence or its id
  GET    /v1/events/stream                 server-sent events; Last-Event-ID or ?after=
  GET    /v1/accounts                      also /v1/accounts/{name}
  POST   /v1/accounts/{name}/refresh       read now: all, or {\"report\": \"R00...\"}
  POST   /v1/accounts/{name}/release       {\"scope\", \"ceiling\"}: what is withheld as missing is gone indeed
  GET    /v1/event-types                   also /v1/event-types/{type} and /v1/event-types/{type}/schema
  GET    /v1/entities/{kind}/{id}          ?account=
  POST   /v1/keys                          {\"accounts\", \"policies\", \"events\", \"actions\", ...} -> id and key, shown once
  GET    /v1/keys                          also /v1/keys/{id}, /v1/keys/self; DELETE one ?subscriptions=delete|keep
  POST   /v1/log/verify                    also /v1/state/check and /v1/state/rebuild; lines of JSON as it goes on
  GET    /v1/log/export                    ?after=&to=; also /v1/log/tables: lines of JSON, what a backup is made of
  GET    /metrics  /livez  /readyz
  GET    /openapi.json  /asyncapi.json
";

/// `GET /`
pub(super) async fn index(State(api): State<Arc<Api>>) -> String {
    format!("Expensewire {}: webhooks for Expensify.\n\n{ROUTES}", api.deps.version)
}

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store can be read and takes writes. The upstream has no say in it: when Expensify is away, what is
/// in the log can still be had.
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<&'static str, Refusal> {
    api.ready().await?;
    Ok("ok\n")
}

/// `GET /metrics`: the text format 0.0.4.
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, Refusal> {
    let text = TextEncoder::new().encode_to_string(&api.deps.registry.gather());
    let text = text.map_err(|error| Refusal::Encoding(Box::new(error)))?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}
