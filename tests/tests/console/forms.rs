//! What the forms do, and which are not taken.

use reqwest::StatusCode;
use serde_json::json;

use crate::{
    browser::{Browser, Page, sign_in},
    service::{SCRIPT, Service},
};

/// Fields of a form, or headers.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Every address that takes a form of somebody who is signed in.
fn forms(id: &str) -> Vec<String> {
    let of = |what: &str| format!("/console/subscriptions/{id}/{what}");
    let mut forms: Vec<_> =
        ["edit", "test", "pause", "resume", "rotate", "delete", "retry"].into_iter().map(of).collect();
    forms.push(of("replays/rpl_1/cancel"));
    let others = [
        "/console/sign-out",
        "/console/subscriptions",
        "/console/keys",
        "/console/keys/key_1/delete",
        "/console/events/1/resend",
        "/console/deliveries/x.1/retry",
        "/console/replay",
        "/console/replay/count",
        "/console/accounts/acme/refresh",
        "/console/accounts/acme/release",
    ];
    forms.extend(others.map(str::to_owned));
    forms
}

#[tokio::test]
async fn a_form_without_the_sessions_token_or_from_another_site_changes_nothing() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let other = Browser::signed_in(&service, &service.key).await;
    let token = browser.csrf();
    for path in forms(&id) {
        let cases: [(Pairs<'_>, Pairs<'_>); 5] = [
            (&[("sure", "yes")], &[]),
            (&[("csrf", ""), ("sure", "yes")], &[]),
            (&[("csrf", other.csrf()), ("sure", "yes")], &[]),
            (&[("csrf", token), ("sure", "yes")], &[("sec-fetch-site", "cross-site")]),
            (&[("csrf", token), ("sure", "yes")], &[("origin", "https://evil.example")]),
        ];
        for (fields, headers) in cases {
            let page = browser.send(&path, fields, headers).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {fields:?} {headers:?}");
            page.has("The form was not taken");
        }
        let stranger = service.client.post(service.url(&path)).form(&[("csrf", token)]).send().await;
        assert_eq!(stranger.expect("an answer").status(), StatusCode::SEE_OTHER, "{path}: to where one signs in");
    }
    assert_eq!(service.get(&format!("/v1/subscriptions/{id}")).await["status"]["state"], "active");
    assert_eq!(browser.get("/console/system").await.status, StatusCode::OK, "still signed in");
    service.stopped().await;
}

#[tokio::test]
async fn a_subscription_is_made_and_its_secret_is_shown_once() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let form = browser.get("/console/subscriptions/new").await;
    let once = form.field("once");
    let fields = [
        ("once", once.as_str()),
        ("url", "https://receiver.example/hook"),
        ("events", "report.*\r\npolicy.changed"),
        ("accounts", "acme"),
        ("description", "the ERP"),
        ("from", "beginning"),
        ("format", "cloudevents-binary"),
        ("ordering", "strict"),
        ("rate_per_s", "7"),
        ("headers", "X-Team: ap"),
        ("ed25519", "yes"),
    ];
    let made = browser.post("/console/subscriptions", &fields).await;
    let page = browser.get(made.location()).await;
    page.has("whsec_").has("data-copy=\"secret\"").has("the ERP").has("<code>x-team</code>").lacks(": ap");
    browser.get(made.location()).await.lacks("whsec_");
    let again = browser.post("/console/subscriptions", &fields).await;
    assert_eq!(again.location(), made.location(), "a form that is sent twice makes one");
    let all = service.get("/v1/subscriptions").await;
    assert_eq!(all["subscriptions"].as_array().map(Vec::len), Some(1));
    let one = &all["subscriptions"][0];
    assert_eq!(one["events"], json!(["report.*", "policy.changed"]));
    assert_eq!((&one["format"], &one["ordering"]), (&json!("cloudevents-binary"), &json!("strict")));
    assert_eq!((&one["rate_per_s"], &one["accounts"], &one["ed25519"]), (&json!(7), &json!(["acme"]), &json!(true)));
    assert_eq!(one["cursor"], 0);
    service.stopped().await;
}

