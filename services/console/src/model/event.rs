//! Events.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::path;
use crate::{config::CHANGES_SHOWN, link, time::Moment};

/// A page of the log, without what its events hold.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub events: Vec<Row>,
    pub next: u64,
    pub last: u64,
}

/// An event in a list.
#[derive(Deserialize)]
pub(crate) struct Row {
    #[serde(rename = "type")]
    pub event_type: String,
    pub sequence: u64,
    pub account: String,
    pub subject: String,
    pub actor: Option<String>,
    pub timestamp: Moment,
    data: Named,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "object", default, deserialize_with = "name_of")]
    name: String,
}

/// The fields that have what an entity is called by people.
const NAMES: [&str; 4] = ["reportName", "cardName", "name", "merchant"];

fn name_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let object = Value::deserialize(deserializer)?;
    let name = NAMES.iter().find_map(|field| object.get(field).and_then(Value::as_str));
    Ok(name.unwrap_or_default().to_owned())
}

impl Row {
    /// The address of its page.
    pub fn address(&self) -> String {
        format!("/console/events/{}", self.sequence)
    }

    /// The address of its entity's page.
    pub fn entity(&self) -> String {
        link::entity(&self.account, &self.subject)
    }

    /// What its entity is called; empty where it has no name.
    pub fn name(&self) -> &str {
        &self.data.name
    }

    /// The class of its mark: the kind of entity.
    pub fn kind(&self) -> &str {
        kind(&self.event_type)
    }
}

/// The kind of entity that events of this type are about, as the name of a class.
pub(crate) fn kind(event_type: &str) -> &str {
    let kind = event_type.split('.').next().unwrap_or_default();
    if kind.bytes().all(|b| b.is_ascii_lowercase()) { kind } else { "" }
}

/// An event, whole.
#[derive(Deserialize)]
pub(crate) struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub timestamp: Moment,
    pub sequence: u64,
    pub account: String,
    pub subject: String,
    pub revision: u64,
    pub actor: Option<String>,
    pub data: Data,
    pub detection: Detection,
}

/// Before and after.
#[derive(Deserialize)]
pub(crate) struct Data {
    pub object: Value,
    previous: Map<String, Value>,
    changed: Vec<String>,
}

/// How it was noticed.
#[derive(Deserialize)]
pub(crate) struct Detection {
    pub observed_at: Moment,
    pub not_before: Option<Moment>,
    pub inferred: bool,
    timestamp_source: String,
}

impl Detection {
    /// Where the event's time comes from.
    pub fn source(&self) -> &str {
        match self.timestamp_source.as_str() {
            "history" => "told by the report's own history",
            "object" => "a date that the entity carries",
            "observation" => "that of the look which found it: Expensify does not say when it happened",
            other => other,
        }
    }
}

/// One path that changed.
pub(crate) struct Change {
    pub path: String,
    pub before: String,
    pub after: String,
}

impl Event {
    /// What changed, path by path; at most [`CHANGES_SHOWN`] of them.
    pub fn changes(&self) -> Vec<Change> {
        let one = |changed: &String| Change {
            path: changed.clone(),
            before: shown(self.data.previous.get(changed)),
            after: shown(path::find(&self.data.object, changed)),
        };
        self.data.changed.iter().take(CHANGES_SHOWN).map(one).collect()
    }

    /// How many changed paths are not shown.
    pub fn changes_left(&self) -> usize {
        self.data.changed.len().saturating_sub(CHANGES_SHOWN)
    }

    /// The entity as text.
    pub fn object(&self) -> String {
        pretty(&self.data.object)
    }

    /// The address of its entity's page.
    pub fn entity(&self) -> String {
        link::entity(&self.account, &self.subject)
    }

    pub fn kind(&self) -> &str {
        kind(&self.event_type)
    }
}

/// A value as one reads it; empty for none.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Array(_) | Value::Object(_))) => pretty(value),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
    }
}

/// JSON with line breaks.
pub(crate) fn pretty(value: &Value) -> String {
    // A value always goes into JSON.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What the log says of an entity now.
#[derive(Deserialize)]
pub(crate) struct Entity {
    pub account: String,
    pub subject: String,
    pub revision: u64,
    pub removed: bool,
    pub sequence: u64,
    object: Value,
}

impl Entity {
    /// The entity as text.
    pub fn object(&self) -> String {
        pretty(&self.object)
    }
}

/// The catalogue.
#[derive(Deserialize)]
pub(crate) struct Catalogue {
    pub event_types: Vec<Entry>,
}

/// A type of events.
#[derive(Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "type")]
    pub event_type: String,
    description: String,
    pub snapshot: bool,
    pub version: u32,
}

impl Entry {
    /// What it tells, in pieces: whether it is code, and the text.
    pub fn told(&self) -> impl Iterator<Item = (bool, &str)> {
        self.description.split('`').enumerate().map(|(index, text)| (index % 2 == 1, text))
    }
}

/// A type, whole.
#[derive(Deserialize)]
pub(crate) struct FullEntry {
    #[serde(flatten)]
    pub entry: Entry,
    schema: Value,
    example: Value,
}

impl FullEntry {
    pub fn schema(&self) -> String {
        pretty(&self.schema)
    }

    pub fn example(&self) -> String {
        pretty(&self.example)
    }
}
