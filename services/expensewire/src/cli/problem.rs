//! Refusals of the API (RFC 9457) as failures of a command.

use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::{
    exit::{Exit, Failure},
    output::plain,
};

/// Most single faults that are shown.
const MAX_FAULTS: usize = 20;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: String,
    errors: Vec<Fault>,
    earliest: Option<u64>,
    request_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    pointer: Option<String>,
    parameter: Option<String>,
    detail: String,
}

/// What the answer `status` with `body` means to the person at the command line.
pub(super) fn failure(status: StatusCode, body: &[u8], server: &Url) -> Failure {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let what = format!("{server} answered {status}, not as an Expensewire service does");
        return Failure::new(exit(status, ""), what).hint("is this the right address (--server)?");
    };
    let what = match (problem.title.as_str(), problem.detail.as_str()) {
        ("", "") => format!("the service answered {status}"),
        (title, "") => title.to_owned(),
        ("", detail) => detail.to_owned(),
        (title, detail) => format!("{title}: {detail}"),
    };
    let mut failure = Failure::new(exit(status, &problem.kind), plain(&what));
    failure.details = problem.errors.iter().take(MAX_FAULTS).map(line).collect();
    if status.is_server_error() && !problem.request_id.is_empty() {
        failure.details.push(format!("request {}", plain(&problem.request_id)));
    }
    let cut = problem.earliest.map(|earliest| {
        format!(
            "every change after {earliest} is there (`--from {earliest}`); 0 begins with the last event of each entity"
        )
    });
    failure.hint = cut.or_else(|| hint(status).map(str::to_owned));
    failure
}

fn line(fault: &Fault) -> String {
    let place = fault.pointer.as_deref().map(|pointer| pointer.trim_start_matches('/').replace('/', "."));
    match place.or_else(|| fault.parameter.clone()).filter(|place| !place.is_empty()) {
        Some(place) => plain(&format!("{place}: {}", fault.detail)),
        None => plain(&fault.detail),
    }
}

fn exit(status: StatusCode, kind: &str) -> Exit {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Permission,
        StatusCode::NOT_FOUND | StatusCode::GONE => Exit::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Exit::Conflict,
        StatusCode::TOO_MANY_REQUESTS => Exit::Limited,
        StatusCode::SERVICE_UNAVAILABLE if kind.ends_with("/busy") => Exit::Limited,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Exit::Unreachable,
        status if status.is_client_error() => Exit::Usage,
        _ => Exit::Unexpected,
    }
}

fn hint(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => {
            Some("give a key by --key or EXPENSEWIRE_KEY; the service prints the admin key when it first starts")
        }
        StatusCode::FORBIDDEN => Some("this key may not do that; use one that may"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some("try again in a moment"),
        StatusCode::INTERNAL_SERVER_ERROR => Some("the log of the service says more, under the request's id"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Failure {
        let server = Url::parse("http://127.0.0.1:8080").unwrap();
        failure(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &server)
    }

    #[test]
    fn each_status_has_its_exit_code() {
        let busy = r#"{"type":"/problems/busy","title":"Too much at once"}"#;
        let cases = [
            (400, Exit::Usage),
            (401, Exit::Permission),
            (403, Exit::Permission),
            (404, Exit::NotFound),
            (409, Exit::Conflict),
            (410, Exit::NotFound),
            (422, Exit::Usage),
            (429, Exit::Limited),
            (500, Exit::Unexpected),
            (503, Exit::Unreachable),
        ];
        for (status, exit) in cases {
            assert_eq!(of(status, "{}").exit, exit, "{status}");
        }
        assert_eq!(of(503, busy).exit, Exit::Limited);
    }

    #[test]
    fn every_fault_is_told_with_its_field() {
        let body = r#"{"title":"A field is wrong","detail":"2 things are wrong, see errors","errors":[
            {"pointer":"/events/0","detail":"\"reprot.*\" matches no event type"},{"parameter":"limit","detail":"no number"}]}"#;
        let text = of(422, body).to_string();
        assert_eq!(
            text,
            "error: A field is wrong: 2 things are wrong, see errors\n  events.0: \"reprot.*\" matches no event type\n  limit: no number"
        );
    }

    #[test]
    fn who_comes_too_late_is_told_where_to_go_on() {
        let failure = of(410, r#"{"type":"/problems/gone","title":"Gone","earliest":131}"#);
        assert!(failure.hint.is_some_and(|hint| hint.contains("--from 131")));
    }

    #[test]
    fn an_answer_that_is_not_ours_is_told_as_such_and_hostile_text_is_made_plain() {
        assert!(of(404, "<html>").what.contains("not as an Expensewire service does"));
        assert!(!of(400, "{\"title\":\"\\u001b[31m\"}").to_string().contains('\u{1b}'));
    }
}
