//! What the stream of events takes and answers.

use http::StatusCode;

use super::written_example;
use crate::{
    contract::{Operation, Schemas, Tag, examples, operation::media, parameters},
    problem::kind,
};

pub(in crate::routes) fn follow(_: &mut Schemas) -> Operation {
    let described = "Server-sent events (WHATWG HTML, section 9.2): `id:` is the sequence, `event:` the type, `data:` the event. From \
                     now on, unless `after`, `since` or `Last-Event-ID` says from where; reconnecting with `Last-Event-ID` goes on \
                     behind it. A comment comes after 15 s of silence, with an `id:` of its own where the position has moved past \
                     events that are not wanted. Each message is described by `/asyncapi.json`. The stream ends when the service \
                     stops, when the key is deleted or expires, and when retention has passed it.";
    let operation = Operation::new(Tag::Events, "streamEvents", "Follow the log", described)
        .with(parameters::after())
        .with(parameters::bootstrap())
        .with(parameters::last_event_id());
    let content =
        media("text/event-stream", serde_json::json!({ "type": "string" }), written_example(&examples::event()).into());
    parameters::filter()
        .into_iter()
        .fold(operation, Operation::with)
        .answer(StatusCode::OK, "The stream.", content)
        .headed(StatusCode::OK, "Cache-Control")
        .headed(StatusCode::OK, "X-Accel-Buffering")
        .refused(&[&kind::GONE, &kind::BUSY])
}
