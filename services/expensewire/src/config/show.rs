//! A configuration shown: TOML with every key, defaults filled in, secrets left out.

use serde_json::{Map, Value};

use super::{
    Loaded,
    place::{KeyPath, Origin},
};

impl Loaded {
    /// The configuration as TOML that means the same (but for the secrets, which are not told); with the origin of each
    /// key behind it if `with_origin`.
    pub fn show(&self, with_origin: bool) -> String {
        let tree = serde_json::to_value(&self.document).expect("a document has no keys but strings");
        let mut text = String::new();
        if let Value::Object(sections) = tree {
            self.table(&KeyPath::default(), &sections, with_origin, &mut text);
        }
        text
    }

    /// The same as JSON: an object from each key to its value and its origin.
    pub fn show_json(&self) -> Value {
        let tree = serde_json::to_value(&self.document).expect("a document has no keys but strings");
        let mut rows = Map::new();
        self.leaves(&KeyPath::default(), &tree, &mut rows);
        Value::Object(rows)
    }

    fn leaves(&self, at: &KeyPath, value: &Value, rows: &mut Map<String, Value>) {
        match value {
            Value::Object(table) => table.iter().for_each(|(name, value)| self.leaves(&at.join(name), value, rows)),
            leaf => {
                let row = serde_json::json!({ "value": leaf, "origin": self.origins.of(at).to_string() });
                rows.insert(at.to_string(), row);
            }
        }
    }

    fn table(&self, at: &KeyPath, table: &Map<String, Value>, with_origin: bool, text: &mut String) {
        let (tables, keys): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_object());
        if !keys.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}[{at}]\n"));
        }
        for (name, value) in keys {
            let line = format!("{name} = {}", toml_literal(value));
            match self.origins.of(&at.join(name)) {
                _ if !with_origin => text.push_str(&line),
                Origin::Default => text.push_str(&format!("{line:<48} # default")),
                origin => text.push_str(&format!("{line:<48} # {origin}")),
            }
            text.push('\n');
        }
        for (name, value) in tables {
            if let Value::Object(inner) = value {
                self.table(&at.join(name), inner, with_origin, text);
            }
        }
    }
}

/// Strings, numbers, booleans and lists of them are written alike in JSON and in TOML, but for DEL and the escapes of
/// control characters, which `toml` knows.
fn toml_literal(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}
