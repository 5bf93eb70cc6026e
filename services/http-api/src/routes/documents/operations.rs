//! What the routes of the contract answer.

use http::StatusCode;
use serde_json::json;

use crate::contract::{Operation, Schemas, Tag};

fn document(name: &'static str, summary: &'static str, described: &'static str, word: &str) -> Operation {
    let schema = json!({ "type": "object", "required": [word], "properties": { word: { "type": "string" } } });
    let example = json!({ word: if word == "openapi" { "3.1.1" } else { "3.1.0" } });
    Operation::new(Tag::Service, name, summary, described).json(StatusCode::OK, summary, schema, example)
}

pub(in crate::routes) fn openapi(_: &mut Schemas) -> Operation {
    document("openapi", "This document", "What every route takes and answers: OpenAPI 3.1.", "openapi")
}

pub(in crate::routes) fn asyncapi(_: &mut Schemas) -> Operation {
    document("asyncapi", "The AsyncAPI document", "What subscribers and streams receive: AsyncAPI 3.1.", "asyncapi")
}
