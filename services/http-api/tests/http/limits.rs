//! How often a caller may ask.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::json;

use crate::{
    scopes::made_key,
    service::{DEADLINE, Service, problem},
};

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().expect("text")
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_to_wait_and_then_goes_on() {
    let service = Service::start().await;
    let key = made_key(&service, &json!({"rate_per_s": 1})).await;
    let token = key["key"].as_str().expect("a token");
    let get = async || service.as_key(token, Method::GET, "/v1/event-types").send().await.expect("an answer");
    let mut allowed = 0;
    let refused = loop {
        let response = get().await;
        assert_eq!(header(&response, "ratelimit-policy"), "\"key\";q=4;w=4");
        if response.status() == 429 {
            break response;
        }
        assert!(response.status() == 200 && header(&response, "ratelimit").starts_with("\"key\";r="));
        allowed += 1;
        assert!(allowed < 100);
    };
    assert!(allowed >= 4, "{allowed}");
    assert_eq!((header(&refused, "retry-after"), header(&refused, "ratelimit")), ("1", "\"key\";r=0;t=4"));
    problem(refused, 429, "limited").await;
    // Nobody else is concerned, and neither is who watches the service.
    assert_eq!(service.get("/v1/event-types").await.status(), 200);
    for path in ["/livez", "/readyz", "/metrics"] {
        let response = service.as_key(token, Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        assert!(response.headers().get("ratelimit").is_none(), "{path}");
    }
    let begun = Instant::now();
    while get().await.status() == 429 {
        assert!(begun.elapsed() < DEADLINE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    let metrics = service.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains("expensewire_api_refusals_total{reason=\"limited\"}"), "{metrics}");
}

#[tokio::test]
async fn a_refusal_says_how_the_key_stands_too() {
    let service = Service::start().await;
    let key = made_key(&service, &json!({})).await;
    let get = service.as_key(key["key"].as_str().expect("a token"), Method::GET, "/v1/events");
    let refused = get.send().await.expect("an answer");
    assert_eq!((refused.status().as_u16(), header(&refused, "ratelimit-policy")), (403, "\"key\";q=200;w=4"));
}

#[tokio::test]
async fn who_tries_keys_is_slowed_down_by_address_and_a_valid_key_from_there_is_not() {
    let service = Service::start().await;
    let try_one = async |token: String| {
        let request = service.as_key(&token, Method::GET, "/v1/events");
        request.send().await.expect("an answer")
    };
    let mut tried = 0;
    let refused = loop {
        tried += 1;
        let response = try_one(format!("ew_guess{tried}")).await;
        if response.status() == 429 {
            break response;
        }
        assert!(response.status() == 401 && tried < 1000);
    };
    assert!(tried > 100, "{tried}");
    assert_eq!((header(&refused, "retry-after"), header(&refused, "ratelimit-policy")), ("1", "\"address\";q=100;w=5"));
    problem(refused, 429, "limited").await;
    assert_eq!(service.get("/v1/events").await.status(), 200);
}
