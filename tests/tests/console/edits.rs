//! Changing a subscription: what is sent of it, what is refused, and what others changed meanwhile.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::{Browser, Page},
    service::Service,
};

/// The form as it is shown, filled in as it stands.
struct Form {
    path: String,
    fields: Vec<(String, String)>,
}

impl Form {
    async fn shown(browser: &Browser<'_>, id: &str) -> Self {
        let path = format!("/console/subscriptions/{id}/edit");
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        Self { path, fields: Self::read(&page) }
    }

    fn read(page: &Page) -> Vec<(String, String)> {
        let inputs = ["seen", "url", "description", "accounts", "policies", "rate_per_s", "owner"];
        let present = inputs.iter().filter(|name| page.text.contains(&format!("name=\"{name}\" ")));
        let mut fields: Vec<_> = present.map(|name| ((*name).to_owned(), value(page, name))).collect();
        let (_, events) = page.text.split_once("<textarea id=\"events\"").expect("events");
        let (_, events) = events.split_once('>').expect("a tag");
        fields.push(("events".to_owned(), events.split('<').next().expect("a text").to_owned()));
        let ordering =
            ["strict", "none"].into_iter().find(|word| page.text.contains(&format!("value=\"{word}\" selected")));
        fields.push(("ordering".to_owned(), ordering.unwrap_or("entity").to_owned()));
        fields
    }

    async fn sent(&self, browser: &Browser<'_>, typed: &[(&str, &str)]) -> Page {
        let kept = self.fields.iter().filter(|(name, _)| typed.iter().all(|(other, _)| name != other));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        browser.post(&self.path, &kept.chain(typed.iter().copied()).collect::<Vec<_>>()).await
    }
}

/// The value of the field `name`, as a browser reads it.
fn value(page: &Page, name: &str) -> String {
    let (_, rest) = page.text.split_once(&format!("name=\"{name}\" ")).expect("a field");
    let (_, rest) = rest.split_once("value=\"").expect("a value");
    let text = rest.split('"').next().expect("a value");
    text.replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">").replace("&#39;", "'").replace("&#38;", "&")
}

