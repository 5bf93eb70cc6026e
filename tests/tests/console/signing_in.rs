//! Sessions: how they begin, what their cookie is, how they end.

use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    browser::{Browser, anonymous, enter, sign_in},
    service::{DEADLINE, Service},
};

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_form_and_back_to_where_they_wanted() {
    let service = Service::start().await;
    let page = anonymous(&service, "/console/events?type=report.*", "text/html").await;
    assert_eq!(page.location(), "/console/sign-in?next=%2Fconsole%2Fevents%3Ftype%3Dreport.*");
    let form = anonymous(&service, page.location(), "text/html").await;
    assert_eq!(form.field("next"), "/console/events?type=report.*");
    let signed_in = sign_in(&service, &service.key, &form.field("next")).await;
    assert_eq!(signed_in.location(), "/console/events?type=report.*");
    let elsewhere = sign_in(&service, &service.key, "//evil.example/").await;
    assert_eq!(elsewhere.location(), "/", "nobody is led to another host");
    service.stopped().await;
}

#[tokio::test]
async fn a_browser_gets_the_console_at_the_root_and_a_program_the_routes() {
    let service = Service::start().await;
    for accept in ["*/*", "text/plain", "application/json"] {
        anonymous(&service, "/", accept).await.has("POST   /v1/subscriptions");
    }
    let page = anonymous(&service, "/", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8").await;
    assert_eq!(page.location(), "/console/sign-in");
    let api = anonymous(&service, "/v1/events", "text/html").await;
    assert_eq!(api.status, StatusCode::UNAUTHORIZED, "the API's own paths stay the API's");
    assert_eq!(api.headers["content-type"], "application/problem+json");
    service.stopped().await;
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_says_nothing_of_the_key() {
    let service = Service::start().await;
    let plain = sign_in(&service, &service.key, "").await;
    let cookie = plain.headers["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("expensewire=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&service.key));
    let fields = [("key", service.key.as_str()), ("csrf", TOKEN)];
    let kept = format!("__Host-expensewire-form={TOKEN}");
    let https = enter(&service, &fields, &[("x-forwarded-proto", "https"), ("cookie", &kept)]).await;
    let cookie = https.headers["set-cookie"].to_str().expect("text");
    assert!(cookie.starts_with("__Host-expensewire=") && cookie.ends_with("SameSite=Strict; Secure"), "{cookie}");
    service.stopped().await;
}

/// What a page may have put into a cookie and a form.
const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn nobody_is_signed_in_by_a_form_that_is_not_of_our_page() {
    let service = Service::start().await;
    let (key, own) = (("key", service.key.as_str()), format!("expensewire-form={TOKEN}"));
    let other = TOKEN.replace('A', "B");
    // What another site can send: no cookie of ours, or that of the person without knowing it, or one that is no token.
    for (fields, cookie) in [
        (vec![key], ""),
        (vec![key, ("csrf", TOKEN)], ""),
        (vec![key], own.as_str()),
        (vec![key, ("csrf", "")], "expensewire-form="),
        (vec![key, ("csrf", "x")], "expensewire-form=x"),
        (vec![key, ("csrf", &other)], own.as_str()),
    ] {
        let page = enter(&service, &fields, &[("cookie", cookie)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{fields:?} {cookie}");
        assert!(page.cookie().is_none(), "{fields:?} {cookie}");
        page.has("The form was not taken").lacks(&service.key);
        // It can be sent once more as it comes back, by who keeps cookies.
        let (token, kept) = (page.field("csrf"), page.cookie_of("expensewire-form").expect("a cookie"));
        let again = enter(&service, &[key, ("csrf", &token)], &[("cookie", &kept)]).await;
        assert!(again.cookie().is_some());
        assert_eq!(again.cookie_of("expensewire-form").as_deref(), Some("expensewire-form="), "used up");
    }
    service.stopped().await;
}

#[tokio::test]
async fn the_form_in_another_window_keeps_its_token() {
    let service = Service::start().await;
    let first = anonymous(&service, "/console/sign-in", "text/html").await;
    let kept = first.cookie_of("expensewire-form").expect("a cookie");
    let asked =
        service.client.get(service.url("/console/sign-in")).header("cookie", &kept).header("accept", "text/html");
    let second = asked.send().await.expect("an answer").text().await.expect("text");
    assert!(second.contains(&first.field("csrf")));
    service.stopped().await;
}

#[tokio::test]
async fn a_wrong_key_begins_no_session_and_after_ten_nobody_at_that_address_may_try() {
    let service = Service::start().await;
    for wrong in ["", "ew_wrong", "ew_\r\nx: y", "é"] {
        let page = sign_in(&service, wrong, "").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(page.cookie().is_none());
        page.has("does not know this key");
        if !wrong.is_empty() {
            page.lacks(wrong);
        }
    }
    for _ in 4..10 {
        assert_eq!(sign_in(&service, "ew_wrong", "").await.status, StatusCode::UNAUTHORIZED);
    }
    let limited = sign_in(&service, &service.key, "").await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS, "not even with the right key");
    service.stopped().await;
}

#[tokio::test]
async fn signing_out_ends_the_session_for_whoever_has_the_cookie() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let left = browser.post("/console/sign-out", &[]).await;
    assert_eq!(left.location(), "/console/sign-in");
    assert_eq!(left.cookie().as_deref(), Some("expensewire="));
    assert_eq!(browser.get("/console/events").await.location(), "/console/sign-in?next=%2Fconsole%2Fevents");
    service.stopped().await;
}

#[tokio::test]
async fn a_key_that_is_deleted_ends_its_sessions_and_streams() {
    let service = Service::start().await;
    let (id, key) = service.narrow_key(&["events:read"]).await;
    let browser = Browser::signed_in(&service, &key).await;
    let asked = service.client.get(service.url("/console/events/stream")).header("cookie", &browser.cookie);
    let mut stream = asked.send().await.expect("an answer").bytes_stream();
    assert!(stream.next().await.expect("greeted").is_ok());
    let deleted = service.client.delete(service.url(&format!("/v1/keys/{id}"))).bearer_auth(&service.key);
    assert_eq!(deleted.send().await.expect("an answer").status(), StatusCode::NO_CONTENT);
    timeout(DEADLINE, async { while stream.next().await.is_some() {} }).await.expect("the stream ends");
    assert_eq!(browser.get("/console/events").await.location(), "/console/sign-in?ended=key");
    assert_eq!(browser.get("/console/events").await.location(), "/console/sign-in?next=%2Fconsole%2Fevents");
    service.stopped().await;
}

#[tokio::test]
async fn signing_out_ends_the_streams_of_the_session() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let asked = service.client.get(service.url("/console/events/stream?after=0")).header("cookie", &browser.cookie);
    let response = asked.header("accept", "text/event-stream").send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    assert!(stream.next().await.expect("greeted").is_ok());
    service.append("acme", "R1").await;
    let piece = timeout(DEADLINE, stream.next()).await.expect("in time").expect("open").expect("a piece");
    assert!(String::from_utf8_lossy(&piece).contains("event: report.updated"));
    browser.post("/console/sign-out", &[]).await;
    timeout(DEADLINE, async { while stream.next().await.is_some() {} }).await.expect("the stream ends");
    service.stopped().await;
}

#[tokio::test]
async fn a_second_sign_in_ends_the_session_before_it() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let cookies = format!("{}; expensewire-form={TOKEN}", browser.cookie);
    let again = enter(&service, &[("key", &service.key), ("csrf", TOKEN)], &[("cookie", &cookies)]).await;
    assert_ne!(again.cookie().as_deref(), Some(browser.cookie.as_str()));
    assert_eq!(browser.get("/console/system").await.location(), "/console/sign-in?next=%2Fconsole%2Fsystem");
    service.stopped().await;
}

#[tokio::test]
async fn a_narrow_key_signs_in_too() {
    let service = Service::start().await;
    let body = json!({"accounts": ["beta"], "policies": ["*"], "events": ["*"], "actions": ["events:read"]});
    let key = service.post("/v1/keys", &body).await["key"].as_str().expect("a key").to_owned();
    Browser::signed_in(&service, &key).await.get("/").await.has("Your key does not allow to see accounts");
    service.stopped().await;
}
