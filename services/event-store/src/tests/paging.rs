//! The states of entities, page by page.

use event_model::{EntityKind, EventDraft, Subject};
use serde_json::json;

use super::support::{Place, account, draft, on_each_engine, subject};
use crate::{EventStore, MAX_APPEND_EVENTS, MAX_PAGE_ENTITIES, layout};

on_each_engine!(
    pages_give_every_entity_once_ascending_by_id,
    a_page_begins_after_an_id_that_need_not_exist_and_stays_within_its_account_and_kind,
    a_page_holds_no_more_than_its_bound,
);

async fn page(store: &EventStore, after: Option<&str>, limit: usize) -> Vec<String> {
    let page = store.entities_page(&account(), EntityKind::Report, after, limit).await.expect("readable");
    page.into_iter().map(|(id, _)| id).collect()
}

async fn append(store: &EventStore, ids: &[&str]) {
    store.append(ids.iter().map(|id| draft(id, 1, json!({"id": id}))).collect()).await.expect("appended");
}

async fn pages_give_every_entity_once_ascending_by_id(place: Place) {
    let store = place.open();
    store.append((0..100).map(|i| draft(&format!("R{i}"), 1, json!({"i": i}))).collect()).await.expect("appended");
    let whole = store.entities(&account(), EntityKind::Report).await.expect("readable");
    assert!(whole.len() == 100 && whole.is_sorted_by_key(|(id, _)| id.clone()));
    for limit in [1, 7, 99, 100, 1000] {
        let mut paged = Vec::new();
        loop {
            let after = paged.last().map(|(id, _): &(String, _)| id.as_str());
            let page = store.entities_page(&account(), EntityKind::Report, after, limit).await.expect("readable");
            assert!(page.len() <= limit);
            assert!(page.first().is_none_or(|(id, _)| after.is_none_or(|after| id.as_str() > after)), "it goes on");
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, whole, "by {limit}");
    }
    assert_eq!(page(&store, None, 0).await, [""; 0]);
}

async fn a_page_begins_after_an_id_that_need_not_exist_and_stays_within_its_account_and_kind(place: Place) {
    let store = place.open();
    append(&store, &["A", "B", "B\u{1}", "B1", "C", "é"]).await;
    let others = [("acme", EntityKind::Policy), ("acme", EntityKind::Expense), ("acme-b", EntityKind::Report)];
    let other = |(account, kind): (&str, EntityKind)| EventDraft {
        account: account.parse().expect("account"),
        subject: Subject::new(kind, "B"),
        ..draft("x", 1, json!({}))
    };
    store.append(others.map(other).to_vec()).await.expect("appended");
    assert_eq!(page(&store, None, 9).await, ["A", "B", "B\u{1}", "B1", "C", "é"]);
    assert_eq!(page(&store, Some("B"), 2).await, ["B\u{1}", "B1"]);
    assert_eq!(page(&store, Some("AA"), 2).await, ["B", "B\u{1}"]);
    assert_eq!(page(&store, Some(""), 1).await, ["A"]);
    for beyond in ["é", "\u{10ffff}"] {
        assert_eq!(page(&store, Some(beyond), 9).await, [""; 0], "{beyond}");
    }
}

async fn a_page_holds_no_more_than_its_bound(place: Place) {
    let store = place.open();
    let drafts = (0..=MAX_PAGE_ENTITIES).map(|i| draft(&format!("{i:06}"), 1, json!({})));
    store.append(drafts.collect()).await.expect("appended");
    let first = page(&store, None, usize::MAX).await;
    assert_eq!(first.len(), MAX_PAGE_ENTITIES);
    assert_eq!(page(&store, first.last().map(String::as_str), usize::MAX).await.len(), 1);
}

/// `cargo test --release -p event-store -- --ignored --nocapture a_million_states`
#[tokio::test]
#[ignore = "a measurement: it appends a million events first"]
async fn a_million_states_are_read_in_pages_within_seconds() {
    for place in [Place::sled(), Place::memory()] {
        let store = place.open();
        let begin = std::time::Instant::now();
        for from in (0..1_000_000).step_by(MAX_APPEND_EVENTS / 8) {
            let ids = from..(from + MAX_APPEND_EVENTS / 8).min(1_000_000);
            let object = json!({"policyID": "8A1B2C3D4E5F6071", "state": "APPROVED", "created": "2026-04-02"});
            let drafts = ids.map(|i| draft(&format!("R{:010}", i * 7919 % 1_000_003), 1, object.clone()));
            store.append(drafts.collect()).await.expect("appended");
        }
        println!("appended in {:.1?}, {} MiB", begin.elapsed(), store.disk_bytes() >> 20);
        for _ in 0..2 {
            let (begin, mut after, mut count) = (std::time::Instant::now(), None, 0);
            while let Some(last) = {
                let kind = EntityKind::Report;
                let states = store.entities_page(&account(), kind, after.as_deref(), MAX_PAGE_ENTITIES).await;
                let states = states.expect("readable");
                count += states.len();
                states.into_iter().next_back().map(|(id, _)| id)
            } {
                after = Some(last);
            }
            println!("{count} states in {:.2?}", begin.elapsed());
            assert_eq!(count, 1_000_000);
        }
        let begin = std::time::Instant::now();
        let folded = store.trees().fold.folded_up_to().expect("readable");
        let prefix = layout::entity_key(&account(), &subject(""));
        let (tree, mut bytes) = (store.trees().fold.tree(), 0);
        let mut scan = tree.scan(&prefix, None);
        while let Some((key, value)) = scan.next().expect("readable") {
            bytes += key.len() + value.len();
        }
        println!("the same unread, to {folded}: {:.2?}, {} bytes each", begin.elapsed(), bytes / 1_000_000);
    }
}
