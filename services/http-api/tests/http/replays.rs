use event_model::{
    EventType, Replay, Sequence, SubscriptionId,
    delivery::{Payload, PendingDelivery, PendingState, Progress},
    replay::ReplayState,
};
use event_store::{Durability, Table, TableName};
use jiff::Timestamp;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::service::{Service, draft, named, problem};

fn table(service: &Service) -> Table<Replay> {
    service.store.table(TableName::Replays)
}

/// A subscription to reports that was sent six events, three each about R1 and R2; the second was given up. Two more events
/// lie beyond its cursor.
async fn sent(service: &Service) -> SubscriptionId {
    let created = service.subscribed().await;
    let id: SubscriptionId = created["id"].as_str().expect("an id").parse().expect("an id");
    for revision in 1..=4 {
        for name in ["R1", "R2"] {
            service.store.append(vec![draft(name, EventType::ReportUpdated, revision)]).await.expect("appended");
        }
    }
    let progress = Progress { cursor: Sequence(6), ..Progress::starting_after(Sequence::START) };
    let kept = service.store.table::<Progress>(TableName::Progress);
    kept.put(id.as_str(), &progress, Durability::Durable).await.expect("written");
    let now = Timestamp::now();
    let payload = Payload::Event {
        sequence: Sequence(2),
        id: "evt_2".parse().expect("an id"),
        event_type: EventType::ReportUpdated,
        subject: "report/R2".to_owned(),
        account: "acme".to_owned(),
    };
    let state = PendingState::Dead { at: now };
    let dead =
        PendingDelivery { subscription: id.clone(), payload, state, attempts: 10, history: Vec::new(), since: now };
    let pending = service.store.table::<PendingDelivery>(TableName::Pending);
    pending.put(&format!("{id}/{:020}", 2), &dead, Durability::Durable).await.expect("written");
    id
}

async fn asked(service: &Service, id: &SubscriptionId, body: &Value) -> Response {
    let request = service.request(Method::POST, &format!("/v1/subscriptions/{id}/replay"));
    request.json(body).send().await.expect("an answer")
}

async fn answer(response: Response, status: u16) -> Value {
    assert_eq!(response.status(), status);
    response.json().await.expect("json")
}

#[tokio::test]
async fn a_dry_run_tells_count_and_span_and_makes_nothing() {
    let service = Service::start().await;
    let id = sent(&service).await;
    for (body, count, first, last) in [
        (json!({"from": "beginning"}), 6, 1, 6),
        (json!({"from": 2}), 4, 3, 6),
        (json!({"from": 2, "to": 4}), 2, 3, 4),
        (json!({"from": "2000-01-01T00:00:00Z"}), 6, 1, 6),
        (json!({"subject": "report/R2", "account": "acme"}), 3, 2, 6),
        (json!({"subject": "report/R2", "account": "acme", "from": 2}), 2, 4, 6),
        (json!({"failed": true}), 1, 2, 2),
    ] {
        let mut asks = body.clone();
        asks["dry_run"] = json!(true);
        let told = answer(asked(&service, &id, &asks).await, 200).await;
        assert_eq!(told["count"], count, "{body}");
        assert_eq!((&told["first"]["sequence"], &told["last"]["sequence"]), (&json!(first), &json!(last)), "{body}");
        assert!(told["first"]["observed_at"].is_string());
    }
    let none = json!({"failed": true, "from": 3, "dry_run": true});
    let told = answer(asked(&service, &id, &none).await, 200).await;
    assert_eq!((&told["count"], &told["first"]), (&json!(0), &Value::Null));
    assert!(table(&service).list("").await.expect("read").is_empty());
}

#[tokio::test]
async fn a_replay_is_made_shown_listed_and_cancelled_and_is_alone() {
    let service = Service::start().await;
    let id = sent(&service).await;
    let response = asked(&service, &id, &json!({"subject": "report/R2", "account": "acme", "rate_per_s": 5})).await;
    let place = response.headers()["location"].to_str().expect("text").to_owned();
    let made = answer(response, 202).await;
    assert_eq!((&made["state"], &made["count"], &made["up_to"]), (&json!("running"), &json!(3), &json!(6)));
    let stored = table(&service).list("").await.expect("read").remove(0).1;
    assert_eq!(stored.chosen, Some(vec![Sequence(2), Sequence(4), Sequence(6)]));
    assert_eq!((stored.rate_per_s, stored.state), (Some(5), ReplayState::Running));
    assert_eq!(service.get_json(&place).await, made);
    problem(asked(&service, &id, &json!({"from": 1})).await, 409, "conflict").await;

    let cancel = service.request(Method::POST, &format!("{place}/cancel"));
    let cancelled = answer(cancel.send().await.expect("an answer"), 200).await;
    assert_eq!(cancelled["state"], "cancelled");
    assert!(cancelled["ended_at"].is_string());
    answer(asked(&service, &id, &json!({"from": 1})).await, 202).await;
    let listed = service.get_json(&format!("/v1/subscriptions/{id}/replays")).await;
    let states: Vec<_> = listed["replays"].as_array().expect("a list").iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["cancelled", "running"]);
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_by_field() {
    let service = Service::start().await;
    let id = sent(&service).await;
    for (body, at) in [
        (json!({}), "/from"),
        (json!({"from": 7}), "/from"),
        (json!({"from": "soon"}), "/from"),
        (json!({"from": 3, "to": 2}), "/to"),
        (json!({"from": 3, "to": 8}), "/to"),
        (json!({"from": 3, "account": "acme"}), "/account"),
        (json!({"subject": "report/R2"}), "/account"),
        (json!({"subject": "R2"}), "/subject"),
        (json!({"from": 3, "rate_per_s": 0}), "/rate_per_s"),
        (json!({"form": 3}), "/form"),
    ] {
        let told = problem(asked(&service, &id, &body).await, 422, "validation").await;
        assert!(named(&told).contains(&at), "{body}: {told}");
    }
    problem(asked(&service, &"sub_none".parse().expect("an id"), &json!({"from": 1})).await, 404, "not-found").await;
    problem(service.get(&format!("/v1/subscriptions/{id}/replays/rpl_none")).await, 404, "not-found").await;
}
