//! The value of each field of a subscription: read, or noted as wrong.

use event_model::{
    AccountName, EventType, Sequence, TypeGlob,
    subscription::{Format, Ordering},
};
use serde_json::Value;
use url::Url;

use super::Known;
use crate::{
    fields::{Faults, nearest, text, whole},
    params::cut,
};

pub(crate) const MAX_URL_BYTES: usize = 2048;
/// Patterns of one subscription: there are fewer event types than that.
pub(crate) const MAX_EVENTS: usize = 64;
/// Accounts or policies of one subscription. All of them is the empty list.
pub(crate) const MAX_NAMES: usize = 256;
/// Longest id of a policy; the upstream's have 16.
const MAX_POLICY_ID: usize = 128;
pub(crate) const MAX_DESCRIPTION_CHARS: usize = 500;
/// No receiver of webhooks takes more from one sender.
pub(crate) const MAX_RATE_PER_S: u64 = 10_000;

pub(super) fn url(faults: &mut Faults, at: &str, value: Value) -> Option<Url> {
    let text = text(faults, at, value)?;
    let refused = if text.len() > MAX_URL_BYTES {
        format!("may have {MAX_URL_BYTES} bytes")
    } else {
        match Url::parse(&text) {
            Err(error) => format!("is not a URL: {error}"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                "must be an https URL, or an http one where the service is configured to allow it".to_owned()
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "may not carry credentials, since it is shown; send them in headers".to_owned()
            }
            Ok(url) if url.fragment().is_some() => "may not have a fragment: it would not be sent".to_owned(),
            Ok(url) => return Some(url),
        }
    };
    faults.note(at, refused);
    None
}

pub(super) fn events(faults: &mut Faults, at: &str, value: Value) -> Option<Vec<TypeGlob>> {
    if value.as_array().is_some_and(Vec::is_empty) {
        faults.note(at, "names no event; \"*\" is all but snapshots");
        return None;
    }
    list(faults, at, value, MAX_EVENTS, |faults, at, text| match text.parse::<TypeGlob>() {
        Ok(glob) => Some(glob),
        Err(error) => {
            let likely = nearest(&text, likely_globs()).map(|glob| format!("; did you mean {glob:?}?"));
            faults.note(at, format!("{error}{}", likely.unwrap_or_default()));
            None
        }
    })
}

/// What a person most likely meant: every type, and every type of a kind.
fn likely_globs() -> impl Iterator<Item = &'static str> {
    let kinds = ["report.*", "policy.*", "card.*", "subscription.*", "*.snapshot"];
    EventType::ALL.iter().map(|known| known.as_str()).chain(kinds)
}

pub(super) fn accounts(faults: &mut Faults, at: &str, value: Value, known: &Known<'_>) -> Option<Vec<AccountName>> {
    list(faults, at, value, MAX_NAMES, |faults, at, text| {
        let found = known.accounts.iter().find(|account| account.as_str() == text).cloned();
        if found.is_none() {
            let names: Vec<_> = known.accounts.iter().map(AccountName::as_str).take(MAX_EVENTS).collect();
            faults.note(at, format!("{:?} is not an account; configured are {}", cut(&text), names.join(", ")));
        }
        found
    })
}

pub(super) fn policies(faults: &mut Faults, at: &str, value: Value) -> Option<Vec<String>> {
    list(faults, at, value, MAX_NAMES, policy)
}

/// The id of a policy.
pub(crate) fn policy(faults: &mut Faults, at: &str, text: String) -> Option<String> {
    let fits = (1..=MAX_POLICY_ID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !fits {
        faults.note(at, format!("is not the id of a policy: 1 to {MAX_POLICY_ID} visible characters"));
    }
    fits.then_some(text)
}

pub(super) fn from(faults: &mut Faults, at: &str, value: &Value, known: &Known<'_>) -> Option<Sequence> {
    let refused = match (value.as_str(), whole(value)) {
        (Some("now"), _) => return Some(known.last),
        (Some("beginning"), _) => return Some(Sequence::START),
        (None, Some(sequence)) if sequence <= known.last.0 => return Some(Sequence(sequence)),
        (None, Some(_)) => format!("is beyond the log, which ends at {}", known.last),
        (Some(_) | None, _) => "must be \"now\", \"beginning\" or a sequence, after which it begins".to_owned(),
    };
    faults.note(at, refused);
    None
}

pub(super) fn format(faults: &mut Faults, at: &str, value: Value) -> Option<Format> {
    word(faults, at, value, &["standard", "cloudevents-structured", "cloudevents-binary"])
}

pub(crate) fn flag(faults: &mut Faults, at: &str, value: Value) -> Option<bool> {
    let read = value.as_bool();
    if read.is_none() {
        faults.note(at, "must be true or false");
    }
    read
}

pub(super) fn ordering(faults: &mut Faults, at: &str, value: Value) -> Option<Ordering> {
    word(faults, at, value, &["entity", "strict", "none"])
}

/// One of the words that `T` is written as.
fn word<T: serde::de::DeserializeOwned>(faults: &mut Faults, at: &str, value: Value, words: &[&str]) -> Option<T> {
    let read = serde_json::from_value(value).ok();
    if read.is_none() {
        faults.note(at, format!("must be one of {}", words.join(", ")));
    }
    read
}

pub(crate) fn rate(faults: &mut Faults, at: &str, value: Value) -> Option<u32> {
    let rate = whole(&value).filter(|rate| (1..=MAX_RATE_PER_S).contains(rate));
    if rate.is_none() {
        faults.note(
            at,
            format!("must be a whole number from 1 to {MAX_RATE_PER_S}; null is no limit, and pausing stops"),
        );
    }
    rate.and_then(|rate| u32::try_from(rate).ok())
}

pub(crate) fn description(faults: &mut Faults, at: &str, value: Value) -> Option<String> {
    let text = text(faults, at, value)?;
    let fits = text.chars().count() <= MAX_DESCRIPTION_CHARS;
    if !fits {
        faults.note(at, format!("may have {MAX_DESCRIPTION_CHARS} characters"));
    }
    fits.then_some(text)
}

/// A list of at most `most` texts, each read by `read`. Equal ones are taken once.
pub(crate) fn list<T: PartialEq>(
    faults: &mut Faults,
    at: &str,
    value: Value,
    most: usize,
    read: impl Fn(&mut Faults, &str, String) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::Array(items) = value else {
        faults.note(at, "must be a list of strings");
        return None;
    };
    if items.len() > most {
        faults.note(at, format!("may have {most} items"));
        return None;
    }
    let mut taken = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("{at}/{index}");
        let item = text(faults, &at, item).and_then(|text| read(faults, &at, text));
        taken.extend(item.filter(|item| !taken.contains(item)));
    }
    Some(taken)
}
