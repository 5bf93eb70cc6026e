//! The types of events, as event-model documents them: the description is the doc comment of each.

use std::sync::LazyLock;

use axum::Json;
use event_model::{EntityKind, EventType};
use serde::Serialize;
use serde_json::Value;

use super::InPath;
use crate::{params::cut, problem::Refusal};

/// One type.
#[derive(Clone, Serialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    event_type: EventType,
    kind: EntityKind,
    description: String,
    /// A first sight: comes only to subscriptions that name it.
    snapshot: bool,
}

#[derive(Serialize)]
pub(super) struct Catalogue {
    event_types: &'static [Entry],
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let schema = schemars::schema_for!(EventType).to_value();
    EventType::ALL.iter().map(|event_type| entry(*event_type, &schema)).collect()
});

fn entry(event_type: EventType, schema: &Value) -> Entry {
    let documented = schema["oneOf"].as_array().into_iter().flatten();
    let mut documented = documented.filter(|one| one["const"] == event_type.as_str());
    let description = documented.next().and_then(|one| one["description"].as_str()).unwrap_or_default();
    Entry {
        event_type,
        kind: event_type.kind(),
        description: description.to_owned(),
        snapshot: event_type.is_snapshot(),
    }
}

/// `GET /v1/event-types`
pub(super) async fn list() -> Json<Catalogue> {
    Json(Catalogue { event_types: &ENTRIES })
}

/// `GET /v1/event-types/{type}`
pub(super) async fn show(InPath(name): InPath<String>) -> Result<Json<&'static Entry>, Refusal> {
    let found = ENTRIES.iter().find(|entry| entry.event_type.as_str() == name);
    found.map(Json).ok_or_else(|| Refusal::NotFound { what: "event type", id: cut(&name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_description() {
        assert_eq!(ENTRIES.len(), EventType::ALL.len());
        for entry in ENTRIES.iter() {
            assert!(entry.description.ends_with('.'), "{}: {:?}", entry.event_type, entry.description);
        }
    }
}
