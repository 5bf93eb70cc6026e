//! The environment's layer: `EXPENSEWIRE__SECTION__KEY`, over that of the file.

use serde_json::{Number, Value};
use toml::de::DeValue;

use super::{
    draft::Draft,
    file,
    place::{KeyPath, Origin},
    schema,
};

const PREFIX: &str = "EXPENSEWIRE__";
const SEPARATOR: &str = "__";

/// Puts every variable that begins with the prefix into `draft`, over what is there.
pub(super) fn apply(variables: impl Iterator<Item = (String, String)>, draft: &mut Draft) {
    let mut ours: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    for (variable, text) in ours {
        let key = key_of(&variable, draft);
        let origin = Origin::Environment { variable };
        drop_other_form(&key, draft);
        if !draft.set(&key, typed(&key, text), &origin) {
            draft.mistake(&key, format!("cannot be set by {origin}: something around it is no table"));
        }
    }
}

/// Names are folded to lower case. A hyphen cannot be written in most shells, so `ACME_EU` also reaches an account that
/// the file calls `acme-eu`.
fn key_of(variable: &str, draft: &Draft) -> KeyPath {
    let rest = variable.strip_prefix(PREFIX).unwrap_or(variable).to_lowercase();
    let mut segments: Vec<String> = rest.split(SEPARATOR).map(str::to_owned).collect();
    if let [section, account, ..] = segments.as_mut_slice()
        && section == "accounts"
        && let Some(Value::Object(known)) = draft.tree.get("accounts")
        && !known.contains_key(account)
        && let Some(name) = known.keys().find(|name| name.replace('-', "_") == *account)
    {
        account.clone_from(name);
    }
    KeyPath::new(segments)
}

/// A secret has two forms, `key` and `key_file`. Setting one here replaces the other that the file set; both in the
/// environment stay, and are found wrong later.
fn drop_other_form(key: &KeyPath, draft: &mut Draft) {
    let Some(parent) = key.parent() else { return };
    let other = match key.name().strip_suffix("_file") {
        Some(direct) => parent.join(direct),
        None => parent.join(format!("{}_file", key.name())),
    };
    if schema::at(key).is_some()
        && schema::at(&other).is_some()
        && matches!(draft.origins.of(&other), Origin::File { .. })
    {
        draft.prune(&other);
        draft.origins.forget(&other);
    }
}

/// `text` as the type that the schema gives the key; left a string when it is no such thing, for the schema to refuse.
fn typed(key: &KeyPath, text: String) -> Value {
    let value = match schema::kind(key) {
        Some("integer") => text.trim().parse().ok().map(|number: i64| Value::from(number)),
        Some("number") => text.trim().parse().ok().and_then(Number::from_f64).map(Value::Number),
        Some("boolean") => text.trim().parse().ok().map(|flag: bool| Value::from(flag)),
        Some("array" | "object") => DeValue::parse(text.trim()).ok().and_then(|value| file::literal(value.get_ref())),
        _ => None,
    };
    value.unwrap_or(Value::String(text))
}
