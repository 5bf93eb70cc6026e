//! The JSON schema of the configuration: published, validated against, and asked what type a key has.

use std::{net::SocketAddr, sync::LazyLock};

use ipnet::IpNet;
use jsonschema::Validator;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use url::Url;

use super::{
    document::{AccountDocument, Document},
    place::KeyPath,
};

/// The schema as JSON, pretty, with a newline at its end: the bytes of `schemas/config.schema.json`.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(schema()).expect("a schema has no keys but strings");
    text.push('\n');
    text
}

/// The schema (JSON Schema 2020-12).
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(Document).to_value());
    &SCHEMA
}

/// A validator that knows the formats of [`FORMATS`]. It is built once: that takes a hundred times what a check does.
pub(super) fn validator() -> &'static Validator {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        let mut options = jsonschema::options().should_validate_formats(true);
        for format in FORMATS {
            options = options.with_format(format.name, format.fits);
        }
        options.build(schema()).expect("the schema made from our own types is valid")
    });
    &VALIDATOR
}

/// A form of string that JSON Schema has no type for.
pub(super) struct Format {
    name: &'static str,
    fits: fn(&str) -> bool,
    /// What a string must be, with an example.
    pub(super) wanted: &'static str,
}

const FORMATS: &[Format] = &[
    Format {
        name: "socket-address",
        fits: |text| text.parse::<SocketAddr>().is_ok(),
        wanted: "an IP address and a port, like 127.0.0.1:8080 or [::1]:8080",
    },
    Format { name: "http-url", fits: is_http_url, wanted: "an http or https URL without user, password and fragment" },
    Format {
        name: "cidr",
        fits: |text| text.parse::<IpNet>().is_ok(),
        wanted: "a range of addresses, like 10.0.0.0/8 or fd00::/8",
    },
    Format { name: "domain", fits: is_domain, wanted: "a domain, like acme.example" },
];

pub(super) fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

fn is_http_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && plain
    })
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    text.len() <= 253 && text.split('.').all(label)
}

/// `event_model::AccountName`'s rule as a pattern; a test holds the two together.
const ACCOUNT_NAME: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

pub(super) fn accounts(generator: &mut SchemaGenerator) -> Schema {
    let account = generator.subschema_for::<AccountDocument>();
    // A name that is wrong does not hide what is wrong inside: the table is described whatever its name.
    json_schema!({ "type": "object", "propertyNames": { "pattern": ACCOUNT_NAME }, "additionalProperties": account })
}

pub(super) fn cidrs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "cidr" } })
}

pub(super) fn domains(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "format": "domain" }, "uniqueItems": true })
}

pub(super) fn ids(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "uniqueItems": true })
}

/// The part of the schema that speaks of `key`; `None` when there is no such key.
pub(super) fn at(key: &KeyPath) -> Option<&'static Value> {
    key.segments().iter().try_fold(resolved(schema()), |table, name| {
        let property = table.get("properties").and_then(|properties| properties.get(name));
        // The only map of the configuration is that of accounts: one form, whatever the name.
        let entry = || table.get("additionalProperties").filter(|entry| entry.is_object());
        property.or_else(entry).map(resolved)
    })
}

/// The JSON type of `key`: `string`, `integer`, `number`, `boolean`, `array`, `object`.
pub(super) fn kind(key: &KeyPath) -> Option<&'static str> {
    at(key).and_then(|node| node.get("type")).and_then(Value::as_str)
}

/// What a key with a fixed set of values may be, as JSON. A documented choice is a `const` of a `oneOf`.
pub(super) fn choices(key: &KeyPath) -> Vec<String> {
    let list = |name: &str| at(key).and_then(|node| node.get(name)).and_then(Value::as_array);
    let documented = list("oneOf").into_iter().flatten().filter_map(|choice| choice.get("const"));
    documented.chain(list("enum").into_iter().flatten()).map(Value::to_string).collect()
}

/// The names of the keys of the table at `key`; none for a map and for what is no table.
pub(super) fn keys_of(key: &KeyPath) -> Vec<&'static str> {
    let properties = at(key).and_then(|table| table.get("properties")).and_then(Value::as_object);
    properties.map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn resolved(node: &'static Value) -> &'static Value {
    let target = node.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| schema().pointer(pointer)).unwrap_or(node)
}
