//! Arranging, retention, histories, times, proofs of the states, moving a log to another store.

use std::collections::BTreeMap;

use event_model::{EntityState, Event, EventDraft, Sequence};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::support::{
    Place, account, all, assert_whole, contents, draft, drafts, insert, on_each_engine, remove, subject, until,
};
use crate::{EventStore, KeptEvent, Retention, StoreError, StoredEvent, TableName, block::BLOCK_EVENTS, frame, layout};

on_each_engine!(
    small_blocks_are_put_together_and_nothing_else_changes,
    a_reader_misses_nothing_while_blocks_are_merged_and_thinned_out,
    what_a_kill_left_of_a_merge_is_read_through_verified_and_removed,
    retention_keeps_the_last_event_of_each_entity_and_everything_after_the_horizon,
    retention_stops_at_the_floor_unless_it_is_forced_and_at_the_bytes_it_may_keep,
    nothing_above_the_horizon_shares_a_block_with_what_is_below,
    retention_again_removes_what_was_replaced_since_and_nothing_else,
    a_history_is_read_backwards_page_by_page_and_ends_where_it_was_cut,
    a_time_gives_the_cursor_that_everything_since_follows,
    states_that_differ_from_the_log_are_found_named_and_put_right,
    a_log_goes_into_another_store_byte_for_byte,
    what_retention_left_goes_into_another_store_with_its_links,
    an_entity_goes_on_from_what_retention_left_of_it_in_another_store,
    an_import_that_does_not_come_next_changes_nothing,
    tables_go_into_another_store_as_they_are,
);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time")
}

/// The `revision`th event about report `id`, observed at `second`.
fn observed(id: &str, revision: u64, second: i64) -> EventDraft {
    let mut draft = draft(id, revision, json!({"state": "OPEN", "revision": revision}));
    draft.detection.observed_at = at(second);
    draft
}

/// `rounds` events about each of `entities` reports in turn, one a second, in commits of `batch`.
async fn fill(store: &EventStore, entities: usize, rounds: u64, batch: usize) {
    let one = |(index, (revision, id)): (usize, (u64, usize))| observed(&format!("R{id}"), revision, index as i64);
    let each = (1..=rounds).flat_map(|revision| (0..entities).map(move |id| (revision, id)));
    let drafts: Vec<_> = each.enumerate().map(one).collect();
    for batch in drafts.chunks(batch) {
        store.append(batch.to_vec()).await.expect("appended");
    }
}

fn blocks(store: &EventStore) -> usize {
    contents(store.trees().log.tree()).len()
}

/// Whether every block up to `last` is packed.
fn is_packed(store: &EventStore, last: u64) -> bool {
    let mut next = Sequence::START.next();
    while next.0 <= last {
        let look = store.trees().log.look_at(next).expect("readable");
        if !look.packed {
            return false;
        }
        next = look.header.last.next();
    }
    true
}

fn policy() -> Retention {
    Retention { before: None, max_bytes: None, floor: Sequence::START, force: true }
}

/// What a reader that begins at 0 knows in the end.
async fn folded(store: &EventStore) -> BTreeMap<String, EntityState> {
    let mut states = BTreeMap::new();
    for stored in all(store).await {
        let event: Event = serde_json::from_slice(&stored.body).expect("an event");
        states.insert(event.subject.id.clone(), EntityState::after(&event));
    }
    states
}

async fn states(store: &EventStore) -> BTreeMap<String, EntityState> {
    let kind = event_model::EntityKind::Report;
    store.entities(&account(), kind).await.expect("states").into_iter().collect()
}

