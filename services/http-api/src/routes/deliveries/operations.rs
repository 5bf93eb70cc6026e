//! What the routes of deliveries take and answer.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Deliveries, DeliveryView, Retried, STATES};
use crate::{
    contract::{Operation, Schemas, Tag, examples, parameters},
    problem::kind,
};

fn delivery() -> Value {
    let id = r"^sub_[a-z0-9]{1,60}\.(\d{1,19}|test-evt_[a-z0-9_]{1,60})$";
    let described = "The delivery: `<subscription>.<sequence>`, of a test `<subscription>.test-<event id>`.";
    let example = format!("{}.1042", examples::SUBSCRIPTION);
    parameters::path("id", described, json!({ "type": "string", "pattern": id }), example)
}

pub(in crate::routes) fn list(schemas: &mut Schemas) -> Operation {
    let described = "Deliveries that wait for their next attempt, were given up, or arrived after failures; oldest event first. \
                     What arrives at once leaves no record.";
    let states = json!({ "type": "array", "items": { "type": "string", "enum": STATES } });
    let state = parameters::query("state", "Only those in one of these states.", states, json!(["dead"]));
    let example = json!({ "deliveries": [examples::delivery()], "next": null });
    Operation::new(Tag::Deliveries, "listDeliveries", "List deliveries", described)
        .in_path(parameters::subscription())
        .with(state)
        .json(StatusCode::OK, "A page.", schemas.answer::<Deliveries>(), example)
        .paged()
}

pub(in crate::routes) fn show(schemas: &mut Schemas) -> Operation {
    let described = "Each attempt that is remembered, and what comes next.";
    Operation::new(Tag::Deliveries, "showDelivery", "Show a delivery", described).in_path(delivery()).json(
        StatusCode::OK,
        "The delivery.",
        schemas.answer::<DeliveryView>(),
        examples::delivery(),
    )
}

pub(in crate::routes) fn retry(schemas: &mut Schemas) -> Operation {
    let described =
        "A dead letter is sent again with a schedule of its own; one that waits for its next attempt gets that now.";
    Operation::new(Tag::Deliveries, "retryDelivery", "Retry a delivery", described)
        .in_path(delivery())
        .json(StatusCode::ACCEPTED, "It is in line.", schemas.answer::<DeliveryView>(), examples::delivery())
        .refused(&[&kind::CONFLICT])
}

pub(in crate::routes) fn retry_all(schemas: &mut Schemas) -> Operation {
    let described = "Every dead letter of the subscription is sent again.";
    Operation::new(Tag::Deliveries, "retryDeadLetters", "Retry all dead letters", described)
        .in_path(parameters::subscription())
        .json(StatusCode::ACCEPTED, "They are in line.", schemas.answer::<Retried>(), json!({ "retried": 3 }))
}
