//! A JSON body, read field by field so that everything wrong with it is said at once, each by its JSON pointer.

use std::fmt::Display;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request, rejection::BytesRejection},
};
use http::{HeaderMap, header};
use serde_json::{Map, Value};

use self::strict::Strict;
use crate::{
    config::MAX_BODY_BYTES,
    params::cut,
    problem::{Fault, Refusal},
};

mod strict;

/// How alike (0 to 1) a text must be to a known one to be taken for a misspelling of it.
const ALIKE: f64 = 0.8;

/// A JSON object that a caller sent.
pub(crate) struct JsonObject {
    pub fields: Map<String, Value>,
    /// The bytes as they came, by which a repetition is known.
    pub bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::MediaType);
        }
        check_announced(request.headers())?;
        let bytes = Bytes::from_request(request, state).await.map_err(body_refusal)?;
        match serde_json::from_slice(&bytes) {
            Ok(Strict(Value::Object(fields))) => Ok(Self { fields, bytes }),
            Ok(Strict(_)) => Err(Refusal::Fields(vec![Fault::at("", "must be an object")])),
            // serde_json tells position and grammar, nothing of ours.
            Err(error) => Err(Refusal::NotJson(error.to_string())),
        }
    }
}

/// As [`JsonObject`], and no body at all is an empty object.
pub(crate) struct OptionalObject(pub JsonObject);

impl<S: Send + Sync> FromRequest<S> for OptionalObject {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Refusal> {
        check_announced(request.headers())?;
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await.map_err(body_refusal)?;
        if bytes.is_empty() {
            return Ok(Self(JsonObject { fields: Map::new(), bytes }));
        }
        JsonObject::from_request(Request::from_parts(parts, Body::from(bytes)), state).await.map(Self)
    }
}

/// Refuses what says itself that it is too large, without waiting for it.
fn check_announced(headers: &HeaderMap) -> Result<(), Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) { Err(Refusal::BodyTooLarge) } else { Ok(()) }
}

fn body_refusal(rejection: BytesRejection) -> Refusal {
    if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE { Refusal::BodyTooLarge } else { Refusal::BodyBroken }
}

/// `application/json`, or anything `+json` (`application/merge-patch+json` of RFC 7396 among them).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// What a body says of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting<T> {
    /// Nothing; or something wrong, which was noted.
    Keep,
    /// `null`: back to the default.
    Clear,
    Set(T),
}

impl<T> Setting<T> {
    /// The value, with `null` and silence being the same: for bodies that make a new thing.
    pub fn given(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// The same of what `change` makes of the value.
    pub fn try_map<U, E>(self, change: impl FnOnce(T) -> Result<U, E>) -> Result<Setting<U>, E> {
        Ok(match self {
            Self::Keep => Setting::Keep,
            Self::Clear => Setting::Clear,
            Self::Set(value) => Setting::Set(change(value)?),
        })
    }

    /// As [`Self::given`], or the default.
    pub fn or_default(self) -> T
    where
        T: Default,
    {
        self.given().unwrap_or_default()
    }
}

/// What was found wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes that what `pointer` names is wrong.
    pub fn note(&mut self, pointer: &str, why: impl Display) {
        self.0.push(Fault::at(pointer, why));
    }

    pub fn finish(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Fields(self.0)) }
    }
}

/// The fields of a body, taken out one by one.
pub(crate) struct Fields {
    map: Map<String, Value>,
    pub faults: Faults,
}

impl Fields {
    pub fn new(map: Map<String, Value>) -> Self {
        Self { map, faults: Faults::default() }
    }

    /// The field `name`, read by `read`, which notes what is wrong and then gives `None`.
    pub fn take<T>(&mut self, name: &str, read: impl FnOnce(&mut Faults, &str, Value) -> Option<T>) -> Setting<T> {
        match self.map.remove(name) {
            None => Setting::Keep,
            Some(Value::Null) => Setting::Clear,
            Some(value) => read(&mut self.faults, &format!("/{name}"), value).map_or(Setting::Keep, Setting::Set),
        }
    }

    /// As [`Self::take`], for a field that must be there.
    pub fn require<T>(&mut self, name: &str, read: impl FnOnce(&mut Faults, &str, Value) -> Option<T>) -> Option<T> {
        if self.map.get(name).is_none_or(Value::is_null) {
            self.map.remove(name);
            self.faults.note(&format!("/{name}"), "is required");
            return None;
        }
        self.take(name, read).given()
    }

    /// Notes every field that was not taken, and gives what was found wrong in all.
    pub fn finish(mut self, known: &[&str]) -> Faults {
        for name in self.map.keys() {
            let hint = nearest(name, known.iter().copied()).map(|known| format!("; did you mean {known:?}?"));
            let why = format!("is not a field here{}", hint.unwrap_or_default());
            self.faults.note(&format!("/{}", escaped(&cut(name))), why);
        }
        self.faults
    }
}

/// A text.
pub(crate) fn text(faults: &mut Faults, at: &str, value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            faults.note(at, "must be a string");
            None
        }
    }
}

/// A whole number that is not negative. `1.0` is one too (JSON Schema 2020-12, section 6.1.1), as far as floating point is exact.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    /// 2^53: up to it each whole number has a floating point number of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let exact = |number: f64| (0.0..=EXACT).contains(&number) && number.fract() == 0.0;
    value.as_u64().or_else(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number in the range of exact ones"
        )]
        value.as_f64().filter(|number| exact(*number)).map(|number| number as u64)
    })
}

/// `name` as a step of a JSON pointer (RFC 6901, section 3).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The candidate that `text` is most likely a misspelling of.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = cut(text);
    let alike = candidates.map(|known| (strsim::jaro_winkler(&text, known), known));
    alike.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_field_is_named_with_its_likely_meaning() {
        let map = serde_json::from_str(r#"{"urll":"x","a/b":1}"#).expect("json");
        let faults = Fields::new(map).finish(&["url", "events"]);
        let Err(Refusal::Fields(faults)) = faults.finish() else { panic!("refused") };
        assert_eq!(faults[0].pointer.as_deref(), Some("/a~1b"));
        assert_eq!(faults[1].detail, r#"is not a field here; did you mean "url"?"#);
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
        let read = |text: &str| whole(&serde_json::from_str(text).expect("json"));
        assert_eq!([read("0"), read("-0.0"), read("1696.0"), read("1e3")], [Some(0), Some(0), Some(1696), Some(1000)]);
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        for bad in ["-1", "-1.0", "1.5", "1e300", "18446744073709551616", "\"1\"", "null", "true", "[1]"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn json_is_known_by_its_media_type_whatever_its_parameters() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            is_json(&headers)
        };
        assert!(with("application/json; charset=utf-8"));
        assert!(with("application/merge-patch+json"));
        assert!(!with("text/json"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