async fn small_blocks_are_put_together_and_nothing_else_changes(place: Place) {
    for batch in [1, 3, 50, 100, 700] {
        let place = place.other();
        let (store, _) = place.open_with_sync();
        fill(&store, 100, 14, batch).await;
        let link = store.link_at(Sequence(1400)).await.expect("readable");
        let few = 1400 / (BLOCK_EVENTS / 2) + BLOCK_EVENTS / batch.min(BLOCK_EVENTS) + 1;
        until("the blocks are merged", || blocks(&store) <= few).await;
        assert_eq!(assert_whole(&store).await.len(), 1400);
        let verified = store.verify(|_| ()).await.expect("whole");
        assert_eq!((verified.events, Some(verified.link)), (1400, link));
        for one in [1, 128, 129, 1400] {
            let event = store.event(Sequence(one)).await.expect("readable").expect("there");
            assert_eq!(event.head.sequence, Sequence(one));
        }
        drop(store);
        assert_eq!(assert_whole(&place.open()).await.len(), 1400);
    }
}

async fn a_reader_misses_nothing_while_blocks_are_merged_and_thinned_out(place: Place) {
    let (store, sync) = place.open_with_sync();
    drop(sync);
    let writer = tokio::spawn({
        let store = store.clone();
        async move { fill(&store, 1, 1_200, 1).await }
    });
    let mut last = 0;
    while !writer.is_finished() || last < 1_200 {
        let events = all(&store).await;
        let sequences: Vec<u64> = events.iter().map(|event| event.head.sequence.0).collect();
        assert!(sequences.iter().copied().eq(1..=sequences.len() as u64), "a gap among {} events", sequences.len());
        assert!(sequences.len() as u64 >= last);
        last = sequences.len() as u64;
        for one in [1, last / 2, last].into_iter().filter(|one| (1..=last).contains(one)) {
            assert!(store.event(Sequence(one)).await.expect("readable").is_some());
        }
    }
    writer.await.expect("the writer");
    let thinning = tokio::spawn({
        let store = store.clone();
        async move { store.retain(&Retention { before: Some(at(1_150)), ..policy() }).await.expect("retained") }
    });
    while !thinning.is_finished() {
        let events = all(&store).await;
        let above: Vec<u64> = events.iter().map(|event| event.head.sequence.0).filter(|one| *one > 1_160).collect();
        assert_eq!(above, (1_161..=1_200).collect::<Vec<_>>());
    }
    assert!(thinning.await.expect("the task").removed > 900);
    store.verify(|_| ()).await.expect("whole");
}

async fn what_a_kill_left_of_a_merge_is_read_through_verified_and_removed(place: Place) {
    let (store, _) = place.open_with_sync();
    store.append(drafts("first", 1)).await.expect("appended");
    store.append(drafts("second", 1)).await.expect("appended");
    let tree = store.trees().log.tree();
    let old: Vec<_> = contents(tree);
    fill(&store, 1, 200, 1).await;
    until("the blocks are merged", || blocks(&store) < 130).await;
    until("and the first are gone", || tree.get(&old[0].0).expect("readable").is_none()).await;
    for (key, value) in &old {
        insert(tree, key, value);
    }
    let events = all(&store).await;
    assert_eq!(events.len(), 202);
    assert_eq!(store.verify(|_| ()).await.expect("whole").events, 202);
    assert_eq!(store.check_states().await.expect("checked").differ, 0);
    drop(store);
    // The hint is gone, too, as if the kill had come before it.
    let meta = place.engine().tree(layout::META_TREE, crate::engine::Values::Small).expect("meta");
    remove(&*meta, layout::ARRANGED_KEY);
    drop(meta);
    let (store, _) = place.open_with_sync();
    store.append(vec![draft("T", 1, json!({}))]).await.expect("appended");
    let tree = store.trees().log.tree();
    until("the leftovers are gone", || tree.get(&old[0].0).expect("readable").is_none()).await;
    assert_eq!(all(&store).await[..202], events);
}

