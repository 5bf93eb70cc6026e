//! What is wrong is refused by a problem that says what, costs a bounded amount of memory, and harms nobody else.

use std::fmt::Write;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::service::{DEADLINE, Service, named, problem};

const LARGEST_BODY: usize = 1024 * 1024;
const LARGEST_HEAD: usize = 32 * 1024;

/// Every route that takes a body, with a path that is there once `{sub}` is put in.
const TAKING: &[(&str, &str)] = &[
    ("POST", "/v1/subscriptions"),
    ("PATCH", "/v1/subscriptions/{sub}"),
    ("POST", "/v1/subscriptions/{sub}/rotate-secret"),
    ("POST", "/v1/subscriptions/{sub}/replay"),
    ("POST", "/v1/accounts/acme/refresh"),
    ("POST", "/v1/accounts/acme/release"),
    ("POST", "/v1/keys"),
];

/// The answers to `body` of every route that takes one.
async fn everywhere(service: &Service, content_type: &str, body: &[u8]) -> Vec<Response> {
    let sub = service.subscribed().await["id"].as_str().expect("an id").to_owned();
    let mut answers = Vec::new();
    for (method, path) in TAKING {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = service.request(method, &path.replace("{sub}", &sub)).header("content-type", content_type);
        answers.push(request.body(body.to_vec()).send().await.expect("an answer"));
    }
    answers
}

