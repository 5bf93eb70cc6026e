use std::{collections::BTreeSet, env, fs, path::Path};

use event_model::EventType;
use jsonschema::Validator;

use super::*;
use crate::problem::kind;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("json")
}

/// The schema, which may refer to the document's components.
fn validator(document: &Value, schema: &Value) -> Validator {
    let root = json!({ "components": document["components"], "allOf": [schema] });
    jsonschema::draft202012::options().should_validate_formats(true).build(&root).expect("a schema")
}

fn fits(document: &Value, schema: &Value, example: &Value, place: &str) {
    if let Err(error) = validator(document, schema).validate(example) {
        panic!("the example of {place} does not fit: {error} at {}", error.instance_path());
    }
}

/// Calls `look` with every object of `value` and the path to it.
fn each_object(value: &Value, path: &str, look: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            look(path, members);
            members.iter().for_each(|(name, member)| each_object(member, &format!("{path}/{name}"), look));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| each_object(item, &format!("{path}/{index}"), look));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether it is within an example, which may be of anything.
fn is_example(place: &str) -> bool {
    place.split('/').any(|step| step == "example")
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("an item").clone();
        item.into_iter().map(|(method, operation)| (path.clone(), method, operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn the_documents_are_as_committed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    for (name, text) in [("openapi.json", openapi()), ("asyncapi.json", asyncapi())] {
        if env::var_os("WRITE_SCHEMAS").is_some() {
            fs::write(folder.join(name), text).expect("the document is written");
        }
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == text,
            "schemas/{name} is not what the routes say; run `make schemas` and look at the difference"
        );
    }
}

#[test]
fn every_route_is_described_and_every_name_is_given_once() {
    let document = parsed(openapi());
    let operations = operations(&document);
    let described: BTreeSet<_> =
        operations.iter().map(|(path, method, _)| (method.to_uppercase(), path.clone())).collect();
    for route in routes::keyed_routes() {
        assert!(described.contains(&(route.method.to_string(), route.path.to_owned())), "{route:?}");
    }
    let names: BTreeSet<_> = operations.iter().map(|(_, _, operation)| operation["operationId"].to_string()).collect();
    assert_eq!(names.len(), operations.len());
    assert_eq!(operations.len(), routes::described().len());
}

#[test]
fn a_route_says_what_it_needs_of_a_key() {
    let document = parsed(openapi());
    for (method, path, needs, _) in routes::described() {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        let roles = operation["security"][0]["key"].as_array().cloned();
        let action = needs.map(|needs| needs.action().map(|action| json!(action.as_str())));
        assert_eq!(roles, action.map(|action| action.into_iter().collect()), "{path}");
        assert_eq!(operation["responses"]["401"].is_object(), needs.is_some(), "{path}");
    }
}

#[test]
fn every_parameter_body_and_answer_has_an_example_that_fits() {
    let document = parsed(openapi());
    let mut seen = 0;
    each_object(&document, "", &mut |place, object| {
        let is_described = object.contains_key("schema") && !place.contains("/properties/") && !is_example(place);
        if !is_described {
            return;
        }
        let named = object.get("examples").and_then(Value::as_object).into_iter().flatten();
        let examples: Vec<_> =
            object.get("example").into_iter().chain(named.map(|(_, example)| &example["value"])).collect();
        assert!(!examples.is_empty(), "{place} has no example");
        for example in examples {
            fits(&document, &object["schema"], example, place);
            seen += 1;
        }
    });
    assert!(seen >= 150, "{seen}");
}

#[test]
fn every_kind_of_problem_is_told_of_but_what_no_route_answers() {
    let document = parsed(openapi());
    let text = document["components"]["responses"].to_string();
    for kind in kind::ALL.iter().copied().filter(|one| **one != kind::METHOD) {
        assert!(text.contains(&format!("\"{}\"", kind.kind)), "{}", kind.kind);
    }
    let statuses: BTreeSet<_> = kind::ALL.iter().map(|kind| kind.status.as_u16().to_string()).collect();
    for (path, method, operation) in operations(&document) {
        for status in operation["responses"].as_object().expect("answers").keys() {
            assert!(status.starts_with('2') || statuses.contains(status), "{method} {path}: {status}");
        }
    }
}

#[test]
fn every_event_type_is_a_message_whose_example_fits_and_the_definitions_agree() {
    let document = parsed(asyncapi());
    for event_type in EventType::ALL.iter().copied() {
        let message = &document["components"]["messages"][event_type.as_str()];
        let example = &message["examples"][0]["payload"];
        fits(&document, &message["payload"], example, event_type.as_str());
        let mut other = example.clone();
        other["type"] = "something.else".into();
        assert!(!validator(&document, &message["payload"]).is_valid(&other), "{event_type} takes another type");
        for channel in ["webhook", "stream"] {
            let reference = &document["channels"][channel]["messages"][event_type.as_str()]["$ref"];
            assert_eq!(reference, &format!("#/components/messages/{event_type}"));
        }
        let schema = event_model::catalogue::schema(event_type);
        for (name, definition) in schema["$defs"].as_object().expect("definitions") {
            let here = &document["components"]["schemas"][asyncapi::named(name, event_type)];
            assert_eq!(*here, asyncapi::moved(definition.clone(), event_type), "{name} differs for {event_type}");
        }
    }
}

#[test]
fn no_reference_points_to_nothing() {
    for document in [parsed(openapi()), parsed(asyncapi())] {
        each_object(&document, "", &mut |place, object| {
            if let Some(to) = object.get("$ref").and_then(Value::as_str).filter(|_| !is_example(place)) {
                let pointer = to.strip_prefix('#').expect("within the document");
                assert!(document.pointer(pointer).is_some(), "{place}: {to}");
            }
        });
    }
}