async fn retention_keeps_the_last_event_of_each_entity_and_everything_after_the_horizon(place: Place) {
    let store = place.open();
    fill(&store, 40, 50, 100).await;
    store.append(drafts("once", 3)).await.expect("appended");
    let before = all(&store).await;
    let last = store.last_sequence();
    // The first 1,500 seconds; blocks of a hundred.
    let done = store.retain(&Retention { before: Some(at(1_550)), ..policy() }).await.expect("retained");
    assert_eq!((done.horizon, store.horizon(), done.held_at), (Sequence(1500), Sequence(1500), None));
    assert_eq!((done.kept, done.removed), (0, 1500), "every entity has newer events");
    let kept = all(&store).await;
    assert_eq!(kept, before[1500..]);
    assert_eq!(folded(&store).await, states(&store).await);
    // Now everything: of each entity the last one stays, also where it is the last of all.
    let done = store.retain(&Retention { before: Some(Timestamp::MAX), ..policy() }).await.expect("retained");
    assert_eq!((done.horizon, done.kept), (last, 43));
    let kept = all(&store).await;
    assert_eq!(kept.len(), 43);
    assert!(kept.iter().all(|event| before[event.head.sequence.0 as usize - 1] == *event));
    assert_eq!(folded(&store).await, states(&store).await);
    assert_eq!(store.event(Sequence(1)).await.expect("readable"), None);
    assert_eq!(store.verify(|_| ()).await.expect("whole").events, 43);
    assert_eq!(store.check_states().await.expect("checked").differ, 0);
    drop(store);
    let store = place.open();
    assert_eq!((store.horizon(), store.last_sequence()), (last, last));
    let next = store.append(vec![observed("R0", 51, 9_999)]).await.expect("it goes on");
    assert_eq!(next[0].head.sequence, last.next());
    assert_eq!(folded(&store).await, states(&store).await);
}

async fn retention_stops_at_the_floor_unless_it_is_forced_and_at_the_bytes_it_may_keep(place: Place) {
    let (store, _) = place.open_with_sync();
    fill(&store, 10, 100, 100).await;
    // The last block is not packed until another follows, and takes more than all others together.
    until("the blocks before the last are packed", || is_packed(&store, 900)).await;
    let all_of_it = Retention { before: Some(Timestamp::MAX), floor: Sequence(450), force: false, max_bytes: None };
    let held = store.retain(&all_of_it).await.expect("retained");
    assert_eq!((held.horizon, held.held_at), (Sequence(400), Some(Sequence(450))));
    let lower = Retention { floor: Sequence(7), ..all_of_it.clone() };
    assert_eq!(store.retain(&lower).await.expect("retained").horizon, Sequence(400), "it never moves back");
    let none = store.retain(&Retention { force: false, ..policy() }).await.expect("retained");
    assert_eq!((none.horizon, none.held_at), (Sequence(400), None));

    let mut bytes: Vec<_> = contents(store.trees().log.tree()).iter().map(|(_, value)| value.len()).collect();
    assert!(bytes.pop() > Some(bytes.iter().sum()), "the last one");
    let some = Retention { max_bytes: Some(bytes.iter().sum::<usize>() as u64 / 2), ..policy() };
    let done = store.retain(&some).await.expect("retained");
    assert!(done.horizon > Sequence(500) && done.horizon < Sequence(1000), "{done:?}");
    let roomy = Retention { max_bytes: Some(1 << 30), ..policy() };
    assert_eq!(store.retain(&roomy).await.expect("retained").horizon, done.horizon);
    let forced = store.retain(&Retention { force: true, ..all_of_it }).await.expect("retained");
    assert_eq!((forced.horizon, forced.held_at), (Sequence(1000), None));
}

async fn nothing_above_the_horizon_shares_a_block_with_what_is_below(place: Place) {
    let (store, _) = place.open_with_sync();
    fill(&store, 1, 100, 1).await;
    // As after a kill before anything was thinned out.
    let horizon = Sequence(90);
    store.trees().log.set_horizon(horizon).expect("written");
    for revision in 101..500 {
        store.append(vec![observed("R0", revision, revision as i64)]).await.expect("appended");
    }
    until("the blocks are merged", || blocks(&store) < 250).await;
    let done = store.retain(&policy()).await.expect("retained");
    assert_eq!((done.horizon, done.removed), (horizon, 90));
    let above = store.read_after(horizon, 1000).await.expect("readable");
    assert_eq!(above.len() as u64, 499 - horizon.0);
    store.verify(|_| ()).await.expect("whole");
}

