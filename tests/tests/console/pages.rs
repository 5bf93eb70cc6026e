//! What the pages show, and what they never do.

use reqwest::StatusCode;

use crate::{
    browser::{Browser, anonymous},
    service::{SCRIPT, Service},
};

/// A service with something on every page; the addresses of the pages.
async fn furnished() -> (Service, Vec<String>) {
    let service = Service::start().await;
    let id = service.subscribed(SCRIPT).await;
    let first = service.append("acme", "R1").await;
    let last = service.append("beta", "R2").await;
    service.gave_up(&id, first).await;
    let (key, _) = service.narrow_key(&["events:read"]).await;
    let body = serde_json::json!({"from": "beginning"});
    let replay = service.post(&format!("/v1/subscriptions/{id}/replay"), &body).await;
    let replay = replay["id"].as_str().expect("an id").to_owned();
    let pages = vec![
        "/".to_owned(),
        "/?span=day".to_owned(),
        "/console/events".to_owned(),
        "/console/events?type=report.*&account=acme&subject=report%2FR1&since=1h".to_owned(),
        format!("/console/events?before={last}"),
        format!("/console/events/{first}"),
        "/console/entity?account=acme&subject=report%2FR1".to_owned(),
        "/console/subscriptions".to_owned(),
        "/console/subscriptions?q=receiver".to_owned(),
        "/console/subscriptions/new".to_owned(),
        format!("/console/subscriptions/{id}/edit"),
        "/console/keys/new".to_owned(),
        format!("/console/keys/{key}"),
        format!("/console/subscriptions/{id}"),
        format!("/console/subscriptions/{id}/replays/{replay}"),
        "/console/deliveries".to_owned(),
        format!("/console/deliveries?subscription={id}&state=dead"),
        format!("/console/deliveries/{id}.{first}"),
        "/console/replay".to_owned(),
        "/console/catalogue".to_owned(),
        "/console/catalogue/report.approved".to_owned(),
        "/console/quarantine".to_owned(),
        "/console/accounts/acme".to_owned(),
        "/console/system".to_owned(),
        "/console/docs".to_owned(),
    ];
    let docs = expensewire::pages::PAGES.iter().map(|(name, _)| format!("/console/docs/{name}"));
    let pages = pages.into_iter().chain(docs).collect();
    (service, pages)
}

#[tokio::test]
async fn every_page_is_there_with_one_heading_and_nothing_of_it_is_code() {
    let (service, pages) = furnished().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    for path in &pages {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        assert_eq!(page.text.matches("<h1").count(), 1, "{path}");
        assert_eq!(page.text.matches("<script").count(), 1, "{path}: only our own file");
        page.lacks("<img").lacks(" style=").lacks(" onclick").lacks("javascript:").lacks("&amp;lt;");
    }
    service.stopped().await;
}

