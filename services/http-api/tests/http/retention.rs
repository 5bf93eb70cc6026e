//! What is told of a log of which retention has cut the beginning.

use std::collections::BTreeMap;

use event_model::{EventDraft, EventType, Sequence};
use event_store::Retention;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    service::{Service, draft, observed, problem},
    stream::Reader,
};

/// Entities with one event each, at the beginning of the log.
const QUIET: u64 = 50;
/// Entities that take turns after that.
const BUSY: u64 = 7;

fn hour(n: u64) -> Timestamp {
    let begin: Timestamp = "2026-04-02T00:00:00Z".parse().expect("a time");
    begin + SignedDuration::from_hours(i64::try_from(n).expect("few"))
}

/// The `n`th event, one an hour.
fn turn(n: u64) -> EventDraft {
    match n.checked_sub(QUIET) {
        None => observed(&format!("Q{n}"), EventType::ReportCreated, 1, hour(n)),
        Some(n) if n < BUSY => observed(&format!("R{n}"), EventType::ReportCreated, 1, hour(n + QUIET)),
        Some(n) => observed(&format!("R{}", n % BUSY), EventType::ReportUpdated, n / BUSY + 1, hour(n + QUIET)),
    }
}

/// A log of 400 events whose older half is cut.
async fn cut() -> (Service, Sequence) {
    let service = Service::start().await;
    for begin in [0, 100, 200, 300] {
        service.store.append((begin..begin + 100).map(turn).collect()).await.expect("appended");
    }
    let horizon = cut_before(&service, hour(200)).await;
    assert!((2..400).contains(&horizon.0), "{horizon}");
    (service, horizon)
}

async fn cut_before(service: &Service, before: Timestamp) -> Sequence {
    let floor = service.store.last_sequence();
    let policy = Retention { before: Some(before), max_bytes: None, floor, force: false };
    service.store.retain(&policy).await.expect("cut").horizon
}

/// The last revision of each entity.
fn last_state() -> BTreeMap<String, Value> {
    let busy = (350 - BUSY..350).map(|n| (format!("report/R{}", n % BUSY), json!(n / BUSY + 1)));
    (0..QUIET).map(|n| (format!("report/Q{n}"), json!(1))).chain(busy).collect()
}

/// The state that events lead to, by entity.
fn fold(state: &mut BTreeMap<String, Value>, events: &Value) {
    for event in events.as_array().expect("events") {
        state.insert(event["subject"].as_str().expect("a subject").to_owned(), event["revision"].clone());
    }
}

#[tokio::test]
async fn what_retention_left_is_found_by_its_id_and_what_it_removed_is_not() {
    let service = Service::start().await;
    let stored = service.store.append((0..100).map(turn).collect()).await.expect("appended");
    let path = |n: usize| format!("/v1/events/{}", stored[n].head.id);
    assert_eq!(service.get(&path(60)).await.status(), 200, "known before it is removed");
    service.store.append((100..400).map(turn).collect()).await.expect("appended");
    cut_before(&service, hour(200)).await;
    assert_eq!(service.get(&path(0)).await.status(), 200, "the last event of its entity");
    problem(service.get("/v1/events/61").await, 410, "gone").await;
    problem(service.get(&path(60)).await, 404, "not-found").await;
}

#[tokio::test]
async fn a_position_below_the_horizon_is_gone_and_the_earliest_is_named() {
    let (service, horizon) = cut().await;
    for path in [
        format!("/v1/events?after={}", horizon.0 - 1),
        "/v1/events?after=1&account=acme&subject=report/R1".to_owned(),
        format!("/v1/events?since={}", hour(1)),
        "/v1/events?since=2020-01-01T00:00:00Z".to_owned(),
        format!("/v1/events/{}", QUIET + 1),
        "/v1/events/stream?after=1".to_owned(),
        format!("/v1/events/stream?since={}", hour(1)),
        format!("/v1/events?since={}&after=0", hour(150)),
    ] {
        let told = problem(service.get(&path).await, 410, "gone").await;
        assert_eq!(told["earliest"], json!(horizon), "{path}");
    }
    let page = service.get_json(&format!("/v1/events?after={horizon}&limit=1")).await;
    assert_eq!(page["events"][0]["sequence"], horizon.0 + 1);
    let both = service.get_json(&format!("/v1/events?since={}&after={horizon}&limit=1", hour(1))).await;
    assert_eq!(both["events"], page["events"]);
    let since = service.get_json(&format!("/v1/events?since={}&limit=1", hour(399))).await;
    assert_eq!(since["events"][0]["sequence"], 400);
    let bootstrap = service.get_json("/v1/events?after=1&bootstrap=true").await;
    assert!(bootstrap["events"][0]["sequence"].as_u64() < Some(horizon.0));
}

