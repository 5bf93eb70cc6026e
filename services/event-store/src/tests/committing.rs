//! Group commit, what shows before it, what happens when it fails.

use std::sync::atomic::Ordering;

use event_model::{EntityKind, Sequence};
use serde_json::json;

use super::support::{
    PATIENCE, Place, account, appending, assert_whole, draft, drafts, on_each_engine, subject, until,
};
use crate::{Durability, RELAXED_FLUSH, StoreError, TableName};

on_each_engine!(
    nothing_of_an_append_shows_before_it_is_durable,
    whoever_waits_while_the_disk_syncs_shares_the_next_sync,
    a_durable_change_of_a_table_passes_a_large_append,
    after_a_failed_commit_every_write_is_refused_until_the_store_is_opened_again,
    a_failed_flush_of_relaxed_writes_poisons_too,
    a_relaxed_write_returns_before_the_disk_and_reaches_it_within_the_bound,
    relaxed_writes_without_a_pause_are_flushed_all_the_same,
    a_closed_store_is_read_but_not_written_and_opens_again,
    a_caller_that_goes_away_takes_nothing_back,
    dropping_the_last_handle_makes_relaxed_writes_durable_and_lets_the_place_go,
    what_a_start_finds_is_made_durable_before_it_is_shown,
    whoever_runs_on_a_store_is_told_when_it_takes_no_more_writes,
);

async fn nothing_of_an_append_shows_before_it_is_durable(place: Place) {
    let (store, sync) = place.open_with_sync();
    let held = sync.gate.lock().await;
    let append = tokio::spawn({
        let store = store.clone();
        async move { store.append(drafts("R", 3)).await }
    });
    until("the append reaches the disk", || sync.count() == 1).await;
    assert_eq!(store.last_sequence(), Sequence::START);
    assert_eq!(store.read_after(Sequence::START, 10).await.expect("readable"), []);
    assert_eq!(store.event(Sequence(1)).await.expect("readable"), None);
    assert_eq!(store.entities(&account(), EntityKind::Report).await.expect("readable"), []);
    assert!(!append.is_finished());
    drop(held);
    append.await.expect("the task").expect("appended");
    assert_eq!(assert_whole(&store).await.len(), 3);
}

async fn whoever_waits_while_the_disk_syncs_shares_the_next_sync(place: Place) {
    let (store, sync) = place.open_with_sync();
    let held = sync.gate.lock().await;
    let append = |i: usize| {
        let store = store.clone();
        tokio::spawn(async move { store.append(drafts(&format!("{i}-"), 1)).await.map(drop) })
    };
    let mut tasks = vec![append(0)];
    until("the first append reaches the disk", || sync.count() == 1).await;
    tasks.extend((1..64).map(append));
    let table = store.table::<u8>(TableName::Keys);
    tasks.push(tokio::spawn(async move { table.put("k", &1, Durability::Durable).await }));
    until("all wait", || store.waiting() == tasks.len()).await;
    drop(held);
    for task in tasks {
        task.await.expect("the task").expect("written");
    }
    assert_eq!(sync.count(), 2);
    assert_whole(&store).await;
}

async fn a_durable_change_of_a_table_passes_a_large_append(place: Place) {
    let (store, sync) = place.open_with_sync();
    let held = sync.gate.lock().await;
    let small = appending(&store, "small", 1);
    until("it reaches the disk", || sync.count() == 1).await;
    let large = appending(&store, "large", 20_000);
    until("the large one is queued", || store.waiting() == 2).await;
    let put = tokio::spawn({
        let (store, table) = (store.clone(), store.table::<u8>(TableName::Progress));
        async move {
            table.put("k", &1, Durability::Durable).await.expect("written");
            store.last_sequence()
        }
    });
    until("all are queued", || store.waiting() == 3).await;
    drop(held);
    assert_eq!(put.await.expect("the task"), Sequence(1), "the large one is not done by then");
    small.await.expect("the task").expect("appended");
    large.await.expect("the task").expect("appended");
    assert_eq!(store.last_sequence(), Sequence(20_001));
    assert_eq!(sync.count(), 3);
}

