use event_model::EventType;
use serde_json::{Value, json};

use crate::service::{Service, problem};

#[tokio::test]
async fn the_catalogue_lists_every_type_with_kind_description_and_schema() {
    let service = Service::start().await;
    let all = service.get_json("/v1/event-types").await;
    let entries = all["event_types"].as_array().expect("a list");
    assert_eq!(entries.len(), EventType::ALL.len());
    let approved = entries.iter().find(|entry| entry["type"] == "report.approved").expect("an entry");
    assert_eq!(
        approved,
        &json!({
            "type": "report.approved", "kind": "report", "description": "A report was finally approved.",
            "snapshot": false, "version": 1, "schema_url": "/v1/event-types/report.approved/schema",
        })
    );
}

#[tokio::test]
async fn each_type_shows_its_schema_and_an_example_that_fits_it() {
    let service = Service::start().await;
    for event_type in EventType::ALL {
        let one = service.get_json(&format!("/v1/event-types/{event_type}")).await;
        let schema = jsonschema::validator_for(&one["schema"]).expect("a schema");
        assert!(one["example"]["type"] == event_type.as_str() && schema.is_valid(&one["example"]), "{event_type}");
        let alone = service.get(one["schema_url"].as_str().expect("a URL")).await;
        assert_eq!(
            (alone.status().as_u16(), &alone.headers()["content-type"]),
            (200, &"application/schema+json".parse().expect("a value"))
        );
        assert_eq!(alone.json::<Value>().await.expect("json"), one["schema"], "{event_type}");
    }
    problem(service.get("/v1/event-types/report.aproved").await, 404, "not-found").await;
    problem(service.get("/v1/event-types/report.aproved/schema").await, 404, "not-found").await;
}
