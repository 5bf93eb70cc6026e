use std::time::{Duration, Instant};

use event_model::EventType;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    service::{Service, draft},
    stream::Reader,
};

/// What the service promises: the drain, and a little.
const PROMISED: Duration = Duration::from_secs(3);
/// Within it a stop that waits for a client that takes nothing has not ended: such a client is borne with for a minute. It is far
/// beyond what is promised, because a machine that is busy with other tests takes its time over 16 MiB.
const NEVER: Duration = Duration::from_secs(20);

/// More than the kernel holds for a client: an answer of it cannot be sent whole to one that takes nothing.
const LARGE_BYTES: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn a_stop_ends_streams_properly_and_at_once() {
    let service = Service::start().await;
    let mut reader = Reader::of(service.get("/v1/events/stream").await);
    service.append(&["R1"]).await;
    reader.next().await.expect("an event");
    let begun = Instant::now();
    let ended = tokio::spawn(async move { reader.next().await });
    service.stopped().await.expect("stopped");
    assert!(begun.elapsed() < PROMISED / 2, "took {:?}", begun.elapsed());
    assert_eq!(ended.await.expect("no panic"), None, "the stream was ended, not cut");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_client_that_takes_nothing() {
    let service = Service::start().await;
    let mut large = draft("R1", EventType::ReportCreated, 1);
    large.data.object["reportName"] = json!("n".repeat(LARGE_BYTES));
    service.store.append(vec![large]).await.expect("appended");
    let mut client = TcpStream::connect(&service.address).await.expect("connected");
    let head = format!("GET /v1/events/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", service.key);
    client.write_all(head.as_bytes()).await.expect("sent");
    client.read_exact(&mut [0; 12]).await.expect("it began");
    let begun = Instant::now();
    service.stopped().await.expect("stopped");
    assert!(begun.elapsed() < NEVER, "took {:?}", begun.elapsed());
    let mut rest = Vec::new();
    // However it ends: what the kernel held comes first.
    let _ = timeout(NEVER, client.read_to_end(&mut rest)).await.expect("nobody serves it any more");
    assert!(rest.len() < LARGE_BYTES, "it was cut off, and not left to somebody who goes on");
}

#[tokio::test]
async fn a_stop_finishes_the_request_under_way_and_takes_no_more() {
    let service = Service::start().await;
    let body = json!({"url": "https://slow.example", "events": ["*"]});
    let request = service.request(reqwest::Method::POST, "/v1/subscriptions").json(&body).send();
    let under_way = tokio::spawn(request);
    let idle = TcpStream::connect(&service.address).await.expect("connected");
    service.slow_check_begun.notified().await;
    let address = service.address.clone();
    service.stopped().await.expect("stopped");
    assert_eq!(under_way.await.expect("no panic").expect("an answer").status(), 201);
    assert!(TcpStream::connect(&address).await.is_err());
    drop(idle);
}
