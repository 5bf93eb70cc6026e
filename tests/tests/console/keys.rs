//! Making keys and ending them.

use event_model::Action;
use reqwest::StatusCode;
use serde_json::json;

use crate::{browser::Browser, service::Service};

/// The key that `text` shows.
fn shown(text: &str) -> String {
    let (_, rest) = text.split_once("<code id=\"secret\">").expect("the key, once");
    rest.split('<').next().expect("a key").to_owned()
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_opens_what_was_ticked_and_nothing_else() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let form = browser.get("/console/keys/new").await;
    form.lacks(" checked").has("<option value=\"7776000\">in 90 days");
    for action in Action::ALL {
        form.has(&format!("name=\"actions\" value=\"{action}\""));
    }
    let fields = [
        ("once", "k1"),
        ("description", "the ERP"),
        ("actions", "events:read"),
        ("actions", "subscriptions:read"),
        ("accounts", "beta"),
        ("policies", "*"),
        ("events", "report.*, card.added"),
        ("expires_in_s", "3600"),
        ("rate_per_s", "7"),
    ];
    let made = browser.post("/console/keys", &fields).await;
    let page = browser.get(made.location()).await;
    let key = shown(&page.text);
    page.has("it is not shown again").has("data-copy=\"secret\"").has("the ERP").has("in 59 min").lacks("data-refresh");
    assert!(key.starts_with("ew_") && !made.location().contains(&key), "{}", made.location());
    let title = page.text.split("<title>").nth(1).and_then(|rest| rest.split('<').next()).expect("a title");
    assert_eq!(title, "Key the ERP · Expensewire");
    for path in [made.location(), "/console/system", "/"] {
        browser.get(path).await.lacks(&key);
    }
    let id = made.location().rsplit('/').next().expect("an id");
    let stands = service.get(&format!("/v1/keys/{id}")).await;
    assert_eq!(
        (&stands["actions"], &stands["accounts"]),
        (&json!(["events:read", "subscriptions:read"]), &json!(["beta"]))
    );
    assert_eq!((&stands["events"], &stands["rate_per_s"]), (&json!(["report.*", "card.added"]), &json!(7)));
    let again = browser.post("/console/keys", &fields).await;
    assert_eq!(again.location(), made.location(), "a form that is sent twice makes one");
    let narrow = Browser::signed_in(&service, &key).await;
    narrow.get("/").await.has("Signed in with").has("the ERP");
    assert_eq!(narrow.get("/console/events").await.status, StatusCode::OK);
    assert_eq!(narrow.get("/console/quarantine").await.status, StatusCode::FORBIDDEN);
    service.stopped().await;
}

#[tokio::test]
async fn a_key_of_which_nothing_is_said_allows_nothing() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let made = browser.post("/console/keys", &[("once", "k1"), ("expires_in_s", "never")]).await;
    let id = made.location().rsplit('/').next().expect("an id");
    let stands = service.get(&format!("/v1/keys/{id}")).await;
    assert_eq!((&stands["actions"], &stands["accounts"], &stands["events"]), (&json!([]), &json!([]), &json!([])));
    assert!(stands["expires_at"].is_null());
    let nothing = Browser::signed_in(&service, &shown(&browser.get(made.location()).await.text)).await;
    for path in ["/console/events", "/console/subscriptions", "/console/quarantine"] {
        assert_eq!(nothing.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    nothing.get(&format!("/console/keys/{id}")).await.has("signed in with it").has("A key cannot delete itself");
    service.stopped().await;
}

#[tokio::test]
async fn a_key_that_is_refused_comes_back_with_what_was_typed_and_why() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let fields = [
        ("description", "<script>alert(1)</script>"),
        ("accounts", "beta"),
        ("actions", "events:read"),
        ("expires_at", "2001-01-01T00:00:00Z"),
        ("rate_per_s", "x"),
    ];
    let page = browser.post("/console/keys", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.has("<a href=\"#policies\">Policies</a>: is required beside the others").has("id=\"expires_at-error\"");
    page.has("<a href=\"#rate_per_s\">Requests a second</a>: must be a whole number")
        .has("value=\"events:read\" checked");
    page.has("value=\"beta\"").lacks("<script>alert");
    let keys = service.get("/v1/keys").await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1), "the one that is signed in with");
    service.stopped().await;
}

#[tokio::test]
async fn keys_are_offered_to_who_may_make_them_and_no_more_than_they_have() {
    let service = Service::start().await;
    let (_, reader) = service.narrow_key(&["events:read", "keys:read"]).await;
    let reader = Browser::signed_in(&service, &reader).await;
    reader.get("/console/system").await.has("key_").lacks("/console/keys/new");
    reader
        .get("/console/keys/new")
        .await
        .has("Your key makes no keys")
        .lacks("<form class=\"card")
        .has("expensewire keys create");
    assert_eq!(reader.post("/console/keys", &[]).await.status, StatusCode::FORBIDDEN);
    let (_, maker) = service.narrow_key(&["events:read", "keys:write"]).await;
    let maker = Browser::signed_in(&service, &maker).await;
    maker.get("/console/system").await.has("/console/keys/new");
    let form = maker.get("/console/keys/new").await;
    form.has("value=\"events:read\"").lacks("value=\"log:admin\"").lacks("name=\"actions\" value=\"*\"");
    let wide =
        [("accounts", "acme"), ("policies", "*"), ("events", "*"), ("actions", "events:read"), ("expires_in_s", "60")];
    let refused = maker.post("/console/keys", &wide).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    refused.has("<a href=\"#accounts\">Accounts</a>: names accounts that the key which makes this one has not");
    service.stopped().await;
}

#[tokio::test]
async fn a_key_is_ended_with_what_belongs_to_it_or_without() {
    let service = Service::start().await;
    let (id, key) = service.narrow_key(&["subscriptions:read", "subscriptions:write"]).await;
    let its = Browser::signed_in(&service, &key).await;
    let made = its
        .post("/console/subscriptions", &[("url", "https://a.example/"), ("events", "report.*"), ("once", "s")])
        .await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let path = format!("/console/keys/{id}");
    browser
        .get(&path)
        .await
        .has("Its subscriptions")
        .has("https://a.example/")
        .has("value=\"keep\" required")
        .has(made.location());
    let delete = format!("{path}/delete");
    browser.done(&delete, &[]).await.has("Nothing was deleted");
    browser.done(&delete, &[("sure", "yes")]).await.has("role=\"alert\"").has("say what becomes of them");
    assert_eq!(its.get("/console/subscriptions").await.status, StatusCode::OK, "it still stands");
    browser
        .done(&delete, &[("sure", "yes"), ("subscriptions", "keep")])
        .await
        .has("is deleted")
        .lacks(&format!("href=\"{path}\""));
    assert_eq!(its.get("/console/subscriptions").await.location(), "/console/sign-in?ended=key");
    browser.get(made.location()).await.has("https://a.example/");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    service.stopped().await;
}

#[tokio::test]
async fn who_is_signed_in_cannot_take_away_their_own_key() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let own = service.get("/v1/keys/self").await["id"].as_str().expect("an id").to_owned();
    let path = format!("/console/keys/{own}");
    browser.get(&path).await.has("made at the first start").has("signed in with it").lacks("/delete\"");
    browser.done(&format!("{path}/delete"), &[("sure", "yes")]).await.has("a key cannot delete itself");
    service.stopped().await;
}
