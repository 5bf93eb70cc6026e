//! AsyncAPI 3.1: what a subscriber's URL and a stream of server-sent events receive, each event type with its schema.
//!
//! A schema of the catalogue stands alone: its definitions are its own. Here they are shared, but for the one that the
//! catalogue narrows for each type.

use event_model::{EventType, catalogue};
use serde_json::{Map, Value, json};

use super::{info, schemas::AT, webhook};

/// The definition that differs from type to type: `data`, by its object.
const OWN: &str = "Data";

const DESCRIPTION: &str = "\
The events of Expensewire: pushed to subscriptions as webhooks, and followed as server-sent events. Both carry the same \
bytes. The REST API is described by `/openapi.json`.";

const STREAM: &str = "\
Server-sent events (WHATWG HTML, section 9.2). `id:` is the event's sequence, `event:` its type, `data:` the event. Reconnect \
with `Last-Event-ID` to go on behind it, as browsers do by themselves. A comment comes after 15 s of silence, with an `id:` of its \
own where the position has moved past events that the filter does not want. 410 says that retention has passed the position.";

pub(super) fn document() -> Value {
    let (mut schemas, mut messages) = (Map::new(), Map::new());
    for event_type in EventType::ALL.iter().copied() {
        let payload = shared(event_type, &mut schemas);
        messages.insert(event_type.to_string(), message(event_type, payload));
    }
    let all: Map<_, _> = messages.keys().map(|name| (name.clone(), reference("components/messages", name))).collect();
    let sent = |channel: &str| -> Vec<Value> {
        all.keys().map(|name| reference(&format!("channels/{channel}/messages"), name)).collect()
    };
    json!({
        "asyncapi": "3.1.0",
        "id": "urn:expensewire:events",
        "info": info("Expensewire events", DESCRIPTION),
        "defaultContentType": "application/json",
        "servers": { "service": {
            "host": "localhost:8080", "protocol": "http", "description": "The service, where the stream is",
            "security": [{ "$ref": "#/components/securitySchemes/key" }],
        } },
        "channels": {
            "webhook": {
                // The subscriber's own URL: not known here.
                "address": null, "title": "Webhooks", "description": webhook::description(), "messages": all.clone(),
                "servers": [],
            },
            "stream": {
                "address": "/v1/events/stream", "title": "Server-sent events", "description": STREAM, "messages": all.clone(),
                "servers": [{ "$ref": "#/servers/service" }],
                "bindings": { "http": {} },
            },
        },
        "operations": {
            "deliver": {
                "action": "send", "channel": { "$ref": "#/channels/webhook" }, "messages": sent("webhook"),
                "summary": "A delivery to a subscriber",
                "bindings": { "http": { "method": "POST", "bindingVersion": "0.3.0" } },
            },
            "stream": {
                "action": "send", "channel": { "$ref": "#/channels/stream" }, "messages": sent("stream"),
                "summary": "An event to whoever follows the log",
                "bindings": { "http": { "method": "GET", "query": query(), "bindingVersion": "0.3.0" } },
            },
        },
        "components": {
            "messages": messages, "schemas": schemas,
            "messageTraits": { "signed": { "headers": webhook::headers() } },
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "description": "An API key, `ew_…`." } },
        },
    })
}

fn message(event_type: EventType, payload: Value) -> Value {
    let example = catalogue::example(event_type);
    json!({
        "name": event_type, "title": event_type, "summary": catalogue::description(event_type),
        "contentType": "application/json", "payload": payload,
        "traits": [{ "$ref": "#/components/messageTraits/signed" }],
        "examples": [{ "name": "example", "payload": example }],
    })
}

/// The parameters that a stream is opened with.
fn query() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({ "type": "object", "properties": {
        "after": { "type": "integer", "minimum": 0, "description": "The position behind which it begins." },
        "type": text("A pattern that the event's type fits; may occur several times."),
        "account": text("Only events of this account."),
        "subject": text("Only events about this entity: kind and id."),
        "since": text("Only what was observed then or later."),
        "bootstrap": { "type": "boolean", "description": "State below the horizon instead of 410." },
    } })
}

/// The payload of `event_type`: a reference to its schema, which is put into `schemas` with what it refers to.
fn shared(event_type: EventType, schemas: &mut Map<String, Value>) -> Value {
    let mut root = catalogue::schema(event_type);
    let definitions = root.as_object_mut().and_then(|root| root.remove("$defs")).unwrap_or_default();
    for word in ["$schema", "$id"] {
        root.as_object_mut().and_then(|root| root.remove(word));
    }
    for (name, definition) in definitions.as_object().cloned().unwrap_or_default() {
        schemas.insert(named(&name, event_type), moved(definition, event_type));
    }
    let name = format!("event.{event_type}");
    schemas.insert(name.clone(), moved(root, event_type));
    reference(AT.trim_start_matches('/'), &name)
}

/// The name that the definition `name` of `event_type`'s schema has here.
pub(super) fn named(name: &str, event_type: EventType) -> String {
    if name == OWN { format!("{event_type}.{OWN}") } else { name.to_owned() }
}

/// `schema` with its references pointing to where the definitions are here.
pub(super) fn moved(schema: Value, event_type: EventType) -> Value {
    match schema {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| {
                let to = value.as_str().filter(|_| key == "$ref").and_then(|to| to.strip_prefix("#/$defs/"));
                let value = match to {
                    Some(name) => format!("#{AT}/{}", named(name, event_type)).into(),
                    None => moved(value, event_type),
                };
                (key, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| moved(item, event_type)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema,
    }
}

fn reference(at: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/{at}/{name}") })
}