async fn retention_again_removes_what_was_replaced_since_and_nothing_else(place: Place) {
    let store = place.open();
    fill(&store, 300, 2, 100).await;
    let everything = Retention { before: Some(Timestamp::MAX), ..policy() };
    assert_eq!(store.retain(&everything).await.expect("retained").kept, 300);
    let stands = contents(store.trees().log.tree());
    let again = store.retain(&everything).await.expect("retained");
    assert_eq!((again.kept, again.removed), (300, 0));
    assert_eq!(contents(store.trees().log.tree()), stands, "nothing is rewritten");
    store.append(vec![observed("R7", 3, 700), observed("R8", 3, 700)]).await.expect("appended");
    let again = store.retain(&policy()).await.expect("retained");
    assert_eq!((again.kept, again.removed), (298, 2), "below the same horizon");
    assert_eq!(folded(&store).await, states(&store).await);
    store.verify(|_| ()).await.expect("whole");
}

async fn history(store: &EventStore, id: &str, before: Option<u64>, limit: usize) -> Vec<u64> {
    let found = store.history(&account(), &subject(id), before.map(Sequence), limit).await.expect("readable");
    assert!(found.iter().all(|event| event.head.subject == subject(id)));
    found.iter().map(|event| event.head.sequence.0).collect()
}

async fn a_history_is_read_backwards_page_by_page_and_ends_where_it_was_cut(place: Place) {
    let store = place.open();
    fill(&store, 30, 40, 70).await;
    let whole: Vec<u64> = (0..40).rev().map(|round| round * 30 + 5).collect();
    assert_eq!(history(&store, "R4", None, 1000).await, whole);
    assert_eq!(history(&store, "R4", None, 3).await, whole[..3]);
    assert_eq!(history(&store, "R4", Some(whole[2]), 3).await, whole[3..6]);
    assert_eq!(
        history(&store, "R4", Some(whole[2] - 1), 3).await,
        whole[3..6],
        "a cursor need not be one of its events"
    );
    assert_eq!(history(&store, "R4", Some(whole[2] + 1), 3).await, whole[2..5]);
    assert_eq!(history(&store, "R4", Some(1), 3).await, [0; 0]);
    assert_eq!(history(&store, "nobody", None, 3).await, [0; 0]);
    drop(store);
    let store = place.open();
    assert_eq!(history(&store, "R4", None, 1000).await, whole, "after opening again");
    let horizon = store.retain(&Retention { before: Some(at(600)), ..policy() }).await.expect("retained").horizon.0;
    let stands: Vec<u64> = whole.iter().copied().filter(|sequence| *sequence > horizon).collect();
    assert!(stands.len() < 40);
    assert_eq!(history(&store, "R4", None, 1000).await, stands);
}

async fn a_time_gives_the_cursor_that_everything_since_follows(place: Place) {
    let store = place.open();
    assert_eq!(store.first_since(at(0)).await.expect("readable"), Sequence(0));
    // Clocks of several accounts: not in order.
    let seconds: Vec<i64> = (0..700).map(|i| i * 2 + if i % 5 == 0 { -9 } else { 0 }).collect();
    let drafts: Vec<_> = seconds.iter().zip(1..).map(|(second, revision)| observed("R", revision, *second)).collect();
    for batch in drafts.chunks(37) {
        store.append(batch.to_vec()).await.expect("appended");
    }
    for second in [-100, -9, 0, 1, 55, 700, 701, 1_390, 1_398, 1_399, 5_000] {
        let first = seconds.iter().position(|observed| *observed >= second).unwrap_or(seconds.len());
        assert_eq!(store.first_since(at(second)).await.expect("readable"), Sequence(first as u64), "since {second}");
    }
    let nearly = at(700).checked_sub(SignedDuration::from_nanos(1)).expect("a time");
    assert_eq!(store.first_since(nearly).await.expect("readable"), store.first_since(at(700)).await.expect("readable"));
}

