//! Lists by key: sorted, one item a key.

use std::collections::BTreeMap;

/// `items` sorted by `key`, and the keys that stood more than once with different items; of those the last is kept.
pub(crate) fn by_key<T: PartialEq>(items: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Vec<String>) {
    let mut kept: BTreeMap<String, T> = BTreeMap::new();
    let mut twice = Vec::new();
    for item in items {
        let key = key(&item);
        if kept.get(&key).is_some_and(|before| *before != item) && !twice.contains(&key) {
            twice.push(key.clone());
        }
        kept.insert(key, item);
    }
    (kept.into_values().collect(), twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_items_are_one_and_of_different_ones_with_one_key_the_last_stays() {
        let items = vec![("b", 1), ("a", 1), ("b", 1), ("c", 1), ("c", 2), ("c", 3)];
        let (kept, twice) = by_key(items, |item| item.0.to_owned());
        assert_eq!(kept, [("a", 1), ("b", 1), ("c", 3)]);
        assert_eq!(twice, ["c"]);
    }
}
