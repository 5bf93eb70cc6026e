//! Headers that a subscriber wants on each delivery.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    fields::{Faults, escaped, text},
    params::cut,
};

/// Most headers of one subscription: credentials, a tenant, some routing.
const MAX_HEADERS: usize = 20;

/// Most bytes of all names and values; servers refuse heads of more than 8 KiB, and ours come on top.
const MAX_HEADER_BYTES: usize = 4096;

/// What is shown in place of a value, which may be a secret.
pub(crate) const HIDDEN: &str = "[hidden]";

/// Set by us or by the connection: a subscriber's word would break the delivery or lie about it.
const OURS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Beginnings of names that are ours: Standard Webhooks, CloudEvents in binary mode, and what speaks to proxies.
const OUR_PREFIXES: &[&str] = &["webhook-", "ce-", "proxy-"];

/// Headers to set (`Some`) and to take away (`None`), by name in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Merge(BTreeMap<String, Option<String>>);

impl Merge {
    /// `headers` after the merge.
    pub fn onto(&self, headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut merged = headers.clone();
        for (name, value) in &self.0 {
            match value {
                Some(value) => merged.insert(name.clone(), value.clone()),
                None => merged.remove(name),
            };
        }
        merged
    }

    /// The headers of something new.
    pub fn into_new(self) -> BTreeMap<String, String> {
        self.0.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Reads an object of names and values.
pub(crate) fn read(faults: &mut Faults, at: &str, value: Value) -> Option<Merge> {
    let Value::Object(map) = value else {
        faults.note(at, "must be an object of names and values");
        return None;
    };
    let mut merge = Merge::default();
    for (name, value) in map {
        let at = format!("{at}/{}", escaped(&cut(&name)));
        let name = name.to_ascii_lowercase();
        if let Some(why) = refused_name(&name) {
            faults.note(&at, why);
        } else if let Some(value) = read_value(faults, &at, value) {
            merge.0.insert(name, value);
        }
    }
    check_total(faults, at, &merge.clone().into_new());
    Some(merge)
}

fn refused_name(name: &str) -> Option<&'static str> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        Some("is not the name of a header")
    } else if OURS.contains(&name) || OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        Some("is set by the delivery itself")
    } else {
        None
    }
}

/// `Some(None)` for `null`; `None` when it was refused.
fn read_value(faults: &mut Faults, at: &str, value: Value) -> Option<Option<String>> {
    if value.is_null() {
        return Some(None);
    }
    let text = text(faults, at, value)?;
    if text == HIDDEN {
        faults.note(at, "is what is shown in place of the value; leave the header out to keep it");
        return None;
    }
    if HeaderValue::from_str(&text).is_err() {
        faults.note(at, "is not the value of a header: visible characters, spaces and tabs");
        return None;
    }
    Some(Some(text))
}

/// Notes when `headers` are too many or too large together.
pub(crate) fn check_total(faults: &mut Faults, at: &str, headers: &BTreeMap<String, String>) {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS {
        faults.note(at, format!("may have {MAX_HEADERS} headers"));
    }
    if bytes > MAX_HEADER_BYTES {
        faults.note(at, format!("may have {MAX_HEADER_BYTES} bytes of names and values"));
    }
}
