use event_model::EventType;
use serde_json::{Value, json};

use crate::service::{Service, problem};

#[tokio::test]
async fn accounts_show_budget_watches_and_freshness() {
    let service = Service::start().await;
    let all = service.get_json("/v1/accounts").await;
    let names: Vec<_> = all["accounts"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["acme", "beta"]);
    let acme = service.get_json("/v1/accounts/acme").await;
    assert_eq!(acme["budget"]["windows"][0], json!({"window_s": 10, "used": 1, "limit": 5}));
    assert_eq!((&acme["watches"][0]["name"], &acme["watches"][0]["baselined"]), (&json!("reports"), &json!(true)));
    assert!(acme["freshness_s"].as_u64().expect("a number") < 60);
    assert_eq!(acme["watches"][0]["age_s"], acme["freshness_s"]);
    problem(service.get("/v1/accounts/gamma").await, 404, "not-found").await;
}

#[tokio::test]
async fn the_catalogue_has_every_type_with_kind_and_description() {
    let service = Service::start().await;
    let all = service.get_json("/v1/event-types").await;
    let entries = all["event_types"].as_array().expect("a list");
    assert_eq!(entries.len(), EventType::ALL.len());
    let one = service.get_json("/v1/event-types/report.approved").await;
    assert_eq!(one["description"], "A report was finally approved.");
    assert_eq!((&one["kind"], &one["snapshot"], one.get("schema")), (&json!("report"), &json!(false), None::<&Value>));
    problem(service.get("/v1/event-types/report.aproved").await, 404, "not-found").await;
}

#[tokio::test]
async fn the_first_page_names_the_routes() {
    let service = Service::start().await;
    let text = service.get("/").await.text().await.expect("text");
    assert!(text.contains("Expensewire 1.2.3") && text.contains("/v1/events/stream"), "{text}");
}
