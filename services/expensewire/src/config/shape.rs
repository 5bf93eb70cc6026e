//! The check against the schema: unknown keys, wrong types, values out of bounds. What is wrong is taken out of the
//! tree, so that the rest can be read and checked further, and all mistakes are told at once.

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};
use serde_json::Value;

use super::{
    draft::Draft,
    place::{KeyPath, Origin},
    schema,
};

/// Least likeness (Jaro-Winkler, 0 to 1) of a name that is offered for an unknown one: below it, guesses mislead.
const LIKENESS: f64 = 0.8;

struct Problem {
    key: KeyPath,
    what: String,
    hint: Option<String>,
    /// Only the name is wrong: what it names is kept, to be checked further.
    kept: bool,
}

/// Tells every disagreement of `draft` with the schema, and prunes the keys that it tells of, but for accounts that are
/// only named badly.
pub(super) fn check(draft: &mut Draft) {
    let tree = Value::Object(draft.tree.clone());
    let validator = schema::validator();
    let mut problems: Vec<Problem> = validator.iter_errors(&tree).flat_map(|error| problems(&error)).collect();
    problems.sort_by(|a, b| a.key.cmp(&b.key));
    problems.dedup_by(|a, b| a.key == b.key && a.what == b.what);
    for Problem { key, what, hint, kept } in problems {
        let hint = hint.or_else(|| list_hint(draft, &key));
        draft.mistake(&key, what).hint = hint;
        if !kept {
            draft.prune(&key);
        }
    }
}

fn problems(error: &ValidationError<'_>) -> Vec<Problem> {
    let key = key_of(error);
    if let Kind::AdditionalProperties { unexpected } = error.kind() {
        return unexpected.iter().map(|name| unknown(&key, name)).collect();
    }
    if let Kind::PropertyNames { error } = error.kind() {
        return error.instance().as_str().map(|name| misnamed(&key, name)).into_iter().collect();
    }
    let value = if is_secret(&key) { "the value".to_owned() } else { error.instance().to_string() };
    let what = match error.kind() {
        Kind::Type { .. } => wrong_type(&key, error),
        Kind::Minimum { limit } => format!("{value} is less than {limit}"),
        Kind::Maximum { limit } => format!("{value} is more than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{value} is not more than {limit}"),
        Kind::Enum { .. } | Kind::OneOfNotValid { .. } => {
            format!("{value} is not one of {}", schema::choices(&key).join(", "))
        }
        Kind::Format { format } => {
            let wanted = schema::format(format).map_or(format.as_str(), |format| format.wanted);
            format!("{value} is not {wanted}")
        }
        Kind::MinLength { .. } => "is empty".to_owned(),
        Kind::UniqueItems => "lists the same item twice".to_owned(),
        _ => error.masked_with(value).to_string(),
    };
    vec![Problem { key, what, hint: None, kept: false }]
}

/// The key of what is wrong; for an item of a list, that of the list.
fn key_of(error: &ValidationError<'_>) -> KeyPath {
    let pointer = error.instance_path().as_str();
    let segments = pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"));
    let mut key = KeyPath::default();
    for segment in segments {
        if schema::kind(&key) == Some("array") {
            break;
        }
        key = key.join(segment);
    }
    key
}

fn is_secret(key: &KeyPath) -> bool {
    matches!(key.name(), "admin_key" | "partner_user_secret")
}

fn unknown(table: &KeyPath, name: &str) -> Problem {
    let known = schema::keys_of(table);
    let like = |candidate: &str| strsim::jaro_winkler(candidate, &name.to_lowercase());
    let best = known.iter().max_by(|a, b| like(a).total_cmp(&like(b))).filter(|best| like(best) >= LIKENESS);
    let hint = match best {
        Some(best) => format!("did you mean `{best}`?"),
        None => format!("the keys here are {}", known.join(", ")),
    };
    let what = "is not a key of the configuration".to_owned();
    Problem { key: table.join(name), what, hint: Some(hint), kept: false }
}

/// Names are restricted in one map only, that of accounts.
fn misnamed(accounts: &KeyPath, name: &str) -> Problem {
    let what = "is not an account name: 1 to 63 characters of a-z, 0-9, '_' and '-', starting with a letter or digit";
    Problem { key: accounts.join(name), what: what.to_owned(), hint: None, kept: true }
}

fn wrong_type(key: &KeyPath, error: &ValidationError<'_>) -> String {
    let wanted = match schema::kind(key) {
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("array") => "a list of strings",
        Some("object") => "a table",
        _ => "a string",
    };
    let given = match error.instance().as_ref() {
        _ if is_secret(key) => "something else".to_owned(),
        // Where a table belongs, a string may be anything, a secret too.
        Value::String(_) if wanted == "a table" => "a string".to_owned(),
        Value::String(text) => format!("the string {text:?}"),
        Value::Object(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        value => value.to_string(),
    };
    format!("must be {wanted}, not {given}")
}

/// How to write a list in the environment, for those who tried.
fn list_hint(draft: &Draft, key: &KeyPath) -> Option<String> {
    match draft.origins.of(key) {
        Origin::Environment { variable } if schema::kind(key) == Some("array") => {
            Some(format!(r#"write a list as TOML does: {variable}='["a", "b"]'"#))
        }
        _ => None,
    }
}
