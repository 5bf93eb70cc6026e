//! The contract of the API, for programs: OpenAPI 3.1 and AsyncAPI 3.1.
//!
//! Both are made, not written. What a route is called, takes and answers stands beside its handler, and the table of the
//! routes ([`crate::routes`]) takes no route without it: one that is not described does not compile. What is answered is
//! described by the types that are written into the answer, the event types by event-model's catalogue. What is taken is read
//! field by field, so that all faults are told at once; types made for their schema alone describe it, and tests hold their
//! names to the names that are read. Tests hold every example to its schema.
//!
//! The documents are files under `schemas/` too; `make schemas` writes them, and a test compares.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

pub(crate) use self::{
    operation::{Operation, Tag},
    schemas::Schemas,
};
use crate::{auth::Needs, problem::Problem, routes};

mod asyncapi;
pub(crate) mod examples;
mod headers;
pub(crate) mod operation;
pub(crate) mod parameters;
mod schemas;
#[cfg(test)]
mod tests;
mod webhook;

/// The document that `GET /openapi.json` answers: OpenAPI 3.1.
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(&document()));
    &TEXT
}

/// The document that `GET /asyncapi.json` answers: AsyncAPI 3.1, with what subscribers and streams receive.
pub fn asyncapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(&asyncapi::document()));
    &TEXT
}

/// JSON as it is committed: indented, with an end of line.
fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

const DESCRIPTION: &str = "\
Webhooks for Expensify: what changed in reports, policies and cards, from one append-only log. Subscriptions push it, \
`/v1/events` is read by cursor, `/v1/events/stream` follows it by server-sent events.

Everything under `/v1` needs an API key; a key names what its holder may see and do, and what is outside of that is not \
there. Every refusal is `application/problem+json` (RFC 9457) with a stable `type`. A position in the log is never moved \
silently: what retention has removed is answered with 410.

Only a request whose head cannot be read is refused without a body, and its connection closed: 400 when it is no HTTP/1.x, 431 \
when it has more than 32 KiB or 100 headers.

What is delivered is described by the AsyncAPI document beside this one, `/asyncapi.json`.";

fn document() -> Value {
    let (mut schemas, mut refusals) = (Schemas::default(), Map::new());
    let mut paths: Map<String, Value> = Map::new();
    for (method, path, needs, describe) in routes::described() {
        let operation = describe(&mut schemas).finished(path, needs, &mut refusals);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method.as_str().to_ascii_lowercase()] = operation;
    }
    let webhook = webhook::operation(&mut schemas);
    schemas.answer::<Problem<'_>>();
    json!({
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": info("Expensewire", DESCRIPTION),
        "servers": [{ "url": "/", "description": "The service that serves this document" }],
        "tags": Tag::ALL.map(|tag| json!({ "name": tag.name(), "description": tag.description() })),
        "paths": paths,
        "webhooks": { "event": { "post": webhook } },
        "components": {
            "schemas": schemas.finished(),
            "responses": refusals,
            "headers": headers::all(),
            "securitySchemes": { "key": {
                "type": "http", "scheme": "bearer", "bearerFormat": "ew_…",
                "description": "An API key. The roles of an operation are the actions that the key must allow.",
            } },
        },
    })
}

fn info(title: &str, description: &str) -> Value {
    json!({
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
        "description": description,
        "license": { "name": "MIT", "url": "https://opensource.org/license/mit" },
    })
}

/// What an operation says of the key that it needs.
fn security(needs: Option<Needs>) -> Value {
    match needs {
        None => json!([]),
        Some(needs) => json!([{ "key": needs.action().map_or_else(Vec::new, |action| vec![action.as_str()]) }]),
    }
}

/// The names of the fields that a body of `T` may have.
#[cfg(test)]
pub(crate) fn schemas_of<T: schemars::JsonSchema>() -> std::collections::BTreeSet<String> {
    let schema = schemars::generate::SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let schema = schema.into_root_schema_for::<T>().to_value();
    schema["properties"].as_object().expect("fields").keys().cloned().collect()
}
