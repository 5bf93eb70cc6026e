//! Where two objects differ, as paths that a person can read and a program can follow.
//!
//! A list of keyed items is compared by key, never by position: `expenses[4056343049275634494].amount`,
//! `tags[Department].tags[Ops].glCode`. An item that came or went is one path (`expenses[40…]`), its value the whole item or
//! `null`. A list without keys is one value. `null` and a missing key are the same: the upstream writes either for blank.
//! Keys that an object only carries for another entity ([`CARRIED_KEYS`]) are not compared.

use std::collections::{BTreeMap, BTreeSet};

use event_model::entity::CARRIED_KEYS;
use serde_json::{Map, Value};

/// The field that tells the items of a list apart, by the list's name.
const KEYS: [(&str, &str); 7] = [
    ("approvers", "email"),
    ("categories", "name"),
    ("employees", "email"),
    ("expenses", "transactionID"),
    ("rates", "rateID"),
    ("reportFields", "name"),
    ("tags", "name"),
];

/// Every path at which `after` differs from `before`, with the value before (`null` where there was none). Empty when the
/// two say the same.
pub fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    compare_objects("", before, after, &mut found);
    found
}

fn compare_objects(
    prefix: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut BTreeMap<String, Value>,
) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names.into_iter().filter(|name| !CARRIED_KEYS.contains(&name.as_str())) {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let old = before.get(name).unwrap_or(&Value::Null);
        let new = after.get(name).unwrap_or(&Value::Null);
        compare(&path, name, old, new, found);
    }
}

fn compare(path: &str, name: &str, before: &Value, after: &Value, found: &mut BTreeMap<String, Value>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => compare_objects(path, before, after, found),
        (Value::Array(old), Value::Array(new)) => match (by_key(name, old), by_key(name, new)) {
            (Some(old), Some(new)) => compare_items(path, &old, &new, found),
            _ => insert(path, before, found),
        },
        _ => insert(path, before, found),
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
            (Some(old), None) => insert(&path, old, found),
            (None, _) => insert(&path, &Value::Null, found),
        }
    }
}

fn insert(path: &str, before: &Value, found: &mut BTreeMap<String, Value>) {
    found.insert(path.to_owned(), before.clone());
}

/// The items of the list called `name` by their key; `None` when such a list has no keys or an item lacks its key. The
/// second item of one key is `key#2`: two approvals by one person are two items.
fn by_key<'a>(name: &str, items: &'a [Value]) -> Option<BTreeMap<String, &'a Value>> {
    let (_, key) = KEYS.iter().find(|(list, _)| *list == name)?;
    let mut keyed = BTreeMap::new();
    for item in items {
        let text = escape(item.get(key)?.as_str()?);
        let spellings = (1..).map(|n| if n == 1 { text.clone() } else { format!("{text}#{n}") });
        let free = spellings.take(items.len()).find(|spelling| !keyed.contains_key(spelling))?;
        keyed.insert(free, item);
    }
    Some(keyed)
}

/// A key as it stands between brackets: `]` and `\` would end it early.
fn escape(key: &str) -> String {
    key.replace('\\', "\\\\").replace(']', "\\]")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn diff(before: Value, after: Value) -> Vec<(String, Value)> {
        let (Value::Object(before), Value::Object(after)) = (before, after) else { panic!("objects") };
        differences(&before, &after).into_iter().collect()
    }

    #[test]
    fn items_are_found_by_key_wherever_they_stand() {
        let before = json!({"expenses": [{"transactionID": "1", "amount": 5}, {"transactionID": "2", "amount": 7}]});
        let after = json!({"expenses": [{"transactionID": "2", "amount": 8}, {"transactionID": "1", "amount": 5}]});
        assert_eq!(diff(before, after), [("expenses[2].amount".into(), json!(7))]);
    }

    #[test]
    fn an_item_that_comes_or_goes_is_one_path() {
        let before = json!({"categories": [{"name": "Meals", "glCode": "1"}]});
        let after = json!({"categories": [{"name": "Cab [EU]", "glCode": "2"}]});
        assert_eq!(
            diff(before, after),
            [
                ("categories[Cab [EU\\]]".into(), Value::Null),
                ("categories[Meals]".into(), json!({"name": "Meals", "glCode": "1"})),
            ]
        );
    }

    #[test]
    fn levels_of_tags_nest() {
        let before = json!({"tags": [{"name": "Dept", "tags": [{"name": "Ops", "glCode": "10"}]}]});
        let after = json!({"tags": [{"name": "Dept", "tags": [{"name": "Ops", "glCode": "11"}]}]});
        assert_eq!(diff(before, after), [("tags[Dept].tags[Ops].glCode".into(), json!("10"))]);
    }

    #[test]
    fn blank_and_missing_are_the_same() {
        assert_eq!(diff(json!({"a": null}), json!({})), []);
        assert_eq!(diff(json!({"a": 1}), json!({})), [("a".into(), json!(1))]);
    }

    #[test]
    fn what_an_object_only_carries_is_no_difference() {
        assert_eq!(diff(json!({"policyName": "A"}), json!({"policyName": "B"})), []);
    }

    #[test]
    fn two_items_of_one_key_do_not_hide_each_other() {
        let before = json!({"approvers": [{"email": "a", "date": "1"}]});
        let after = json!({"approvers": [{"email": "a", "date": "1"}, {"email": "a", "date": "2"}]});
        assert_eq!(diff(before, after), [("approvers[a#2]".into(), Value::Null)]);
    }

    #[test]
    fn a_list_without_keys_is_one_value() {
        assert_eq!(diff(json!({"v": ["a"]}), json!({"v": ["a", "b"]})), [("v".into(), json!(["a"]))]);
        assert_eq!(diff(json!({"tags": ["a"]}), json!({"tags": []})), [("tags".into(), json!(["a"]))]);
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself_in_any_order(amounts in prop::collection::btree_map("[0-9]{1,4}", any::<i64>(), 0..8)) {
            let items = |mut list: Vec<Value>, turn: bool| { if turn { list.reverse() }; json!({"expenses": list}) };
            let list: Vec<Value> = amounts.iter().map(|(id, n)| json!({"transactionID": id, "amount": n})).collect();
            prop_assert_eq!(diff(items(list.clone(), false), items(list, true)), []);
        }
    }
}
