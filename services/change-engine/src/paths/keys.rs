//! The keys of list items, and paths without them.

use std::collections::BTreeMap;

use serde_json::Value;

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

/// Whether the items of lists called `name` have keys.
pub(super) fn is_keyed(name: &str) -> bool {
    KEYS.iter().any(|(list, _)| *list == name)
}

/// The items of the list called `name` by their key; `None` when such a list has no keys or an item lacks its key.
pub(super) fn by_key<'a>(name: &str, items: &'a [Value]) -> Option<BTreeMap<String, &'a Value>> {
    Some(spelled(name, items)?.into_iter().zip(items).collect())
}

/// The key of each item of the list called `name`, as it stands in paths. The second item of one key is `key#2`: two
/// approvals by one person are two items.
pub(super) fn spelled(name: &str, items: &[Value]) -> Option<Vec<String>> {
    let (_, key) = KEYS.iter().find(|(list, _)| *list == name)?;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut taken = std::collections::BTreeSet::new();
    items
        .iter()
        .map(|item| {
            let raw = item.get(key)?.as_str()?;
            let text = escape(raw);
            loop {
                let count = seen.entry(raw).and_modify(|n| *n += 1).or_insert(1);
                let spelling = if *count == 1 { text.clone() } else { format!("{text}#{count}") };
                // Another item's own key may end in `#2`.
                if taken.insert(spelling.clone()) {
                    return Some(spelling);
                }
            }
        })
        .collect()
}

/// A key as it stands between brackets: `]` and `\` would end it early.
fn escape(key: &str) -> String {
    key.replace('\\', "\\\\").replace(']', "\\]")
}

/// `path` without the keys of items: `expenses[40…].amount` is `expenses[].amount`.
pub(crate) fn normalised(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        plain.push(c);
        if c == '[' {
            skip_key(&mut chars);
            plain.push(']');
        }
    }
    plain
}

/// Up to and with the bracket that ends the key. A `[` within a key is part of it.
fn skip_key(chars: &mut std::str::Chars<'_>) {
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            ']' => return,
            _ => {}
        }
    }
}