async fn states_that_differ_from_the_log_are_found_named_and_put_right(place: Place) {
    let store = place.open();
    fill(&store, 50, 4, 60).await;
    drop(store);
    let store = place.open();
    let right = states(&store).await;
    let fine = store.check_states().await.expect("checked");
    assert_eq!((fine.entities, fine.folded_up_to, fine.differ), (50, Sequence(200), 0));

    let tree = store.trees().fold.tree();
    let key = |id: &str| layout::entity_key(&account(), &subject(id));
    let put = |id: &str, state: &EntityState| {
        insert(tree, &key(id), &frame::seal(&key(id), &serde_json::to_vec(state).expect("json")));
    };
    remove(tree, &key("R1"));
    insert(tree, &key("R2"), b"x");
    put("R3", &EntityState { fingerprint: "0".repeat(64), ..right["R3"].clone() });
    put("R4", &EntityState { sequence: Sequence(5), ..right["R4"].clone() });
    put("R5", &EntityState { sequence: Sequence(180), ..right["R5"].clone() });
    put("R6", &EntityState { sequence: Sequence(9_999), ..right["R6"].clone() });
    put("stray", &right["R7"]);
    let found = store.check_states().await.expect("checked");
    let mut named: Vec<_> = found.differing.iter().map(|(_, subject)| subject.id.clone()).collect();
    named.sort();
    assert_eq!((found.differ, named), (7, ["R1", "R2", "R3", "R4", "R5", "R6", "stray"].map(str::to_owned).to_vec()));
    assert_eq!(store.rebuild_states().await.expect("rebuilt").differ, 7);
    assert_eq!(store.check_states().await.expect("checked").differ, 0);
    assert_eq!(states(&store).await, right);
    store.append(vec![observed("R6", 5, 400)]).await.expect("it goes on");
}

fn bodies(events: &[StoredEvent]) -> Vec<bytes::Bytes> {
    events.iter().map(|event| event.body.clone()).collect()
}

async fn a_log_goes_into_another_store_byte_for_byte(place: Place) {
    let store = place.open();
    fill(&store, 20, 20, 33).await;
    let events = all(&store).await;
    let copy = place.other();
    let restored = copy.open();
    for chunk in events.chunks(150) {
        restored.import(chunk[0].head.sequence, bodies(chunk)).await.expect("imported");
    }
    assert_eq!(all(&restored).await, events);
    let links = [&restored, &store].map(|store| store.link_at(Sequence(400)));
    let [copied, link] = links;
    assert_eq!(copied.await.expect("readable"), link.await.expect("readable"));
    assert_eq!(states(&restored).await, states(&store).await);
    let next = [observed("R3", 21, 500)];
    assert_eq!(
        restored.append(next.to_vec()).await.expect("appended"),
        store.append(next.to_vec()).await.expect("appended")
    );
}

async fn what_retention_left_goes_into_another_store_with_its_links(place: Place) {
    let store = place.open();
    fill(&store, 300, 2, 100).await;
    store.append(vec![observed("R0", 3, 700)]).await.expect("appended");
    let cut = store.retain(&Retention { before: Some(at(550)), ..policy() }).await.expect("retained");
    assert_eq!(cut.horizon, Sequence(500));
    let events = all(&store).await;
    let (below, above) = events.split_at(cut.kept as usize);
    let mut kept = Vec::new();
    for event in below {
        let before = Sequence(event.head.sequence.0 - 1);
        let before = store.link_at(before).await.expect("readable").expect("that before an event is known");
        kept.push(KeptEvent { before, body: event.body.clone() });
    }
    let link = store.link_at(cut.horizon).await.expect("readable").expect("that of the horizon is known");
    let copy = place.other();
    let restored = copy.open();
    let forged = KeptEvent { before: crate::Link::START, ..kept[50].clone() };
    let refused = restored.import_kept(cut.horizon, link, vec![kept[49].clone(), forged]).await;
    assert!(matches!(refused, Err(StoreError::Unchained { .. })), "{refused:?}");
    // In two runs: it may be cut where an event stands.
    let middle = below[150].head.sequence;
    let link_there = store.link_at(middle).await.expect("readable").expect("known");
    restored.import_kept(middle, link_there, kept[..151].to_vec()).await.expect("imported");
    restored.import_kept(cut.horizon, link, kept[151..].to_vec()).await.expect("imported");
    restored.import(above[0].head.sequence, bodies(above)).await.expect("imported");
    assert_eq!(all(&restored).await, events);
    assert_eq!(restored.horizon(), cut.horizon);
    let (one, other) = (store.verify(|_| ()).await.expect("whole"), restored.verify(|_| ()).await.expect("whole"));
    assert_eq!(one, other);
    assert_eq!(states(&restored).await, states(&store).await);
    let late = restored.import_kept(Sequence(900), link, Vec::new()).await;
    assert!(matches!(late, Err(StoreError::OutOfPlace { .. })), "{late:?}");
    drop(restored);
    assert_eq!(all(&copy.open()).await, events);
}