async fn lives(service: &Service) {
    assert_eq!(service.get("/readyz").await.status(), 200);
    service.subscribed().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_alike_by_every_route() {
    let service = Service::start().await;
    let deep = "{\"a\":".repeat(100_000);
    let twice = br#"{"url":"https://a.example","url":"https://b.example","events":["*"]}"#;
    for body in [&b"{"[..], b"nonsense", b"\xff\xfe", b"{\"url\":\"\xff\"}", b"{}{}", deep.as_bytes(), twice] {
        for answer in everywhere(&service, "application/json", body).await {
            problem(answer, 400, "json").await;
        }
    }
    for body in [&b"[]"[..], b"null", b"1", b"\"{}\""] {
        for answer in everywhere(&service, "application/json", body).await {
            assert_eq!(named(&problem(answer, 422, "validation").await), [""]);
        }
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"] {
        for answer in everywhere(&service, content_type, b"{}").await {
            problem(answer, 415, "media-type").await;
        }
    }
    lives(&service).await;
}

#[tokio::test]
async fn a_misspelt_field_is_named_with_its_likely_meaning_by_every_route() {
    let service = Service::start().await;
    let likely = ["events", "events", "overlap_s", "from", "report", "scope", "events"];
    let misspelt = json!({"evnts": ["*"], "overlap": 1, "form": 0, "reprot": "R1", "scop": "reports"}).to_string();
    for (answer, likely) in everywhere(&service, "application/json", misspelt.as_bytes()).await.into_iter().zip(likely)
    {
        let told = problem(answer, 422, "validation").await;
        let hint = format!("did you mean {likely:?}?");
        assert!(told["errors"].to_string().replace('\\', "").contains(&hint), "{hint} in {told}");
    }
}

#[tokio::test]
async fn every_field_of_the_wrong_type_is_named() {
    let service = Service::start().await;
    let sub = service.subscribed().await["id"].as_str().expect("an id").to_owned();
    for wrong in [json!(true), json!({"a": []}), json!(1.5), json!([[["*"]]]), json!("\u{0}")] {
        let fields = ["accounts", "events", "ordering", "policies", "rate_per_s", "url"];
        let body: serde_json::Map<_, _> = fields.iter().map(|field| ((*field).to_owned(), wrong.clone())).collect();
        let bodies = [service.post("/v1/subscriptions", &Value::Object(body.clone())).await];
        let changed = service.patch(&format!("/v1/subscriptions/{sub}"), &Value::Object(body)).await;
        for answer in bodies.into_iter().chain([changed]) {
            let told = problem(answer, 422, "validation").await;
            for field in fields {
                let at = format!("/{field}");
                assert!(named(&told).iter().any(|place| place.starts_with(&at)), "{wrong}: {field} in {told}");
            }
        }
    }
    lives(&service).await;
}

#[tokio::test]
async fn a_parameter_that_occurs_twice_is_refused_even_when_both_are_the_same() {
    let service = Service::start().await;
    let sub = service.subscribed().await["id"].as_str().expect("an id").to_owned();
    let (deliveries, key) = (format!("/v1/subscriptions/{sub}/deliveries"), "/v1/keys/key_1".to_owned());
    for (path, parameter, value) in [
        ("/v1/events", "after", "0"),
        ("/v1/events", "limit", "1"),
        ("/v1/events", "account", "acme"),
        ("/v1/events", "subject", "report/R1"),
        ("/v1/events", "since", "2026-04-02T09:14:00Z"),
        ("/v1/events", "bootstrap", "true"),
        ("/v1/events/stream", "after", "0"),
        ("/v1/subscriptions", "limit", "1"),
        ("/v1/keys", "limit", "1"),
        ("/v1/log/export", "to", "0"),
        ("/v1/entities/report/R1", "account", "acme"),
        (&deliveries, "limit", "1"),
    ] {
        let answer = service.get(&format!("{path}?{parameter}={value}&{parameter}={value}")).await;
        assert_eq!(named(&problem(answer, 400, "parameters").await), [parameter], "{path}");
    }
    let twice = service.request(Method::DELETE, &format!("{key}?subscriptions=keep&subscriptions=delete"));
    assert_eq!(named(&problem(twice.send().await.expect("an answer"), 400, "parameters").await), ["subscriptions"]);
}

#[tokio::test]
async fn absurd_parameters_are_refused_and_only_a_part_of_them_is_repeated() {
    let service = Service::start().await;
    let long = "9".repeat(8000);
    for value in ["-1", "1e3", "1.5", "0x10", "%ff", "%00", "+1", "%F0%9F%A7%BE", "18446744073709551616", &long] {
        for path in ["/v1/events?after=", "/v1/events?limit=", "/v1/subscriptions?limit=", "/v1/log/export?to="] {
            if value == "+1" && !path.ends_with("limit=") {
                continue;
            }
            let told = problem(service.get(&format!("{path}{value}")).await, 400, "parameters").await;
            assert!(told.to_string().len() < 600, "{path}{value}");
        }
    }
    let globs =
        ["", "****", "reprot.*", "report.*%00", "%ff", "report.APPROVED", &"*".repeat(4000), &"a*".repeat(2000)];
    for glob in globs {
        let told = problem(service.get(&format!("/v1/events?type={glob}")).await, 400, "parameters").await;
        assert_eq!(named(&told), ["type"], "{glob}");
        assert!(told.to_string().len() < 600, "{glob}");
    }
    for cursor in ["", "=", "c3Vi", "%ff", "..%2F..", &"A".repeat(8000)] {
        for path in ["/v1/subscriptions", "/v1/keys"] {
            let told = problem(service.get(&format!("{path}?cursor={cursor}")).await, 400, "parameters").await;
            assert_eq!(named(&told), ["cursor"], "{path} {cursor}");
        }
    }
    lives(&service).await;
}

/// What the service answers to these bytes, until it closes the connection or `enough`.
async fn raw(service: &Service, bytes: &[u8], enough: &str) -> String {
    let mut stream = TcpStream::connect(&service.address).await.expect("connected");
    // It may have refused, and closed, before all is sent.
    let _ = stream.write_all(bytes).await;
    let (mut answer, mut buffer) = (String::new(), [0; 4096]);
    while !answer.contains(enough) {
        match timeout(DEADLINE, stream.read(&mut buffer)).await.expect("in time") {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
    answer
}

fn head(service: &Service, method: &str, path: &str, headers: &str) -> String {
    let Service { address, key, .. } = service;
    format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_or_turns_out_to_be_is_refused() {
    let service = Service::start().await;
    let json = "content-type: application/json\r\n";
    let declared = head(&service, "POST", "/v1/subscriptions", &format!("{json}content-length: 999999999999\r\n"));
    let answer = raw(&service, declared.as_bytes(), "request_id").await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("/problems/body-too-large"), "{answer}");

    let mut chunked = head(&service, "POST", "/v1/subscriptions", &format!("{json}transfer-encoding: chunked\r\n"));
    for _ in 0..=LARGEST_BODY / 4096 {
        write!(chunked, "1000\r\n{}\r\n", " ".repeat(4096)).expect("written");
    }
    let answer = raw(&service, chunked.as_bytes(), "request_id").await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("/problems/body-too-large"), "{answer}");
    lives(&service).await;
}

#[tokio::test]
async fn a_head_that_is_none_is_refused_and_the_connection_closed() {
    let service = Service::start().await;
    let many = (0..500).fold(String::new(), |headers, n| headers + &format!("x-{n}: 1\r\n"));
    let cases: &[(String, &str)] = &[
        (head(&service, "GET", "/v1/events", &many), "431"),
        (head(&service, "GET", "/v1/events", &format!("x-long: {}\r\n", "v".repeat(LARGEST_HEAD))), "431"),
        (head(&service, "GET", &format!("/{}", "v".repeat(2 * LARGEST_HEAD)), ""), "431"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        ("\0\0\0\0\r\n\r\n".to_owned(), "400"),
        (head(&service, "GET", "/\0", ""), "400"),
        (head(&service, "POST", "/v1/keys", "content-length: x\r\n"), "400"),
        (head(&service, "POST", "/v1/keys", "content-length: 2\r\ncontent-length: 3\r\n"), "400"),
    ];
    for (bytes, status) in cases {
        let answer = raw(&service, bytes.as_bytes(), "never").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer:?}");
        // As the document says: it is hyper's answer, and has no body.
        assert!(answer.contains("content-length: 0\r\n") && answer.contains("connection: close\r\n"), "{answer:?}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer:?}");
    }
    lives(&service).await;
}

#[tokio::test]
async fn a_header_that_is_no_text_is_refused_or_as_if_it_were_not_there() {
    let service = Service::start().await;
    let get = |headers: &str| head(&service, "GET", "/v1/events/stream", headers);
    for value in ["\u{ff}", "-1", "99999999999999999999", "abc", "1, 2"] {
        let answer = raw(&service, get(&format!("last-event-id: {value}\r\n")).as_bytes(), "request_id").await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("last-event-id"), "{value}: {answer}");
    }
    let body = r#"{"description":"one"}"#;
    for key in [String::new(), "\u{e9}".to_owned(), "a b".to_owned(), "k".repeat(256)] {
        let headers =
            format!("content-type: application/json\r\ncontent-length: {}\r\nidempotency-key: {key}\r\n", body.len());
        let answer =
            raw(&service, (head(&service, "POST", "/v1/keys", &headers) + body).as_bytes(), "request_id").await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("idempotency-key"), "{key:?}: {answer}");
    }
    let answer = raw(&service, b"GET /v1/keys HTTP/1.1\r\nauthorization: Bearer \xff\xfe\r\n\r\n", "request_id").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

/// Resident memory of this process, in bytes.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// What callers may hold at once by the largest bodies: each its body, and what is made of it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn many_of_the_largest_bodies_at_once_take_a_bounded_amount_of_memory() {
    const CALLERS: usize = 16;
    /// A body of a quarter of a million short texts, read.
    const EACH_BYTES: usize = 32 * LARGEST_BODY;
    let service = Service::start().await;
    let list = format!("{{\"events\":[{}\"*\"]}}", "\"*\",".repeat(LARGEST_BODY / 4 - 8));
    assert!(list.len() <= LARGEST_BODY, "{}", list.len());
    let before = resident_bytes();
    for _ in 0..3 {
        let asked = (0..CALLERS).map(|_| {
            let request = service.request(Method::POST, "/v1/subscriptions").header("content-type", "application/json");
            request.body(list.clone()).timeout(3 * DEADLINE).send()
        });
        for answer in futures_util::future::join_all(asked).await {
            problem(answer.expect("an answer"), 422, "validation").await;
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < CALLERS * EACH_BYTES, "{} MiB", grown / LARGEST_BODY);
    lives(&service).await;
}
