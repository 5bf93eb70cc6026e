use std::{future::pending, path::Path};

use tempfile::TempDir;

use super::*;

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
