//! Proving the log and carrying it elsewhere.

use event_model::{EventType, Sequence};
use event_store::{Link, Retention};
use reqwest::Method;
use serde_json::{Value, json};

use crate::service::{Service, draft, named, problem};

/// The lines of an answer.
async fn lines(service: &Service, method: Method, path: &str) -> Vec<String> {
    let answer = service.request(method, path).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.expect("text");
    assert!(text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

async fn result(service: &Service, path: &str) -> Value {
    let lines = lines(service, Method::POST, path).await;
    let last: Value = serde_json::from_str(lines.last().expect("a line")).expect("json");
    last["result"].clone()
}

/// A log of 20 events, of which retention has left some of the first.
async fn cut() -> Service {
    let service = Service::start().await;
    service.append(&["R1", "R2", "R3", "R4"]).await;
    for revision in 2..10 {
        service
            .store
            .append(vec![
                draft("R2", EventType::ReportUpdated, revision),
                draft("R3", EventType::ReportUpdated, revision),
            ])
            .await
            .expect("appended");
    }
    let policy = Retention { before: Some(jiff::Timestamp::MAX), max_bytes: None, floor: Sequence(10), force: false };
    let cut = service.store.retain(&policy).await.expect("cut");
    assert!(cut.removed > 0, "{cut:?}");
    service
}

#[tokio::test]
async fn a_whole_log_is_verified_and_its_states_are_what_it_says() {
    let service = cut().await;
    let verified = result(&service, "/v1/log/verify").await;
    let link = service.store.link_at(Sequence(20)).await.expect("read").expect("a link");
    assert_eq!((&verified["last"], &verified["link"]), (&json!(20), &json!(link.to_string())));
    for (path, rebuilt) in [("/v1/state/check", false), ("/v1/state/rebuild", true)] {
        let found = result(&service, path).await;
        assert_eq!((&found["entities"], &found["differ"]), (&json!(4), &json!(0)), "{found}");
        assert_eq!(found["rebuilt"], rebuilt);
    }
}

#[tokio::test]
async fn what_is_exported_is_verified_with_nothing_but_a_hash() {
    let service = cut().await;
    let lines = lines(&service, Method::GET, "/v1/log/export").await;
    let (mut link, mut jumps, mut events) = ([0; 32], 0, Vec::new());
    for line in &lines {
        let value: Value = serde_json::from_str(line).expect("json");
        let told = value["link"].as_str().map(|hex| *blake3::Hash::from_hex(hex).expect("a link").as_bytes());
        match value["expensewire"].as_str() {
            None => {
                link = *blake3::hash(&[&link[..], line.as_bytes()].concat()).as_bytes();
                events.push(value["sequence"].as_u64().expect("a sequence"));
            }
            Some("link") => {
                link = told.expect("a link");
                jumps += 1;
            }
            Some("events") => assert_eq!(told, Some(link)),
            Some("end") => assert_eq!(told, Some(link)),
            Some(other) => panic!("{other}"),
        }
    }
    assert!(jumps > 0 && events.len() < 20 && events.ends_with(&[19, 20]), "{events:?}");
    let last = service.store.link_at(Sequence(20)).await.expect("read");
    assert_eq!(last.map(|link| link.to_string()), Some(blake3::Hash::from_bytes(link).to_hex().to_string()));
    assert!(lines[0].starts_with(r#"{"expensewire":"events","version":1,"after":0,"#), "{}", lines[0]);
    assert!(lines.last().expect("an end").starts_with(r#"{"expensewire":"end","last":20,"#));
}

#[tokio::test]
async fn an_export_is_of_the_range_that_is_asked_for() {
    let service = Service::start().await;
    let stored = service.append(&["R1", "R2", "R3", "R4"]).await;
    let lines = lines(&service, Method::GET, "/v1/log/export?after=1&to=3").await;
    let bodies: Vec<_> = stored[1..3].iter().map(|event| event.body.clone()).collect();
    assert_eq!(lines[1..3].iter().map(|line| line.clone().into_bytes()).collect::<Vec<_>>(), bodies);
    let after = Link::START.next(&stored[0].body);
    assert!(lines[0].contains(&after.to_string()) && lines.len() == 4, "{lines:?}");
    let told = problem(service.get("/v1/log/export?after=3&to=2").await, 400, "parameters").await;
    assert_eq!(named(&told), ["to"]);
}

#[tokio::test]
async fn the_tables_are_exported_as_they_are_stored_and_without_a_secret() {
    let service = Service::start().await;
    let made = service.subscribed().await;
    let lines = lines(&service, Method::GET, "/v1/log/tables").await;
    let row = lines.iter().find(|line| line.contains(r#""table":"subscriptions""#)).expect("a row");
    assert!(row.starts_with(r#"{"expensewire":"row","table":"subscriptions","key":"sub_"#), "{row}");
    let row: Value = serde_json::from_str(row).expect("json");
    assert_eq!(row["value"]["id"], made["id"]);
    assert_eq!(
        lines.last().map(String::as_str),
        Some(format!(r#"{{"expensewire":"rows","rows":{}}}"#, lines.len() - 1)).as_deref()
    );
    let secrets = [made["secret"].as_str().expect("a secret").trim_start_matches("whsec_"), &service.key];
    assert!(lines.iter().all(|line| secrets.iter().all(|secret| !line.contains(secret))));
}

#[tokio::test]
async fn all_of_it_needs_a_key() {
    let service = Service::start().await;
    for (method, path) in [
        (Method::POST, "/v1/log/verify"),
        (Method::POST, "/v1/state/rebuild"),
        (Method::GET, "/v1/log/export"),
        (Method::GET, "/v1/log/tables"),
    ] {
        problem(service.anonymous(method, path).send().await.expect("an answer"), 401, "unauthorized").await;
    }
}
