//! A key that may see little sees no more in the console.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{browser::Browser, service::Service};

#[tokio::test]
async fn a_narrow_key_sees_its_own_and_nothing_of_others() {
    let service = Service::start().await;
    let foreign = service.subscribed("somebody else's").await;
    let hidden = service.append("acme", "Rhidden").await;
    let seen = service.append("beta", "Rseen").await;
    service.gave_up(&foreign, hidden).await;
    let actions = ["events:read", "subscriptions:read", "subscriptions:write", "deliveries:read", "deliveries:retry"];
    let (_, key) = service.narrow_key(&actions).await;
    let browser = Browser::signed_in(&service, &key).await;
    browser.get("/console/events").await.has("report/Rseen").lacks("Rhidden");
    browser.get(&format!("/console/events/{seen}")).await.has("Rseen").lacks("somebody else");
    browser.get("/console/subscriptions").await.has("Nobody is told yet").lacks(&foreign);
    browser.get("/console/deliveries").await.has("Nothing failed").lacks(&foreign);
    for path in [
        format!("/console/events/{hidden}"),
        "/console/entity?account=acme&subject=report%2FRhidden".to_owned(),
        format!("/console/subscriptions/{foreign}"),
        format!("/console/deliveries/{foreign}.{hidden}"),
        format!("/console/deliveries?subscription={foreign}"),
    ] {
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        page.lacks("somebody else");
    }
    for what in ["pause", "test", "rotate", "delete", "retry"] {
        let page = browser
            .post(&format!("/console/subscriptions/{foreign}/{what}"), &[("sure", "yes"), ("overlap_s", "0")])
            .await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{what}");
    }
    service.stopped().await;
}

#[tokio::test]
async fn what_a_key_does_not_allow_is_left_out_and_said_so() {
    let service = Service::start().await;
    service.subscribed("one").await;
    let (own, key) = service.narrow_key(&["events:read"]).await;
    let browser = Browser::signed_in(&service, &key).await;
    browser.get("/").await.has("Your key does not allow to see accounts").lacks("Active subscriptions");
    browser.get("/console/system").await.has("Your key does not allow to see keys").lacks("id=\"key_");
    browser.get(&format!("/console/keys/{own}")).await.has("events:read").lacks("Delete this key");
    browser.get("/console/deliveries").await.has("subscriptions:read");
    for path in ["/console/subscriptions", "/console/quarantine", "/console/replay", "/console/accounts/beta"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.has("The key does not allow it").has("Sign in with a key that allows it");
    }
    let made = browser.post("/console/subscriptions", &[("url", "https://a.example/"), ("events", "*")]).await;
    assert_eq!(made.status, StatusCode::FORBIDDEN);
    service.stopped().await;
}

#[tokio::test]
async fn what_a_key_may_not_do_is_not_offered() {
    let service = Service::start().await;
    let sequence = service.append("beta", "R1").await;
    let read = ["events:read", "subscriptions:read", "deliveries:read", "accounts:read"];
    let (heir, key) = service.narrow_key(&read).await;
    let admin = Browser::signed_in(&service, &service.key).await;
    let id = service.subscribed("one").await;
    service.gave_up(&id, sequence).await;
    let browser = Browser::signed_in(&service, &key).await;
    let made = json!({"url": "https://a.example/", "events": ["report.*"], "accounts": ["beta"]});
    let maker = service.narrow_key(&["subscriptions:write"]).await.1;
    let asked = service.client.post(service.url("/v1/subscriptions")).bearer_auth(maker).json(&made);
    let its: Value = asked.send().await.expect("an answer").json().await.expect("json");
    let its = its["id"].as_str().expect("an id");
    let given = service.client.patch(service.url(&format!("/v1/subscriptions/{its}"))).bearer_auth(&service.key);
    assert!(given.json(&json!({"owner": heir})).send().await.expect("an answer").status().is_success());
    for (path, offered) in [
        ("/console/subscriptions".to_owned(), vec!["New subscription"]),
        (format!("/console/subscriptions/{its}"), vec!["/edit\"", "Send a test", ">Pause<", ">Rotate<", "Delete this"]),
        (format!("/console/events/{sequence}"), vec![">Resend<"]),
        ("/console/accounts/beta".to_owned(), vec![">Read now<", ">Read<"]),
        ("/console/quarantine".to_owned(), vec!["Confirm as gone"]),
        ("/console/replay".to_owned(), vec![">Count<"]),
    ] {
        let (narrow, wide) = (browser.get(&path).await, admin.get(&path).await);
        assert_eq!(narrow.status, StatusCode::OK, "{path}");
        for offer in offered {
            narrow.lacks(offer);
            wide.has(offer);
        }
    }
    service.stopped().await;
}
