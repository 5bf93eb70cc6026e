//! One delivery made outside of the service: a developer's `listen` posts to a program on the same machine what the service
//! would post to a subscriber.
//!
//! It is made by the same code: body, headers and signature cannot differ from those of a delivery but in the secret.

use bytes::Bytes;
use event_model::{EventId, subscription::Format};
use http::HeaderMap;

pub use crate::format::NoEvent;
use crate::{format::Content, headers, signature};

/// What is posted.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Its headers, those of the signature among them.
    pub headers: HeaderMap,
    /// Its body: what the signature is over.
    pub body: Bytes,
}

/// The delivery of the event whose JSON, as it is in the log, is `event`, signed under the raw bytes of `secret` at `at_s`
/// (seconds since 1970), by a program that calls itself `expensewire/<version>`.
///
/// # Errors
/// In a form of CloudEvents, when `event` is none.
pub fn signed(
    event: Bytes,
    format: Format,
    id: &EventId,
    secret: &[u8],
    at_s: i64,
    version: &str,
) -> Result<Signed, NoEvent> {
    let content = Content::from(event);
    let message = content.message(format)?;
    let signature = signature::sign(secret, id.as_str(), at_s, &message.body);
    let mut headers = HeaderMap::new();
    headers::stamp(&mut headers, &message.headers, &headers::agent(version), id, at_s, &[signature]);
    Ok(Signed { headers, body: message.body.clone() })
}

#[cfg(test)]
mod tests {
    use event_model::{EventType, catalogue};

    use super::*;

    #[test]
    fn what_is_made_outside_is_signed_over_the_bytes_that_are_sent() {
        let event = catalogue::example(EventType::ReportApproved);
        let bytes = Bytes::from(serde_json::to_vec(&event).expect("json"));
        for format in [Format::Standard, Format::CloudeventsStructured, Format::CloudeventsBinary] {
            let made = signed(bytes.clone(), format, &event.id, &[7; 32], 1_700_000_000, "9.9").expect("made");
            let header = |name: &str| made.headers[name].to_str().expect("text");
            assert_eq!((header("webhook-id"), header("user-agent")), (event.id.as_str(), "expensewire/9.9"));
            let (at, signature) = (header("webhook-timestamp"), header("webhook-signature"));
            let verified = signature::verify(&[7; 32], event.id.as_str(), at, signature, &made.body, 1_700_000_000, 0);
            assert_eq!(verified, Ok(()), "{format:?}");
        }
        let structured = signed(bytes, Format::CloudeventsStructured, &event.id, &[7; 32], 1, "9.9").expect("made");
        assert!(structured.headers["content-type"].to_str().expect("text").starts_with("application/cloudevents+json"));
    }
}