async fn after_a_failed_commit_every_write_is_refused_until_the_store_is_opened_again(place: Place) {
    let (store, sync) = place.open_with_sync();
    store.append(drafts("before", 2)).await.expect("appended");
    sync.fails.store(true, Ordering::SeqCst);
    let failed = store.append(drafts("lost", 2)).await;
    assert!(matches!(failed, Err(StoreError::Commit { .. })), "{failed:?}");
    sync.fails.store(false, Ordering::SeqCst);

    let table = store.table::<u8>(TableName::Keys);
    let refused = [
        store.append(drafts("after", 1)).await.map(drop),
        table.put("k", &1, Durability::Durable).await,
        table.put("k", &1, Durability::Relaxed).await,
        store.close().await,
    ];
    assert!(refused.iter().all(|r| matches!(r, Err(StoreError::Poisoned))), "{refused:?}");
    assert_eq!(store.read_after(Sequence::START, 10).await.expect("readable").len(), 2);
    assert_eq!(store.entity(&account(), &subject("lost0")).await.expect("readable"), None);

    drop((store, table));
    let store = place.open();
    // The two may have reached the disk all the same: whole, then.
    assert!([2, 4].contains(&assert_whole(&store).await.len()));
    store.append(drafts("again", 1)).await.expect("writes are taken again");
}

async fn a_failed_flush_of_relaxed_writes_poisons_too(place: Place) {
    let (store, sync) = place.open_with_sync();
    sync.fails.store(true, Ordering::SeqCst);
    store.table::<u8>(TableName::Keys).put("k", &1, Durability::Relaxed).await.expect("visible");
    until("the flush", || sync.count() == 1).await;
    let refused = store.append(drafts("R", 1)).await;
    assert!(matches!(refused, Err(StoreError::Poisoned)), "{refused:?}");
}

async fn a_relaxed_write_returns_before_the_disk_and_reaches_it_within_the_bound(place: Place) {
    let (store, sync) = place.open_with_sync();
    let table = store.table::<u32>(TableName::Progress);
    let start = std::time::Instant::now();
    table.put("k", &1, Durability::Relaxed).await.expect("written");
    assert!(sync.count() == 0 || start.elapsed() >= RELAXED_FLUSH);
    assert_eq!(table.get("k").await.expect("readable"), Some(1));
    until("the flush", || sync.count() == 1).await;
    assert!(start.elapsed() >= RELAXED_FLUSH);
    store.close().await.expect("closed");
    assert_eq!(sync.count(), 1, "nothing is left to flush");
}

async fn relaxed_writes_without_a_pause_are_flushed_all_the_same(place: Place) {
    let (store, sync) = place.open_with_sync();
    let table = store.table::<u32>(TableName::Progress);
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut value = 0;
    while sync.count() < 2 {
        assert!(std::time::Instant::now() < deadline);
        table.put("k", &value, Durability::Relaxed).await.expect("written");
        value += 1;
    }
    assert!(value > 2);
}

async fn a_closed_store_is_read_but_not_written_and_opens_again(place: Place) {
    let store = place.open();
    store.append(drafts("R", 2)).await.expect("appended");
    store.close().await.expect("closed");
    store.close().await.expect("closed twice");
    let refused = store.append(drafts("S", 1)).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    assert_eq!(assert_whole(&store).await.len(), 2);
    drop(store);
    assert_eq!(assert_whole(&place.open()).await.len(), 2);
}

async fn a_caller_that_goes_away_takes_nothing_back(place: Place) {
    let (store, sync) = place.open_with_sync();
    {
        let held = sync.gate.lock().await;
        let abandoned = store.append(drafts("R", 2));
        let gone = tokio::time::timeout(std::time::Duration::from_millis(20), abandoned);
        assert!(gone.await.is_err());
        drop(held);
    }
    store.append(vec![draft("R0", 2, json!({}))]).await.expect("it continues the abandoned one");
    assert_eq!(assert_whole(&store).await.len(), 3);
}

async fn dropping_the_last_handle_makes_relaxed_writes_durable_and_lets_the_place_go(place: Place) {
    for round in 0..5_u32 {
        let (store, sync) = place.open_with_sync();
        let table = store.table::<u32>(TableName::Progress);
        assert_eq!(table.get("k").await.expect("readable"), round.checked_sub(1));
        table.put("k", &round, Durability::Relaxed).await.expect("written");
        drop((store, table));
        assert_eq!(sync.count(), 1);
    }
}

async fn what_a_start_finds_is_made_durable_before_it_is_shown(place: Place) {
    drop(place.open());
    let (_store, sync) = place.open_with_sync();
    assert_eq!(sync.at_open.load(Ordering::SeqCst), 1);
}

async fn whoever_runs_on_a_store_is_told_when_it_takes_no_more_writes(place: Place) {
    let (store, sync) = place.open_with_sync();
    store.append(drafts("before", 1)).await.expect("appended");
    assert!(tokio::time::timeout(RELAXED_FLUSH, store.poisoned()).await.is_err(), "nothing is wrong yet");
    sync.fails.store(true, Ordering::SeqCst);
    store.append(drafts("lost", 1)).await.expect_err("the disk is gone");
    tokio::time::timeout(PATIENCE, store.poisoned()).await.expect("told");
}
