//! One event to the program on this machine: signed, posted, tried again a little.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dispatcher::single::{Signed, signed};
use event_model::{EventId, subscription::Format};
use jiff::Timestamp;
use reqwest::{Client, StatusCode, redirect};
use url::Url;
use zeroize::Zeroizing;

use crate::{
    exit::{Exit, Failure},
    output::plain,
};

/// Before the second and the third attempt: a program that is just being started again is back by then.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// For a whole attempt, as deliveries have it by default.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Posts events.
pub(super) struct Forwarder {
    http: Client,
    url: Url,
    secret: Zeroizing<Vec<u8>>,
    format: Format,
}

/// How an event fared.
pub(super) struct Ended {
    /// The status of the last answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<&'static str>,
    /// How many attempts were made.
    pub attempts: usize,
    /// What the last one took.
    pub took: Duration,
    /// What was posted last.
    pub sent: Signed,
}

impl Ended {
    /// The program took it.
    pub fn taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl Forwarder {
    pub fn new(url: Url, secret: Zeroizing<Vec<u8>>, format: Format) -> Result<Self, Failure> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Failure::new(Exit::Usage, format!("{} is no http or https URL", plain(url.as_str()))));
        }
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(ATTEMPT_TIMEOUT)
            .build()
            .map_err(|error| Failure::from(anyhow::Error::new(error).context("cannot make a client")))?;
        Ok(Self { http, url, secret, format })
    }

    /// Posts the event whose JSON is `event` until it is taken or the tries are over. 410 means here what it means to the
    /// service: no more of this.
    pub async fn forward(&self, event: &str, id: &EventId) -> Result<Ended, Failure> {
        let mut attempts = 0;
        loop {
            let ended = self.attempt(event, id, attempts + 1).await?;
            attempts += 1;
            let gone = ended.status == Some(StatusCode::GONE.as_u16());
            match WAITS.get(attempts - 1) {
                Some(wait) if !ended.taken() && !gone => tokio::time::sleep(*wait).await,
                _ => return Ok(ended),
            }
        }
    }

    async fn attempt(&self, event: &str, id: &EventId, attempts: usize) -> Result<Ended, Failure> {
        let (event, at_s) = (Bytes::copy_from_slice(event.as_bytes()), Timestamp::now().as_second());
        let sent = signed(event, self.format, id, &self.secret, at_s, env!("CARGO_PKG_VERSION"))
            .map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
        let began = Instant::now();
        let request = self.http.post(self.url.clone()).headers(sent.headers.clone()).body(sent.body.clone());
        let answered = match request.send().await {
            // Read to its end, so that the connection is kept.
            Ok(answer) => (Some(answer.status().as_u16()), drop(answer.bytes().await)).0,
            Err(error) => {
                let error = Some(why(&error));
                return Ok(Ended { status: None, error, attempts, took: began.elapsed(), sent });
            }
        };
        Ok(Ended { status: answered, error: None, attempts, took: began.elapsed(), sent })
    }
}

fn why(error: &reqwest::Error) -> &'static str {
    match error {
        error if error.is_timeout() => "timeout",
        error if error.is_connect() => "refused",
        _ => "broken",
    }
}
