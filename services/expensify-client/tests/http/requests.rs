//! Requests as they are sent, and answers as they are taken, over real HTTP.

use crate::support::{self, Passed, SECRET, Upstream, client, config, nonce_of, reply};
use axum::{body::Body, http::Response};
use event_model::ReportState;
use expensify_client::{
    ClientError, FileSystem, JobKind, OpenGate, PolicyOutcome, ReconciliationExport, ReconciliationType, ReportExport,
    ReportFilter, RequestOutcome, Retry, SetupError, template,
};
use jiff::civil::date;
use serde_json::json;

const LIMIT: &str = "You have been rate-limited. Please try again later or contact help@expensify.com for assistance.";

fn export() -> ReportExport {
    let filter = ReportFilter { start_date: Some(date(2026, 3, 1)), ..ReportFilter::default() };
    ReportExport { filter, states: vec![ReportState::Open], limit: None }
}

#[tokio::test]
async fn an_export_is_a_form_post_with_every_field_percent_encoded() {
    let (upstream, url) = Upstream::start(vec![reply(200, "expensewire1.json")]).await;
    let (client, mut events) = client(config(&url));
    let file = client.export_reports(&export()).await.unwrap();
    assert_eq!((file.name.as_str(), file.system), ("expensewire1.json", FileSystem::IntegrationServer));
    assert!(file.started_at <= file.rendered_by);

    let seen = &upstream.seen()[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("expensewire/"));
    for absent in ["expect", "authorization", "cookie", "referer"] {
        assert!(!seen.headers.contains_key(absent), "{absent}");
    }
    assert_eq!(seen.form.keys().collect::<Vec<_>>(), ["requestJobDescription", "template"]);
    assert!(!seen.raw.contains(['+', ' ', '"', '<', '{']), "{}", seen.raw);
    assert_eq!(seen.description()["credentials"], json!({ "partnerUserID": "aa_me", "partnerUserSecret": SECRET }));
    assert_eq!(seen.description()["inputSettings"]["reportState"], "OPEN");

    let nonce = file.nonce.unwrap();
    assert_eq!(nonce_of(&seen.form["template"]), nonce.as_str());
    assert_eq!(seen.form["template"], template::reports(&nonce));
    assert!(seen.form["template"].contains('+'), "the template has a plus sign to lose");
    assert_eq!(events.all(), [Passed::Acquired(JobKind::Export), Passed::Answered(RequestOutcome::Ok)]);
}

#[tokio::test]
async fn each_export_has_its_own_nonce() {
    let (_upstream, url) = Upstream::start(vec![reply(200, "a.json"), reply(200, "b.json")]).await;
    let (client, _) = client(config(&url));
    let one = client.export_reports(&export()).await.unwrap();
    let two = client.export_reports(&export()).await.unwrap();
    assert_ne!(one.nonce, two.nonce);
}

