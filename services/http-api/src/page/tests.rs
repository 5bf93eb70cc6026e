use event_model::{Data, Detection, EntityKind, EventDraft, EventType, Revision, TimestampSource};
use event_store::MemoryDisk;
use serde_json::json;

use super::*;

/// Far more than are read for a page.
const EVENTS: u64 = 1_200;
/// So many events lie between two about the entity, in turns of the accounts.
const EVERY: u64 = 100;

fn draft(account: &str, id: &str, revision: u64) -> EventDraft {
    let at: Timestamp = "2026-04-02T09:14:21Z".parse().expect("a time");
    EventDraft {
        event_type: EventType::ReportUpdated,
        timestamp: at,
        account: account.parse().expect("a name"),
        subject: Subject::new(EntityKind::Report, id),
        revision: Revision(revision),
        actor: None,
        data: Data { object: json!({ "reportID": id }), ..Data::default() },
        detection: Detection {
            observed_at: at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

/// A log in which the accounts `of` take turns with R, and others have other entities.
async fn store(of: &[&str]) -> EventStore {
    let store = EventStore::open_memory(&MemoryDisk::default()).expect("a store");
    let drafts = (0..EVENTS).map(|n| match (n % EVERY, (n / EVERY) as usize) {
        (0, turn) => {
            let account = of[turn % of.len()];
            let before = (0..turn).filter(|turn| of[turn % of.len()] == account).count();
            draft(account, "R", before as u64 + 1)
        }
        _ => draft(["acme", "acme-west", "zeta"][n as usize % 3], &format!("S{n}"), 1),
    });
    store.append(drafts.collect()).await.expect("appended");
    store
}

fn about(store: &EventStore, id: &str, account: Option<&str>) -> EventQuery {
    EventQuery {
        types: Vec::new(),
        account: account.map(|account| account.parse().expect("a name")),
        subject: Some(Subject::new(EntityKind::Report, id)),
        since: None,
        sight: Sight::of_everything(store),
    }
}

fn sequences(page: &Page) -> Vec<u64> {
    page.events.iter().map(|event| event.head.sequence.0).collect()
}

#[tokio::test]
async fn an_entity_is_found_in_whichever_accounts_have_it_without_looking_through_the_log() {
    let expected: Vec<u64> = (0..EVENTS).step_by(EVERY as usize).map(|n| n + 1).collect();
    // To look through the log would end after one event.
    let bounds = Bounds { events: 100, bytes: usize::MAX, scanned: 1 };
    for of in [&["acme"][..], &["zeta", "acme"], &["zeta", "acme", "acme-west"]] {
        let store = store(of).await;
        let page = read(&store, &about(&store, "R", None), Sequence::START, bounds).await.expect("read");
        assert_eq!((sequences(&page), page.next), (expected.clone(), Sequence(EVENTS)), "{of:?}");
        let page = read(&store, &about(&store, "R", Some("acme")), Sequence(1), bounds).await.expect("read");
        let theirs = expected.iter().enumerate().filter(|(turn, _)| of[turn % of.len()] == "acme");
        assert_eq!(sequences(&page), theirs.map(|(_, n)| *n).filter(|n| *n > 1).collect::<Vec<_>>(), "{of:?}");
        let page = read(&store, &about(&store, "none", None), Sequence::START, bounds).await.expect("read");
        assert_eq!((sequences(&page), page.next), (Vec::new(), Sequence(EVENTS)));
    }
}

#[tokio::test]
async fn pages_of_several_accounts_lack_nothing_and_repeat_nothing() {
    let store = store(&["acme", "acme", "zeta", "acme"]).await;
    let one = Bounds { events: 100, bytes: usize::MAX, scanned: MAX_SCAN };
    let whole = sequences(&scan(&store, &about(&store, "R", None), Sequence::START, one).await.expect("read"));
    assert_eq!(whole.len() as u64, EVENTS / EVERY);
    for bounds in [Bounds { events: 1, ..one }, Bounds { events: 5, ..one }, Bounds { bytes: 700, ..one }] {
        let (mut seen, mut after) = (Vec::new(), Sequence::START);
        while after < store.last_sequence() {
            let page = read(&store, &about(&store, "R", None), after, bounds).await.expect("read");
            assert!(page.next > after && page.events.len() <= bounds.events, "{bounds:?}");
            seen.extend(sequences(&page));
            after = page.next;
        }
        assert_eq!(seen, whole, "{bounds:?}");
    }
}
