//! What an answer means. Pure; the rules are those of the reference, section 1.5, in its order.
//!
//! The HTTP status proves nothing when it is 200 (wrong credentials, unknown jobs and failures were all measured as 200
//! with an error envelope), and neither does the content type. The body decides:
//!
//! 1. HTTP 429, a `responseCode` of 429, or a message that begins as the rate limiter's does: rate limited.
//! 2. A JSON object with a `responseCode`: 200 and 207 are success, all else is the server's refusal.
//! 3. A JSON object with a `responseMessage` and no code: a refusal.
//! 4. A job that answers with a file: else one line of plain text is its name, or several with commas between. Some
//!    sources show the name in an object's `filename` instead; that is taken too.
//! 5. A download: else the bytes are the file; none means that it is empty or not ready.
//! 6. Any other job: what is no envelope comes from a proxy or a maintenance page.
//!
//! One rule beside them: an answer that is no envelope and whose HTTP status is an error is foreign, also where rule 4
//! or 5 would take its body for a name or a file (`Bad gateway` is one line of plain text). And a redirect is never an
//! answer.

use serde_json::{Map, Value};

use crate::{gate::RequestOutcome, job::JobKind, text::presentable};

/// The message of the rate limiter begins so, with or without a code (reference section 1.7).
const RATE_LIMITED: &str = "You have been rate-limited";
/// So many characters of a server's message are kept.
const MESSAGE_CHARS: usize = 300;
/// So many characters of a foreign answer are kept: enough to name the proxy.
const EXCERPT_CHARS: usize = 120;
/// The longest text that is taken for file names. A recorded name has 50 characters; a PDF export names many files.
const NAMES_BYTES: usize = 64 * 1024;

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The job was done; this is the envelope, with whatever it carries.
    Done(Map<String, Value>),
    /// The job was done and made files of these names; never empty.
    Files(Vec<String>),
    /// The bytes are the downloaded file.
    File,
    /// The downloaded file is empty, or not ready.
    Empty,
    /// The rate limit was passed.
    RateLimited {
        /// The server's message, made presentable.
        message: String,
    },
    /// The server refused.
    Refused {
        /// Its code, if one can be read.
        code: Option<i64>,
        /// Its message, made presentable.
        message: String,
    },
    /// A redirect.
    Redirected,
    /// Not the API's.
    Foreign {
        /// How it begins.
        excerpt: String,
    },
}

impl Answer {
    /// The same for the budget and the metrics.
    pub fn outcome(&self) -> RequestOutcome {
        match self {
            Self::Done(_) | Self::Files(_) | Self::File | Self::Empty => RequestOutcome::Ok,
            Self::RateLimited { .. } => RequestOutcome::RateLimited,
            Self::Refused { code, .. } => RequestOutcome::ApiError(code.unwrap_or(0)),
            Self::Redirected | Self::Foreign { .. } => RequestOutcome::Transport,
        }
    }
}

/// What the answer to `job` with this HTTP status and this whole body means.
pub fn classify(job: JobKind, status: u16, body: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let envelope = envelope(text);
    if let Some(message) = rate_limited(status, text, envelope.as_ref()) {
        return Answer::RateLimited { message };
    }
    if (300..400).contains(&status) {
        return Answer::Redirected;
    }
    match envelope {
        Some(envelope) => in_envelope(job, envelope),
        None if status >= 400 => foreign(text),
        None => bare(job, text),
    }
}

/// The outcome of an answer of which only the head is there.
pub fn head_outcome(status: u16) -> RequestOutcome {
    match status {
        429 => RequestOutcome::RateLimited,
        200..=299 => RequestOutcome::Ok,
        _ => RequestOutcome::Transport,
    }
}

/// An object that says how the job went, by a code or a message.
fn envelope(text: &str) -> Option<Map<String, Value>> {
    if !text.starts_with('{') {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    (object.contains_key("responseCode") || object.contains_key("responseMessage")).then_some(object)
}

fn rate_limited(status: u16, text: &str, envelope: Option<&Map<String, Value>>) -> Option<String> {
    let message = match envelope {
        Some(envelope) => message(envelope),
        None => presentable(text, MESSAGE_CHARS),
    };
    let limited = status == 429
        || message.starts_with(RATE_LIMITED)
        || envelope.and_then(|e| e.get("responseCode")).and_then(code) == Some(429);
    limited.then_some(message)
}

/// A code as number, as text, or as a number with a fraction of nothing.
fn code(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a whole number within ±1e9 fits")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 1e9).then_some(number as i64)
}

fn message(envelope: &Map<String, Value>) -> String {
    let message = match envelope.get("responseMessage") {
        Some(Value::String(text)) => presentable(text, MESSAGE_CHARS),
        Some(other) if !other.is_null() => presentable(&other.to_string(), MESSAGE_CHARS),
        _ => String::new(),
    };
    if message.is_empty() { "the server gives no reason".to_owned() } else { message }
}

fn in_envelope(job: JobKind, envelope: Map<String, Value>) -> Answer {
    match envelope.get("responseCode").and_then(code) {
        Some(200 | 207) => done(job, envelope),
        code => Answer::Refused { code, message: message(&envelope) },
    }
}

fn done(job: JobKind, envelope: Map<String, Value>) -> Answer {
    match named_file(job, &envelope) {
        Some(files) => files,
        None => Answer::Done(envelope),
    }
}

/// The files that an object names, when the job makes files.
fn named_file(job: JobKind, object: &Map<String, Value>) -> Option<Answer> {
    if !matches!(job, JobKind::Export | JobKind::Reconciliation) {
        return None;
    }
    names(object.get("filename")?.as_str()?.trim()).map(Answer::Files)
}

fn bare(job: JobKind, text: &str) -> Answer {
    match job {
        JobKind::Export | JobKind::Reconciliation => files(job, text),
        JobKind::Download if text.is_empty() => Answer::Empty,
        JobKind::Download => Answer::File,
        JobKind::PolicyList | JobKind::Policy | JobKind::DomainCardList => foreign(text),
    }
}

fn files(job: JobKind, text: &str) -> Answer {
    if let Ok(object) = serde_json::from_str::<Map<String, Value>>(text) {
        return named_file(job, &object).unwrap_or_else(|| foreign(text));
    }
    names(text).map_or_else(|| foreign(text), Answer::Files)
}

/// One line without control characters and without markup, cut at its commas.
fn names(text: &str) -> Option<Vec<String>> {
    let plain = text.len() <= NAMES_BYTES && !text.contains(|c: char| c.is_control() || "<>{}[]\"".contains(c));
    if !plain {
        return None;
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    (!names.iter().any(String::is_empty)).then_some(names)
}

fn foreign(text: &str) -> Answer {
    Answer::Foreign { excerpt: presentable(text, EXCERPT_CHARS) }
}

#[cfg(test)]
mod tests;
