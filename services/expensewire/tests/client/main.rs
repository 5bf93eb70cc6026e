//! The client commands as a person or a script runs them, against a server that answers as the HTTP API does.

#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

mod accounts;
mod listen;
mod receiver;
mod replaying;
mod sending;
mod server;
mod verifying;

use std::time::Duration;

use assert_cmd::Command;
use serde_json::{Value, json};
use server::{Answer, Server};

/// Far beyond what any of these takes; only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(20);

fn event(sequence: u64) -> Value {
    json!({
        "id": format!("evt_{sequence}"), "type": "report.approved", "timestamp": "2026-04-02T09:14:00Z",
        "sequence": sequence, "account": "acme", "subject": "report/R1", "data": {"changed": ["state"]},
    })
}

fn message(sequence: u64) -> String {
    format!("id: {sequence}\nevent: report.approved\ndata: {}\n\n", event(sequence))
}

/// A page of a log of `last` events.
fn page(first: u64, end: u64, last: u64) -> Vec<u8> {
    let events: Vec<Value> = (first..=end).map(event).collect();
    server::json(&json!({"events": events, "next": end, "last": last}).to_string())
}

fn command(server: &Server, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("expensewire").unwrap();
    command.args(args).timeout(DEADLINE);
    command.env("EXPENSEWIRE_SERVER", format!("http://{}", server.address)).env("EXPENSEWIRE_KEY", "ew_test_key");
    command.env_remove("EXPENSEWIRE_LOG").env("NO_PROXY", "*");
    command
}

/// Exit code, standard output, standard error.
fn run(answer: Answer, args: &[&str]) -> (i32, String, String, Server) {
    let server = Server::start(answer);
    let output = command(&server, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr), server)
}

/// Says loudly, past the capture of the test runner, what was not tested; fails where nothing may be skipped.
fn skip(what: &str) {
    assert!(std::env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("SKIP {what}\n").as_bytes());
}

fn sequences(lines: &str) -> Vec<u64> {
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["sequence"].as_u64().unwrap()).collect()
}

#[test]
fn events_are_listed_over_several_pages_with_the_key_and_the_filter() {
    let answer: Answer = Box::new(|request, _| match request.line.as_str() {
        line if line.contains("after=0") => page(1, 2, 5),
        line if line.contains("after=2") => page(3, 3, 5),
        _ => page(4, 5, 5),
    });
    let args = ["events", "list", "--type", "report.*,card.added", "--subject", "report/R1", "-o", "ndjson"];
    let (code, out, told, server) = run(answer, &args);
    assert_eq!((code, sequences(&out)), (0, vec![1, 2, 3, 4, 5]), "{told}");
    let first = &server.requests()[0];
    assert_eq!(first.header("authorization").as_deref(), Some("Bearer ew_test_key"));
    assert!(first.line.contains("type=report.*&type=card.added&subject=report%2FR1"), "{}", first.line);
}

