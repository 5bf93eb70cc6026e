use event_model::{
    EventType, Sequence, SubscriptionId,
    delivery::{Attempt, ERRANDS, Outcome, Payload, PendingDelivery, PendingState},
};
use event_store::{Durability, TableName};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::service::{Service, named, problem};

/// A subscription with a delivery in each state: 1 dead, 2 due in an hour, 3 waiting, 4 done, 5 dead.
async fn with_deliveries(service: &Service) -> SubscriptionId {
    let created = service.subscribed().await;
    let id: SubscriptionId = created["id"].as_str().expect("an id").parse().expect("an id");
    let at: Timestamp = "2026-04-02T09:14:00Z".parse().expect("a time");
    let later = "2126-04-02T09:14:00Z".parse().expect("a time");
    let dead = PendingState::Dead { at };
    let states =
        [dead.clone(), PendingState::Due { at: later }, PendingState::Waiting, PendingState::Done { at }, dead];
    let table = service.store.table::<PendingDelivery>(TableName::Pending);
    for (sequence, state) in (1..).zip(states) {
        let payload = Payload::Event {
            sequence: Sequence(sequence),
            id: format!("evt_{sequence}").parse().expect("an id"),
            event_type: EventType::ReportUpdated,
            subject: "report/R1".to_owned(),
            account: "acme".to_owned(),
        };
        let history = vec![Attempt { at, duration_ms: 12, outcome: Outcome::Timeout }];
        let record = PendingDelivery { subscription: id.clone(), payload, state, attempts: 10, history, since: at };
        table.put(&format!("{id}/{sequence:020}"), &record, Durability::Durable).await.expect("written");
    }
    id
}

async fn stored(service: &Service, id: &SubscriptionId, sequence: u64) -> PendingDelivery {
    let table = service.store.table::<PendingDelivery>(TableName::Pending);
    table.get(&format!("{id}/{sequence:020}")).await.expect("read").expect("stored")
}

/// Whether the dispatcher was told that something was asked.
async fn asked(service: &Service, id: &SubscriptionId) -> bool {
    let errands = service.store.table::<Timestamp>(TableName::Service);
    errands.delete(&format!("{ERRANDS}{id}"), Durability::Durable).await.expect("deleted")
}

fn sequences(page: &Value) -> Vec<u64> {
    let all = page["deliveries"].as_array().expect("a list");
    all.iter().filter_map(|one| one["event"]["sequence"].as_u64()).collect()
}

#[tokio::test]
async fn what_failed_is_listed_by_state_and_page_and_shown_with_each_attempt() {
    let service = Service::start().await;
    let id = with_deliveries(&service).await;
    let list = format!("/v1/subscriptions/{id}/deliveries");
    assert_eq!(sequences(&service.get_json(&list).await), [1, 2, 3, 4, 5]);
    assert_eq!(sequences(&service.get_json(&format!("{list}?state=dead&state=done")).await), [1, 4, 5]);
    let first = service.get_json(&format!("{list}?limit=3")).await;
    let second = service.get_json(&format!("{list}?limit=3&cursor={}", first["next"].as_str().expect("more"))).await;
    assert_eq!((sequences(&first), sequences(&second)), (vec![1, 2, 3], vec![4, 5]));
    assert_eq!(second["next"], Value::Null);

    let shown = service.get_json(&format!("/v1/deliveries/{id}.2")).await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("due"), &json!(10)));
    assert_eq!(shown["history"][0]["outcome"], json!({"kind": "timeout"}));
    assert_eq!((&shown["next_attempt_at"], &shown["ended_at"]), (&json!("2126-04-02T09:14:00Z"), &Value::Null));
    assert_eq!(shown["event"]["id"], "evt_2");
    assert_eq!(shown["id"], format!("{id}.2"));

    let told = problem(service.get(&format!("{list}?state=late&cursor=!")).await, 400, "parameters").await;
    assert_eq!(named(&told), ["state", "cursor"]);
    for missing in [format!("/v1/deliveries/{id}.9"), "/v1/deliveries/x".to_owned()] {
        problem(service.get(&missing).await, 404, "not-found").await;
    }
    problem(service.get("/v1/subscriptions/sub_none/deliveries").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_dead_letter_is_put_in_line_again_and_a_wait_is_cut_short() {
    let service = Service::start().await;
    let id = with_deliveries(&service).await;
    let retry = |sequence: u64| service.request(Method::POST, &format!("/v1/deliveries/{id}.{sequence}/retry")).send();
    let before = Timestamp::now();
    for sequence in [1, 2] {
        assert_eq!(retry(sequence).await.expect("an answer").status(), 202);
        let PendingState::Due { at } = stored(&service, &id, sequence).await.state else { panic!("{sequence} is due") };
        assert!(at >= before && at <= Timestamp::now(), "{sequence} is due now");
        assert!(asked(&service, &id).await, "the dispatcher is told");
    }
    assert_eq!(stored(&service, &id, 1).await.attempts, 0, "a schedule of its own");
    assert_eq!(stored(&service, &id, 1).await.history.len(), 1, "what went before stays to be seen");
    for sequence in [3, 4] {
        let was = stored(&service, &id, sequence).await;
        problem(retry(sequence).await.expect("an answer"), 409, "conflict").await;
        assert_eq!(stored(&service, &id, sequence).await, was);
    }
    problem(retry(9).await.expect("an answer"), 404, "not-found").await;
    assert!(!asked(&service, &id).await);
}

#[tokio::test]
async fn all_dead_letters_are_put_in_line_by_one_call() {
    let service = Service::start().await;
    let id = with_deliveries(&service).await;
    let retry = || service.request(Method::POST, &format!("/v1/subscriptions/{id}/deliveries/retry")).send();
    let answer = retry().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.json::<Value>().await.expect("json"), json!({"retried": 2}));
    assert!(asked(&service, &id).await);
    for sequence in [1, 5] {
        assert!(matches!(stored(&service, &id, sequence).await.state, PendingState::Due { .. }));
    }
    assert!(matches!(stored(&service, &id, 3).await.state, PendingState::Waiting));
    assert_eq!(retry().await.expect("an answer").json::<Value>().await.expect("json"), json!({"retried": 0}));
    assert!(!asked(&service, &id).await);
}
