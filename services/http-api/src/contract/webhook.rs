//! What a subscriber receives, for both documents.

use event_model::Event;
use serde_json::{Value, json};

use super::{Schemas, examples, operation::media};

const DESCRIPTION: &str = "\
A delivery: one event, byte for byte as it is in the log, signed by Standard Webhooks 1.0.0. Answer 2xx within the timeout; \
anything else is tried again for up to three days, 410 disables the subscription. The same event may come more than once, \
always with the same `webhook-id`. A test delivery has `\"test\": true`. A subscription whose `format` is a CloudEvents \
one receives the same event in that form.";

/// Each header of a delivery: name, description, example.
const HEADERS: [(&str, &str, &str); 5] = [
    ("webhook-id", "The event's id: the same at each attempt, replays too.", "evt_6xbov5pjraxgcsiektuhji63mu"),
    ("webhook-timestamp", "When this attempt was made, in seconds since 1970.", "1775121262"),
    (
        "webhook-signature",
        "`v1,` and the HMAC-SHA256 over `id.timestamp.body` in base64; several, apart by blanks, while a secret is rotated \
         or where `ed25519` is on (`v1a,`).",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    ("content-type", "What the body is.", "application/json"),
    ("user-agent", "Who delivers.", "expensewire/0.1.0"),
];

/// The headers of a delivery as an object's schema.
pub(super) fn headers() -> Value {
    let property = |(name, description, example): (&str, &str, &str)| {
        let schema = json!({ "type": "string", "description": description, "examples": [example] });
        (name.to_owned(), schema)
    };
    let properties: serde_json::Map<_, _> = HEADERS.into_iter().map(property).collect();
    json!({ "type": "object", "required": HEADERS.map(|(name, ..)| name), "properties": properties })
}

/// The operation that a subscriber implements.
pub(super) fn operation(schemas: &mut Schemas) -> Value {
    // By OpenAPI 3.1, section 4.8.12.1, a parameter of this name is ignored: the content says it.
    let parameters = HEADERS.iter().filter(|(name, ..)| *name != "content-type").map(|(name, description, example)| {
        json!({
            "name": name, "in": "header", "required": true, "description": description,
            "schema": { "type": "string" }, "example": example,
        })
    });
    json!({
        "operationId": "receiveEvent", "tags": ["Subscriptions"], "summary": "A delivery to a subscriber",
        "description": DESCRIPTION, "security": [],
        "parameters": parameters.collect::<Vec<_>>(),
        "requestBody": {
            "required": true,
            "content": media("application/json", schemas.answer::<Event>(), json!(examples::event())),
        },
        "responses": {
            "2XX": { "description": "The event has arrived." },
            "410": { "description": "No more is wanted: the subscription is disabled." },
            "4XX": { "description": "It is tried again." },
            "5XX": { "description": "It is tried again." },
        },
    })
}

/// What is said of deliveries.
pub(super) fn description() -> &'static str {
    DESCRIPTION
}
