//! What `make run` promises.

use std::{path::Path, time::Duration};

use reqwest::Client;
use tests::program::Running;

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
/// For everything that must come, however busy the machine.
const LIMIT: Duration = Duration::from_secs(60);
/// What stopping may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

fn demo() -> Running {
    Running::start(Path::new(PROGRAM), &["demo", "--listen", "127.0.0.1:0"]).expect("the demo starts")
}

#[tokio::test]
async fn the_demo_shows_the_promised_events_verified_and_ends_well_at_ctrl_c() {
    let mut demo = demo();
    demo.line_with("have arrived, signed and verified", LIMIT).await.expect("the promised events");
    let status = demo.interrupt(STOP_LIMIT).await.expect("an end in time");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn it_stops_in_time_while_a_client_follows_the_stream() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut demo = demo();
    let line = demo.line_with("follow", LIMIT).await.expect("the curl to follow with");
    let words: Vec<&str> = line.split_whitespace().collect();
    let url = words.last().expect("a URL");
    let key = words.iter().find_map(|word| word.strip_suffix('\'').filter(|w| w.starts_with("ew_"))).expect("a key");
    let stream = Client::new().get(*url).bearer_auth(key).send().await.expect("the stream");
    assert!(stream.status().is_success());
    let status = demo.interrupt(STOP_LIMIT).await.expect("an end in time");
    assert_eq!(status.code(), Some(0));
    drop(stream);
}