async fn an_entity_goes_on_from_what_retention_left_of_it_in_another_store(place: Place) {
    let events: Vec<_> = (1..=3).map(|revision| observed("R1", revision, revision as i64)).collect();
    let store = place.open();
    store.append(events.clone()).await.expect("appended");
    let everything = Retention { before: Some(Timestamp::MAX), ..policy() };
    let cut = store.retain(&everything).await.expect("retained");
    let [last] = &all(&store).await[..] else { panic!("the last event of R1 stays, and no other") };
    let link = |sequence| {
        let store = &store;
        async move { store.link_at(Sequence(sequence)).await.expect("readable").expect("known") }
    };
    let kept = KeptEvent { before: link(2).await, body: last.body.clone() };

    let other = place.other();
    let other = other.open();
    other.append(events[..1].to_vec()).await.expect("appended");
    other.retain(&everything).await.expect("retained");
    other.import_kept(cut.horizon, link(3).await, vec![kept]).await.expect("imported");
    let next = observed("R1", 4, 4);
    assert_eq!(
        other.append(vec![next.clone()]).await.expect("the fourth follows the third"),
        store.append(vec![next]).await.expect("appended")
    );
}

async fn an_import_that_does_not_come_next_changes_nothing(place: Place) {
    let store = place.open();
    fill(&store, 3, 3, 9).await;
    let events = bodies(&all(&store).await);
    let other = place.other();
    let copy = other.open();
    copy.import(Sequence(1), events[..4].to_vec()).await.expect("imported");
    for (first, some) in [(1, &events[..4]), (6, &events[5..]), (4, &events[4..])] {
        let refused = copy.import(Sequence(first), some.to_vec()).await;
        assert!(matches!(refused, Err(StoreError::OutOfPlace { .. })), "{refused:?}");
    }
    let gap = vec![events[4].clone(), events[6].clone()];
    assert!(matches!(copy.import(Sequence(5), gap).await, Err(StoreError::OutOfPlace { .. })));
    let no_event = copy.import(Sequence(5), vec!["{}".into()]).await;
    assert!(matches!(no_event, Err(StoreError::Json { .. })), "{no_event:?}");
    assert_eq!(copy.last_sequence(), Sequence(4));
    copy.import(Sequence(5), events[4..].to_vec()).await.expect("the rest");
    assert_whole(&copy).await;
}

async fn tables_go_into_another_store_as_they_are(place: Place) {
    let store = place.open();
    let table = store.table::<serde_json::Value>(TableName::Pending);
    for i in 0..25 {
        let value = json!({"i": i, "text": "x".repeat(i * 5_000)});
        table.put(&format!("k{i:02}"), &value, crate::Durability::Relaxed).await.expect("written");
    }
    let other = place.other().open();
    let mut after: Option<String> = None;
    loop {
        let rows = store.dump_table(TableName::Pending, after.as_deref(), 7).await.expect("dumped");
        assert!(rows.len() <= 7);
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        other.load_table(TableName::Pending, rows).await.expect("loaded");
    }
    let copied = other.table::<serde_json::Value>(TableName::Pending).list("").await.expect("readable");
    assert_eq!(copied, table.list("").await.expect("readable"));
    let bad = other.load_table(TableName::Pending, vec![("k".to_owned(), b"{".to_vec())]).await;
    assert!(matches!(bad, Err(StoreError::Json { .. })), "{bad:?}");
}
