//! Downloads that are not ready, connections that break or hang, and what the permit is told in each case.

use std::{sync::Arc, time::Duration};

use crate::support::{
    self, DEADLINE, File, Passed, Upstream, client, config, export_file, exporting, impatient, read_all, reply,
};
use expensify_client::{
    Client, ClientError, Completeness, Gate, GateClosed, Incompleteness, JobKind, Permit, RequestOutcome, Retry,
};
use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

const NOT_FOUND: &str = r#"{"responseMessage":"File not found","responseCode":404}"#;

fn whole(template: &str) -> (u16, String) {
    (200, export_file(template, &["R1", "R2"]))
}

fn cut_short(template: &str) -> (u16, String) {
    let file = export_file(template, &["R1", "R2"]);
    (200, file[..file.len() - 30].to_owned())
}

/// A server that takes connections, reads each request and hands it over.
async fn raw() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

/// The next connection, its request read as far as its head.
async fn asked(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.unwrap();
        head.extend_from_slice(&piece[..n]);
    }
    stream
}

/// Waits until the other side has closed.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("the client closes the connection");
}

#[tokio::test]
async fn a_download_that_is_not_ready_is_asked_for_again_through_the_gate() {
    let (upstream, url) = exporting(vec![
        Box::new(|_| (200, String::new())),
        Box::new(|_| (200, NOT_FOUND.to_owned())),
        Box::new(cut_short),
        Box::new(|_| (502, "<html>\n</html>".to_owned())),
        Box::new(whole),
    ])
    .await;
    let (client, mut events) = client(config(&url));
    let (reports, end) = read_all(&client).await.unwrap();
    assert_eq!((reports.len(), &end.completeness), (2, &Completeness::Complete));
    let template = upstream.seen()[0].form["template"].clone();
    assert_eq!(end.bytes, whole(&template).1.len() as u64);
    assert_eq!(upstream.seen().len(), 6);
    assert_eq!(upstream.seen()[5].description()["fileName"], "file1.json");
    let acquired: Vec<_> = events.all().into_iter().filter(|e| matches!(e, Passed::Acquired(_))).collect();
    assert_eq!(acquired.len(), 6, "each request has a permit");
    assert_eq!(acquired[0], Passed::Acquired(JobKind::Export));
    assert!(acquired[1..].iter().all(|passed| *passed == Passed::Acquired(JobKind::Download)));
}

#[tokio::test]
async fn a_download_that_never_gets_ready_is_given_up() {
    let never = || -> File { Box::new(|_| (200, NOT_FOUND.to_owned())) };
    let (upstream, url) = exporting((0..9).map(|_| never()).collect()).await;
    let (client, _) = client(config(&url));
    let error = read_all(&client).await.unwrap_err();
    assert_eq!((error.code(), error.retry(), error.job()), (Some(404), Retry::Later, JobKind::Download));
    assert_eq!(upstream.seen().len(), 6, "one export, five downloads");
}

