//! Finding in an object what a path of an event names: `expenses[4056343049275634494].amount`.

use serde_json::Value;

/// The fields that tell the items of a list apart, whichever list it is.
const KEYS: [&str; 4] = ["transactionID", "email", "rateID", "name"];

/// What `path` names in `object`; `None` where there is nothing.
pub(crate) fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut rest = path;
    let mut found = object;
    while !rest.is_empty() {
        if let Some(keyed) = rest.strip_prefix('[') {
            let (key, after) = key(keyed)?;
            found = item(found.as_array()?, &key)?;
            rest = after;
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            found = found.get(&name[..end])?;
            rest = &name[end..];
        }
    }
    Some(found)
}

/// The key up to the bracket that ends it, in which `\` escapes, and what follows.
fn key(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => key.push(letters.next()?.1),
            ']' => return Some((key, &text[at + 1..])),
            _ => key.push(letter),
        }
    }
    None
}

/// The item with this key; `key#2` is the second of one key.
fn item<'a>(items: &'a [Value], key: &str) -> Option<&'a Value> {
    let named = |key: &str, nth: usize| {
        let is_it = |item: &&Value| KEYS.iter().any(|field| item.get(field).and_then(Value::as_str) == Some(key));
        items.iter().filter(is_it).nth(nth)
    };
    named(key, 0).or_else(|| {
        let (key, number) = key.rsplit_once('#')?;
        named(key, number.parse::<usize>().ok()?.checked_sub(1)?)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_fields_and_items_by_their_keys() {
        let object = json!({
            "state": "OPEN",
            "expenses": [{"transactionID": "1", "amount": 5}, {"transactionID": "2", "amount": 7}],
            "categories": [{"name": "a]b", "glCode": "1"}, {"name": "c.d", "glCode": "2"}],
            "approvers": [{"email": "x", "date": "1"}, {"email": "x", "date": "2"}],
        });
        for (path, value) in [
            ("state", json!("OPEN")),
            ("expenses[2].amount", json!(7)),
            ("categories[a\\]b].glCode", json!("1")),
            ("categories[c.d].glCode", json!("2")),
            ("approvers[x#2].date", json!("2")),
        ] {
            assert_eq!(find(&object, path), Some(&value), "{path}");
        }
        for nothing in ["none", "expenses[3]", "expenses[2", "state.x", "approvers[x#0]", "expenses[2]\\"] {
            assert_eq!(find(&object, nothing), None, "{nothing}");
        }
    }
}
