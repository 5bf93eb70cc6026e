//! The bare keep-alive client that deliveries are measured against.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use reqwest::Client;
use tokio::{task::JoinSet, time::interval};

use super::receiver::now_ns;

fn client(in_flight: usize) -> Result<Client> {
    Ok(Client::builder().no_proxy().pool_max_idle_per_host(in_flight).build()?)
}

async fn post(client: &Client, url: &str, body: Bytes) -> Result<()> {
    let request = client.post(url).header("content-type", "application/json").body(body);
    request.send().await?.error_for_status()?.bytes().await?;
    Ok(())
}

/// Posts each of `bodies` to each of `urls`, `in_flight` at once.
pub async fn post_all(urls: Vec<String>, bodies: Arc<Vec<Bytes>>, in_flight: usize) -> Result<()> {
    let (client, next, urls) = (client(in_flight)?, Arc::new(AtomicUsize::new(0)), Arc::new(urls));
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (client, next, urls, bodies) = (client.clone(), Arc::clone(&next), Arc::clone(&urls), Arc::clone(&bodies));
        workers.spawn(async move {
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                // As the log is read: an event to all, then the next.
                let Some(body) = bodies.get(turn / urls.len()) else { return anyhow::Ok(()) };
                post(&client, &urls[turn % urls.len()], body.clone()).await?;
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

/// Posts `bodies` one after the other, one every `pause`; when each set out, in nanoseconds since the epoch.
pub async fn post_slowly(url: &str, bodies: &[Bytes], pause: Duration) -> Result<Vec<u128>> {
    let (client, mut timer, mut left) = (client(1)?, interval(pause), Vec::new());
    for body in bodies {
        timer.tick().await;
        left.push(now_ns());
        post(&client, url, body.clone()).await?;
    }
    Ok(left)
}
