//! What the routes of the event types take and answer.

use event_model::EventType;
use http::StatusCode;
use serde_json::json;

use super::{ALL, Catalogue, Full, SCHEMA};
use crate::contract::{Operation, Schemas, Tag, operation::media, parameters};

fn example() -> &'static Full {
    // The shortest schema.
    let snapshot = ALL.iter().find(|full| full.entry.event_type == EventType::ScopeSnapshot);
    snapshot.expect("the catalogue has every type")
}

pub(in crate::routes) fn list(schemas: &mut Schemas) -> Operation {
    let entry = json!({ "event_types": [example().entry] });
    Operation::new(Tag::EventTypes, "listEventTypes", "List event types", "In the order of the catalogue.").json(
        StatusCode::OK,
        "The event types.",
        schemas.answer::<Catalogue>(),
        entry,
    )
}

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    Operation::new(Tag::EventTypes, "showEventType", "Show an event type", "With its JSON Schema and an example.")
        .in_path(parameters::event_type())
        .json(StatusCode::OK, "The event type.", schemas.answer::<Full>(), json!(example()))
}

pub(in crate::routes) fn schema(_: &mut Schemas) -> Operation {
    let described = "The JSON Schema (draft 2020-12) of its events, alone: for validators.";
    let content =
        json!({ "type": "object", "required": ["$schema"], "properties": { "$schema": { "type": "string" } } });
    let content = media(SCHEMA, content, example().schema.clone());
    Operation::new(Tag::EventTypes, "showEventSchema", "Show an event type's schema", described)
        .in_path(parameters::event_type())
        .answer(StatusCode::OK, "The schema.", content)
}
