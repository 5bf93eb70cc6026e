//! Reading the job's JSON: leniently where clients are known to differ, and telling about keys that have no effect.

use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::tenant::dates;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Text, or a number written as text: the manual types `limit` and ids as strings, clients send numbers.
pub(crate) fn text(object: &Object, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// As [`text`], and not blank.
pub(crate) fn filled(object: &Object, key: &str) -> Option<String> {
    text(object, key).filter(|text| !text.trim().is_empty())
}

/// A boolean, also when sent as a string.
pub(crate) fn flag(object: &Object, key: &str) -> Option<bool> {
    match object.get(key)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// An integer, also when sent as a string.
pub(crate) fn integer(object: &Object, key: &str) -> Option<i64> {
    match object.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A nested object.
pub(crate) fn object<'a>(object: &'a Object, key: &str) -> Option<&'a Object> {
    object.get(key)?.as_object()
}

/// A nested list.
pub(crate) fn list<'a>(object: &'a Object, key: &str) -> Option<&'a [Value]> {
    object.get(key)?.as_array().map(Vec::as_slice)
}

/// The parts of a comma list, trimmed, blanks left out.
pub(crate) fn comma_list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// A day, when the key is there.
///
/// # Errors
/// The recorded message about a malformed date.
pub(crate) fn day(object: &Object, key: &str) -> Result<Option<jiff::civil::Date>, Refusal> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => dates::parse_day(text).map(Some).ok_or_else(|| Refusal::date(text)),
        Some(other) => Err(Refusal::date(&other.to_string())),
    }
}

/// Logs keys that the job does not know. The live server ignores them silently.
pub(crate) fn note_unknown(object: &Object, place: &str, known: &[&str]) {
    for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
        tracing::debug!(place, key, "a key without effect");
    }
}
