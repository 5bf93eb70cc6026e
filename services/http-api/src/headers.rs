//! Headers that a subscriber wants on each delivery.

use std::{collections::BTreeMap, fmt};

use event_model::{Subscription, SubscriptionId, subscription::is_reserved_header};
use event_store::{SealError, Sealer};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use zeroize::Zeroizing;

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

/// Headers to set (`Some`) and to take away (`None`), by name in lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Merge(BTreeMap<String, Option<Zeroizing<String>>>);

impl Merge {
    /// The same with the values sealed, as the subscription `id` may keep them.
    pub fn sealed(&self, sealer: &Sealer, id: &SubscriptionId) -> Result<SealedMerge, SealError> {
        let seal = |(name, value): (&String, &Option<Zeroizing<String>>)| {
            let place = Subscription::header_place(id, name);
            let sealed = value.as_ref().map(|value| sealer.seal(&place, value.as_bytes())).transpose()?;
            Ok((name.clone(), sealed))
        };
        self.0.iter().map(seal).collect::<Result<_, _>>().map(SealedMerge)
    }

    /// Notes when after the merge onto headers of the lengths `standing` there are too many or too large ones.
    pub fn check_total(&self, faults: &mut Faults, at: &str, standing: &BTreeMap<String, usize>) {
        let mut lengths = standing.clone();
        merge(&mut lengths, self.0.iter().map(|(name, value)| (name, value.as_ref().map(|value| value.len()))));
        let bytes: usize = lengths.iter().map(|(name, length)| name.len() + length).sum();
        if lengths.len() > MAX_HEADERS {
            faults.note(at, format!("may have {MAX_HEADERS} headers"));
        }
        if bytes > MAX_HEADER_BYTES {
            faults.note(at, format!("may have {MAX_HEADER_BYTES} bytes of names and values"));
        }
    }
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// As [`Merge`], with values that may be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SealedMerge(BTreeMap<String, Option<String>>);

impl SealedMerge {
    /// Changes `headers` so.
    pub fn onto(&self, headers: &mut BTreeMap<String, String>) {
        merge(headers, self.0.iter().map(|(name, value)| (name, value.clone())));
    }
}

fn merge<'a, T>(onto: &mut BTreeMap<String, T>, changes: impl Iterator<Item = (&'a String, Option<T>)>) {
    for (name, value) in changes {
        match value {
            Some(value) => onto.insert(name.clone(), value),
            None => onto.remove(name),
        };
    }
}

/// The lengths of the values that `subscription` has. One that does not open is not sent and waits to be replaced: it
/// counts as empty.
pub(crate) fn lengths(sealer: &Sealer, subscription: &Subscription) -> BTreeMap<String, usize> {
    let length = |(name, sealed): (&String, &String)| {
        let opened = sealer.open(&Subscription::header_place(&subscription.id, name), sealed);
        (name.clone(), opened.map_or(0, |value| value.len()))
    };
    subscription.sealed_headers.iter().map(length).collect()
}

/// Reads an object of names and values. How many there are is checked when it is known onto what they come.
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
    Some(merge)
}

fn refused_name(name: &str) -> Option<&'static str> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        Some("is not the name of a header")
    } else if is_reserved_header(name) {
        Some("is set by the delivery itself")
    } else {
        None
    }
}

/// `Some(None)` for `null`; `None` when it was refused.
fn read_value(faults: &mut Faults, at: &str, value: Value) -> Option<Option<Zeroizing<String>>> {
    if value.is_null() {
        return Some(None);
    }
    let text = Zeroizing::new(text(faults, at, value)?);
    if *text == HIDDEN {
        faults.note(at, "is what is shown in place of the value; leave the header out to keep it");
        return None;
    }
    if HeaderValue::from_str(&text).is_err() {
        faults.note(at, "is not the value of a header: visible characters, spaces and tabs");
        return None;
    }
    Some(Some(text))
}
