//! The JSON Schemas (2020-12) of what leaves the process are files under version; this compares them with the types.
//! `make schemas` writes them anew.
//!
//! A released version never changes: `schemas/RELEASED` has the hash of each file that was part of a release, and what is
//! listed there is neither rewritten nor edited. An addition makes the next version (`catalogue::version`).

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use event_model::{
    Access, Card, Event, EventType, Feed, Policy, Report, ReportedExpense,
    catalogue::{self, ScopeSnapshot, SubscriptionDisabled, SubscriptionExhausted, SubscriptionHistoryCut},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

/// Hash of each released file, by its path under `schemas/`.
fn released() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("RELEASED")).expect("schemas/RELEASED");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| line.split_once("  ").map(|(hash, name)| (name.to_owned(), hash.to_owned()));
    lines.map(|line| entry(line).unwrap_or_else(|| panic!("{line:?} is not a hash, two blanks and a path"))).collect()
}

fn check(name: &str, schema: &Value) {
    let text = serde_json::to_string_pretty(schema).expect("json") + "\n";
    let path = root().join(name);
    if env::var_os("WRITE_SCHEMAS").is_some() && !released().contains_key(name) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(&path, &text).expect("the schema is written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let advice = match released().contains_key(name) {
        true => "it is released and stays as it is: make the next version",
        false => "run `make schemas` and look at the difference",
    };
    assert!(committed == text, "schemas/{name} is not what the types say; {advice}");
}

fn check_type<T: JsonSchema>(name: &str) {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    check(name, &generator.into_root_schema_for::<T>().to_value());
}

fn read(name: &str) -> Value {
    let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("schemas/{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("schemas/{name}: {error}"))
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::meta::validate(schema).expect("a schema of the draft");
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).expect("a schema that stands alone")
}

#[test]
fn the_envelope_is_as_committed() {
    check_type::<Event>("event/v1.json");
}

#[test]
fn the_objects_are_as_committed() {
    check_type::<Report>("objects/report/v1.json");
    check_type::<ReportedExpense>("objects/expense/v1.json");
    check_type::<Policy>("objects/policy/v1.json");
    check_type::<Card>("objects/card/v1.json");
    check_type::<Feed>("objects/feed/v1.json");
    check_type::<Access>("objects/access/v1.json");
    check_type::<ScopeSnapshot>("objects/scope/v1.json");
    check_type::<SubscriptionDisabled>("objects/subscription-disabled/v1.json");
    check_type::<SubscriptionExhausted>("objects/subscription-exhausted/v1.json");
    check_type::<SubscriptionHistoryCut>("objects/subscription-history-cut/v1.json");
}

#[test]
fn the_catalogue_is_as_committed() {
    for event_type in EventType::ALL.iter().copied() {
        check(&catalogue::path(event_type, catalogue::version(event_type)), &catalogue::schema(event_type));
    }
}

#[test]
fn every_type_has_its_files_and_no_file_is_without_a_type() {
    let versions = |event_type| (1..=catalogue::version(event_type)).map(move |v| catalogue::path(event_type, v));
    let wanted: BTreeSet<_> = EventType::ALL.iter().copied().flat_map(versions).map(|name| root().join(name)).collect();
    let mut found = BTreeSet::new();
    for folder in fs::read_dir(root().join("events")).expect("schemas/events") {
        let folder = folder.expect("an entry").path();
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        found.extend(files.map(|file| file.expect("an entry").path()));
    }
    assert_eq!(found, wanted);
}

#[test]
fn what_is_released_is_as_it_was() {
    let released = released();
    for (name, hash) in &released {
        let bytes = fs::read(root().join(name)).unwrap_or_else(|error| panic!("schemas/{name} is released: {error}"));
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), hash, "schemas/{name} is released and was changed");
    }
    for event_type in EventType::ALL.iter().copied() {
        for version in 1..catalogue::version(event_type) {
            let name = catalogue::path(event_type, version);
            assert!(released.contains_key(&name), "schemas/{name} has a successor and was never released");
        }
    }
}

#[test]
fn an_example_fits_its_schema_and_every_version_before() {
    for event_type in EventType::ALL.iter().copied() {
        let example = serde_json::to_value(catalogue::example(event_type)).expect("json");
        for version in 1..=catalogue::version(event_type) {
            let name = catalogue::path(event_type, version);
            let schema = read(&name);
            assert_eq!(schema["properties"]["type"]["const"], event_type.as_str(), "{name}");
            if let Err(error) = validator(&schema).validate(&example) {
                panic!("the example of {event_type} does not fit schemas/{name}: {error} at {}", error.instance_path());
            }
        }
        assert_eq!(read(&catalogue::path(event_type, catalogue::version(event_type)))["examples"][0], example);
    }
}

#[test]
fn a_schema_takes_no_event_of_another_type_nor_another_object() {
    for event_type in EventType::ALL.iter().copied() {
        let validator = validator(&catalogue::schema(event_type));
        for other in EventType::ALL.iter().copied().filter(|other| *other != event_type) {
            let mut event = serde_json::to_value(catalogue::example(other)).expect("json");
            assert!(!validator.is_valid(&event), "{other} as {event_type}");
            event["type"] = event_type.as_str().into();
            let alike = catalogue::kinds(other).iter().any(|kind| catalogue::kinds(event_type).contains(kind));
            assert!(alike || !validator.is_valid(&event), "the object of {other} as {event_type}");
        }
    }
}

#[test]
fn a_schema_says_what_is_missing_or_of_another_kind() {
    let event_type = EventType::ReportApproved;
    let validator = validator(&catalogue::schema(event_type));
    let example = serde_json::to_value(catalogue::example(event_type)).expect("json");
    let without = |pointer: &str, name: &str| {
        let mut event = example.clone();
        event.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object").remove(name).expect("a member");
        event
    };
    for (pointer, name) in
        [("", "actor"), ("/data", "changed"), ("/data/object", "reportID"), ("/detection", "inferred")]
    {
        assert!(!validator.is_valid(&without(pointer, name)), "{pointer}/{name}");
    }
    for (pointer, value) in [("/subject", "card/1"), ("/timestamp", "yesterday"), ("/data/object/total", "354.50")] {
        let mut event = example.clone();
        *event.pointer_mut(pointer).expect("a place") = value.into();
        assert!(!validator.is_valid(&event), "{pointer}");
    }
    let mut later = example.clone();
    later["data"]["object"]["addedLater"] = true.into();
    assert!(validator.is_valid(&later), "an addition breaks no reader");
}

#[test]
fn every_type_is_described() {
    for event_type in EventType::ALL.iter().copied() {
        let description = catalogue::description(event_type);
        assert!(description.ends_with('.') && !description.contains("::"), "{event_type}: {description:?}");
    }
}