#[tokio::test]
async fn a_form_that_is_refused_comes_back_with_what_was_typed_and_what_is_wrong() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let fields = [
        ("url", "https://inside.example/hook"),
        ("events", "no.such"),
        ("description", SCRIPT),
        ("headers", "X-Token: hush"),
    ];
    let page = browser.post("/console/subscriptions", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.has("A field is wrong")
        .has("<a href=\"#url\">URL</a>: 10.0.0.1 is in 10.0.0.0/8")
        .has("Events, number 1</a>: ");
    page.has("id=\"url-error\">10.0.0.1").has("aria-describedby=\"events-error events-hint\"");
    // A header comes back without its value, and cannot be sent so.
    page.has(">X-Token: </textarea>");
    let bare = [("url", "https://receiver.example/"), ("events", "*"), ("headers", "X-Token: ")];
    let page = browser.post("/console/subscriptions", &bare).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.has("A header lacks its value").has("value=\"https://receiver.example/\"");
    assert_eq!(service.get("/v1/subscriptions").await["subscriptions"], json!([]));
    let page = browser.post("/console/subscriptions", &fields).await;
    page.has("value=\"https://inside.example/hook\"").has(">no.such</textarea>").lacks("<script>alert").lacks("hush");
    service.stopped().await;
}

#[tokio::test]
async fn a_subscription_is_tested_paused_resumed_signed_anew_and_deleted() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let of = |what: &str| format!("/console/subscriptions/{id}/{what}");
    browser.done(&of("test"), &[("once", "t1")]).await.has("A test event is on its way").has("evt_test");
    browser.done(&of("pause"), &[]).await.has("Paused.").has(">Resume</button>");
    browser.done(&of("test"), &[("once", "t2")]).await.has("paused and delivers nothing");
    browser.done(&of("resume"), &[]).await.has("Resumed.").has(">Pause</button>");
    let rotated = browser.done(&of("rotate"), &[("overlap_s", "3600"), ("once", "r1")]).await;
    rotated
        .lacks("data-refresh")
        .lacks("http-equiv")
        .has("whsec_")
        .has("The one before still signs beside it")
        .has("in 59 min");
    browser.get(&format!("/console/subscriptions/{id}")).await.lacks("whsec_").has("data-refresh=\"5\"");
    browser.done(&of("rotate"), &[("overlap_s", "x"), ("once", "r2")]).await.has("overlap_s must be a whole number");
    browser.done(&of("delete"), &[]).await.has("Nothing was deleted");
    browser.done(&of("delete"), &[("sure", "yes")]).await.has("is deleted").has("Nobody is told yet");
    assert_eq!(browser.get(&format!("/console/subscriptions/{id}")).await.status, StatusCode::NOT_FOUND);
    service.stopped().await;
}

#[tokio::test]
async fn a_page_that_loads_itself_in_another_window_does_not_take_the_secret() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let fields = [("overlap_s", "3600"), ("once", "r1")];
    let rotated = browser.post(&format!("/console/subscriptions/{id}/rotate"), &fields).await;
    let itself = service.client.get(service.url("/")).header("cookie", &browser.cookie).header("accept", "text/html");
    let itself = itself.header("x-console-refresh", "1").send().await.expect("an answer").text().await.expect("text");
    assert!(itself.contains("Overview") && !itself.contains("whsec_"));
    assert_eq!(browser.get("/console/nowhere").await.lacks("whsec_").status, StatusCode::NOT_FOUND);
    browser.get(rotated.location()).await.has("whsec_");
    service.stopped().await;
}

#[tokio::test]
async fn what_was_given_up_is_retried_one_by_one_and_all_at_once() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let (first, second) = (service.append("acme", "R1").await, service.append("acme", "R2").await);
    service.gave_up(&id, first).await;
    service.gave_up(&id, second).await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let page = browser.get("/console/deliveries").await;
    page.has("gave up some").has("Retry all 2 given up").has("answered 500, which is no 2xx");
    let one = browser.done(&format!("/console/deliveries/{id}.{first}/retry"), &[]).await;
    one.has("ahead of its schedule").has("retrying").has("class=\"timeline\"");
    let all = browser.done(&format!("/console/subscriptions/{id}/retry"), &[]).await;
    all.has("1 delivery is in line again");
    browser.done(&format!("/console/subscriptions/{id}/retry"), &[]).await.has("there is nothing to retry");
    service.stopped().await;
}