async fn patched(service: &Service, id: &str, body: &Value) {
    let asked = service.client.patch(service.url(&format!("/v1/subscriptions/{id}"))).bearer_auth(&service.key);
    assert_eq!(asked.json(body).send().await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_subscription_is_changed_in_what_was_typed_and_in_nothing_else() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let form = Form::shown(&browser, &id).await;
    let untouched = form.sent(&browser, &[]).await;
    browser.get(untouched.location()).await.has("Nothing was changed.");
    let typed = [
        ("url", "https://other.example/hook"),
        ("events", "report.*\r\ncard.added"),
        ("accounts", "acme"),
        ("ordering", "strict"),
        ("rate_per_s", "9"),
        ("description", ""),
        ("headers_gone", "x-token"),
        ("headers", "X-Team: ap"),
        ("ed25519", "yes"),
    ];
    let saved = form.sent(&browser, &typed).await;
    let page = browser.get(saved.location()).await;
    page.has("Saved: URL, Events, Description, Accounts, What waits behind a failure, Deliveries a second, Headers, Sign with");
    page.has("<code>x-team</code>").lacks("x-token").lacks("hush").lacks(": ap");
    let stands = service.get(&format!("/v1/subscriptions/{id}")).await;
    assert_eq!(
        (&stands["url"], &stands["events"]),
        (&json!("https://other.example/hook"), &json!(["report.*", "card.added"]))
    );
    assert_eq!((&stands["accounts"], &stands["ordering"]), (&json!(["acme"]), &json!("strict")));
    assert_eq!(
        (&stands["rate_per_s"], &stands["description"], &stands["ed25519"]),
        (&json!(9), &Value::Null, &json!(true))
    );
    let cleared = Form::shown(&browser, &id).await.sent(&browser, &[("accounts", ""), ("rate_per_s", "")]).await;
    browser.get(cleared.location()).await.has("Saved: Accounts, Deliveries a second, Sign with");
    let stands = service.get(&format!("/v1/subscriptions/{id}")).await;
    assert_eq!(
        (&stands["accounts"], &stands["rate_per_s"], &stands["ed25519"]),
        (&json!([]), &Value::Null, &json!(false))
    );
    service.stopped().await;
}

#[tokio::test]
async fn a_change_that_is_refused_comes_back_with_what_was_typed_and_why() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let form = Form::shown(&browser, &id).await;
    let typed = [
        ("url", "https://inside.example/"),
        ("rate_per_s", "fast"),
        ("headers", "X-New: hushed"),
        ("headers_gone", "x-token"),
    ];
    let page = form.sent(&browser, &typed).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.has("<a href=\"#url\">URL</a>: 10.0.0.1 is in 10.0.0.0/8").has("id=\"rate_per_s-error\"");
    page.has("value=\"https://inside.example/\"").has("value=\"fast\"").has("value=\"x-token\" checked");
    page.has(">X-New: </textarea>").lacks("hushed");
    let stands = service.get(&format!("/v1/subscriptions/{id}")).await;
    assert_eq!(
        (&stands["url"], stands["headers"]["x-token"].is_string()),
        (&json!("https://receiver.example/hook"), true)
    );
    let gone = browser.get("/console/subscriptions/sub_none/edit").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    service.stopped().await;
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_kept_or_asked_about() {
    let service = Service::start().await;
    let id = service.subscribed("one").await;
    let browser = Browser::signed_in(&service, &service.key).await;
    let form = Form::shown(&browser, &id).await;
    patched(&service, &id, &json!({"rate_per_s": 3, "events": ["card.*"]})).await;
    let saved = form.sent(&browser, &[("description", "mine")]).await;
    browser.get(saved.location()).await.has("Saved: Description.");
    let stands = service.get(&format!("/v1/subscriptions/{id}")).await;
    assert_eq!((&stands["rate_per_s"], &stands["events"]), (&json!(3), &json!(["card.*"])), "of the other");
    // The form of before once more: both changed the events.
    let asked = form.sent(&browser, &[("events", "policy.*"), ("description", "mine")]).await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    asked
        .has("Somebody else changed it while you did")
        .has("<a href=\"#events\">Events</a>: is “card.*” now")
        .has(">policy.*</textarea>");
    assert_eq!(service.get(&format!("/v1/subscriptions/{id}")).await["events"], json!(["card.*"]));
    let again = Form { path: form.path.clone(), fields: Form::read(&asked) };
    let saved = again.sent(&browser, &[]).await;
    browser.get(saved.location()).await.has("Saved: Events.");
    let stands = service.get(&format!("/v1/subscriptions/{id}")).await;
    assert_eq!((&stands["events"], &stands["rate_per_s"]), (&json!(["policy.*"]), &json!(3)));
    service.stopped().await;
}

#[tokio::test]
async fn only_an_administrator_gives_a_subscription_to_another_key() {
    let service = Service::start().await;
    let actions = ["subscriptions:read", "subscriptions:write"];
    let (heir, _) = service.narrow_key(&actions).await;
    let (_, key) = service.narrow_key(&actions).await;
    let narrow = Browser::signed_in(&service, &key).await;
    let made = [("url", "https://receiver.example/"), ("events", "report.*"), ("once", "a")];
    let made = narrow.post("/console/subscriptions", &made).await;
    let id = made.location().rsplit('/').next().expect("an id").to_owned();
    let form = Form::shown(&narrow, &id).await;
    narrow.get(&form.path).await.lacks("name=\"owner\"");
    let kept = form.sent(&narrow, &[("owner", &heir)]).await;
    narrow.get(kept.location()).await.has("Nothing was changed.");
    let admin = Browser::signed_in(&service, &service.key).await;
    let given = Form::shown(&admin, &id).await.sent(&admin, &[("owner", &heir)]).await;
    admin.get(given.location()).await.has("Saved: Owner.").has(&heir);
    let refused = Form::shown(&admin, &id).await.sent(&admin, &[("owner", "key_none")]).await;
    refused.has("<a href=\"#owner\">Owner</a>: there is no such key");
    assert_eq!(narrow.get(&form.path).await.status, StatusCode::NOT_FOUND, "it is not theirs any more");
    service.stopped().await;
}
