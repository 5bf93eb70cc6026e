//! Two clients of server-sent events go on where a connection broke, and miss nothing.

use std::process::Command;

use crate::{
    cutting::Cutting,
    foreign::{line, node, python, said_well, script},
    service::{Service, types},
};

/// Of the answer before the first cut: within the first hundred events.
const FIRST_CUT_BYTES: usize = 40_000;

async fn resumes(who: &'static str, mut client: Command) {
    let service = Service::start().await;
    let wanted = service.sequences().await;
    let last = wanted.last().expect("events").to_string();
    let address = service.url.trim_start_matches("http://").to_owned();
    let cutting = Cutting::start(address, FIRST_CUT_BYTES).await;
    let url = format!("{}/v1/events/stream?after=0", cutting.url);
    client.arg(url).arg(&service.key).arg(last).env("EVENT_TYPES", types());
    let said = tokio::task::spawn_blocking(move || said_well(who, &mut client, "")).await.expect("no panic");
    let Some(said) = said else { return };
    let seen: Vec<u64> = said.lines().map(|id| id.parse().expect("a sequence")).collect();
    assert_eq!(seen, wanted, "{who}: each event once, in order");
    assert!(cutting.cuts() >= 2, "{who}: the connection was cut {} times", cutting.cuts());
    line(who, &format!("stream: {} events over {} cuts, none missing, none twice", seen.len(), cutting.cuts()));
}

#[tokio::test]
async fn httpx_sse_resumes() {
    let mut client = python();
    client.arg(script("stream.py"));
    resumes("httpx-sse (Python)", client).await;
}

#[tokio::test]
async fn eventsource_resumes() {
    let mut client = node();
    client.arg(script("stream.mjs"));
    resumes("eventsource (JavaScript)", client).await;
}