#[tokio::test]
async fn a_replay_is_counted_then_started_then_cancelled() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    for n in 0..5 {
        service.append("acme", &format!("R{n}")).await;
    }
    service.delivered_up_to(&id, 5).await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let wish = [("subscription", id.as_str()), ("what", "after"), ("after", "2"), ("rate_per_s", "1")];
    let counted = browser.post("/console/replay/count", &wish).await;
    assert_eq!(counted.status, StatusCode::OK);
    counted.has("3 events").has("after 2 up to 5").has("formaction=\"/console/replay\"").has("value=\"2\"");
    assert_eq!(service.get(&format!("/v1/subscriptions/{id}/replays")).await["replays"], json!([]));
    let bad = browser.post("/console/replay/count", &[("subscription", &id), ("what", "after"), ("after", "99")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    bad.has("is beyond what was sent").lacks("formaction=\"/console/replay\"");
    let started = browser.post("/console/replay", &[&wish[..], &[("once", "p1")]].concat()).await;
    let progress = browser.get(started.location()).await;
    progress.has("running").has("data-refresh=\"2\"").has("1 a second").has("<progress max=\"100\" value=\"0\"");
    let cancelled = browser.done(&format!("{}/cancel", started.location()), &[]).await;
    cancelled.has("Cancelled:").has("cancelled").lacks("data-refresh");
    browser.done(&format!("{}/cancel", started.location()), &[]).await.has("cancelled");
    service.stopped().await;
}

#[tokio::test]
async fn an_event_is_resent_to_who_wants_it_and_to_nobody_else() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let narrow = json!({"url": "https://other.example/", "events": ["card.*"]});
    let narrow = service.post("/v1/subscriptions", &narrow).await["id"].as_str().expect("an id").to_owned();
    let sequence = service.append("acme", "R1").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let path = format!("/console/events/{sequence}/resend");
    let unsent = browser.done(&path, &[("subscription", &id), ("once", "a")]).await;
    unsent.has("role=\"alert\"").has("is not from");
    for one in [&id, &narrow] {
        service.delivered_up_to(one, sequence).await;
    }
    browser.done(&path, &[("subscription", &narrow), ("once", "b")]).await.has("filter does not want this event");
    let page = browser.done(&path, &[("subscription", &id), ("once", "c")]).await;
    page.has("is on its way again").has("after 0 up to 1");
    service.stopped().await;
}

#[tokio::test]
async fn what_is_withheld_is_confirmed_with_a_ceiling() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    browser.get("/").await.has("20 of 120 in reports");
    let page = browser.get("/console/quarantine").await;
    page.has("20 of 120 missing").has("name=\"ceiling\"").has("does not reach it any more");
    let path = "/console/accounts/acme/release";
    browser.done(path, &[("scope", "reports"), ("ceiling", "x")]).await.has("ceiling must be a number");
    browser.done(path, &[("scope", "reports"), ("ceiling", "5")]).await.has("role=\"alert\"").has("20");
    browser.done(path, &[("scope", "reports"), ("ceiling", "20")]).await.has("3 are told as removed, 17 are read");
    browser.done("/console/accounts/acme/refresh", &[]).await.has("as soon as the budget allows");
    let wrong = browser.done("/console/accounts/acme/refresh", &[("report", "no id")]).await;
    wrong.has("is not the id of a report");
    service.stopped().await;
}

#[tokio::test]
async fn a_form_that_is_too_large_or_none_is_refused() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let large = "x".repeat(70_000);
    let page: Page = browser.post("/console/subscriptions", &[("description", &large)]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.has("The form could not be read");
    assert_eq!(sign_in(&service, &large, "").await.status, StatusCode::BAD_REQUEST);
    service.stopped().await;
}
