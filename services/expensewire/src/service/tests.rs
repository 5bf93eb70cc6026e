use std::{future::pending, path::Path};

use event_model::Subscription;
use event_store::{Sealer, Table, TableName};
use tempfile::TempDir;

use super::*;
use crate::config::sealing;

const PATIENCE: Duration = Duration::from_secs(30);

fn config(directory: &Path) -> Config {
    let file = directory.join("expensewire.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = {:?}\n[delivery]\nallow_http = true\n",
        directory.join("data")
    );
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file), std::iter::empty()).unwrap().config
}

async fn started_and_stopped(directory: &Path) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Service::start(config(directory)).await?.run_until(async {}).await
}

/// A started service with one more part.
async fn with_part(directory: &TempDir, part: impl Future<Output = Ended> + Send + 'static) -> Service {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut service = Service::start(config(directory.path())).await.unwrap();
    service.parts.spawn(part);
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_and_stops_and_starts_again_with_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        timeout(PATIENCE, started_and_stopped(directory.path())).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealing_key_that_is_lost_or_another_stops_the_start_and_is_not_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    started_and_stopped(directory.path()).await.unwrap();
    let key = directory.path().join("data/sealing.key");
    let kept = std::fs::read(&key).unwrap();

    std::fs::remove_file(&key).unwrap();
    let error = started_and_stopped(directory.path()).await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error:#}");
    assert!(!key.exists());

    crate::config::sealing::load_or_create(&key).unwrap();
    let error = started_and_stopped(directory.path()).await.unwrap_err();
    assert!(error.to_string().contains("is not the one"), "{error:#}");

    std::fs::write(&key, kept).unwrap();
    started_and_stopped(directory.path()).await.unwrap();
}

/// A subscription whose secret is sealed by `sealer`.
fn subscription(sealer: &Sealer) -> Subscription {
    let sealed = sealer.seal("sub_1", b"the signing secret").unwrap();
    let text = serde_json::json!({
        "id": "sub_1", "url": "https://a.example/", "filter": {"events": ["*"], "accounts": [], "policies": []},
        "format": "standard", "ordering": "entity", "rate_per_s": null, "sealed_headers": {}, "description": null,
        "status": {"state": "paused"}, "start_after": 0, "sealed_secrets": [sealed],
        "created_at": "2026-04-02T09:14:00Z", "updated_at": "2026-04-02T09:14:00Z",
    });
    serde_json::from_value(text).unwrap()
}

/// Opens the store once what ran in this process before has let go of it: its last tasks end a moment after it has stopped.
async fn opened(config: &Config) -> event_store::EventStore {
    let in_use = |error: &anyhow::Error| {
        error.chain().any(|cause| matches!(cause.downcast_ref(), Some(event_store::StoreError::InUse { .. })))
    };
    let opening = async {
        loop {
            match open_store(config).await {
                Err(error) if in_use(&error) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                store => return store.unwrap(),
            }
        }
    };
    timeout(PATIENCE, opening).await.unwrap()
}

async fn with_subscriptions<T>(config: &Config, act: impl AsyncFnOnce(Table<Subscription>) -> T) -> T {
    let store = opened(config).await;
    let done = act(store.table(TableName::Subscriptions)).await;
    close(store).await.unwrap();
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sealing_key_takes_over_every_secret_and_then_the_old_one_can_go() {
    let directory = tempfile::tempdir().unwrap();
    started_and_stopped(directory.path()).await.unwrap();
    let mut config = config(directory.path());
    let (key, old) = (config.security.sealing_key_path.clone(), directory.path().join("old.key"));
    let under_old = Sealer::with_older(sealing::load(&key).unwrap(), Vec::new());
    with_subscriptions(&config, async |table| {
        table.put("sub_1", &subscription(&under_old), event_store::Durability::Durable).await.unwrap();
    })
    .await;

    std::fs::rename(&key, &old).unwrap();
    config.security.older_sealing_key_paths = vec![old];
    Service::start(config.clone()).await.unwrap().run_until(async {}).await.unwrap();
    let under_new = Sealer::with_older(sealing::load(&key).unwrap(), Vec::new());
    let kept = with_subscriptions(&config, async |table| table.get("sub_1").await.unwrap().unwrap()).await;
    assert_eq!(under_new.open("sub_1", &kept.sealed_secrets[0]).unwrap().as_slice(), b"the signing secret");
    assert!(under_old.open("sub_1", &kept.sealed_secrets[0]).is_err());

    started_and_stopped(directory.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_sealing_key_that_is_another_stops_the_start_and_no_new_one_is_made() {
    let directory = tempfile::tempdir().unwrap();
    started_and_stopped(directory.path()).await.unwrap();
    let mut config = config(directory.path());
    let (key, other) = (config.security.sealing_key_path.clone(), directory.path().join("other.key"));
    sealing::load_or_create(&other).unwrap();
    std::fs::remove_file(&key).unwrap();
    config.security.older_sealing_key_paths = vec![other];
    let error = Service::start(config).await.err().unwrap();
    assert!(error.to_string().contains("is not the one"), "{error:#}");
    assert!(!key.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_ends_takes_the_process_with_it_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let service = with_part(&directory, async { ("store", Err(anyhow!("a write failed"))) }).await;
    let error = timeout(PATIENCE, service.run_until(pending())).await.unwrap().unwrap_err();
    assert_eq!(format!("{error:#}"), "the store failed: a write failed");

    let directory = tempfile::tempdir().unwrap();
    let service = with_part(&directory, async { panic!("as a bug would") }).await;
    let error = timeout(PATIENCE, service.run_until(pending())).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_does_not_stop_is_left_behind_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let service = with_part(&directory, pending()).await;
    let error = timeout(STOP_LIMIT + CLOSE_LIMIT * 2, service.run_until(async {})).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("did not stop"), "{error:#}");
}