#[tokio::test]
async fn reading_from_0_page_by_page_ends_with_the_current_state_whatever_is_cut_meanwhile() {
    let (service, _) = cut().await;
    let (mut state, mut pages, mut address) = (BTreeMap::new(), 0, "/v1/events?after=0&limit=3".to_owned());
    let last = loop {
        let page = service.get_json(&address).await;
        fold(&mut state, &page["events"]);
        pages += 1;
        if pages == 2 {
            cut_before(&service, hour(300)).await;
        }
        match page["next_query"].as_str() {
            Some(query) => address = format!("/v1/events?{query}"),
            None => break page["last"].clone(),
        }
    };
    assert_eq!(last, 400);
    assert_eq!(state, last_state());
}

#[tokio::test]
async fn only_who_takes_state_for_history_is_led_below_the_horizon() {
    let (service, horizon) = cut().await;
    let page = service.get_json("/v1/events?after=0&limit=2").await;
    assert!(page["next"].as_u64() < Some(horizon.0));
    assert!(page["next_query"].as_str().expect("a query").contains("bootstrap=true"), "{page}");
    let whole = Service::start().await;
    whole.append(&["R1", "R2", "R3"]).await;
    let page = whole.get_json("/v1/events?after=0&limit=2").await;
    assert_eq!(
        page["next_query"], "limit=2&after=2",
        "every change is there, and a reader of changes is told should it go"
    );
}

#[tokio::test]
async fn a_stream_resumes_below_the_horizon_for_state_alone() {
    let (service, horizon) = cut().await;
    let ask = |path: &str| service.request(Method::GET, path).header("last-event-id", "1").send();
    let told = problem(ask("/v1/events/stream").await.expect("an answer"), 410, "gone").await;
    assert_eq!(told["earliest"], json!(horizon));
    let mut reader = Reader::of(ask("/v1/events/stream?bootstrap=true").await.expect("an answer"));
    let (mut state, mut seen) = (BTreeMap::new(), 0);
    while seen < 400 {
        let block = reader.next().await.expect("an event");
        let (_, data) = block.split_once("data: ").expect("data");
        let event: Value = serde_json::from_str(data).expect("json");
        seen = event["sequence"].as_u64().expect("a sequence");
        fold(&mut state, &json!([event]));
    }
    // Sequence 1 is what it says it has.
    state.insert("report/Q0".to_owned(), json!(1));
    assert_eq!(state, last_state());
}

#[tokio::test]
async fn a_subscription_cannot_begin_where_history_is_cut_but_at_the_beginning() {
    let (service, horizon) = cut().await;
    let from = |from: Value| json!({"url": "https://a.example/hook", "events": ["*"], "from": from});
    let told = problem(service.post("/v1/subscriptions", &from(json!(1))).await, 410, "gone").await;
    assert_eq!(told["earliest"], json!(horizon));
    for fine in [json!("beginning"), json!(horizon), json!("now")] {
        assert_eq!(service.post("/v1/subscriptions", &from(fine)).await.status(), 201);
    }
}

#[tokio::test]
async fn the_history_of_an_entity_comes_page_by_page_as_if_the_log_were_read() {
    let service = Service::start().await;
    let mut drafts: Vec<_> = (0..1400).map(turn).collect();
    drafts.push(draft("other", EventType::ReportCreated, 1));
    service.store.append(drafts).await.expect("appended");
    let (mut seen, mut next) = (Vec::new(), Some("limit=9&account=acme&subject=report/R3&after=4".to_owned()));
    while let Some(query) = next {
        let page = service.get_json(&format!("/v1/events?{query}&type=report.updated")).await;
        let events = page["events"].as_array().expect("events");
        assert!(events.len() <= 9);
        seen.extend(events.iter().map(|event| event["sequence"].as_u64().expect("a sequence")));
        next = page["next_query"].as_str().map(|query| query.replace("&type=report.updated", ""));
        next = next.map(|query| query.replace("type=report.updated&", ""));
        assert_eq!(next.is_none(), page["next"] == page["last"]);
    }
    assert_eq!(seen, (1..193).map(|n| QUIET + n * BUSY + 4).collect::<Vec<_>>());
}
