//! The forms that one event is delivered in, each written at most once however many subscriptions ask for it.
//!
//! `standard` is the event as it is in the log. The CloudEvents 1.0.2 forms (HTTP protocol binding 1.0.2) carry that same
//! event, whole and byte for byte, as their `data`: whoever reads one form can read the others, and the attributes only
//! repeat what is in it. That repetition matters: a signature covers the body, and in binary mode the attributes are headers
//! outside of it; a receiver that does not trust them finds the same under the signature.
//!
//! | attribute | is |
//! |---|---|
//! | `id`, `type`, `subject` | the event's, as they are |
//! | `source` | `urn:expensewire:account:<account>` |
//! | `time` | the event's `timestamp` |
//! | `sequence` | the position in the log, 20 digits so that it sorts as text (the extension `sequence`) |

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use event_model::{EventHead, subscription::Format, trace::TraceId};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CLOUDEVENTS_JSON: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
const ATTRIBUTES: [&str; 7] =
    ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-sequence"];

/// The body is not an event, so that no attribute can be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event cannot be written as a CloudEvent")]
pub(crate) struct NoEvent;

/// What is posted, and the headers that say what it is.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) body: Bytes,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// One event in the forms that were asked for so far. Clones share them.
#[derive(Clone)]
pub(crate) struct Content(Arc<Forms>);

struct Forms {
    standard: Message,
    structured: OnceLock<Result<Message, NoEvent>>,
    binary: OnceLock<Result<Message, NoEvent>>,
    trace: OnceLock<Option<TraceId>>,
}

impl From<Bytes> for Content {
    /// Of an event's JSON as it is in the log.
    fn from(body: Bytes) -> Self {
        let standard = Message { body, headers: vec![(CONTENT_TYPE, JSON)] };
        Self(Arc::new(Forms { standard, structured: OnceLock::new(), binary: OnceLock::new(), trace: OnceLock::new() }))
    }
}

impl Content {
    /// The event in this form.
    pub(crate) fn message(&self, format: Format) -> Result<&Message, NoEvent> {
        let body = &self.0.standard.body;
        let made = match format {
            Format::Standard => return Ok(&self.0.standard),
            Format::CloudeventsStructured => self.0.structured.get_or_init(|| structured(body)),
            Format::CloudeventsBinary => self.0.binary.get_or_init(|| binary(body)),
        };
        made.as_ref().map_err(|error| *error)
    }

    /// The trace that the event belongs to; none if it is no event.
    pub(crate) fn trace(&self) -> Option<TraceId> {
        let read = || serde_json::from_slice(&self.0.standard.body).ok().map(|head| TraceId::of_event(&head));
        *self.0.trace.get_or_init(read)
    }
}

/// Values of [`ATTRIBUTES`], in that order.
fn attributes(body: &[u8]) -> Result<[String; 7], NoEvent> {
    let head: EventHead = serde_json::from_slice(body).map_err(|_| NoEvent)?;
    Ok([
        "1.0".to_owned(),
        head.id.to_string(),
        format!("urn:expensewire:account:{}", head.account),
        head.event_type.as_str().to_owned(),
        head.subject.to_string(),
        head.timestamp.to_string(),
        format!("{:020}", head.sequence.0),
    ])
}

fn structured(body: &Bytes) -> Result<Message, NoEvent> {
    let values = attributes(body)?;
    let mut envelope = Vec::with_capacity(body.len() + 512);
    envelope.push(b'{');
    for (name, value) in ATTRIBUTES.iter().zip(&values) {
        let name = name.trim_start_matches("ce-");
        envelope.extend_from_slice(format!("\"{name}\":{},", serde_json::Value::from(value.as_str())).as_bytes());
    }
    envelope.extend_from_slice(b"\"datacontenttype\":\"application/json\",\"data\":");
    // The event's own bytes, not parsed and written anew.
    envelope.extend_from_slice(body);
    envelope.push(b'}');
    Ok(Message { body: envelope.into(), headers: vec![(CONTENT_TYPE, CLOUDEVENTS_JSON)] })
}

