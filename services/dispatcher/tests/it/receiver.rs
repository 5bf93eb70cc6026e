//! A subscriber: answers as a test tells it and remembers what came.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use event_model::Event;
use futures_util::stream;
use http::HeaderMap;
use tokio::{net::TcpListener, sync::watch, time::timeout};
use url::Url;

/// How long anything may take in these tests.
pub const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub came_at: Instant,
    /// How often this id has come, this time included.
    pub times: usize,
}

impl Received {
    pub fn event(&self) -> Event {
        serde_json::from_slice(&self.body).expect("an event")
    }

    pub fn sequence(&self) -> u64 {
        self.event().sequence.0
    }

    pub fn subject(&self) -> String {
        self.event().subject.to_string()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// The status with this body.
    Text(u16, String),
    /// The status after a while.
    Slow(Duration, u16),
    /// 503 and `retry-after`.
    Later(String),
    /// A redirect to there.
    Redirect(String),
    /// 200 and a body that never ends, a little at a time.
    Drip,
    /// 200 and as many bytes.
    Long(usize),
    /// 200 and bytes without end, as fast as they are taken.
    Endless,
    /// No answer.
    Hang,
}

type Behaviour = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Inner {
    behaviour: Mutex<Behaviour>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    /// Requests being answered now, by subject; and whether two of one ever were.
    now: Mutex<HashMap<String, usize>>,
    overlapped: Mutex<bool>,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: Url,
    inner: Arc<Inner>,
}

impl Receiver {
    pub async fn start(behaviour: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("address")).parse().expect("url");
        let inner = Arc::new(Inner {
            behaviour: Mutex::new(Box::new(behaviour)),
            received: Mutex::default(),
            count: watch::Sender::new(0),
            now: Mutex::default(),
            overlapped: Mutex::default(),
        });
        let app = Router::new().fallback(take).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inner }
    }

    pub fn answer(&self, behaviour: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        *self.inner.behaviour.lock().expect("lock") = Box::new(behaviour);
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().expect("lock").clone()
    }

    /// Forgets what came so far.
    pub fn forget(&self) {
        self.inner.received.lock().expect("lock").clear();
    }

    pub fn sequences(&self) -> Vec<u64> {
        self.received().iter().map(Received::sequence).collect()
    }

    pub fn overlapped(&self) -> bool {
        *self.inner.overlapped.lock().expect("lock")
    }

    /// Waits until so many requests came; all that came.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut counts = self.inner.count.subscribe();
        let waited = timeout(PATIENCE, counts.wait_for(|came| *came >= count)).await;
        assert!(waited.is_ok(), "{} requests came, {count} were awaited", self.received().len());
        self.received()
    }

    /// What was answered with success first, by subject, in the order it came.
    pub fn first_by_subject(&self) -> BTreeMap<String, Vec<u64>> {
        let mut seen = BTreeMap::<String, Vec<u64>>::new();
        for one in self.received().iter().filter(|one| one.times == 1) {
            seen.entry(one.subject()).or_default().push(one.sequence());
        }
        seen
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let id = headers.get("webhook-id").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (one, reply) = {
        let mut received = inner.received.lock().expect("lock");
        let times = received.iter().filter(|earlier| earlier.id == id).count() + 1;
        let one = Received { id, headers, body, came_at: Instant::now(), times };
        received.push(one.clone());
        let reply = inner.behaviour.lock().expect("lock")(&one);
        (one, reply)
    };
    let subject = serde_json::from_slice::<Event>(&one.body).map_or(one.id, |event| event.subject.to_string());
    enter(&inner, &subject);
    inner.count.send_modify(|count| *count += 1);
    let response = respond(reply).await;
    *inner.now.lock().expect("lock").entry(subject).or_default() -= 1;
    response
}

fn enter(inner: &Inner, subject: &str) {
    let mut now = inner.now.lock().expect("lock");
    let here = now.entry(subject.to_owned()).or_default();
    *here += 1;
    *inner.overlapped.lock().expect("lock") |= *here > 1;
}

async fn respond(reply: Reply) -> Response {
    let with = |status: u16, body: Body| Response::builder().status(status).body(body).expect("response");
    match reply {
        Reply::Status(status) => with(status, Body::from("ok")),
        Reply::Text(status, text) => with(status, Body::from(text)),
        Reply::Slow(after, status) => {
            tokio::time::sleep(after).await;
            with(status, Body::empty())
        }
        Reply::Later(when) => {
            let mut response = with(503, Body::empty());
            response.headers_mut().insert("retry-after", when.parse().expect("header"));
            response
        }
        Reply::Redirect(to) => {
            let mut response = with(307, Body::empty());
            response.headers_mut().insert("location", to.parse().expect("header"));
            response
        }
        Reply::Drip => {
            let drops = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b".")), ()))
            });
            with(200, Body::from_stream(drops))
        }
        Reply::Long(bytes) => with(200, Body::from(vec![b'x'; bytes])),
        Reply::Endless => {
            let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 4096]));
            with(200, Body::from_stream(stream::repeat_with(chunk)))
        }
        Reply::Hang => std::future::pending().await,
    }
}
