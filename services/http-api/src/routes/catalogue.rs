//! The types of events: what each tells, its JSON Schema and an example, as event-model's catalogue has them.

use std::sync::LazyLock;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use event_model::{EntityKind, Event, EventType, catalogue};
use http::header;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::InPath;
use crate::{params::cut, problem::Refusal};

pub(super) mod operations;

/// The media type of a schema (JSON Schema 2020-12, section 14.1).
const SCHEMA: &str = "application/schema+json";

/// One type.
#[derive(Clone, Serialize, JsonSchema)]
#[schemars(rename = "EventTypeEntry")]
pub(super) struct Entry {
    #[serde(rename = "type")]
    event_type: EventType,
    kind: EntityKind,
    description: &'static str,
    /// A first sight: comes only to subscriptions that name it.
    snapshot: bool,
    /// Of the schema.
    version: u32,
    /// Where the schema is, alone.
    schema_url: String,
}

/// One type, whole.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventTypeDetails")]
pub(super) struct Full {
    #[serde(flatten)]
    entry: Entry,
    schema: Value,
    example: Event,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventTypes")]
pub(super) struct Catalogue {
    event_types: Vec<&'static Entry>,
}

/// In the order of the catalogue. Made once: a schema costs a millisecond.
static ALL: LazyLock<Vec<Full>> = LazyLock::new(|| EventType::ALL.iter().copied().map(full).collect());

fn full(event_type: EventType) -> Full {
    let entry = Entry {
        event_type,
        kind: event_type.kind(),
        description: catalogue::description(event_type),
        snapshot: event_type.is_snapshot(),
        version: catalogue::version(event_type),
        schema_url: format!("/v1/event-types/{event_type}/schema"),
    };
    Full { entry, schema: catalogue::schema(event_type), example: catalogue::example(event_type) }
}

/// `GET /v1/event-types`
pub(super) async fn list() -> Json<Catalogue> {
    Json(Catalogue { event_types: ALL.iter().map(|full| &full.entry).collect() })
}

/// `GET /v1/event-types/{type}`
pub(super) async fn show(InPath(name): InPath<String>) -> Result<Json<&'static Full>, Refusal> {
    found(&name).map(Json)
}

/// `GET /v1/event-types/{type}/schema`: for validators, which want nothing around it.
pub(super) async fn schema(InPath(name): InPath<String>) -> Result<Response, Refusal> {
    let full = found(&name)?;
    Ok(([(header::CONTENT_TYPE, SCHEMA)], full.schema.to_string()).into_response())
}

fn found(name: &str) -> Result<&'static Full, Refusal> {
    let found = ALL.iter().find(|full| full.entry.event_type.as_str() == name);
    found.ok_or_else(|| Refusal::NotFound { what: "event type", id: cut(name) })
}