fn binary(body: &Bytes) -> Result<Message, NoEvent> {
    let values = attributes(body)?;
    let named = ATTRIBUTES.iter().zip(&values);
    let attributes = named.map(|(name, value)| (HeaderName::from_static(name), header_value(value)));
    let headers = std::iter::once((CONTENT_TYPE, JSON)).chain(attributes).collect();
    Ok(Message { body: body.clone(), headers })
}

/// `text` as the HTTP binding writes it (section 3.1.3.2): what is not visible ASCII, and `"` and `%`, percent-encoded.
fn header_value(text: &str) -> HeaderValue {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => encoded.push_str(&format!("%{byte:02X}")),
            b'!'..=b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(encoded).expect("visible ASCII goes into a header")
}

#[cfg(test)]
mod tests {
    use event_model::{EventType, catalogue};
    use serde_json::{Value, json};

    use super::*;

    fn body() -> Bytes {
        let mut event = catalogue::example(EventType::ReportApproved);
        event.subject.id = "R00 \"Zoë\" 100%".to_owned();
        serde_json::to_vec(&event).expect("json").into()
    }

    #[test]
    fn a_structured_cloudevent_holds_the_event_as_it_is_in_the_log() {
        let content = Content::from(body());
        let message = content.message(Format::CloudeventsStructured).expect("a message");
        let envelope: Value = serde_json::from_slice(&message.body).expect("json");
        let event: Value = serde_json::from_slice(&body()).expect("json");
        assert_eq!(envelope["data"], event);
        assert!(message.body.windows(body().len()).any(|part| part == body()), "its bytes, not only its meaning");
        for name in ["id", "type", "subject"] {
            assert_eq!(envelope[name], event[name]);
        }
        assert_eq!((&envelope["time"], &envelope["specversion"]), (&event["timestamp"], &json!("1.0")));
        assert_eq!(envelope["source"], format!("urn:expensewire:account:{}", event["account"].as_str().expect("text")));
        assert_eq!(envelope["sequence"], format!("{:020}", event["sequence"].as_u64().expect("a number")));
        assert_eq!(message.headers, [(CONTENT_TYPE, CLOUDEVENTS_JSON)]);
    }

    #[test]
    fn a_binary_cloudevent_is_the_event_with_its_attributes_as_headers() {
        let content = Content::from(body());
        let message = content.message(Format::CloudeventsBinary).expect("a message");
        assert_eq!(message.body, body());
        let header =
            |name: &str| message.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!(header("content-type"), Some(JSON));
        assert_eq!(header("ce-specversion"), Some(HeaderValue::from_static("1.0")));
        let subject = HeaderValue::from_static("report/R00%20%22Zo%C3%AB%22%20100%25");
        assert_eq!(header("ce-subject"), Some(subject));
        assert_eq!(message.headers.len(), 1 + ATTRIBUTES.len());
    }

    #[test]
    fn each_form_is_written_once_for_all_who_share_it() {
        let content = Content::from(body());
        let others = content.clone();
        for format in [Format::Standard, Format::CloudeventsStructured, Format::CloudeventsBinary] {
            let (one, other) = (content.message(format).expect("made"), others.message(format).expect("made"));
            assert!(std::ptr::eq(one, other), "{format:?}");
        }
        assert!(std::ptr::eq(
            content.message(Format::CloudeventsBinary).expect("made").body.as_ptr(),
            content.message(Format::Standard).expect("made").body.as_ptr(),
        ));
    }

    #[test]
    fn what_is_no_event_goes_in_no_form_but_its_own() {
        let content = Content::from(Bytes::from_static(b"{}"));
        assert!(content.message(Format::Standard).is_ok());
        assert_eq!(content.message(Format::CloudeventsStructured).err(), Some(NoEvent));
    }
}
