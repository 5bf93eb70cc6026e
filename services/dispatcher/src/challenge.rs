//! The ownership challenge: whether who answers at a URL wants the deliveries.
//!
//! Anybody can name anybody's URL. A subscription that is made with a challenge proves first that the endpoint plays along:
//! it is sent one signed POST with a random token, as a delivery is sent (same guard, headers and signatures, in the standard
//! format), and has to give the token back with a status of 2xx before the deadline:
//!
//! ```json
//! {"type": "subscription.challenge", "subscription": "sub_…", "challenge": "<43 characters>", "timestamp": "…"}
//! ```
//!
//! Either the bare token or a JSON object with the member `challenge` is an answer. An endpoint that echoes whatever it gets
//! does not pass: it would have to take the token out. The secret is new at that time, unless it was imported, so an endpoint
//! can rarely check the signature; the token needs none. It is asked once: nothing is retried and nothing is kept.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use event_model::{EventId, Subscription, delivery::Outcome, subscription::Format};
use event_store::{SealError, Sealer};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{DispatcherConfig, DispatcherError, sender::Sender, target::Target};

/// Longest wait for the echo: a person or a program waits for the registration meanwhile, which itself may take 30 s.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Bytes of a token: not to be guessed.
const TOKEN_BYTES: usize = 32;

/// Why the challenge was not met. The text is for whoever registers the target; it shows nothing of the endpoint's answer.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeFailure {
    /// The guard refused the target.
    #[error("{0}")]
    Blocked(String),
    /// No answer.
    #[error("the endpoint did not answer the challenge: {0}")]
    Unanswered(&'static str),
    /// An answer that is no success.
    #[error("the endpoint answered the challenge with status {0}; 2xx and the token were wanted")]
    Status(u16),
    /// A success without the token.
    #[error("the endpoint answered the challenge without giving its token back")]
    NotEchoed,
    /// A secret or a header of the subscription does not open.
    #[error("the challenge could not be signed")]
    Unsigned(#[source] SealError),
}

/// Asks endpoints. Its connections are its own: registrations do not take those of deliveries.
pub struct Challenger {
    sender: Sender,
}

impl Challenger {
    /// One that sends as a dispatcher with this configuration does.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(config: &DispatcherConfig, sealer: Sealer) -> Result<Self, DispatcherError> {
        let config = DispatcherConfig { timeout: config.timeout.min(MAX_WAIT), ..config.clone() };
        Ok(Self { sender: Sender::new(&config, sealer)? })
    }

    /// Asks the endpoint of `subscription`, which need not be stored.
    ///
    /// # Errors
    /// Why it may not be delivered to.
    pub async fn ask(&self, subscription: &Subscription) -> Result<(), ChallengeFailure> {
        let token = random_text();
        let body = json!({
            "type": "subscription.challenge", "subscription": subscription.id, "challenge": token,
            "timestamp": Timestamp::now(),
        });
        let target = Arc::new(Subscription { format: Format::Standard, ..subscription.clone() });
        let asked = self.sender.ask(&Target::of(&target), &fresh_id(), Bytes::from(body.to_string())).await;
        let (answer, body) = asked.map_err(ChallengeFailure::Unsigned)?;
        match answer.attempt.outcome {
            Outcome::Delivered { .. } if echoes(&body, &token) => Ok(()),
            Outcome::Delivered { .. } => Err(ChallengeFailure::NotEchoed),
            Outcome::Status { status } => Err(ChallengeFailure::Status(status)),
            Outcome::Blocked { why } => Err(ChallengeFailure::Blocked(why)),
            other => Err(ChallengeFailure::Unanswered(other.as_str())),
        }
    }
}

fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; TOKEN_BYTES]>())
}

/// An id in the form of an event's, so that receivers that check it take it.
fn fresh_id() -> EventId {
    let unique: String = rand::random::<[u8; 16]>().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("evt_challenge{unique}").parse().expect("letters and digits make an id")
}

fn echoes(body: &[u8], token: &str) -> bool {
    let bare = body.trim_ascii() == token.as_bytes();
    bare || serde_json::from_slice::<Value>(body)
        .is_ok_and(|answer| answer["challenge"] == token && answer["type"].is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_alone_or_as_a_member_is_an_echo_and_nothing_else_is() {
        for good in ["abc", " abc\n", r#"{"challenge":"abc"}"#, r#"{"ok":true,"challenge":"abc"}"#] {
            assert!(echoes(good.as_bytes(), "abc"), "{good}");
        }
        for bad in
            ["", "abcd", "\"ab\"", r#"{"challenge":"abd"}"#, r#"{"type":"subscription.challenge","challenge":"abc"}"#]
        {
            assert!(!echoes(bad.as_bytes(), "abc"), "{bad}");
        }
    }
}
