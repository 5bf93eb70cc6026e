//! `events show`, `events resend`, `replay` and `trigger`: what is asked of the service, and how what it says is told.

use serde_json::{Value, json};

use super::{
    run,
    server::{self, Answer, Request},
};

fn body(request: &Request) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

const EVENT: &str = r#"{"id":"evt_7k2m","sequence":12,"type":"report.approved"}"#;

fn replay(state: &str, delivered: u64, failed: u64) -> Vec<u8> {
    let replay = json!({
        "id": "rpl_1", "subscription": "sub_1", "state": state, "count": 3, "delivered": delivered, "failed": failed,
        "pending": 0, "last_failure": null,
    });
    server::json(&replay.to_string())
}

#[test]
fn an_event_is_shown_by_its_id_as_by_its_sequence() {
    for (name, path) in [("evt_7k2m", "GET /v1/events/evt_7k2m "), ("12", "GET /v1/events/12 ")] {
        let (code, out, told, server) =
            run(Box::new(|_, _| server::json(EVENT)), &["events", "show", name, "-o", "ndjson"]);
        assert_eq!((code, out.trim()), (0, EVENT), "{told}");
        assert!(server.requests()[0].line.starts_with(path));
    }
    let missing: Answer =
        Box::new(|_, _| server::answer("404 X", "application/problem+json", r#"{"title":"No event evt_x"}"#));
    let (code, _, told, _) = run(missing, &["events", "show", "evt_x"]);
    assert!(code == 3 && told.contains("hint: `expensewire events list`"), "{told}");
}

#[test]
fn an_event_is_sent_again_by_a_replay_of_its_position_alone() {
    let answer: Answer = Box::new(|request, before| match before {
        0 => server::json(EVENT),
        1 => {
            assert_eq!(body(request), json!({"from": 11, "to": 12, "dry_run": true}));
            server::json(r#"{"dry_run":true,"count":1}"#)
        }
        2 => {
            assert_eq!(body(request), json!({"from": 11, "to": 12, "dry_run": false}));
            replay("running", 0, 0)
        }
        3 => replay("running", 0, 0),
        _ => replay("done", 1, 0),
    });
    let (code, out, told, server) = run(answer, &["events", "resend", "evt_7k2m", "--subscription", "sub_1"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["state"], "done");
    let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
    assert!(lines[0].starts_with("GET /v1/events/evt_7k2m "), "{lines:?}");
    assert!(lines[2].starts_with("POST /v1/subscriptions/sub_1/replay "), "{lines:?}");
    assert!(lines[4].starts_with("GET /v1/subscriptions/sub_1/replays/rpl_1 "), "{lines:?}");
}

#[test]
fn an_event_that_a_subscription_does_not_want_is_not_sent_again() {
    let answer: Answer = Box::new(|_, before| match before {
        0 => server::json(EVENT),
        1 => server::json(r#"{"dry_run":true,"count":0}"#),
        more => panic!("{more} requests"),
    });
    let (code, _, told, _) = run(answer, &["events", "resend", "12", "--subscription", "sub_1"]);
    assert_eq!(code, 7, "{told}");
    assert!(told.contains("does not want this event, report.approved at 12") && told.contains("hint: "), "{told}");
}

#[test]
fn a_failed_attempt_ends_the_waiting_for_an_event_that_is_sent_again() {
    let failed = json!({"id": "rpl_1", "state": "running", "count": 1, "delivered": 0, "failed": 0, "pending": 1,
        "last_failure": {"outcome": {"kind": "status", "status": 500}}});
    let answer: Answer = Box::new(move |_, before| match before {
        0 => server::json(EVENT),
        1 => server::json(r#"{"count":1}"#),
        2 => replay("running", 0, 0),
        _ => server::json(&failed.to_string()),
    });
    let (code, _, told, _) = run(answer, &["events", "resend", "12", "--subscription", "sub_1"]);
    assert!(code == 6 && told.contains("the attempt failed: status 500; it is made again"), "{told}");
}

#[test]
fn a_replay_is_followed_to_its_end_with_its_progress_on_standard_error() {
    let answer: Answer = Box::new(|request, before| match before {
        0 => {
            assert_eq!(body(request), json!({"from": 7, "to": 90, "rate_per_s": 5}));
            replay("running", 0, 0)
        }
        1 => replay("running", 2, 0),
        _ => replay("done", 3, 0),
    });
    let args = ["replay", "--subscription", "sub_1", "--from", "7", "--to", "90", "--rate", "5", "-o", "json"];
    let (code, out, told, _) = run(answer, &args);
    assert_eq!((code, &serde_json::from_str::<Value>(&out).unwrap()["delivered"]), (0, &json!(3)), "{told}");
    assert!(told.contains("rpl_1 running: 0 of 3 delivered"), "{told}");
    assert!(!told.contains('\r') && !told.contains('\u{1b}'), "no terminal, no escapes: {told:?}");
}

#[test]
fn a_replay_that_gives_events_up_or_is_cancelled_does_not_end_well() {
    for (state, failed, exit, expected) in
        [("done", 2, 6, "2 events could not be delivered"), ("cancelled", 0, 7, "was cancelled")]
    {
        let answer: Answer = Box::new(move |_, _| replay(state, 1, failed));
        let (code, _, told, _) = run(answer, &["replay", "follow", "sub_1", "rpl_1"]);
        assert!(code == exit && told.contains(expected), "{code}: {told}");
    }
}

#[test]
fn a_replay_that_is_detached_or_dry_is_not_followed() {
    for flag in ["--detach", "--dry-run"] {
        let answer: Answer = Box::new(|_, before| match before {
            0 => replay("running", 0, 0),
            more => panic!("{more} requests"),
        });
        let (code, _, told, _) = run(answer, &["replay", "--subscription", "sub_1", "--failed", flag]);
        assert_eq!(code, 0, "{told}");
    }
}

#[test]
fn a_sample_of_any_type_goes_to_the_only_subscription_with_the_values_that_are_named() {
    let answer: Answer = Box::new(|request, before| match before {
        0 => server::json(r#"{"subscriptions":[{"id":"sub_1"}],"next":null}"#),
        _ => {
            let overrides = json!({"/data/object/total": 4711, "/account": "acme"});
            assert_eq!(body(request), json!({"type": "policy.changed", "overrides": overrides}));
            server::json(r#"{"id":"evt_test1","type":"policy.changed","wanted":false}"#)
        }
    });
    let args = ["trigger", "policy.changed", "--override", "data.object.total=4711", "--override", "account=acme"];
    let (code, out, told, server) = run(answer, &args);
    assert_eq!((code, &serde_json::from_str::<Value>(&out).unwrap()["id"]), (0, &json!("evt_test1")), "{told}");
    assert!(server.requests()[1].line.starts_with("POST /v1/subscriptions/sub_1/test "));
    assert!(told.contains("warning: sub_1 does not ask for policy.changed"), "{told}");
}

#[test]
fn a_sample_needs_to_know_to_whom_and_is_refused_with_the_place_that_is_wrong() {
    for (list, exit, expected) in
        [("[]", 3, "there is no subscription"), (r#"[{"id":"a"},{"id":"b"}]"#, 2, "there are 2")]
    {
        let answer: Answer = Box::new(move |_, _| server::json(&format!(r#"{{"subscriptions":{list},"next":null}}"#)));
        let (code, _, told, _) = run(answer, &["trigger", "report.approved"]);
        assert!(code == exit && told.contains(expected) && told.contains("hint: "), "{told}");
    }
    let refused = json!({"title": "A field is wrong", "errors": [
        {"pointer": "/overrides/~1data~1object~1total", "detail": "\"x\" is not of type integer"}]});
    let answer: Answer =
        Box::new(move |_, _| server::answer("422 X", "application/problem+json", &refused.to_string()));
    let (code, _, told, _) =
        run(answer, &["trigger", "report.approved", "--subscription", "sub_1", "--override", "a=x"]);
    assert!(code == 2 && told.contains("not of type integer") && told.contains("hint: the type's schema"), "{told}");
}

#[test]
fn a_misspelt_type_is_a_usage_error_that_says_what_is_meant() {
    let (code, _, told, server) = run(Box::new(|_, _| panic!("asked")), &["trigger", "report.aproved"]);
    assert!(code == 2 && told.contains("report.approved"), "{told}");
    assert!(server.requests().is_empty());
}
