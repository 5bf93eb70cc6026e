//! What the routes of events take and answer.

use event_model::{Event, Sequence};
use http::StatusCode;
use schemars::JsonSchema;
use serde_json::json;

use crate::{
    contract::{Operation, Schemas, Tag, examples, parameters},
    problem::kind,
};

/// A page of the log. It is written from the stored bytes; this is its schema, and a test reads a page by it.
#[derive(JsonSchema)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[schemars(rename = "EventPage")]
#[expect(dead_code, reason = "only the schema is used")]
pub(super) struct EventPage {
    /// The events, as they were signed.
    events: Vec<Event>,
    /// Where the page ends: `after` of the next one. It is the last page when this is `last`.
    next: Sequence,
    /// The end of the log.
    last: Sequence,
    /// The query of the next page; not there on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_query: Option<String>,
}

pub(in crate::routes) fn list(schemas: &mut Schemas) -> Operation {
    let described = "The log, by cursor: begin at `after=0` and go on with `next` until it is `last`. With a filter a page may have \
                     fewer events than the limit, even none, and still not be the last. Where retention has removed events behind \
                     `after` the answer is 410; `after=0` gives the last event of each entity of what was removed, then every \
                     change.";
    let event = examples::event();
    let example = json!({
        "events": [event], "next": event.sequence, "last": 1100, "next_query": format!("after={}", event.sequence),
    });
    let operation = Operation::new(Tag::Events, "listEvents", "Read the log", described)
        .with(parameters::after())
        .with(parameters::limit())
        .with(parameters::bootstrap());
    parameters::filter()
        .into_iter()
        .fold(operation, Operation::with)
        .json(StatusCode::OK, "A page.", schemas.answer::<EventPage>(), example)
        .headed(StatusCode::OK, "Link")
        .refused(&[&kind::GONE])
}

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    let described = "By its sequence or its id. The first question by an id after a start reads the log: where it is long that takes seconds, or is \
                     answered with 503 and goes on. A sequence at or below the horizon whose event retention removed is answered with 410.";
    let id = json!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": u64::MAX },
        { "type": "string", "pattern": "^evt_[a-z0-9_]{1,60}$" },
    ] });
    let example = examples::event();
    Operation::new(Tag::Events, "showEvent", "Show an event", described)
        .in_path(parameters::path("id", "Its sequence, or its id.", id, example.id.as_str()))
        .json(StatusCode::OK, "The event.", schemas.answer::<Event>(), json!(example))
        .refused(&[&kind::GONE, &kind::BUSY])
}
