//! What every engine must hold, against a map; see the head of [`crate::engine`].

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::support::{Place, contents, insert, on_each_engine, remove};
use crate::{
    StoreError,
    engine::{Scan, Tree, Values, prefix_end},
    layout::MAX_VALUE_BYTES,
};

on_each_engine!(
    a_scan_gives_the_keys_from_its_start_and_below_its_end,
    a_scan_goes_on_while_keys_come_and_go,
    trees_are_apart_and_there_again_when_the_engine_is_opened_again,
    one_at_a_time_has_the_place,
    a_value_goes_after_the_last_one_only_if_that_is_the_expected_one,
    large_values_come_back_whole_and_leave_nothing_behind,
    a_key_is_swapped_only_if_it_holds_what_is_expected,
    of_many_that_swap_at_once_each_counts_once,
);

fn keys(scan: &mut dyn Scan) -> Vec<String> {
    let mut keys = Vec::new();
    while let Some((key, _)) = scan.next().expect("readable") {
        keys.push(String::from_utf8(key.to_vec()).expect("text"));
    }
    keys
}

async fn a_scan_gives_the_keys_from_its_start_and_below_its_end(place: Place) {
    let tree = place.engine().tree("t", Values::Small).expect("a tree");
    for key in ["b", "a", "ab", "c", "aa"] {
        insert(&*tree, key.as_bytes(), b"v");
    }
    let range = |from: &str, to: Option<&str>| keys(&mut *tree.scan(from.as_bytes(), to.map(str::as_bytes)));
    assert_eq!(range("", None), ["a", "aa", "ab", "b", "c"]);
    assert_eq!(range("aa", Some("b")), ["aa", "ab"]);
    assert_eq!(range("aaa", Some("bb")), ["ab", "b"]);
    assert_eq!(range("b", None), ["b", "c"]);
    for (from, to) in [("b", "b"), ("c", "a"), ("d", "e"), ("", "")] {
        assert_eq!(range(from, Some(to)), [""; 0], "{from} to {to}");
    }
    assert_eq!(keys(&mut *tree.scan(b"a", prefix_end(b"a").as_deref())), ["a", "aa", "ab"]);
    assert_eq!(keys(&mut *tree.scan(b"", prefix_end(b"").as_deref())), ["a", "aa", "ab", "b", "c"]);
    assert_eq!(tree.get(b"aa").expect("readable"), Some(b"v".to_vec()));
    assert_eq!(tree.get(b"aaa").expect("readable"), None);
}

async fn a_scan_goes_on_while_keys_come_and_go(place: Place) {
    let tree = place.engine().tree("t", Values::Small).expect("a tree");
    for number in 0..1000_u32 {
        insert(&*tree, &number.to_be_bytes(), b"before");
    }
    let mut scan = tree.scan(&[], None);
    let mut seen = Vec::new();
    while let Some((key, _)) = scan.next().expect("readable") {
        let number = u32::from_be_bytes(key.try_into().expect("four bytes"));
        seen.push(number);
        // A thousand more, and then there is an end.
        if number < 1000 {
            remove(&*tree, &number.to_be_bytes());
            insert(&*tree, &(2000 + number).to_be_bytes(), b"later");
        }
    }
    assert_eq!(seen, (0..1000).chain(2000..3000).collect::<Vec<_>>());
}

async fn trees_are_apart_and_there_again_when_the_engine_is_opened_again(place: Place) {
    let engine = place.engine();
    insert(&*engine.tree("one", Values::Small).expect("a tree"), b"k", b"1");
    insert(&*engine.tree("two", Values::Small).expect("a tree"), b"k", b"2");
    insert(&*engine.tree("one", Values::Small).expect("the same tree"), b"l", b"");
    engine.make_durable().expect("durable");
    assert!(engine.disk_bytes() > 0);
    drop(engine);
    let engine = place.engine();
    let one = contents(&*engine.tree("one", Values::Small).expect("a tree"));
    assert_eq!(one, [(b"k".to_vec(), b"1".to_vec()), (b"l".to_vec(), Vec::new())]);
    assert_eq!(contents(&*engine.tree("two", Values::Small).expect("a tree")), [(b"k".to_vec(), b"2".to_vec())]);
}

