use super::*;
use serde_json::json;

const LIMIT: &str = "You have been rate-limited. Please try again later or contact help@expensify.com for assistance.";
const NAME: &str = "export0fd99e06-a636-4974-b6bc-3ceb12163386.csv";
const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Down for maintenance</title></head></html>";

fn refused(code: Option<i64>, message: &str) -> Answer {
    Answer::Refused { code, message: message.to_owned() }
}

fn limited() -> Answer {
    Answer::RateLimited { message: LIMIT.to_owned() }
}

fn files(names: &[&str]) -> Answer {
    Answer::Files(names.iter().map(ToString::to_string).collect())
}

fn done(value: Value) -> Answer {
    Answer::Done(value.as_object().unwrap().clone())
}

fn html() -> Answer {
    Answer::Foreign { excerpt: presentable(HTML, EXCERPT_CHARS) }
}

#[track_caller]
fn check(job: JobKind, status: u16, body: &str, wanted: Answer) {
    assert_eq!(classify(job, status, body.as_bytes()), wanted, "{job:?} HTTP {status} {body}");
}

#[test]
fn the_rate_limit_is_known_in_all_its_forms_for_every_job() {
    let coded = format!(r#"{{"responseMessage":"{LIMIT}","responseCode":429}}"#);
    let uncoded = format!(r#"{{"responseMessage":"{LIMIT}"}}"#);
    for job in JobKind::ALL {
        check(job, 429, &coded, limited());
        check(job, 200, &coded, limited());
        check(job, 200, &uncoded, limited());
        check(job, 200, LIMIT, limited());
        check(job, 200, r#"{"responseCode":"429"}"#, Answer::RateLimited { message: message(&Map::new()) });
        check(job, 429, "", Answer::RateLimited { message: String::new() });
        assert_eq!(classify(job, 429, HTML.as_bytes()).outcome(), RequestOutcome::RateLimited);
    }
}

#[test]
fn an_envelope_with_another_code_is_a_refusal_whatever_the_status() {
    for job in JobKind::ALL {
        for (body, code, message) in [
            (r#"{"responseMessage":"Authentication error","responseCode":404}"#, Some(404), "Authentication error"),
            (
                r#"{"responseMessage":"No authentication method specified","responseCode":403}"#,
                Some(403),
                "No authentication method specified",
            ),
            (r#"{"responseCode":410,"responseMessage":"Malformed date"}"#, Some(410), "Malformed date"),
            (r#"{"responseCode":"410","responseMessage":"No"}"#, Some(410), "No"),
            (r#"{"responseCode":410.0,"responseMessage":"No"}"#, Some(410), "No"),
            (r#"{"responseCode":500}"#, Some(500), "the server gives no reason"),
            (r#"{"responseCode":666,"responseMessage":"Rule already exists"}"#, Some(666), "Rule already exists"),
            (r#"{"responseMessage":"File not found"}"#, None, "File not found"),
            (r#"{"responseCode":null,"responseMessage":"No"}"#, None, "No"),
            (r#"{"responseCode":"none"}"#, None, "the server gives no reason"),
            ("\u{feff}{\"responseCode\":500}\r\n", Some(500), "the server gives no reason"),
        ] {
            check(job, 200, body, refused(code, message));
            check(job, 500, body, refused(code, message));
        }
    }
}

#[test]
fn success_is_200_or_207_as_number_text_or_with_a_fraction() {
    for code in ["200", "\"200\"", "200.0", "\"200.0\"", "207"] {
        let body = format!(r#"{{"policyList":[],"responseCode":{code}}}"#);
        let answer = classify(JobKind::PolicyList, 200, body.as_bytes());
        assert!(matches!(&answer, Answer::Done(envelope) if envelope["policyList"] == json!([])), "{body}: {answer:?}");
    }
    check(
        JobKind::Policy,
        200,
        r#"{"responseMessage":"OK","responseCode":200}"#,
        done(json!({ "responseMessage": "OK", "responseCode": 200 })),
    );
}

#[test]
fn an_export_answers_with_a_bare_name_with_several_or_with_an_object() {
    for job in [JobKind::Export, JobKind::Reconciliation] {
        check(job, 200, NAME, files(&[NAME]));
        check(job, 200, &format!("{NAME}\r\n"), files(&[NAME]));
        check(job, 200, "a.pdf, b.pdf ,c.pdf", files(&["a.pdf", "b.pdf", "c.pdf"]));
        check(job, 200, r#"{"filename":"is_1.csv","responseMessage":"OK","responseCode":200}"#, files(&["is_1.csv"]));
        check(job, 200, r#"{"responseCode":200,"filename":"a.json"}"#, files(&["a.json"]));
        check(job, 200, r#"{"filename":"a.json"}"#, files(&["a.json"]));
    }
}

#[test]
fn what_is_no_name_is_not_taken_for_one() {
    for job in [JobKind::Export, JobKind::Reconciliation] {
        check(job, 200, HTML, html());
        for body in ["", "\n", "two\nlines", "a\u{7}b", "{}", "[]", "<html>down</html>", "a.pdf,,b.pdf", "\"quoted\""] {
            let answer = classify(job, 200, body.as_bytes());
            assert!(matches!(answer, Answer::Foreign { .. }), "{body:?}: {answer:?}");
        }
        assert!(matches!(classify(job, 502, b"Bad gateway"), Answer::Foreign { .. }), "an HTTP error names no file");
        check(job, 200, r#"{"responseCode":200}"#, done(json!({ "responseCode": 200 })));
    }
}

#[test]
fn a_download_is_its_bytes_unless_it_is_an_envelope_or_empty() {
    check(JobKind::Download, 200, "", Answer::Empty);
    check(JobKind::Download, 200, "\r\n", Answer::Empty);
    check(JobKind::Download, 200, "{\"t\":\"begin\"}\n{\"t\":\"end\"}\n", Answer::File);
    check(JobKind::Download, 200, "{\"t\":\"begin\"}", Answer::File);
    check(JobKind::Download, 200, HTML, Answer::File);
    check(JobKind::Download, 200, NAME, Answer::File);
    check(JobKind::Download, 503, HTML, html());
    check(
        JobKind::Download,
        200,
        r#"{"responseMessage":"File not found","responseCode":404}"#,
        refused(Some(404), "File not found"),
    );
}

#[test]
fn other_jobs_take_nothing_but_an_envelope() {
    for job in [JobKind::PolicyList, JobKind::Policy, JobKind::DomainCardList] {
        check(job, 200, HTML, html());
        for body in ["", "OK", "[]", "{\"policyList\":[]}", "{\"responseCode\":200"] {
            let answer = classify(job, 200, body.as_bytes());
            assert!(matches!(answer, Answer::Foreign { .. }), "{body:?}: {answer:?}");
        }
    }
}

#[test]
fn a_redirect_is_never_an_answer() {
    for job in JobKind::ALL {
        check(job, 302, r#"{"responseCode":200,"filename":"a.json"}"#, Answer::Redirected);
        check(job, 307, NAME, Answer::Redirected);
    }
}

#[test]
fn a_message_is_bounded_and_has_no_control_characters() {
    let body = format!(r#"{{"responseCode":500,"responseMessage":"a\u001b[2J\n{}"}}"#, "x".repeat(9000));
    let Answer::Refused { message, .. } = classify(JobKind::Policy, 200, body.as_bytes()) else {
        panic!("not refused");
    };
    assert!(message.starts_with("a[2Jxxx"));
    assert_eq!(message.chars().count(), MESSAGE_CHARS + 1);
}
