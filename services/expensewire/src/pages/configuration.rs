//! The reference of the configuration, made of its JSON schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::cell;
use crate::config::schema;

const HEAD: &str = "# Configuration\n\n\
    Generated from `schemas/config.schema.json`. One TOML file, overridden key by key by the environment. `expensewire config init`\n\
    writes an example with every key, `config check` tells every mistake, `config show --origin` what holds and who said so.\n";

/// The page.
pub fn page() -> String {
    let schema = schema::schema();
    let mut text = HEAD.to_owned();
    for (name, section) in properties(schema) {
        match name.as_str() {
            "accounts" => accounts(&mut text, schema, section),
            _ => part(&mut text, schema, name, &[name.to_uppercase()], resolved(schema, section)),
        }
    }
    text
}

/// One table per account; its own tables follow it.
fn accounts(text: &mut String, schema: &Value, section: &Value) {
    let Some(account) = account_schema(schema, section) else { return };
    part(text, schema, "accounts.NAME", &["ACCOUNTS".to_owned(), "NAME".to_owned()], account);
}

fn account_schema<'a>(schema: &'a Value, section: &'a Value) -> Option<&'a Value> {
    let patterns = section["patternProperties"].as_object().and_then(|patterns| patterns.values().next());
    let one = section.get("additionalProperties").filter(|value| value.is_object()).or(patterns)?;
    Some(resolved(schema, one))
}

fn part(text: &mut String, schema: &Value, name: &str, path: &[String], section: &Value) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "\n## `[{name}]`\n");
    text.push_str("| key | type | default | |\n|---|---|---|---|\n");
    let mut inner = Vec::new();
    for (key, value) in properties(section) {
        let target = resolved(schema, value);
        if target["properties"].is_object() {
            inner.push((key, target));
            continue;
        }
        let default = value.get("default").map_or_else(|| "-".to_owned(), |default| format!("`{default}`"));
        let meaning = value["description"].as_str().unwrap_or_default();
        let _ = writeln!(text, "| `{key}` | {} | {} | {} |", cell(&kind(value)), cell(&default), cell(meaning));
    }
    let _ = writeln!(text, "\nIn the environment: `EXPENSEWIRE__{}__KEY`.", path.join("__"));
    for (key, target) in inner {
        let path = [path, &[key.to_uppercase()]].concat();
        part(text, schema, &format!("{name}.{key}"), &path, target);
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flat_map(Map::iter)
}

/// What a reference points to; anything else itself.
fn resolved<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| schema.pointer(pointer)).unwrap_or(value)
}

/// The type for people: its alternatives, its bounds.
fn kind(value: &Value) -> String {
    if let Some(choices) = value["oneOf"].as_array().or_else(|| value["enum"].as_array()) {
        let named = choices.iter().map(|choice| format!("`{}`", choice.get("const").unwrap_or(choice)));
        return named.collect::<Vec<_>>().join(" or ");
    }
    let types: Vec<&str> = match &value["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    };
    let bounds = ["minimum", "exclusiveMinimum", "maximum"].map(|name| value.get(name));
    let range = match bounds {
        [Some(low), _, Some(high)] => format!(", {low} to {high}"),
        [None, Some(low), Some(high)] => format!(", above {low}, at most {high}"),
        [Some(low), _, None] => format!(", at least {low}"),
        _ => String::new(),
    };
    format!("{}{range}", types.join(" or "))
}