#[tokio::test]
async fn what_another_try_cannot_mend_is_not_tried_again() {
    let limited = r#"{"responseMessage":"slow down","responseCode":429}"#;
    for (body, code) in [(limited, Some(429)), (r#"{"responseCode":403}"#, Some(403))] {
        let (upstream, url) = exporting(vec![Box::new(move |_| (200, body.to_owned())), Box::new(whole)]).await;
        let (client, _) = client(config(&url));
        assert_eq!(read_all(&client).await.unwrap_err().code(), code);
        assert_eq!(upstream.seen().len(), 2);
    }
    let (upstream, url) = exporting(vec![
        Box::new(|template| (200, export_file(template, &["R1"]).replace("\"done\":true", "\"done\":false"))),
        Box::new(whole),
    ])
    .await;
    let (client, _) = client(config(&url));
    let (_, end) = read_all(&client).await.unwrap();
    assert_eq!(end.completeness, Completeness::Incomplete(Incompleteness::BrokenOff));
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_file_that_stays_cut_short_is_incomplete() {
    let cut = || -> File { Box::new(cut_short) };
    let (upstream, url) = exporting((0..5).map(|_| cut()).collect()).await;
    let (client, _) = client(config(&url));
    let (_, end) = read_all(&client).await.unwrap();
    assert_eq!(end.completeness, Completeness::Incomplete(Incompleteness::NoEnd));
    assert_eq!(upstream.seen().len(), 6);
}

#[tokio::test]
async fn a_download_too_long_for_one_look_is_read_whole() {
    let ids: Vec<String> = (0..3000).map(|n| format!("R{n:011}")).collect();
    let file = move |template: &str| (200, export_file(template, &ids.iter().map(String::as_str).collect::<Vec<_>>()));
    let (_upstream, url) = exporting(vec![Box::new(file)]).await;
    let (client, _) = client(config(&url));
    let (reports, end) = read_all(&client).await.unwrap();
    assert_eq!((reports.len(), end.completeness), (3000, Completeness::Complete));
}

#[tokio::test]
async fn a_line_that_is_too_long_is_passed_over() {
    let (_upstream, url) = exporting(vec![Box::new(|_| (200, "x".repeat(17 * 1024 * 1024)))]).await;
    let (client, _) = client(config(&url));
    let (reports, end) = read_all(&client).await.unwrap();
    assert_eq!((reports.len(), end.completeness), (0, Completeness::Incomplete(Incompleteness::NotOurs)));
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_permit_unanswered_and_is_not_made_again() {
    let (listener, url) = raw().await;
    let (client, mut events) = client(config(&url));
    let server = tokio::spawn(async move {
        let stream = asked(&listener).await;
        stream.set_zero_linger().unwrap();
        drop(stream);
        listener
    });
    let error = client.policy_list(false).await.unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer { answering: false, .. }), "{error}");
    assert_eq!(error.retry(), Retry::Later);
    assert_eq!(events.all(), [Passed::Acquired(JobKind::PolicyList), Passed::Unanswered]);
    let listener = server.await.unwrap();
    assert!(timeout(Duration::from_millis(100), listener.accept()).await.is_err(), "no second connection");
}

#[tokio::test]
async fn a_request_without_answer_in_time_closes_its_connection_and_leaves_the_permit_unanswered() {
    let (listener, url) = raw().await;
    let mut config = config(&url);
    config.timeouts = impatient();
    let (client, mut events) = client(config);
    let request = tokio::spawn(async move { client.policy_list(false).await });
    let mut stream = asked(&listener).await;
    assert_eq!(events.next().await, Passed::Acquired(JobKind::PolicyList));
    let error = request.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    assert!(error.to_string().ends_with("no answer within 0.2 s"), "{error}");
    assert_eq!(events.next().await, Passed::Unanswered);
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_request_that_is_dropped_closes_its_connection() {
    let (listener, url) = raw().await;
    let (client, mut events) = client(config(&url));
    let request = tokio::spawn(async move { client.policy_list(false).await });
    let mut stream = asked(&listener).await;
    request.abort();
    assert_eq!(events.next().await, Passed::Acquired(JobKind::PolicyList));
    assert_eq!(events.next().await, Passed::Unanswered);
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_small_answer_is_answered_when_it_is_whole() {
    let (listener, url) = raw().await;
    let (client, mut events) = client(config(&url));
    let request = tokio::spawn(async move { client.policy_list(false).await });
    let mut stream = asked(&listener).await;
    let body = r#"{"policyList":[],"responseCode":200}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", body.len(), &body[..9]);
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(events.next().await, Passed::Acquired(JobKind::PolicyList));
    assert!(timeout(Duration::from_millis(100), events.next()).await.is_err(), "nothing is known yet");
    stream.write_all(&body.as_bytes()[9..]).await.unwrap();
    assert_eq!(events.next().await, Passed::Answered(RequestOutcome::Ok));
    assert!(request.await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_download_is_answered_by_its_head_and_its_body_may_not_stall() {
    let (listener, url) = raw().await;
    let mut config = config(&url);
    config.timeouts = impatient();
    config.download_waits.clear();
    let (client, mut events) = client(config);
    let (done, told) = oneshot::channel();
    tokio::spawn(async move { done.send(read_all(&client).await) });
    let mut export = asked(&listener).await;
    export.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\na.json").await.unwrap();
    let mut download = asked(&listener).await;
    for wanted in
        [Passed::Acquired(JobKind::Export), Passed::Answered(RequestOutcome::Ok), Passed::Acquired(JobKind::Download)]
    {
        assert_eq!(events.next().await, wanted);
    }
    download.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n").await.unwrap();
    assert_eq!(events.next().await, Passed::Answered(RequestOutcome::Ok));
    let error = timeout(DEADLINE, told).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::TimedOut { after, .. } if *after == Duration::from_millis(200)), "{error}");
    closed(&mut download).await;
}

#[tokio::test]
async fn a_download_that_breaks_half_way_is_asked_for_again() {
    let (listener, url) = raw().await;
    let (client, mut events) = client(config(&url));
    let (done, told) = oneshot::channel();
    tokio::spawn(async move { done.send(read_all(&client).await) });
    let mut export = asked(&listener).await;
    export.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\na.json").await.unwrap();
    for _ in 0..5 {
        let mut download = asked(&listener).await;
        download.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{\"t\":").await.unwrap();
        download.shutdown().await.unwrap();
    }
    let error = timeout(DEADLINE, told).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer { answering: true, .. }), "{error}");
    assert_eq!(events.all().iter().filter(|e| **e == Passed::Acquired(JobKind::Download)).count(), 5);
}

#[tokio::test]
async fn behind_a_closed_gate_nothing_is_sent() {
    struct Closed;
    impl Gate for Closed {
        fn acquire(&self, _: JobKind) -> BoxFuture<'_, Result<Box<dyn Permit>, GateClosed>> {
            Box::pin(async { Err(GateClosed) })
        }
    }
    let (upstream, url) = Upstream::start(vec![reply(200, "a.json")]).await;
    let client = Client::new(config(&url), Arc::new(Closed)).unwrap();
    let error = read_all(&client).await.unwrap_err();
    assert!(matches!(error, ClientError::GateClosed { .. }), "{error}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_doctor_asks_for_one_report_marks_nothing_and_reads_the_probe() {
    let (upstream, url) = exporting(vec![Box::new(|template| {
        let nonce = support::nonce_of(template);
        let canary = serde_json::to_string(support::CANARY).unwrap();
        let begin = format!(
            "{{\"t\":\"begin\",\"v\":1,\"nonce\":\"{nonce}\",\"addHeader\":true,\"kind\":\"sequence\",\"size\":0,\
             \"engine\":\"2.3.31\",\"locale\":\"en_US\",\"canary\":{canary}}}"
        );
        (200, format!("{begin}\n{{\"t\":\"end\",\"nonce\":\"{nonce}\"}}\n"))
    })])
    .await;
    let (client, mut events) = client(config(&url));
    let report = client.doctor().await.unwrap();
    assert_eq!((report.engine.as_str(), report.charset_intact, report.reports_size), ("2.3.31", true, Some(0)));
    let seen = &upstream.seen()[0];
    assert!(seen.form["template"].starts_with("<#-- expensewire:doctor:v1 "));
    let description = seen.description();
    assert_eq!(description["inputSettings"]["limit"], "1");
    assert!(description["inputSettings"]["filters"]["startDate"].is_string());
    assert!(description.get("onFinish").is_none());
    assert_eq!(events.all().len(), 4, "two requests, each acquired and answered");
}
