//! The JSON Schemas (2020-12) of what leaves the process are files under version; this compares them with the types.
//! `make schemas` writes them anew. A released version never changes: an addition makes a new file.

use std::{env, fs, path::PathBuf};

use event_model::{Card, Event, Policy, Report};
use schemars::{JsonSchema, generate::SchemaSettings};

fn check<T: JsonSchema>(name: &str) {
    let schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    let text = serde_json::to_string_pretty(&schema).expect("json") + "\n";
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas")).join(name);
    if env::var_os("WRITE_SCHEMAS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(&path, &text).expect("the schema is written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "schemas/{name} is not what the types say; run `make schemas` and look at the difference"
    );
}

#[test]
fn the_envelope_is_as_committed() {
    check::<Event>("event/v1.json");
}

#[test]
fn the_objects_are_as_committed() {
    check::<Report>("objects/report/v1.json");
    check::<Policy>("objects/policy/v1.json");
    check::<Card>("objects/card/v1.json");
}