async fn a_value_goes_after_the_last_one_only_if_that_is_the_expected_one(place: Place) {
    for values in [Values::Small, Values::Large] {
        let place = place.other();
        let engine = place.engine();
        let tree = engine.tree("t", values).expect("a tree");
        assert_eq!(tree.last().expect("readable"), None);
        assert!(!tree.append(Some(b"a"), b"b", b"1").expect("no fault"));
        assert!(tree.append(None, b"b", b"1").expect("no fault"));
        assert!(!tree.append(None, b"c", b"2").expect("no fault"));
        assert!(tree.append(Some(b"b"), b"c", &[7; MAX_VALUE_BYTES + 1]).expect("no fault"));
        assert_eq!(tree.last().expect("readable"), Some((b"c".to_vec(), vec![7; MAX_VALUE_BYTES + 1])));
        remove(&*tree, b"c");
        assert!(!tree.append(Some(b"c"), b"d", b"3").expect("no fault"));
        assert!(tree.append(Some(b"b"), b"d", b"3").expect("no fault"));
        engine.make_durable().expect("durable");
        drop((tree, engine));
        let tree = place.engine().tree("t", values).expect("a tree");
        assert!(tree.append(Some(b"d"), b"e", b"4").expect("no fault"));
        assert_eq!(contents(&*tree).len(), 3);
    }
}

async fn large_values_come_back_whole_and_leave_nothing_behind(place: Place) {
    let tree = place.engine().tree("t", Values::Large).expect("a tree");
    let sizes = [0, 1, MAX_VALUE_BYTES - 1, MAX_VALUE_BYTES, MAX_VALUE_BYTES + 1, 2 * MAX_VALUE_BYTES, 300_000];
    let value = |size: usize, seed: usize| (0..size).map(|i| (i * 7 + seed) as u8).collect::<Vec<u8>>();
    for round in 0..sizes.len() {
        let rotated = sizes.iter().cycle().skip(round).take(sizes.len());
        let expected: Vec<_> = (b'a'..).map(|key| vec![key]).zip(rotated.map(|size| value(*size, round))).collect();
        for (key, value) in &expected {
            insert(&*tree, key, value);
            assert_eq!(tree.get(key).expect("readable").as_ref(), Some(value));
        }
        assert_eq!(contents(&*tree), expected);
    }
    for key in b'a'..b'a' + sizes.len() as u8 {
        remove(&*tree, &[key]);
        assert_eq!(tree.get(&[key]).expect("readable"), None);
    }
    assert_eq!(contents(&*tree), []);
}

async fn one_at_a_time_has_the_place(place: Place) {
    let store = place.open();
    let pid = std::process::id();
    let refused = place.try_open().map(drop);
    assert!(matches!(refused, Err(StoreError::InUse { pid: Some(holder), .. }) if holder == pid), "{refused:?}");
    let table = store.table::<u8>(crate::TableName::Keys);
    drop(store);
    assert!(matches!(place.try_open().map(drop), Err(StoreError::InUse { .. })), "a table is a handle, too");
    drop(table);
    place.open();
}

async fn a_key_is_swapped_only_if_it_holds_what_is_expected(place: Place) {
    for values in [Values::Small, Values::Large] {
        let place = place.other();
        let tree = place.engine().tree("t", values).expect("a tree");
        let swap = |expected: Option<&[u8]>, new: Option<&[u8]>| {
            tree.compare_and_swap(b"k", expected, new).expect("no fault").then(|| tree.get(b"k").expect("readable"))
        };
        let large = vec![7; 3 * MAX_VALUE_BYTES];
        let large = if values == Values::Large { &large[..] } else { b"large" };
        assert_eq!(swap(Some(b"1"), Some(b"2")), None);
        assert_eq!(swap(Some(b"1"), None), None);
        assert_eq!(swap(None, Some(b"1")), Some(Some(b"1".to_vec())));
        assert_eq!(swap(None, Some(b"2")), None);
        assert_eq!(swap(Some(b"1"), Some(large)), Some(Some(large.to_vec())));
        assert_eq!(swap(Some(&large[..large.len() - 1]), Some(b"3")), None);
        assert_eq!(swap(Some(large), Some(b"")), Some(Some(Vec::new())));
        assert_eq!(swap(None, Some(b"4")), None, "an empty value is one");
        assert_eq!(swap(Some(b""), None), Some(None));
        assert_eq!(swap(None, None), Some(None));
        assert_eq!(contents(&*tree), []);
    }
}

