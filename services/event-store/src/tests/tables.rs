//! Tables: values, prefixes, atomic changes, compare-and-swap, notification.

use event_model::Sequence;

use super::support::{Place, contents, drafts, insert, on_each_engine};
use crate::{Durability, StoreError, TableName, layout};

on_each_engine!(
    a_value_stands_until_it_is_replaced_or_removed_also_after_opening_again,
    a_list_gives_what_begins_with_the_prefix_ascending_by_key,
    of_several_changes_to_a_key_the_last_stands_whatever_their_sizes,
    keys_that_no_table_takes_are_refused_with_the_rule,
    no_update_is_lost_when_many_want_one_key,
    an_update_starts_from_what_somebody_else_wrote_meanwhile_and_gives_up_after_a_bound,
    an_update_makes_changes_and_removes,
    an_update_that_changes_nothing_is_still_as_durable_as_asked,
    every_change_is_told_once_and_refused_ones_are_not,
    readers_see_an_applied_change_whole,
    a_value_of_another_type_or_a_damaged_one_is_an_error_and_hurts_no_other,
);

async fn a_value_stands_until_it_is_replaced_or_removed_also_after_opening_again(place: Place) {
    let store = place.open();
    let table = store.table::<Vec<u32>>(TableName::Budgets);
    assert_eq!(table.get("acme").await.expect("readable"), None);
    table.put("acme", &vec![1], Durability::Durable).await.expect("written");
    table.put("acme", &vec![1, 2], Durability::Durable).await.expect("written");
    table.put("gone", &vec![], Durability::Durable).await.expect("written");
    assert!(table.delete("gone", Durability::Durable).await.expect("deleted"));
    assert!(!table.delete("gone", Durability::Durable).await.expect("deleted"));
    assert_eq!(store.table::<Vec<u32>>(TableName::Watches).get("acme").await.expect("readable"), None);
    drop((store, table));
    let store = place.open();
    let table = store.table::<Vec<u32>>(TableName::Budgets);
    assert_eq!(table.list("").await.expect("readable"), [("acme".to_owned(), vec![1, 2])]);
}

