//! Parameters that several operations take.

use event_model::EntityKind;
use serde_json::{Value, json};

use super::examples;
use crate::config::{DEFAULT_LIMIT, MAX_IDEMPOTENCY_KEY, MAX_LIMIT};

/// A part of the path.
pub(crate) fn path(name: &str, description: &str, schema: Value, example: impl Into<Value>) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": schema, "example": example.into(),
    })
}

/// A parameter of the query, which may be left out.
pub(crate) fn query(name: &str, description: &str, schema: Value, example: impl Into<Value>) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema, "example": example.into() })
}

fn header(name: &str, description: &str, schema: Value, example: impl Into<Value>) -> Value {
    json!({ "name": name, "in": "header", "description": description, "schema": schema, "example": example.into() })
}

/// Part of an id behind its prefix.
fn id(prefix: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}_[a-z0-9]{{1,60}}$") })
}

pub(crate) fn subscription() -> Value {
    path("id", "The subscription.", id("sub"), examples::SUBSCRIPTION)
}

pub(crate) fn replay() -> Value {
    path("replay", "The replay.", id("rpl"), examples::REPLAY)
}

pub(crate) fn key() -> Value {
    path("id", "The key.", id("key"), examples::KEY)
}

pub(crate) fn account_name() -> Value {
    json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" })
}

pub(crate) fn account() -> Value {
    path("name", "The account, as the configuration names it.", account_name(), "acme")
}

pub(crate) fn event_type() -> Value {
    path("type", "The event type.", json!({ "type": "string", "pattern": r"^[a-z]+\.[a-z_]+$" }), "report.approved")
}

pub(crate) fn limit() -> Value {
    let schema = json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT });
    query("limit", "Most items of the page.", schema, 100)
}

pub(crate) fn cursor() -> Value {
    let schema = json!({ "type": "string", "minLength": 1 });
    query("cursor", "Where the page begins: the `next` of the page before.", schema, examples::CURSOR)
}

pub(crate) fn idempotency_key() -> Value {
    let described =
        "A request that comes again with the same key within 24 h does nothing more, and is answered as it was.";
    let schema = json!({ "type": "string", "pattern": format!("^[!-~]{{1,{MAX_IDEMPOTENCY_KEY}}}$") });
    header("Idempotency-Key", described, schema, "2c8e5d0a-9d0f-4b4c-9a4e-4f6f4f1f7a54")
}

pub(crate) fn last_event_id() -> Value {
    let described =
        "The sequence of the last event that was received: the stream goes on behind it. Counts for more than `after`.";
    header("Last-Event-ID", described, sequence(), 1042)
}

/// A position in the log.
pub(crate) fn sequence() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })
}

pub(crate) fn after() -> Value {
    query("after", "The position behind which it begins; 0 is the beginning of the log.", sequence(), 1041)
}

pub(crate) fn bootstrap() -> Value {
    let described = "Whether what retention left below its horizon is taken for what it is, state and no history, instead of \
                     being refused by 410. The pages of a reading from the beginning carry it on by themselves.";
    query("bootstrap", described, json!({ "type": "boolean", "default": false }), true)
}

/// Those that choose events.
pub(crate) fn filter() -> [Value; 4] {
    let glob = json!({ "type": "string", "maxLength": 64, "pattern": r"^[a-z_.]*\*?[a-z_.]*\*?[a-z_.]*\*?[a-z_.]*$" });
    let kinds = EntityKind::ALL.map(EntityKind::as_str).join("|");
    let subject = json!({ "type": "string", "pattern": format!("^({kinds})/.+$") });
    let mut types = query(
        "type",
        "A pattern that the event's type fits, with at most three `*`; several are alternatives. It must fit a type that there is.",
        json!({ "type": "array", "items": glob }),
        json!(["report.*"]),
    );
    (types["style"], types["explode"]) = ("form".into(), true.into());
    [
        types,
        query("account", "Only events of this account.", account_name(), "acme"),
        query("subject", "Only events about this entity: kind and id.", subject, "report/R00AbCdEf123"),
        query(
            "since",
            "Only what was observed then or later.",
            json!({ "type": "string", "format": "date-time" }),
            "2026-04-02T09:14:00Z",
        ),
    ]
}