async fn of_many_that_swap_at_once_each_counts_once(place: Place) {
    const THREADS: u64 = 4;
    const EACH: u64 = 100;
    for values in [Values::Small, Values::Large] {
        let place = place.other();
        let engine = place.engine();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                // Handles of their own: they know of each other all the same.
                let tree = engine.tree("t", values).expect("a tree");
                scope.spawn(move || {
                    for _ in 0..EACH {
                        let more = |found: Option<&[u8]>| found.map_or(0, |found| found.len()) + 1;
                        loop {
                            let found = tree.get(b"k").expect("readable");
                            let new = vec![1; more(found.as_deref())];
                            if tree.compare_and_swap(b"k", found.as_deref(), Some(&new)).expect("no fault") {
                                break;
                            }
                        }
                    }
                });
            }
        });
        let counted = engine.tree("t", values).expect("a tree").get(b"k").expect("readable");
        assert_eq!(counted.map(|value| value.len() as u64), Some(THREADS * EACH), "{values:?}");
    }
}

/// A key, and what is done to it.
type Change = (Vec<u8>, Kind);

#[derive(Clone, Debug)]
enum Kind {
    Put(Vec<u8>),
    Remove,
    /// Expecting what it holds, or else something that it does not.
    Swap(bool, Option<Vec<u8>>),
}

/// Changes of few keys, which meet often.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let key = prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4);
    let value = || prop::collection::vec(any::<u8>(), 0..40);
    let kind = prop_oneof![
        3 => value().prop_map(Kind::Put),
        1 => Just(Kind::Remove),
        2 => (any::<bool>(), prop::option::of(value())).prop_map(|(right, new)| Kind::Swap(right, new)),
    ];
    prop::collection::vec((key, kind), 0..60)
}

/// Does it to the tree and to a map.
fn change(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, tree: &dyn Tree, (key, kind): &Change) {
    match kind {
        Kind::Put(value) => {
            tree.put(key, value).expect("put");
            model.insert(key.clone(), value.clone());
        }
        Kind::Remove => {
            tree.remove(key).expect("removed");
            model.remove(key);
        }
        Kind::Swap(right, new) => {
            let held = model.get(key).cloned();
            let expected = if *right { held.clone() } else { Some([held.unwrap_or_default(), vec![0]].concat()) };
            let swapped = tree.compare_and_swap(key, expected.as_deref(), new.as_deref()).expect("no fault");
            assert_eq!(swapped, *right);
            match new {
                Some(new) if swapped => drop(model.insert(key.clone(), new.clone())),
                None if swapped => drop(model.remove(key)),
                _ => {}
            }
        }
    }
}

fn check(tree: &dyn Tree, model: &BTreeMap<Vec<u8>, Vec<u8>>) {
    assert_eq!(contents(tree), model.clone().into_iter().collect::<Vec<_>>());
    for bound in [&[][..], &[0], &[1, 0], &[1, 255], &[255, 255]] {
        let from_there: Vec<_> = model.range(bound.to_vec()..).map(|(key, _)| key.clone()).collect();
        let (mut scan, mut found) = (tree.scan(bound, None), Vec::new());
        while let Some((key, _)) = scan.next().expect("readable") {
            found.push(key.to_vec());
        }
        assert_eq!(found, from_there);
        assert_eq!(tree.get(bound).expect("readable"), model.get(bound).cloned());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_leave_what_a_map_holds(changes in changes()) {
        for place in [Place::sled(), Place::memory()] {
            let tree = place.engine().tree("t", Values::Small).expect("a tree");
            let mut model = BTreeMap::new();
            for (index, one) in changes.iter().enumerate() {
                change(&mut model, &*tree, one);
                if index % 6 == 0 {
                    check(&*tree, &model);
                }
            }
            check(&*tree, &model);
        }
    }
}