async fn a_list_gives_what_begins_with_the_prefix_ascending_by_key(place: Place) {
    let store = place.open();
    let table = store.table::<u32>(TableName::Pending);
    let keys = ["sub_1/00000000000000000002", "sub_10/1", "sub_1", "sub_1/00000000000000000010", "sub_1/test-é", "t"];
    let changes = keys.iter().map(|k| ((*k).to_owned(), Some(k.len() as u32))).collect();
    table.apply(changes, Durability::Durable).await.expect("written");
    let listed = async |prefix| {
        let list = table.list(prefix).await.expect("readable");
        list.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(listed("sub_1/").await, [keys[0], keys[3], keys[4]]);
    assert_eq!(listed("sub_1").await, [keys[2], keys[0], keys[3], keys[4], keys[1]]);
    assert_eq!(listed("").await.len(), keys.len());
    assert!(listed("x").await.is_empty());
}

async fn of_several_changes_to_a_key_the_last_stands_whatever_their_sizes(place: Place) {
    let store = place.open();
    let table = store.table::<String>(TableName::Pending);
    let large = "x".repeat(3 * layout::MAX_VALUE_BYTES);
    let changes =
        vec![("a".to_owned(), Some(large)), ("a".to_owned(), Some("small".to_owned())), ("b".to_owned(), None)];
    table.apply(changes, Durability::Durable).await.expect("written");
    assert_eq!(table.list("").await.expect("readable"), [("a".to_owned(), "small".to_owned())]);
    table.apply(vec![("a".to_owned(), None)], Durability::Durable).await.expect("written");
    assert_eq!(contents(store.trees().tables.table(TableName::Pending).tree()), []);
}

async fn keys_that_no_table_takes_are_refused_with_the_rule(place: Place) {
    let table = place.open().table::<u8>(TableName::Keys);
    for key in ["", "a\0b", &"x".repeat(1020)] {
        let refused = table.put(key, &1, Durability::Durable).await;
        assert!(matches!(refused, Err(StoreError::InvalidKey { .. })), "{refused:?}");
        assert!(matches!(table.get(key).await, Err(StoreError::InvalidKey { .. })));
    }
    table.put(&"x".repeat(1019), &1, Durability::Durable).await.expect("the longest");
}

async fn no_update_is_lost_when_many_want_one_key(place: Place) {
    let store = place.open();
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let table = store.table::<u64>(TableName::Progress);
            tokio::spawn(async move {
                for _ in 0..10 {
                    let durability = if task % 8 == 0 { Durability::Durable } else { Durability::Relaxed };
                    table.update("count", durability, |now| Some(now.unwrap_or(0) + 1)).await.expect("updated");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task");
    }
    assert_eq!(store.table::<u64>(TableName::Progress).get("count").await.expect("readable"), Some(640));
}

/// An update of a function that lets somebody else write the same key first, `times` times.
async fn disturbed_update(place: Place, times: u64) -> Result<Option<u64>, StoreError> {
    let table = place.open().table::<u64>(TableName::Progress);
    let (other, runtime) = (table.clone(), tokio::runtime::Handle::current());
    let mut calls = 0;
    let disturb = move |now: Option<u64>| {
        calls += 1;
        if calls <= times {
            let (other, runtime) = (other.clone(), runtime.clone());
            let put = move || runtime.block_on(other.put("k", &(calls * 100), Durability::Relaxed));
            std::thread::spawn(put).join().expect("no panic").expect("written");
        }
        Some(now.unwrap_or(0) + 1)
    };
    table.update("k", Durability::Durable, disturb).await
}

async fn an_update_starts_from_what_somebody_else_wrote_meanwhile_and_gives_up_after_a_bound(place: Place) {
    assert_eq!(disturbed_update(place.other(), 0).await.expect("updated"), Some(1));
    assert_eq!(disturbed_update(place.other(), 3).await.expect("updated"), Some(301));
    let refused = disturbed_update(place, u64::MAX).await;
    assert!(matches!(refused, Err(StoreError::Contended { attempts: 64, .. })), "{refused:?}");
}

async fn an_update_makes_changes_and_removes(place: Place) {
    let table = place.open().table::<u64>(TableName::Progress);
    assert_eq!(table.update("k", Durability::Durable, |_| None).await.expect("nothing"), None);
    assert_eq!(table.update("k", Durability::Durable, |now| now.or(Some(7))).await.expect("made"), Some(7));
    assert_eq!(table.update("k", Durability::Durable, |now| now.map(|n| n * 6)).await.expect("changed"), Some(42));
    assert_eq!(table.get("k").await.expect("readable"), Some(42));
    assert_eq!(table.update("k", Durability::Durable, |_| None).await.expect("removed"), None);
    assert_eq!(table.list("").await.expect("readable"), []);
}

async fn an_update_that_changes_nothing_is_still_as_durable_as_asked(place: Place) {
    let (store, sync) = place.open_with_sync();
    let table = store.table::<u64>(TableName::Progress);
    table.put("k", &1, Durability::Relaxed).await.expect("written");
    let before = sync.count();
    table.update("k", Durability::Relaxed, |now| now).await.expect("nothing to do");
    table.update("k", Durability::Durable, |now| now).await.expect("durable");
    assert_eq!(sync.count(), before + 1);
    table.update("k", Durability::Durable, |now| now).await.expect("it was durable already");
    assert_eq!(sync.count(), before + 1);
}

async fn every_change_is_told_once_and_refused_ones_are_not(place: Place) {
    let store = place.open();
    let table = store.table::<u64>(TableName::Subscriptions);
    let mut changes = table.changes();
    assert!(!changes.has_changed().expect("open"));
    table.put("a", &1, Durability::Durable).await.expect("written");
    table.put("a", &2, Durability::Relaxed).await.expect("written");
    table.delete("a", Durability::Durable).await.expect("deleted");
    assert_eq!(*changes.borrow_and_update(), 3);
    assert!(table.put("", &1, Durability::Durable).await.is_err());
    table.update("a", Durability::Durable, |_| None).await.expect("nothing to do");
    store.table::<u64>(TableName::Keys).put("a", &1, Durability::Durable).await.expect("another table");
    assert!(!changes.has_changed().expect("open"));
}

async fn readers_see_an_applied_change_whole(place: Place) {
    let store = place.open();
    let table = store.table::<String>(TableName::Pending);
    let change = |round: usize| {
        let value = char::from(b'a' + (round % 26) as u8).to_string().repeat(2 * layout::MAX_VALUE_BYTES);
        (0..8).map(|k| (format!("k{k}"), Some(value.clone()))).collect::<Vec<_>>()
    };
    table.apply(change(0), Durability::Relaxed).await.expect("written");
    let reader = tokio::spawn({
        let table = table.clone();
        let mut changes = table.changes();
        async move {
            while *changes.borrow_and_update() < 41 {
                let values = table.list("k").await.expect("readable");
                assert!(values.iter().all(|(_, v)| *v == values[0].1), "half of a change was seen");
                let one = table.get("k3").await.expect("no mixture of chunks").expect("a value");
                assert!(one.bytes().all(|b| b == one.as_bytes()[0]));
            }
        }
    });
    for round in 0..40 {
        table.apply(change(round), Durability::Relaxed).await.expect("written");
    }
    reader.await.expect("the reader");
}

async fn a_value_of_another_type_or_a_damaged_one_is_an_error_and_hurts_no_other(place: Place) {
    let store = place.open();
    let table = store.table::<u64>(TableName::Keys);
    table.put("good", &1, Durability::Durable).await.expect("written");
    store.table::<String>(TableName::Keys).put("text", &"x".to_owned(), Durability::Durable).await.expect("written");
    assert!(matches!(table.get("text").await, Err(StoreError::Json { .. })));

    let tree = store.trees().tables.table(TableName::Keys).tree();
    let key = layout::table_key("text");
    let mut value = tree.get(&key).expect("readable").expect("there");
    *value.last_mut().expect("bytes") ^= 1;
    insert(tree, &key, &value);
    assert!(matches!(table.get("text").await, Err(StoreError::CorruptValue { .. })));
    let refused = table.update("text", Durability::Durable, |_| Some(1)).await;
    assert!(matches!(refused, Err(StoreError::CorruptValue { .. })), "{refused:?}");

    assert_eq!(table.get("good").await.expect("readable"), Some(1));
    table.put("text", &2, Durability::Durable).await.expect("a put heals it");
    assert_eq!(table.list("").await.expect("readable").len(), 2);
    store.append(drafts("R", 1)).await.expect("the log is not touched by it");
    assert_eq!(store.last_sequence(), Sequence(1));
}