#[tokio::test]
async fn a_policy_of_our_own_files_alone_guards_every_answer() {
    let (service, mut pages) = furnished().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    pages.extend(
        ["/console/sign-in", "/console/nowhere", "/console/events/99", "/console/accounts/x"].map(str::to_owned),
    );
    for path in &pages {
        let headers = browser.get(path).await.headers;
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{path}: {policy}");
        for part in ["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
    }
    service.stopped().await;
}

#[tokio::test]
async fn what_events_and_people_say_is_text_and_never_markup() {
    let (service, pages) = furnished().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let mut shown = 0;
    for path in &pages {
        let page = browser.get(path).await;
        page.lacks(SCRIPT).lacks("<script>alert").lacks("<img");
        shown += usize::from(page.text.contains("&#60;script&#62;alert"));
    }
    assert!(shown > 8, "{shown} pages showed it");
    let typed = browser.get("/console/subscriptions?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    typed.lacks("<script>alert").has("&#60;script&#62;alert(1)");
    service.stopped().await;
}

#[tokio::test]
async fn no_page_has_a_key_or_a_secret() {
    let (service, pages) = furnished().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let made =
        [("url", "https://receiver.example/"), ("events", "*"), ("headers", "X-Token: hush"), ("once", "once-a")];
    let page = browser.done("/console/subscriptions", &made).await;
    let (_, rest) = page.text.split_once("whsec_").expect("the secret, once");
    let secret: String = rest.chars().take(20).collect();
    for path in &pages {
        let page = browser.get(path).await;
        page.lacks(&service.key).lacks(&secret).lacks("hush");
        // The documentation shows what a secret looks like.
        if !path.starts_with("/console/docs/") {
            page.lacks("whsec_");
        }
    }
    service.stopped().await;
}

#[tokio::test]
async fn the_documentation_is_there_before_and_after_signing_in() {
    let service = Service::start().await;
    let page = anonymous(&service, "/console/docs/quick-start", "text/html").await;
    page.has("<h1>Quick start</h1>").has("Sign in").lacks("Sign out").lacks("style=");
    let browser = Browser::signed_in(&service, &service.key).await;
    browser.get("/console/docs").await.has("href=\"/console/docs/quick-start\"").has("Sign out");
    assert_eq!(browser.get("/console/docs/nowhere").await.status, StatusCode::NOT_FOUND);
    service.stopped().await;
}

#[tokio::test]
async fn before_and_after_stand_side_by_side() {
    let (service, _) = furnished().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let page = browser.get("/console/events/1").await;
    page.has("<code>state</code>").has("<ins>APPROVED</ins>").has("<del>&#60;script");
    page.has("curl -H &#34;Authorization: Bearer $EXPENSEWIRE_KEY&#34;").has("/v1/events/1").has("Inferred");
    page.has("/console/entity?account=acme&#38;subject=report%2FR1");
    service.stopped().await;
}

#[tokio::test]
async fn lists_are_newest_first_in_pages_that_lead_on() {
    let service = Service::start().await;
    for n in 0..120 {
        service.append("acme", &format!("R{n}")).await;
    }
    service.append("beta", "Rb").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let sequences = |text: &str| -> Vec<u64> {
        let links = text.split("<td class=\"num\"><a href=\"/console/events/").skip(1);
        links.map(|link| link.split('"').next().expect("a number").parse().expect("a number")).collect()
    };
    let first = browser.get("/console/events").await;
    assert_eq!(sequences(&first.text), (72..=121).rev().collect::<Vec<_>>());
    let second = browser.get("/console/events?before=72").await;
    assert_eq!(sequences(&second.text), (22..=71).rev().collect::<Vec<_>>());
    let third = browser.get("/console/events?before=22").await;
    assert_eq!(sequences(&third.text), (1..=21).rev().collect::<Vec<_>>());
    third.lacks("rel=\"next\"");
    let of_beta = browser.get("/console/events?account=beta").await;
    assert_eq!(sequences(&of_beta.text), [121]);
    browser.get("/console/events?subject=report%2FR7").await.has("/console/events/8\"").lacks("/console/events/9\"");
    service.stopped().await;
}

#[tokio::test]
async fn a_refusal_says_what_and_why_and_what_next() {
    let (service, _) = furnished().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    for (path, status, title) in [
        ("/console/nowhere", 404, "There is no such page"),
        ("/console/events/99", 404, "Not found"),
        ("/console/events?type=no*glob*", 400, "A parameter is wrong"),
        ("/console/subscriptions/sub_none", 404, "Not found"),
        ("/console/accounts/gamma", 404, "Not found"),
        ("/console/keys/key_none", 404, "Not found"),
        ("/console/subscriptions/sub_none/edit", 404, "Not found"),
        ("/console/entity?subject=nothing", 404, "There is no such page"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status.as_u16(), status, "{path}");
        page.has(title).has("class=\"button\" href=\"/\"").has("Sign out");
    }
    service.stopped().await;
}

#[tokio::test]
async fn an_empty_console_says_which_command_comes_next() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    for path in ["/console/events", "/console/subscriptions", "/console/deliveries", "/console/replay"] {
        browser.get(path).await.has("<code>expensewire ");
    }
    browser.get("/console/events?type=card.*").await.has("expensewire events tail");
    service.stopped().await;
}

#[tokio::test]
async fn what_a_page_needs_is_under_an_address_that_never_changes_its_content() {
    let service = Service::start().await;
    let page = anonymous(&service, "/console/sign-in", "text/html").await;
    let addresses: Vec<_> = page.text.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    for address in addresses {
        let asset = anonymous(&service, address, "*/*").await;
        assert_eq!(asset.status, StatusCode::OK, "{address}");
        assert!(asset.headers["cache-control"].to_str().expect("text").contains("immutable"));
        assert!(!asset.text.is_empty() && asset.headers.contains_key("content-security-policy"));
    }
    let other = anonymous(&service, "/assets/0000/console.js", "*/*").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    service.stopped().await;
}
