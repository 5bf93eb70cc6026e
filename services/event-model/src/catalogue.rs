//! What may be in the log, for those who write programs against it: for each event type a JSON Schema (draft 2020-12) and
//! an example.
//!
//! A schema is made from the types of this crate: the envelope, with `type` and the kind of `subject` fixed and `data.object`
//! narrowed to what events of that type are about. So it cannot say anything else than what is written. The schemas are
//! files, `schemas/events/<type>/v<version>.json`, and tests compare them.
//!
//! A released schema never changes. What is added later is optional to readers (a schema refuses no member that it does not
//! know), and goes into a new file under the next [`version`]; what was released before stays valid for new events.

mod examples;
mod object;

use std::{collections::BTreeMap, sync::LazyLock};

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

pub use examples::example;
pub use object::{GivenUp, ScopeSnapshot, SubscriptionDisabled, SubscriptionExhausted, SubscriptionHistoryCut};

use crate::{
    access::Access,
    card::Card,
    entity::EntityKind,
    event::Event,
    event_type::EventType,
    feed::Feed,
    policy::Policy,
    report::{Report, ReportedExpense},
};

/// The version of the schema that events of `event_type` are written by now.
pub const fn version(_: EventType) -> u32 {
    // One more for a type when its schema was released and something is to be added.
    1
}

/// Where the schema of `version` of `event_type` lies under `schemas/`.
pub fn path(event_type: EventType, version: u32) -> String {
    format!("events/{event_type}/v{version}.json")
}

/// What events of `event_type` tell, in a sentence or two.
pub fn description(event_type: EventType) -> &'static str {
    static DOCUMENTED: LazyLock<BTreeMap<&str, String>> = LazyLock::new(documented);
    DOCUMENTED.get(event_type.as_str()).map_or("", String::as_str)
}

/// The comments of [`EventType`]'s variants, by name.
fn documented() -> BTreeMap<&'static str, String> {
    let schema = schemars::schema_for!(EventType).to_value();
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let text = |event_type: &EventType| {
        let name = event_type.as_str();
        let variant = variants.iter().find(|variant| variant["const"] == name)?;
        Some((name, variant["description"].as_str()?.to_owned()))
    };
    EventType::ALL.iter().filter_map(text).collect()
}

/// The kinds of entity that events of `event_type` are about.
pub fn kinds(event_type: EventType) -> &'static [EntityKind] {
    match event_type {
        EventType::CardFeedFailed | EventType::CardFeedRecovered => &[EntityKind::Card, EntityKind::Feed],
        other => match other.kind() {
            EntityKind::Report => &[EntityKind::Report],
            EntityKind::Expense => &[EntityKind::Expense],
            EntityKind::Policy => &[EntityKind::Policy],
            EntityKind::Card => &[EntityKind::Card],
            EntityKind::Feed => &[EntityKind::Feed],
            EntityKind::Scope => &[EntityKind::Scope],
            EntityKind::Account => &[EntityKind::Account],
            EntityKind::Subscription => &[EntityKind::Subscription],
        },
    }
}

/// The JSON Schema (draft 2020-12) of an event of `event_type`, its example within.
pub fn schema(event_type: EventType) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let object = object_schema(event_type, &mut generator);
    let mut root = generator.into_root_schema_for::<Event>().to_value();
    narrow(&mut root, "/properties/type", json!({ "const": event_type }));
    narrow(&mut root, "/properties/subject", json!({ "type": "string", "pattern": subject_pattern(event_type) }));
    narrow(&mut root, "/$defs/Data/properties/object", object);
    root["title"] = json!(event_type);
    root["description"] = json!(description(event_type));
    root["examples"] = json!([example(event_type)]);
    drop_unused(&mut root);
    root
}

/// Puts `constraint` in the place of what the type says at `pointer`; the description stays.
fn narrow(root: &mut Value, pointer: &str, constraint: Value) {
    let Some(place) = root.pointer_mut(pointer) else { return };
    let description = place.get("description").cloned();
    *place = constraint;
    if let Some(description) = description {
        place["description"] = description;
    }
}

fn subject_pattern(event_type: EventType) -> String {
    let kinds: Vec<_> = kinds(event_type).iter().map(|kind| kind.as_str()).collect();
    match kinds[..] {
        [kind] => format!("^{kind}/.+"),
        _ => format!("^({})/.+", kinds.join("|")),
    }
}

/// What `data.object` is. The generator learns the types' definitions.
fn object_schema(event_type: EventType, generator: &mut SchemaGenerator) -> Value {
    let objects: Vec<Value> = kinds(event_type).iter().map(|kind| of_kind(*kind, event_type, generator)).collect();
    match <[Value; 1]>::try_from(objects) {
        Ok([one]) => one,
        Err(several) => json!({ "oneOf": several }),
    }
}

fn of_kind(kind: EntityKind, event_type: EventType, generator: &mut SchemaGenerator) -> Value {
    match (kind, event_type) {
        (EntityKind::Report, _) => subschema::<Report>(generator),
        (EntityKind::Expense, _) => subschema::<ReportedExpense>(generator),
        (EntityKind::Policy, _) => subschema::<Policy>(generator),
        (EntityKind::Card, _) => subschema::<Card>(generator),
        (EntityKind::Feed, _) => subschema::<Feed>(generator),
        (EntityKind::Scope, _) => subschema::<ScopeSnapshot>(generator),
        (EntityKind::Account, _) => subschema::<Access>(generator),
        (EntityKind::Subscription, EventType::SubscriptionExhausted) => subschema::<SubscriptionExhausted>(generator),
        (EntityKind::Subscription, EventType::SubscriptionHistoryCut) => subschema::<SubscriptionHistoryCut>(generator),
        (EntityKind::Subscription, _) => subschema::<SubscriptionDisabled>(generator),
    }
}

fn subschema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// Takes the definitions away that nothing refers to any more.
fn drop_unused(root: &mut Value) {
    let Some(Value::Object(all)) = root.get("$defs").cloned() else { return };
    let mut used = Map::new();
    let mut open = references(&without_definitions(root));
    while let Some(name) = open.pop() {
        if let Some(definition) = all.get(&name).filter(|_| !used.contains_key(&name)) {
            open.extend(references(definition));
            used.insert(name, definition.clone());
        }
    }
    root["$defs"] = Value::Object(used);
}

fn without_definitions(root: &Value) -> Value {
    let mut rest = root.clone();
    if let Some(members) = rest.as_object_mut() {
        members.remove("$defs");
    }
    rest
}

/// The names of the definitions that `schema` refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/$defs/"));
            own.map(str::to_owned).into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
