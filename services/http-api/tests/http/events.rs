use event_model::{AccountName, EntityKind, EventType, Subject};
use event_store::StoredEvent;
use reqwest::Method;
use serde_json::{Value, json};

use crate::scopes::made_key;
use crate::service::{Service, draft, name, named, observed, problem};

fn joined(events: &[StoredEvent]) -> String {
    let bodies: Vec<_> = events.iter().map(|event| std::str::from_utf8(&event.body).expect("text")).collect();
    bodies.join(",")
}

fn sequences(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().expect("a list");
    events.iter().map(|event| event["sequence"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn events_are_shown_as_the_bytes_that_were_stored() {
    let service = Service::start().await;
    let stored = service.append(&["R1", "R2", "R3"]).await;
    let text = service.get("/v1/events").await.text().await.expect("text");
    assert_eq!(text, format!(r#"{{"events":[{}],"next":3,"last":3}}"#, joined(&stored)));
    let one = service.get("/v1/events/2").await;
    assert_eq!(one.headers()["content-type"], "application/json");
    assert_eq!(one.bytes().await.expect("bytes"), stored[1].body);
}

#[tokio::test]
async fn an_empty_log_is_an_empty_page() {
    let service = Service::start().await;
    let text = service.get("/v1/events").await.text().await.expect("text");
    assert_eq!(text, r#"{"events":[],"next":0,"last":0}"#);
}

#[tokio::test]
async fn the_pages_together_are_the_log() {
    let service = Service::start().await;
    let ids: Vec<String> = (0..25).map(|n| format!("R{n}")).collect();
    service.append(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (mut seen, mut address) = (Vec::new(), Some("/v1/events?limit=10&type=report.*".to_owned()));
    while let Some(here) = address {
        let response = service.get(&here).await;
        let link = response.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
        let page: Value = response.json().await.expect("json");
        seen.extend(sequences(&page));
        assert_eq!(link.is_some(), page["next"] != page["last"]);
        address = link.map(|link| link.trim_start_matches('<').split('>').next().expect("an address").to_owned());
    }
    assert_eq!(seen, (1..=25).collect::<Vec<u64>>());
}

#[tokio::test]
async fn filters_pick_and_together_they_all_must_fit() {
    let service = Service::start().await;
    let mut other_account = draft("R1", EventType::ReportCreated, 1);
    other_account.account = name("beta");
    let mut card = draft("C1", EventType::CardAdded, 1);
    card.subject = Subject::new(EntityKind::Card, "C1");
    let drafts = vec![
        draft("R1", EventType::ReportSnapshot, 1),
        draft("R1", EventType::ReportApproved, 2),
        draft("R2", EventType::ReportCreated, 1),
        other_account,
        card,
    ];
    service.store.append(drafts).await.expect("appended");
    for (query, wanted) in [
        ("type=report.*", vec![1, 2, 3, 4]),
        ("type=*.snapshot&type=card.*", vec![1, 5]),
        ("account=beta", vec![4]),
        ("subject=report/R1", vec![1, 2, 4]),
        ("subject=report/R1&account=acme&type=report.approved", vec![2]),
        ("after=2&type=report.*&limit=1", vec![3]),
    ] {
        let page = service.get_json(&format!("/v1/events?{query}")).await;
        assert_eq!(sequences(&page), wanted, "{query}");
    }
}

#[tokio::test]
async fn since_finds_what_was_observed_then_or_later_wherever_it_is() {
    let service = Service::start().await;
    let begin: jiff::Timestamp = "2026-04-02T00:00:00Z".parse().expect("a time");
    let hour = |n: u32| begin + jiff::SignedDuration::from_hours(n.into());
    let mut drafts: Vec<_> =
        (0..100).map(|n| observed(&format!("R{n}"), EventType::ReportCreated, 1, hour(n))).collect();
    // Appended after what was observed at hour 90, observed a little before, as by a slow read of another account.
    let late = hour(90) - jiff::SignedDuration::from_mins(20);
    for n in 0..5 {
        drafts.insert(91, observed(&format!("R-late-{n}"), EventType::ReportCreated, 1, late));
    }
    service.store.append(drafts).await.expect("appended");
    let since = async |query: String| sequences(&service.get_json(&format!("/v1/events?since={query}")).await);
    assert_eq!(since(late.to_string()).await, (91..=105).collect::<Vec<_>>());
    assert_eq!(since(hour(90).to_string()).await, [&[91], &(97..=105).collect::<Vec<_>>()[..]].concat());
    assert_eq!(since(format!("{}&after=103", hour(90))).await, [104, 105]);
    assert_eq!(sequences(&service.get_json("/v1/events?since=2027-01-01T00:00:00Z").await), [0; 0]);
}

#[tokio::test]
async fn a_request_looks_at_a_bounded_number_of_events_and_says_where_it_stopped() {
    let service = Service::start().await;
    let drafts = (0..10_050).map(|n| draft(&format!("R{n}"), EventType::ReportCreated, 1)).collect();
    service.store.append(drafts).await.expect("appended");
    let page = service.get_json("/v1/events?type=card.*").await;
    assert_eq!(page, json!({"events": [], "next": 10_000, "last": 10_050, "next_query": "type=card.*&after=10000"}));
    let page = service.get_json("/v1/events?type=card.*&after=10000").await;
    assert_eq!(page, json!({"events": [], "next": 10_050, "last": 10_050}));
}

#[tokio::test]
async fn a_page_of_large_events_ends_at_its_bytes() {
    let service = Service::start().await;
    let large = |n: u32| {
        let mut draft = draft(&format!("R{n}"), EventType::ReportCreated, 1);
        draft.data.object["reportName"] = json!("n".repeat(1024 * 1024));
        draft
    };
    service.store.append((0..6).map(large).collect()).await.expect("appended");
    let page = service.get_json("/v1/events").await;
    assert_eq!((sequences(&page), &page["next"]), (vec![1, 2, 3, 4], &json!(4)));
}

#[tokio::test]
async fn wrong_parameters_are_all_named() {
    let service = Service::start().await;
    service.append(&["R1"]).await;
    let query = "after=x&limit=0&type=reprot.*&account=ACME&subject=R1&since=2h&colour=red";
    let told = problem(service.get(&format!("/v1/events?{query}")).await, 400, "parameters").await;
    let mut places = named(&told);
    places.sort_unstable();
    assert_eq!(places, ["account", "after", "colour", "limit", "since", "subject", "type"]);
    for absurd in ["2", "18446744073709551616", "-1", "1&after=1"] {
        let told = problem(service.get(&format!("/v1/events?after={absurd}")).await, 400, "parameters").await;
        assert_eq!(named(&told), ["after"], "{absurd}");
    }
}

#[tokio::test]
async fn an_event_that_is_not_there_is_a_problem() {
    let service = Service::start().await;
    service.append(&["R1"]).await;
    problem(service.get("/v1/events/2").await, 404, "not-found").await;
    problem(service.get("/v1/events/0").await, 404, "not-found").await;
    problem(service.get("/v1/events/abc").await, 400, "parameters").await;
    problem(service.get("/v1/events/evt_nobody").await, 404, "not-found").await;
    problem(service.get("/v1/events/EVT_A").await, 400, "parameters").await;
}

#[tokio::test]
async fn an_event_is_found_by_its_id_by_those_who_may_see_it() {
    let service = Service::start().await;
    let stored = service.append(&["R1", "R2"]).await;
    let later = service.append(&["R3"]).await;
    for event in stored.iter().chain(&later) {
        let found = service.get(&format!("/v1/events/{}", event.head.id)).await;
        assert_eq!((found.status().as_u16(), found.bytes().await.expect("bytes")), (200, event.body.clone()));
    }
    let narrow = json!({"accounts": ["acme"], "policies": ["P2"], "events": ["*"], "actions": ["events:read"]});
    let key = made_key(&service, &narrow).await;
    let path = format!("/v1/events/{}", stored[0].head.id);
    let token = key["key"].as_str().expect("a token");
    let unseen = service.as_key(token, Method::GET, &path).send().await.expect("an answer");
    let told = problem(unseen, 404, "not-found").await;
    let nobody = service.as_key(token, Method::GET, "/v1/events/evt_nobody").send().await.expect("an answer");
    assert_eq!(told["title"], problem(nobody, 404, "not-found").await["title"]);
}

#[tokio::test]
async fn an_entity_is_shown_as_its_last_event_left_it() {
    let service = Service::start().await;
    let mut approved = draft("R/1", EventType::ReportApproved, 2);
    approved.data.object["state"] = json!("APPROVED");
    service.store.append(vec![draft("R/1", EventType::ReportCreated, 1), approved]).await.expect("appended");
    let entity = service.get_json("/v1/entities/report/R%2F1?account=acme").await;
    assert_eq!(
        (&entity["subject"], &entity["revision"], &entity["sequence"]),
        (&json!("report/R/1"), &json!(2), &json!(2))
    );
    assert_eq!((&entity["object"]["state"], &entity["removed"]), (&json!("APPROVED"), &json!(false)));
    let events = service.get_json(entity["events"].as_str().expect("an address")).await;
    assert_eq!(sequences(&events), [1, 2]);

    problem(service.get("/v1/entities/report/R9?account=acme").await, 404, "not-found").await;
    problem(service.get(&format!("/v1/entities/report/{}?account=acme", "R".repeat(4000))).await, 404, "not-found")
        .await;
    problem(service.get("/v1/entities/report/R%00?account=acme").await, 404, "not-found").await;
    problem(service.get("/v1/entities/thing/R1?account=acme").await, 400, "parameters").await;
    let told = problem(service.get("/v1/entities/report/R1").await, 400, "parameters").await;
    assert_eq!(named(&told), ["account"], "two accounts are configured");
    assert!("ACME".parse::<AccountName>().is_err());
    problem(service.get("/v1/entities/report/R1?account=ACME").await, 400, "parameters").await;
}
