//! What a job answers: bytes with a content type, or a refusal that becomes the error envelope.

use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Instant;

/// Most answers, JSON or not, come with this type.
pub(crate) const TEXT: &str = "text/plain;charset=utf-8";
/// Seen for the policy creator; used for the getters too.
pub(crate) const JSON: &str = "application/json";

/// A successful answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// An export's answer waits until its rendering is to have ended.
    pub(crate) held: Option<Held>,
}

/// Until when an export's answer waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// The export's number.
    pub(crate) export: u64,
    pub(crate) until: Instant,
}

impl Answer {
    /// A JSON body under the given type.
    pub(crate) fn json(content_type: &'static str, body: &Value) -> Self {
        Self { content_type, body: Bytes::from(body.to_string()), held: None }
    }

    /// `{"responseCode":200}` and nothing else.
    pub(crate) fn done() -> Self {
        Self::json(TEXT, &json!({ "responseCode": 200 }))
    }

    /// `{"responseMessage":"OK","responseCode":200}`.
    pub(crate) fn ok() -> Self {
        Self::json(TEXT, &json!({ "responseMessage": "OK", "responseCode": 200 }))
    }

    /// Bare text.
    pub(crate) fn text(text: String) -> Self {
        Self { content_type: TEXT, body: Bytes::from(text), held: None }
    }
}

/// An error envelope. The HTTP status says nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Code 410: something is missing, malformed or unsupported.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(410, message)
    }

    /// Code 410 in the wording recorded for a parameter.
    pub(crate) fn parameter(name: &str) -> Self {
        Self::invalid(format!("'{name}' parameter is missing or malformed"))
    }

    /// Code 410 in the wording recorded for a date.
    pub(crate) fn date(text: &str) -> Self {
        Self::invalid(format!("Malformed date '{text}'. Expected format is yyyy-MM-dd"))
    }

    /// Code 500 in the wording recorded for somebody else's account.
    pub(crate) fn foreign(email: &str) -> Self {
        Self::new(500, format!("Not authorized to authenticate as user {email}"))
    }

    /// The message for a request over the rate limit.
    pub(crate) fn rate_limited() -> Self {
        Self::new(
            429,
            "You have been rate-limited. Please try again later or contact help@expensify.com for assistance.",
        )
    }

    /// The envelope's bytes; error bodies start with `{"responseMessage"`.
    pub(crate) fn envelope(&self) -> Bytes {
        Bytes::from(format!(
            r#"{{"responseMessage":{},"responseCode":{}}}"#,
            Value::from(self.message.as_str()),
            self.code
        ))
    }
}

/// What a job comes to.
pub(crate) type JobResult = Result<Answer, Refusal>;
