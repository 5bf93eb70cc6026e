//! Requests to the API, by the router that serves them, over a store in memory.

use std::{cell::RefCell, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, header},
};
use event_model::{
    AccountName, Data, Detection, EntityKind, EventDraft, EventType, Revision, Subject, TimestampSource,
};
use event_store::{EventStore, MemoryDisk, Sealer};
use futures_util::future::BoxFuture;
use http_api::{Deps, Metrics, Refresh, Released, TargetPolicy, Watching, WatchingRefusal, ensure_admin_key, router};
use tokio::{runtime::Runtime, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use url::Url;

/// A request that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(5);
/// Requests after which the store is made anew: what they made would slow the later ones down.
const KEPT_FOR: usize = 2000;
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

struct Anywhere;

impl TargetPolicy for Anywhere {
    fn check<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

struct Busy;

impl Watching for Busy {
    fn refresh<'a>(&'a self, _: &'a AccountName, _: Refresh) -> BoxFuture<'a, Result<(), WatchingRefusal>> {
        Box::pin(async { Err(WatchingRefusal::Busy) })
    }

    fn release<'a>(
        &'a self,
        _: &'a AccountName,
        _: &'a str,
        _: u64,
    ) -> BoxFuture<'a, Result<Released, WatchingRefusal>> {
        Box::pin(async { Err(WatchingRefusal::NotWithheld) })
    }
}

struct Service {
    runtime: Runtime,
    router: Router,
    key: String,
    asked: usize,
}

impl Service {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (router, key) = runtime.block_on(async {
            let store = EventStore::open_memory(&MemoryDisk::default()).expect("a store");
            store.append((0..20).map(draft).collect()).await.expect("appended");
            let key = ensure_admin_key(&store, None).await.expect("a key").expect("a new key");
            let registry = prometheus::Registry::new();
            let metrics = Metrics::register(&registry).expect("registered");
            let deps = Deps {
                store,
                sealer: Sealer::new([7; 32]),
                accounts: watch::channel(Vec::new()).1,
                watching: Arc::new(Busy),
                registry,
                targets: Arc::new(Anywhere),
                version: "0.0.0".to_owned(),
            };
            (router(deps, metrics, CancellationToken::new()), key)
        });
        Self { runtime, router, key, asked: 0 }
    }

    fn answer(&self, request: Request<Body>) -> Response<Body> {
        let answered = async { timeout(LIMIT, self.router.clone().oneshot(request)).await };
        self.runtime.block_on(answered).expect("in time").expect("an answer")
    }

    fn text(&self, body: Body) -> Vec<u8> {
        let read = async { timeout(LIMIT, axum::body::to_bytes(body, LARGEST_ANSWER)).await };
        self.runtime.block_on(read).expect("in time").expect("a body").to_vec()
    }
}

fn draft(n: u64) -> EventDraft {
    let at = "2026-04-02T09:14:00Z".parse().expect("a time");
    EventDraft {
        event_type: EventType::ReportCreated,
        timestamp: at,
        account: "acme".parse().expect("a name"),
        subject: Subject::new(EntityKind::Report, format!("R{n}")),
        revision: Revision(1),
        actor: None,
        data: Data { object: serde_json::json!({ "reportID": n }), ..Data::default() },
        detection: Detection {
            observed_at: at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

thread_local! {
    static SERVICE: RefCell<Option<Service>> = const { RefCell::new(None) };
}

/// `METHOD path?query`, headers in lines, an empty line, the body: answered as the document says, and never by a failure of ours.
pub fn requests(data: &[u8]) {
    SERVICE.with_borrow_mut(|service| {
        if service.as_ref().is_none_or(|service| service.asked >= KEPT_FOR) {
            *service = Some(Service::new());
        }
        let service = service.as_mut().expect("just made");
        service.asked += 1;
        if let Some(request) = parsed(data, &service.key) {
            ask(service, request);
        }
    });
}

fn ask(service: &Service, request: Request<Body>) {
    let asked = format!("{} {}", request.method(), request.uri());
    let (head, body) = service.answer(request).into_parts();
    let is = |media_type: &str| head.headers.get(header::CONTENT_TYPE).is_some_and(|found| found == media_type);
    assert!(head.status.as_u16() != 500, "{asked}: {}", head.status);
    if is("text/event-stream") || is("application/x-ndjson") {
        // The first has no end, the other is told apart in lines.
        return;
    }
    let text = service.text(body);
    if head.status.is_client_error() || head.status.is_server_error() {
        assert!(is("application/problem+json"), "{asked}: {}", head.status);
        let problem: serde_json::Value = serde_json::from_slice(&text).expect("json");
        assert_eq!(problem["status"], head.status.as_u16(), "{asked}");
    } else if is("application/json") && !text.is_empty() {
        serde_json::from_slice::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{asked}: {error}"));
    }
}

fn parsed(data: &[u8], key: &str) -> Option<Request<Body>> {
    let text = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = text.map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, path) = first.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(path);
    request = request.header("authorization", format!("Bearer {key}"));
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..at], line[at + 1..].trim_ascii());
    }
    request.body(Body::from(body.to_vec())).ok()
}
