//! `expensewire verify --compare`: the event as the service has it tells a wrong secret from another body.

use dispatcher::signature::{parse_secret, sign};
use jiff::Timestamp;

use super::{
    command,
    server::{self, Answer, Server},
};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Neither the order of keys nor the escape is what a program would write.
const EVENT: &str = r#"{"sequence":12,"id":"evt_7k2m","name":"\u00e9"}"#;

/// Exit code and everything told, for `body` signed under [`SECRET`] as [`EVENT`], checked by `secret`.
fn verify(answer: Answer, secret: &str, body: &str, more: &[&str]) -> (i32, String, usize) {
    let server = Server::start(answer);
    let at_s = Timestamp::now().as_second();
    let signature = sign(&parse_secret(SECRET).unwrap(), "evt_7k2m", at_s, EVENT.as_bytes());
    let at = at_s.to_string();
    let args = ["verify", "--secret", secret, "--id", "evt_7k2m", "--timestamp", &at, "--signature", &signature];
    let output = command(&server, &[&args[..], more].concat()).write_stdin(body).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), told, server.requests().len())
}

fn event() -> Answer {
    Box::new(|request, _| {
        assert!(request.line.starts_with("GET /v1/events/evt_7k2m "), "{}", request.line);
        server::json(EVENT)
    })
}

#[test]
fn a_delivery_that_is_right_asks_nobody() {
    let (code, told, asked) = verify(event(), SECRET, EVENT, &["--compare", "-o", "table"]);
    assert!(code == 0 && asked == 0 && told.starts_with("verified: "), "{told}");
    let (_, told, _) = verify(event(), SECRET, EVENT, &["-o", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap()["verified"], true);
}

#[test]
fn a_wrong_secret_is_told_from_another_body() {
    for (secret, body, expected) in [
        (OTHER, EVENT, "another secret"),
        (SECRET, r#"{"id":"evt_7k2m"}"#, "the signature is of another body; the secret is right"),
        (OTHER, r#"{"id":"evt_7k2m"}"#, "the body is not the event's, and the signature does not fit"),
    ] {
        let (code, told, asked) = verify(event(), secret, body, &["--compare"]);
        assert!(code == 6 && asked == 1 && told.contains(expected), "{expected}: {told}");
        assert!(!told.contains(&secret[6..]), "the secret is shown: {told}");
    }
}

#[test]
fn without_asking_it_says_how_to_find_out() {
    let (code, told, asked) = verify(event(), OTHER, EVENT, &[]);
    assert!(code == 6 && asked == 0 && told.contains("no signature fits") && told.contains("--compare"), "{told}");
}

#[test]
fn an_event_that_is_not_in_the_log_cannot_be_compared() {
    let missing: Answer =
        Box::new(|_, _| server::answer("404 X", "application/problem+json", r#"{"title":"No such event"}"#));
    let (code, told, _) = verify(missing, OTHER, EVENT, &["--compare"]);
    assert!(
        code == 3 && told.contains("cannot be had to compare: No such event") && told.contains("evt_test"),
        "{told}"
    );
}
