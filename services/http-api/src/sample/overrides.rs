//! Values that take the place of a sample's, and whether what comes out is still an event of its type.

use event_model::{EventType, catalogue};
use serde_json::{Map, Value};

use crate::{
    fields::{Faults, escaped, nearest},
    params::cut,
    problem::{Fault, Refusal},
};

/// Most values that one request replaces: far more than a sample has.
pub(crate) const MAX_OVERRIDES: usize = 200;
/// Most complaints about one sample that are told.
const MAX_COMPLAINTS: usize = 20;
/// What the service sets, and what tells a test from an event.
const OWN: [&str; 5] = ["id", "type", "sequence", "revision", "test"];

/// Values by JSON pointer.
#[derive(Debug, Default)]
pub(crate) struct Overrides(Vec<(String, Value)>);

/// The object `value` of pointers and values.
pub(super) fn read(faults: &mut Faults, at: &str, value: Value) -> Option<Overrides> {
    let Value::Object(values) = value else {
        faults.note(at, "must be an object of values by JSON pointer, like {\"/data/object/total\": 4711}");
        return None;
    };
    if values.len() > MAX_OVERRIDES {
        faults.note(at, format!("has more than {MAX_OVERRIDES} values"));
        return None;
    }
    let mut overrides = Vec::new();
    for (pointer, value) in values {
        let first = pointer.strip_prefix('/').map(|rest| rest.split('/').next().unwrap_or_default());
        match first {
            None => faults.note(&place(&pointer), "is no JSON pointer: write it like /data/object/total"),
            Some(own) if OWN.contains(&own) => faults.note(&place(&pointer), format!("{own} is the service's own")),
            Some(_) => overrides.push((pointer, value)),
        }
    }
    // What holds others goes first: it is not to replace what was put into it.
    overrides.sort_by_key(|(pointer, _)| pointer.len());
    Some(Overrides(overrides))
}

/// Where in the body the override of `pointer` is.
fn place(pointer: &str) -> String {
    format!("/overrides/{}", escaped(&cut(pointer)))
}

impl Overrides {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `event`, an event of `event_type`, with these values.
    pub fn applied(&self, event_type: EventType, mut event: Value) -> Result<Value, Refusal> {
        let mut faults = Faults::default();
        for (pointer, value) in &self.0 {
            if let Err(why) = put(&mut event, pointer, value.clone()) {
                faults.note(&place(pointer), why);
            }
        }
        faults.finish()?;
        let complaints = self.complaints(event_type, &event)?;
        if complaints.is_empty() { Ok(event) } else { Err(Refusal::Fields(complaints)) }
    }

    /// What the schema of the type has against `event`, each by the override that is nearest to it.
    fn complaints(&self, event_type: EventType, event: &Value) -> Result<Vec<Fault>, Refusal> {
        let options = jsonschema::options().should_validate_formats(true);
        let schema = options
            .build(&catalogue::schema(event_type))
            .map_err(|error| Refusal::Encoding(error.to_string().into()))?;
        let told = schema.iter_errors(event).take(MAX_COMPLAINTS).map(|error| {
            let at = error.instance_path().to_string();
            Fault::at(self.blamed(&at), format!("{event_type} does not allow it at {at}: {error}"))
        });
        Ok(told.collect())
    }

    fn blamed(&self, at: &str) -> String {
        let touches = |pointer: &str| begins_with(at, pointer) || begins_with(pointer, at);
        // The last one is the deepest.
        let nearest = self.0.iter().rev().find(|(pointer, _)| touches(pointer));
        nearest.map_or_else(|| "/overrides".to_owned(), |(pointer, _)| place(pointer))
    }
}

/// Whether `path` lies at or below `parent`, both JSON pointers.
fn begins_with(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Puts `value` where `pointer` says, into what is there. Objects whose keys are free take a new key at their end.
fn put(event: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let mut place = event;
    let mut walked = String::new();
    for step in pointer.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        if takes_any_key(&walked)
            && let Value::Object(fields) = place
        {
            fields.entry(name.clone()).or_insert(Value::Null);
        }
        place = within(place, &walked, &name)?;
        walked.push('/');
        walked.push_str(step);
    }
    *place = value;
    Ok(())
}

/// What `place`, at the pointer `walked`, has under `name`.
fn within<'a>(place: &'a mut Value, walked: &str, name: &str) -> Result<&'a mut Value, String> {
    match place {
        Value::Object(fields) => {
            if !fields.contains_key(name) {
                return Err(no_field(fields, walked, name));
            }
            Ok(&mut fields[name])
        }
        Value::Array(items) => {
            let count = items.len();
            let found = name.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            found.ok_or_else(|| format!("{walked} has {count} items, and none at {:?}", cut(name)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(format!("{walked} has no fields")),
    }
}

/// What was before is told by path, and any path may have changed.
fn takes_any_key(pointer: &str) -> bool {
    pointer == "/data/previous"
}

fn no_field(fields: &Map<String, Value>, walked: &str, step: &str) -> String {
    let place = if walked.is_empty() { "an event" } else { walked };
    match nearest(step, fields.keys().map(String::as_str)) {
        Some(known) => format!("{place} has no {:?}; did you mean {known:?}?", cut(step)),
        None => {
            let known: Vec<&str> = fields.keys().map(String::as_str).take(40).collect();
            format!("{place} has no {:?}; it has {}", cut(step), known.join(", "))
        }
    }
}
