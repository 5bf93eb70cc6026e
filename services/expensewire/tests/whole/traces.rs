//! Traces as a collector gets them: from a read of Expensify to its events and the attempts to deliver them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Kind},
    trace::v1::Span,
};
use prost::Message;
use serde_json::json;
use tokio::{net::TcpListener, time::sleep};

use crate::world::{DEADLINE, LOOK_EVERY, World};

/// A collector, and a subscriber.
#[derive(Clone, Default)]
struct Receiver {
    spans: Arc<Mutex<Vec<Span>>>,
    authorizations: Arc<Mutex<Vec<String>>>,
    /// The header `traceparent` of each delivery, by the event's id.
    parents: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Receiver {
    /// Starts it, and gives its address.
    async fn start(&self) -> String {
        let router = Router::new().route("/v1/traces", post(collect)).route("/hook", post(deliver));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router.with_state(self.clone())).into_future());
        address
    }

    /// The spans of this name that were collected so far.
    fn spans(&self, name: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }

    async fn delivered(&self) -> BTreeMap<String, String> {
        let started = Instant::now();
        loop {
            let parents = self.parents.lock().unwrap().clone();
            if !parents.is_empty() {
                return parents;
            }
            assert!(started.elapsed() < DEADLINE, "nothing was delivered");
            sleep(LOOK_EVERY).await;
        }
    }
}

async fn collect(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    receiver.authorizations.lock().unwrap().push(authorization.to_owned());
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let spans = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    receiver.spans.lock().unwrap().extend(spans.flat_map(|scope| scope.spans));
    StatusCode::OK
}

async fn deliver(State(receiver): State<Receiver>, headers: HeaderMap) -> StatusCode {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    receiver.parents.lock().unwrap().insert(header("webhook-id"), header("traceparent"));
    StatusCode::NO_CONTENT
}

fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|KeyValue { key, .. }| key == name);
    match found.and_then(|found| found.value.clone()).and_then(|value| value.value) {
        Some(Kind::StringValue(text)) => text,
        other => panic!("{name}: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A subscription to policies and reports at `hook`, and a change of a policy.
async fn change_a_policy(world: &World, hook: &str) {
    world.first_sight().await;
    let wanted = json!({ "url": format!("{hook}/hook"), "events": ["policy.changed"] });
    world.answer(world.http.post(format!("{}/subscriptions", world.api)).json(&wanted)).await;
    world.change(json!({ "entity": "policy", "change": "changed" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_read_to_the_event_and_the_attempt() {
    let (receiver, directory) = (Receiver::default(), tempfile::tempdir().unwrap());
    let address = receiver.start().await;
    let secret = directory.path().join("authorization");
    std::fs::write(&secret, "Bearer of-the-collector\n").unwrap();
    let world = World::with(&format!("[traces]\nendpoint = '{address}/'\nauthorization_file = {secret:?}\n")).await;
    change_a_policy(&world, &address).await;
    let (event, parent) = receiver.delivered().await.pop_first().unwrap();
    // What the parts say as they end is told too.
    world.stopped().await;

    let of_event = |spans: Vec<Span>| {
        spans.into_iter().find(|span| attribute(span, "expensewire.event.id") == event).expect("a span of the event")
    };
    let (told, attempt) = (of_event(receiver.spans("event")), of_event(receiver.spans("attempt")));
    let reads = receiver.spans("read");
    let read = reads.iter().find(|read| read.trace_id == told.trace_id).expect("a read in the same trace");
    assert_eq!((&read.span_id, &told.span_id), (&told.parent_span_id, &attempt.parent_span_id));
    assert!(read.parent_span_id.is_empty() && attempt.trace_id == told.trace_id);
    assert!(read.start_time_unix_nano <= told.start_time_unix_nano);
    // Its end is when the poller hears that it is durable; by then it may be delivered.
    assert!(told.start_time_unix_nano <= attempt.start_time_unix_nano);
    assert_eq!(parent, format!("00-{}-{}-01", hex(&attempt.trace_id), hex(&attempt.span_id)));
    assert_eq!(attribute(&attempt, "expensewire.outcome"), "delivered");
    let authorizations = receiver.authorizations.lock().unwrap();
    assert!(authorizations.iter().all(|authorization| authorization == "Bearer of-the-collector"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_not_asked_for_costs_no_delivery() {
    let receiver = Receiver::default();
    let address = receiver.start().await;
    let world = World::with("[traces]\nendpoint = 'http://127.0.0.1:9'\nshare = 0\n").await;
    change_a_policy(&world, &address).await;
    let (_, parent) = receiver.delivered().await.pop_first().unwrap();
    assert!(parent.starts_with("00-") && parent.ends_with("-00"), "a trace that is not kept says so: {parent}");
    world.stopped().await;

    let receiver = Receiver::default();
    let address = receiver.start().await;
    let world = World::with("[traces]\nendpoint = 'http://127.0.0.1:9'\n").await;
    change_a_policy(&world, &address).await;
    receiver.delivered().await;
    let failed = async || {
        let metrics = world.http.get(world.api.replace("/v1", "/metrics")).send().await.unwrap().text().await.unwrap();
        metrics.lines().any(|line| line.starts_with("expensewire_spans_total{outcome=\"failed\"}"))
    };
    let started = Instant::now();
    while !failed().await {
        assert!(started.elapsed() < DEADLINE, "spans that nobody took are counted");
        sleep(LOOK_EVERY).await;
    }
    world.stopped().await;
}
