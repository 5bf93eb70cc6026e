//! The schemas that operations refer to.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

/// Where definitions are in a document.
pub(crate) const AT: &str = "/components/schemas";

/// Makes schemas, and remembers their definitions. What is answered has every member that is always written; what is taken
/// has those that must be given.
pub(crate) struct Schemas {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = AT.into();
            settings.meta_schema = None;
            settings
        };
        Self {
            answers: settings().for_serialize().into_generator(),
            bodies: settings().for_deserialize().into_generator(),
        }
    }
}

impl Schemas {
    /// The schema of a `T` that is answered.
    pub fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// The schema of a `T` that is taken.
    pub fn body<T: JsonSchema>(&mut self) -> Value {
        self.bodies.subschema_for::<T>().to_value()
    }

    /// All definitions, by name.
    pub fn finished(mut self) -> Map<String, Value> {
        let mut all = self.bodies.take_definitions(true);
        // Of a type that goes both ways, what is answered is the narrower.
        all.extend(self.answers.take_definitions(true));
        all
    }
}
