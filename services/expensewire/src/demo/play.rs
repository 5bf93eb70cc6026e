//! What happens in the demo: subscribe as anybody would, wait for the first sight, then make things happen.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::scene::Scene;

/// How often the account is asked whether its first sight is complete.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long an answer on loopback may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The tenant's pace once the promised changes are made.
const CHANGES_PER_MINUTE: f64 = 20.0;

/// Plays, then waits for ever; ends only by an error.
pub async fn run(scene: Scene, api: String, key: String) -> Result<()> {
    let http = Client::builder().timeout(ANSWER_LIMIT).no_proxy().build().context("an HTTP client")?;
    subscribe(&http, &scene, &api, &key).await?;
    while !first_sight_is_complete(&http, &api, &key).await? {
        sleep(LOOK_EVERY).await;
    }
    for (entity, change) in [("report", "approved"), ("report", "reimbursed"), ("policy", "changed")] {
        control(&http, &scene, "changes", &json!({ "entity": entity, "change": change })).await?;
    }
    control(&http, &scene, "pace", &json!({ "changes_per_minute": CHANGES_PER_MINUTE })).await?;
    std::future::pending().await
}

async fn subscribe(http: &Client, scene: &Scene, api: &str, key: &str) -> Result<()> {
    let body = json!({
        "url": scene.receiver.url(),
        "events": ["report.*", "expense.*", "policy.*", "card.*", "account.*"],
        "description": "the demo's receiver",
    });
    let answer = http.post(format!("{api}/v1/subscriptions")).bearer_auth(key).json(&body).send().await?;
    let accepted = answer.status().is_success();
    let made: Value = answer.json().await.context("the answer to the subscription")?;
    ensure!(accepted, "the subscription was refused: {}", made["detail"]);
    let secret = made["secret"].as_str().context("the subscription has no secret")?;
    scene.receiver.learn_secret(secret.to_owned());
    Ok(())
}

async fn first_sight_is_complete(http: &Client, api: &str, key: &str) -> Result<bool> {
    let answer = http.get(format!("{api}/v1/accounts/demo")).bearer_auth(key).send().await?;
    let account: Value = answer.json().await.context("the account")?;
    let watches = account["watches"].as_array().map(Vec::as_slice).unwrap_or_default();
    // What is read only once has no period, and no first sight.
    let lasting = watches.iter().filter(|watch| !watch["period_s"].is_null());
    Ok(!watches.is_empty() && lasting.into_iter().all(|watch| watch["baselined"] == true))
}

async fn control(http: &Client, scene: &Scene, what: &str, body: &Value) -> Result<()> {
    let answer = http.post(format!("{}/{what}", scene.control_url)).json(body).send().await?;
    answer.error_for_status().with_context(|| format!("the simulator refused {what} {body}"))?;
    Ok(())
}