#[tokio::test]
async fn the_other_reads_are_one_request_each() {
    let (upstream, url) = Upstream::start(vec![
        reply(200, r#"{"policyList":[{"id":"B2","name":"Two"},{"id":"A1","name":"One"}],"responseCode":200}"#),
        reply(200, r#"{"policyInfo":{"A1":{"tags":[{"name":"Ops"}]}},"responseCode":200}"#),
        reply(200, r#"{"domainCardList":[{"cardID":7,"bank":"vcf"}],"responseCode":200}"#),
        reply(200, r#"{"filename":"is_reconciliation_1.csv","responseMessage":"OK","responseCode":200}"#),
    ])
    .await;
    let (client, mut events) = client(config(&url));
    let list = client.policy_list(true).await.unwrap();
    assert_eq!(list.iter().map(|p| p.policy_id.as_str()).collect::<Vec<_>>(), ["A1", "B2"]);
    let read = client.policies_by_id(&list).await.unwrap();
    let PolicyOutcome::Details(policy) = &read.outcomes["A1"] else { panic!("{:?}", read.outcomes) };
    assert_eq!((policy.tags.as_ref().unwrap()[0].tags[0].name.as_str(), policy.name.as_deref()), ("Ops", Some("One")));
    assert_eq!(read.outcomes["B2"], PolicyOutcome::Absent);
    assert_eq!(client.domain_cards("acme.example").await.unwrap()[0].card_id, "7");
    let reconciliation = ReconciliationExport {
        start_date: date(2026, 2, 1),
        end_date: date(2026, 2, 28),
        domain: "acme.example".into(),
        kind: ReconciliationType::Unreported,
        feed: None,
        file_extension: "csv".into(),
        template: "${1+1}".into(),
    };
    let file = client.reconciliation(&reconciliation).await.unwrap();
    assert_eq!((file.name.as_str(), file.system), ("is_reconciliation_1.csv", FileSystem::Reconciliation));

    let seen = upstream.seen();
    assert_eq!(seen[1].description()["inputSettings"]["policyIDList"], json!(["A1", "B2"]));
    assert_eq!(seen[3].form["template"], "${1+1}");
    let jobs: Vec<_> = events.all().into_iter().filter(|e| matches!(e, Passed::Acquired(_))).collect();
    assert_eq!(
        jobs,
        [JobKind::PolicyList, JobKind::Policy, JobKind::DomainCardList, JobKind::Reconciliation].map(Passed::Acquired)
    );
}

#[tokio::test]
async fn the_rate_limit_is_known_in_its_three_forms() {
    let envelope = format!(r#"{{"responseMessage":"{LIMIT}","responseCode":429}}"#);
    let message = format!(r#"{{"responseMessage":"{LIMIT}"}}"#);
    for (status, body) in [(429, envelope.clone()), (200, envelope), (200, message)] {
        let (_upstream, url) = Upstream::start(vec![reply(status, body)]).await;
        let (client, mut events) = client(config(&url));
        let error = client.policy_list(false).await.unwrap_err();
        assert!(matches!(&error, ClientError::RateLimited { message, .. } if message == LIMIT), "{error}");
        assert_eq!((error.retry(), error.code()), (Retry::RateLimited, Some(429)));
        assert_eq!(events.all()[1], Passed::Answered(RequestOutcome::RateLimited));
    }
}

#[tokio::test]
async fn a_refusal_says_what_was_asked_and_never_the_secret() {
    let body = json!({ "responseMessage": format!("bad pair aa_me / {SECRET}\u{7}"), "responseCode": "404" });
    let (_upstream, url) = Upstream::start(vec![reply(200, body.to_string())]).await;
    let (client, mut events) = client(config(&url));
    let error = client.domain_cards("acme.example").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"domain_card_list {"domain":"acme.example","type":"domainCardList"}: refused (404): bad pair aa_me / [secret]"#
    );
    assert_eq!((error.job(), error.code(), error.retry()), (JobKind::DomainCardList, Some(404), Retry::Never));
    assert!(!format!("{error:?} {client:?}").contains(SECRET));
    assert_eq!(events.all()[1], Passed::Answered(RequestOutcome::ApiError(404)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = |_: &support::Seen| {
        Response::builder().status(307).header("location", "/elsewhere").body(Body::empty()).unwrap()
    };
    let (upstream, url) = Upstream::start(vec![Box::new(redirect), reply(200, "never.json")]).await;
    let (client, mut events) = client(config(&url));
    let error = client.export_reports(&export()).await.unwrap_err();
    assert!(matches!(error, ClientError::Redirected { status: 307, .. }), "{error}");
    assert_eq!((upstream.seen().len(), error.retry()), (1, Retry::Never));
    assert_eq!(events.all()[1], Passed::Answered(RequestOutcome::Transport));
}

#[tokio::test]
async fn a_maintenance_page_is_foreign_and_may_pass() {
    for status in [200, 502, 503] {
        let (_upstream, url) = Upstream::start(vec![reply(status, "<html>\n<h1>Down</h1></html>")]).await;
        let (client, mut events) = client(config(&url));
        let error = client.policy_list(false).await.unwrap_err();
        assert!(matches!(&error, ClientError::Foreign { excerpt, .. } if excerpt.contains("Down")), "{error}");
        assert_eq!(error.retry(), Retry::Later);
        assert_eq!(events.all()[1], Passed::Answered(RequestOutcome::Transport));
    }
}

#[tokio::test]
async fn an_answer_without_what_was_asked_is_not_an_empty_list() {
    for body in [r#"{"responseCode":200}"#, r#"{"responseCode":200,"policyList":{}}"#] {
        let (_upstream, url) = Upstream::start(vec![reply(200, body)]).await;
        let (client, _) = client(config(&url));
        let error = client.policy_list(false).await.unwrap_err();
        assert!(matches!(error, ClientError::Unexpected { .. }), "{error}");
    }
    let (_upstream, url) = Upstream::start(vec![reply(200, "a.json,b.json")]).await;
    let (client, _) = client(config(&url));
    assert!(matches!(client.export_reports(&export()).await, Err(ClientError::Unexpected { .. })));
}

#[tokio::test]
async fn an_answer_that_is_compressed_is_refused_unread() {
    for (status, limited) in [(200, false), (429, true)] {
        let encoded = move |_: &support::Seen| {
            let response = Response::builder().status(status).header("content-encoding", "gzip");
            response.body(Body::from(vec![0x1f, 0x8b, 8, 0])).unwrap()
        };
        let (_upstream, url) = Upstream::start(vec![Box::new(encoded)]).await;
        let (client, mut events) = client(config(&url));
        let error = client.export_reports(&export()).await.unwrap_err();
        assert!(error.to_string().contains("encoded (gzip)"), "{error}");
        assert_eq!((error.code() == Some(429), matches!(error, ClientError::RateLimited { .. })), (limited, limited));
        let outcome = if limited { RequestOutcome::RateLimited } else { RequestOutcome::Transport };
        assert_eq!(events.all()[1], Passed::Answered(outcome));
    }
    let identity = |_: &support::Seen| {
        Response::builder().header("content-encoding", "Identity").body(Body::from("a.json")).unwrap()
    };
    let (_upstream, url) = Upstream::start(vec![Box::new(identity)]).await;
    assert_eq!(client(config(&url)).0.export_reports(&export()).await.unwrap().name, "a.json");
}

#[tokio::test]
async fn the_servers_clock_is_known_from_any_answer() {
    let dated = |offset_s: i64| -> support::Reply {
        Box::new(move |_| {
            let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(offset_s);
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
            Response::builder().header("date", date).body(Body::from(r#"{"responseCode":403}"#)).unwrap()
        })
    };
    let (_upstream, url) = Upstream::start(vec![dated(-7200), dated(9 * 365 * 86_400), dated(3600)]).await;
    let (client, _) = client(config(&url));
    assert_eq!(client.clock_offset(), None);
    for wanted_s in [-7200, -7200, 3600] {
        client.policy_list(true).await.unwrap_err();
        let offset = client.clock_offset().unwrap().as_secs();
        assert!((offset - wanted_s).abs() <= 1, "{offset} s where {wanted_s} s should be");
    }
}

#[tokio::test]
async fn a_small_answer_that_is_not_small_is_given_up() {
    let (_upstream, url) = Upstream::start(vec![reply(200, "x".repeat(33 * 1024 * 1024))]).await;
    let (client, mut events) = client(config(&url));
    let error = client.policy_list(false).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { .. }), "{error}");
    assert_eq!(events.all()[1], Passed::Answered(RequestOutcome::Transport));
}

#[tokio::test]
async fn an_endpoint_is_http_or_https() {
    let made = |url: &str| expensify_client::Client::new(config(url), std::sync::Arc::new(OpenGate)).map(|_| ());
    assert!(matches!(made("ftp://127.0.0.1/"), Err(SetupError::Scheme(scheme)) if scheme == "ftp"));
    assert!(made("http://127.0.0.1:1/").is_ok());
}

/// The environment of this process cannot be changed safely: the test runs itself again with a proxy set.
#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "requests::each_export_has_its_own_nonce"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, "http://127.0.0.1:1");
    }
    again.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}