#[test]
fn the_bytes_that_were_signed_are_printed_as_they_came() {
    // Neither the order of keys nor the spelling of numbers and escapes is ours to change.
    const SIGNED: &str = r#"{"sequence":1,"type":"report.approved","amount":1.10,"name":"\u00e9","id":"evt_1"}"#;
    for args in [
        &["list"][..],
        &["show", "1"],
        &["tail", "--from", "0", "--until-end"],
        &["tail", "--from", "0", "--count", "1"],
    ] {
        let answer: Answer = Box::new(|request, _| match request.line.as_str() {
            line if line.contains("/stream") => server::stream(&format!("id: 1\ndata: {SIGNED}\n\n")),
            line if line.contains("/events/1") => server::json(SIGNED),
            _ => server::json(&format!(r#"{{"events":[{SIGNED}],"next":1,"last":1}}"#)),
        });
        let (code, out, told, _) = run(answer, &[&["events", "-o", "ndjson"], args].concat());
        assert_eq!((code, out.as_str()), (0, format!("{SIGNED}\n").as_str()), "{args:?}: {told}");
    }
}

#[test]
fn a_list_stops_at_its_limit_and_is_json_where_no_terminal_is() {
    let answer: Answer = Box::new(|request, _| {
        assert!(request.line.contains("limit=2"), "{}", request.line);
        page(1, 2, 500)
    });
    let (code, out, told, _) = run(answer, &["events", "list", "--limit", "2"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&out).unwrap().len(), 2);
}

#[test]
fn a_table_is_for_people() {
    let (code, out, _, _) = run(Box::new(|_, _| page(1, 1, 1)), &["events", "list", "-o", "table"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("SEQUENCE  TIMESTAMP"), "{out}");
    assert!(out.contains("report.approved  acme     report/R1  state"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out:?}");
}

#[test]
fn a_tail_goes_on_where_it_was_when_the_stream_breaks_anywhere() {
    let answer: Answer = Box::new(|request, before| match (before, request.header("last-event-id").as_deref()) {
        // The third event is cut off in the middle: it comes again.
        (0, Some("7")) => server::stream(&(message(8) + &message(9) + &message(10)[..30])),
        (1, Some("9")) => server::answer("503 Service Unavailable", "application/problem+json", "{}"),
        (2, Some("9")) => server::stream(": heartbeat\n\n"),
        // A position without an event counts too.
        (3, Some("9")) => server::stream(&(message(10) + ": heartbeat\nid: 15\n\n")),
        (4, Some("15")) => server::stream(&(message(16) + &message(17))),
        other => panic!("{other:?}"),
    });
    let (code, out, told, _) = run(answer, &["events", "tail", "--from", "7", "--count", "4", "-o", "ndjson"]);
    assert_eq!((code, sequences(&out)), (0, vec![8, 9, 10, 16]), "{told}");
    assert!(told.contains("connecting again"), "{told}");
}

#[test]
fn a_tail_from_now_on_fixes_its_place_before_it_waits() {
    let answer: Answer = Box::new(|request, before| match (before, request.header("last-event-id").as_deref()) {
        (0, None) => page(1, 1, 41),
        (1, Some("41")) => server::stream("retry: 2000\n\n"),
        (2, Some("41")) => server::stream(&message(42)),
        other => panic!("{other:?}"),
    });
    let (code, out, told, _) = run(answer, &["events", "tail", "--count", "1"]);
    assert_eq!((code, sequences(&out)), (0, vec![42]), "{told}");
}

#[test]
fn a_tail_until_the_end_stops_where_the_log_ended_when_it_began() {
    let answer: Answer = Box::new(|request, _| match request.line.as_str() {
        line if line.contains("after=0") => page(1, 2, 3),
        // The log has grown meanwhile.
        _ => page(3, 6, 6),
    });
    let (code, out, told, _) = run(answer, &["events", "tail", "--from", "0", "--until-end", "-o", "ndjson"]);
    assert_eq!((code, sequences(&out)), (0, vec![1, 2, 3]), "{told}");
}

#[test]
fn what_waiting_cannot_mend_ends_a_tail_at_once() {
    let answer: Answer = Box::new(|_, before| match before {
        0 => server::stream(&message(8)),
        _ => server::answer("410 Gone", "application/problem+json", r#"{"title":"Below the horizon"}"#),
    });
    let (code, _, told, _) = run(answer, &["events", "tail", "--from", "7"]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("error: Below the horizon"), "{told}");
}

#[test]
fn a_tail_whose_position_is_beyond_the_log_says_where_the_log_ends_and_how_to_go_on() {
    let refused = |parameter: &str| {
        let errors = json!([{"parameter": parameter, "detail": "686 is beyond the log, which ends at 680"}]);
        let body = json!({"title": "A field is wrong", "errors": errors}).to_string();
        server::answer("400 Bad Request", "application/problem+json", &body)
    };
    for more in [&[][..], &["--until-end"]] {
        let answer: Answer = Box::new(move |request, _| match request.line.as_str() {
            line if line.contains("/stream") => refused("last-event-id"),
            line if line.contains("after=686") => refused("after"),
            _ => page(1, 1, 680),
        });
        let (code, out, told, _) = run(answer, &[&["events", "tail", "--from", "686"], more].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{more:?}: {told}");
        assert!(told.contains("error: position 686 is beyond the log, which ends at 680\nhint: "), "{told}");
        assert!(told.contains("restored from a backup; `--from 680`") && !told.contains("last-event-id"), "{told}");
    }
}

#[test]
fn a_refusal_of_a_tail_for_another_reason_is_told_as_it_is() {
    let answer: Answer = Box::new(|request, _| match request.line.contains("/stream") {
        true => server::answer("400 X", "application/problem+json", r#"{"title":"Something else"}"#),
        false => page(1, 1, 686),
    });
    let (code, _, told, _) = run(answer, &["events", "tail", "--from", "686"]);
    assert_eq!((code, told.as_str()), (2, "error: Something else\n"));
}

#[test]
fn a_refusal_tells_every_field_and_what_to_do() {
    let body = json!({
        "type": "/problems/validation", "title": "A field is wrong", "detail": "one thing is wrong, see errors",
        "errors": [{"pointer": "/url", "detail": "127.0.0.1 is in a loopback range"}],
    });
    let text = body.to_string();
    let answer: Answer = Box::new(move |_, _| server::answer("422 X", "application/problem+json", &text));
    let (code, out, told, _) = run(answer, &["subscriptions", "create", "http://127.0.0.1:1/", "--events", "report.*"]);
    assert_eq!((code, out.as_str()), (2, ""), "{told}");
    assert!(
        told.contains("error: A field is wrong") && told.contains("\n  url: 127.0.0.1 is in a loopback range"),
        "{told}"
    );

    let answer: Answer =
        Box::new(|_, _| server::answer("401 X", "application/problem+json", r#"{"title":"An API key is needed"}"#));
    let (code, _, told, _) = run(answer, &["subscriptions", "list"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("hint: give a key by --key or EXPENSEWIRE_KEY"), "{told}");
    assert!(!told.contains("ew_test_key"), "{told}");
}

#[test]
fn a_subscription_is_made_and_its_secret_shown() {
    let answer: Answer = Box::new(|request, _| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!((&body["url"], &body["events"]), (&json!("https://a.example/"), &json!(["report.*"])));
        server::answer(
            "201 Created",
            "application/json",
            r#"{"id":"sub_1","secret":"whsec_abc","url":"https://a.example/"}"#,
        )
    });
    let (code, out, told, server) =
        run(answer, &["subscriptions", "create", "https://a.example", "--events", "report.*"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["secret"], "whsec_abc");
    assert!(told.contains("shown this once"), "{told}");
    assert!(server.requests()[0].line.starts_with("POST /v1/subscriptions "));
}

#[test]
fn subscriptions_are_listed_to_the_last_page() {
    let answer: Answer = Box::new(|request, _| {
        let (ids, next) = match request.line.contains("cursor=abc") {
            true => (json!([{"id": "sub_3"}]), Value::Null),
            false => (json!([{"id": "sub_1"}, {"id": "sub_2"}]), json!("abc")),
        };
        server::json(&json!({"subscriptions": ids, "next": next}).to_string())
    });
    let (code, out, told, _) = run(answer, &["subscriptions", "list", "-o", "ndjson"]);
    assert_eq!((code, out.lines().count()), (0, 3), "{told}");
}

#[test]
fn each_change_goes_to_its_route() {
    for (args, line) in [
        (&["delete", "sub_1"][..], "DELETE /v1/subscriptions/sub_1 "),
        (&["pause", "sub_1"], "POST /v1/subscriptions/sub_1/pause "),
        (&["resume", "sub_1"], "POST /v1/subscriptions/sub_1/resume "),
        (&["test", "sub_1"], "POST /v1/subscriptions/sub_1/test "),
        (&["show", "../keys"], "GET /v1/subscriptions/..%2Fkeys "),
        (&["update", "sub_1", "--no-rate"], "PATCH /v1/subscriptions/sub_1 "),
    ] {
        let (code, _, told, server) = run(Box::new(|_, _| server::json("{}")), &[&["subscriptions"], args].concat());
        assert_eq!(code, 0, "{args:?}: {told}");
        assert!(server.requests()[0].line.starts_with(line), "{args:?}: {}", server.requests()[0].line);
    }
}

#[test]
fn a_service_that_is_not_there_is_told_with_its_address() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::cargo_bin("expensewire").unwrap();
    let output =
        command.args(["events", "list", "--server", &format!("http://{gone}")]).timeout(DEADLINE).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains(&format!("no answer from http://{gone}/: ")) && told.contains("refused"), "{told}");
    assert!(told.contains("hint: is the service running"), "{told}");
}

#[test]
fn something_that_is_not_the_service_is_told_as_such() {
    let answer: Answer = Box::new(|_, _| server::answer("200 OK", "text/html", "<html>"));
    let (code, _, told, _) = run(answer, &["events", "list"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("something unexpected"), "{told}");
}

#[test]
fn a_log_filter_that_is_none_is_a_usage_error() {
    let (code, _, told, _) = run(Box::new(|_, _| server::json("{}")), &["events", "list", "--log", "a=b=c"]);
    assert_eq!(code, 2, "{told}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_tail_with_130() {
    use std::{
        io::{BufRead, BufReader},
        process::{Command as Process, Stdio},
    };
    let server = Server::start(Box::new(|_, _| server::stream(&message(8))));
    // The stream ends at once and is opened again and again: the signal may meet it anywhere.
    let mut child = Process::new(env!("CARGO_BIN_EXE_expensewire"))
        .args(["events", "tail", "--from", "7", "--server", &format!("http://{}", server.address)])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(sequences(&first), [8]);
    assert!(Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
