use std::time::Duration;

use bytes::Bytes;
use event_model::EventType;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use reqwest::{Method, Response};
use tokio::time::{sleep, timeout};

use crate::service::{DEADLINE, Service, draft, named, problem};

/// A client of server-sent events: bytes in, blocks out.
pub struct Reader {
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    text: String,
}

impl Reader {
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { bytes: boxed(response.bytes_stream()), text: String::new() }
    }

    /// The next block that has data; `None` when the stream has ended as it should.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if block.contains("data: ") {
                    return Some(block);
                }
            }
            let bytes = timeout(DEADLINE, self.bytes.next()).await.expect("in time")?.expect("no break");
            self.text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }

    pub async fn ids(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let block = self.next().await.expect("an event");
            ids.push(
                block
                    .lines()
                    .next()
                    .and_then(|line| line.strip_prefix("id: "))
                    .expect("an id")
                    .parse()
                    .expect("a number"),
            );
        }
        ids
    }
}

fn boxed(
    stream: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
) -> BoxStream<'static, reqwest::Result<Bytes>> {
    stream.boxed()
}

async fn open(service: &Service, query: &str) -> Reader {
    Reader::of(service.get(&format!("/v1/events/stream{query}")).await)
}

#[tokio::test]
async fn a_stream_shows_the_stored_bytes_with_sequence_and_type() {
    let service = Service::start().await;
    let stored = service.append(&["R1", "R2"]).await;
    let mut reader = open(&service, "?after=1").await;
    let body = std::str::from_utf8(&stored[1].body).expect("text");
    assert_eq!(reader.next().await.expect("an event"), format!("id: 2\nevent: report.created\ndata: {body}"));
}

#[tokio::test]
async fn a_stream_begins_now_and_goes_on_with_what_is_appended() {
    let service = Service::start().await;
    service.append(&["R1", "R2"]).await;
    let mut reader = open(&service, "").await;
    service.append(&["R3"]).await;
    assert_eq!(reader.ids(1).await, [3]);
    service.append(&["R4", "R5"]).await;
    assert_eq!(reader.ids(2).await, [4, 5]);
}

#[tokio::test]
async fn a_client_resumes_where_it_stopped_whatever_its_address_says() {
    let service = Service::start().await;
    service.append(&["R1", "R2", "R3", "R4"]).await;
    let request = service.request(Method::GET, "/v1/events/stream?after=0").header("last-event-id", "2");
    let mut reader = Reader::of(request.send().await.expect("an answer"));
    assert_eq!(reader.ids(2).await, [3, 4]);
}

#[tokio::test]
async fn a_stream_is_filtered_like_a_list() {
    let service = Service::start().await;
    let drafts = vec![
        draft("R1", EventType::ReportCreated, 1),
        draft("R1", EventType::ReportApproved, 2),
        draft("R2", EventType::ReportCreated, 1),
        draft("R2", EventType::ReportApproved, 2),
    ];
    service.store.append(drafts).await.expect("appended");
    let mut reader = open(&service, "?after=0&type=report.approved&account=acme").await;
    assert_eq!(reader.ids(2).await, [2, 4]);
    let mut reader = open(&service, "?after=0&subject=report/R2").await;
    assert_eq!(reader.ids(2).await, [3, 4]);
    let mut reader = open(&service, "?since=2026-04-02T00:00:00Z").await;
    assert_eq!(reader.ids(4).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_long_log_comes_whole_and_in_order() {
    let service = Service::start().await;
    let drafts = (0..2000).map(|n| draft(&format!("R{n}"), EventType::ReportCreated, 1)).collect();
    service.store.append(drafts).await.expect("appended");
    let mut reader = open(&service, "?after=0").await;
    assert_eq!(reader.ids(2000).await, (1..=2000).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_wrong_stream_request_is_a_problem() {
    let service = Service::start().await;
    let request = service.request(Method::GET, "/v1/events/stream?limit=3&type=nope").header("last-event-id", "99");
    let told = problem(request.send().await.expect("an answer"), 400, "parameters").await;
    assert_eq!(named(&told), ["limit", "type", "last-event-id"]);
}

#[tokio::test]
async fn streams_are_bounded_and_a_place_is_free_again_when_a_client_goes() {
    let service = Service::start().await;
    let mut readers = Vec::new();
    for _ in 0..256 {
        readers.push(open(&service, "").await);
    }
    let response = service.get("/v1/events/stream").await;
    assert!(response.headers().contains_key("retry-after"));
    problem(response, 503, "busy").await;
    let metrics = service.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains("expensewire_sse_streams 256"), "plain requests are served still");
    readers.clear();
    let freed = async {
        while service.get("/v1/events/stream").await.status() != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, freed).await.expect("freed in time");
}
