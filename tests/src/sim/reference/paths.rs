//! Where two objects differ: written from what the design says of `changed` (lists by key, never by position), so that it can
//! judge what the product says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The key of the items of a list, by the name of the list.
const KEYS: [(&str, &str); 8] = [
    ("expenses", "transactionID"),
    ("approvers", "email"),
    ("categories", "name"),
    ("employees", "email"),
    ("reportFields", "name"),
    ("tags", "name"),
    ("rates", "rateID"),
    ("levels", "name"),
];

/// Keys that an object only carries for its reader (`event-model`, "carried keys"), and the history, which is never told of.
const SILENT: [&str; 7] =
    ["categoryGlCode", "history", "historyBehind", "lastImportResult", "oldReportID", "policyName", "tagGlCode"];

/// Every path that differs, with the value before (`null` where there was none).
pub fn differences(before: &Value, after: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    compare("", "", before, after, &mut found);
    found
}

fn compare(path: &str, name: &str, before: &Value, after: &Value, found: &mut BTreeMap<String, Value>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => compare_objects(path, before, after, found),
        (Value::Array(old), Value::Array(new)) => match (by_key(name, old), by_key(name, new)) {
            (Some(old), Some(new)) => compare_items(path, &old, &new, found),
            _ => drop(found.insert(path.to_owned(), before.clone())),
        },
        _ => drop(found.insert(path.to_owned(), before.clone())),
    }
}

fn compare_objects(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut BTreeMap<String, Value>,
) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names.into_iter().filter(|name| !SILENT.contains(&name.as_str())) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let (old, new) = (before.get(name).unwrap_or(&Value::Null), after.get(name).unwrap_or(&Value::Null));
        compare(&path, name, old, new, found);
    }
}

fn compare_items(
    path: &str,
    before: &BTreeMap<String, &Value>,
    after: &BTreeMap<String, &Value>,
    found: &mut BTreeMap<String, Value>,
) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let path = format!("{path}[{key}]");
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => compare(&path, "", old, new, found),
            (Some(old), None) => drop(found.insert(path, (*old).clone())),
            (None, _) => drop(found.insert(path, Value::Null)),
        }
    }
}

fn by_key<'a>(name: &str, items: &'a [Value]) -> Option<BTreeMap<String, &'a Value>> {
    let (_, key) = KEYS.iter().find(|(list, _)| *list == name)?;
    let mut keyed = BTreeMap::new();
    for item in items {
        let text = item.get(key)?.as_str()?.to_owned();
        let mut spelling = text.clone();
        for n in 2.. {
            if !keyed.contains_key(&spelling) {
                break;
            }
            spelling = format!("{text}#{n}");
        }
        keyed.insert(spelling, item);
    }
    Some(keyed)
}

/// Whether `before` and `after` are one day, of which only one tells the time.
pub fn differ_in_precision(before: &Value, after: &Value) -> bool {
    let (Some(before), Some(after)) = (before.as_str(), after.as_str()) else { return false };
    let (short, long) = if before.len() < after.len() { (before, after) } else { (after, before) };
    short.len() == 10 && long.len() == 19 && long.starts_with(short) && short.as_bytes()[4] == b'-'
}

/// The value at the end of `path`, for saying what it was.
pub fn value_at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let mut value = object;
    let mut name = "";
    for part in parts(path) {
        value = match part {
            Part::Name(next) => {
                name = next;
                value.get(next).unwrap_or(&Value::Null)
            }
            Part::Key(key) => {
                let items = value.as_array().and_then(|items| by_key(name, items));
                items.and_then(|items| items.get(key).copied()).unwrap_or(&Value::Null)
            }
        };
    }
    value
}

enum Part<'a> {
    Name(&'a str),
    Key(&'a str),
}

fn parts(path: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(keyed) = rest.strip_prefix('[') {
            let end = keyed.find(']').unwrap_or(keyed.len());
            parts.push(Part::Key(&keyed[..end]));
            rest = keyed.get(end + 1..).unwrap_or("");
        } else {
            let rest_name = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest_name.find(['.', '[']).unwrap_or(rest_name.len());
            parts.push(Part::Name(&rest_name[..end]));
            rest = &rest_name[end..];
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_found_by_key_and_read_back_by_path() {
        let before =
            json!({"state": "OPEN", "expenses": [{"transactionID": "1", "amount": 5}, {"transactionID": "2"}]});
        let after = json!({"state": "OPEN", "expenses": [{"transactionID": "2"}, {"transactionID": "1", "amount": 6}], "history": [1]});
        let found = differences(&before, &after);
        assert_eq!(found, BTreeMap::from([("expenses[1].amount".to_owned(), json!(5))]));
        assert_eq!(value_at(&after, "expenses[1].amount"), &json!(6));
        assert_eq!(value_at(&after, "expenses[3]"), &Value::Null);
    }

    #[test]
    fn a_day_and_a_moment_of_it_differ_in_precision_alone() {
        assert!(differ_in_precision(&json!("2026-04-02"), &json!("2026-04-02 09:00:00")));
        assert!(!differ_in_precision(&json!("2026-04-02"), &json!("2026-04-03 09:00:00")));
        assert!(!differ_in_precision(&json!("2026-04-02"), &json!("2026-04-02")));
    }
}
