//! What a caller may say of a subscription: the body of its creation and of a change.
//!
//! Both are read to the end before anything is refused, so that one answer names everything that is wrong. Reading is pure;
//! only the target is checked outside, since its name may have to be resolved.

use std::collections::BTreeMap;

use event_model::{
    AccountName, EventFilter, Owner, Sequence, Subscription, SubscriptionId, TypeGlob,
    subscription::{Ed25519Key, Format, Ordering, Status},
};
use event_store::{SealError, Sealer};
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::Url;

use self::values::{accounts, description, events, format, from, ordering, policies, url};
pub(crate) use self::values::{flag, rate};
use crate::{
    fields::{Faults, Fields, Setting},
    headers,
    problem::{Fault, Refusal},
    signing::{self, Secret},
};

pub(crate) mod values;

/// The body of a creation, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    pub url: Option<Url>,
    events: Option<Vec<TypeGlob>>,
    accounts: Vec<AccountName>,
    policies: Vec<String>,
    start_after: Sequence,
    format: Format,
    ordering: Ordering,
    rate_per_s: Option<u32>,
    headers: headers::Merge,
    description: Option<String>,
    /// One that the caller brings.
    pub secret: Option<Secret>,
    ed25519: bool,
    challenge: bool,
}

/// The body of a change (RFC 7396): what is not named stays, `null` is the default again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub url: Setting<Url>,
    events: Setting<Vec<TypeGlob>>,
    accounts: Setting<Vec<AccountName>>,
    policies: Setting<Vec<String>>,
    ordering: Setting<Ordering>,
    rate_per_s: Setting<u32>,
    headers: Setting<headers::Merge>,
    description: Setting<String>,
    ed25519: Setting<bool>,
    challenge: Setting<bool>,
}

/// A change that may be stored: what is secret of it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedChange {
    change: Change,
    headers: Setting<headers::SealedMerge>,
    /// For a subscription that has none.
    ed25519: Option<Ed25519Key>,
}

/// What reading is done against.
pub(crate) struct Known<'a> {
    /// Opens the headers that stand, so that their size counts.
    pub sealer: &'a Sealer,
    /// The configured accounts.
    pub accounts: &'a [AccountName],
    /// The end of the log.
    pub last: Sequence,
}

pub(crate) const ON_CREATION: &[&str] = &[
    "url",
    "events",
    "accounts",
    "policies",
    "from",
    "format",
    "ordering",
    "rate_per_s",
    "headers",
    "description",
    "secret",
    "ed25519",
    "challenge",
];
pub(crate) const ON_CHANGE: &[&str] = &[
    "url",
    "events",
    "accounts",
    "policies",
    "ordering",
    "rate_per_s",
    "headers",
    "description",
    "ed25519",
    "challenge",
];

/// Reads the body of a creation, and notes what is wrong with it.
pub(crate) fn creation(body: Map<String, Value>, known: &Known<'_>) -> (Creation, Faults) {
    let mut fields = Fields::new(body);
    let read = Creation {
        url: fields.require("url", url),
        events: fields.require("events", events),
        accounts: fields.take("accounts", |faults, at, value| accounts(faults, at, value, known)).or_default(),
        policies: fields.take("policies", policies).or_default(),
        start_after: fields
            .take("from", |faults, at, value| from(faults, at, &value, known))
            .given()
            .unwrap_or(known.last),
        format: fields.take("format", format).or_default(),
        ordering: fields.take("ordering", ordering).or_default(),
        rate_per_s: fields.take("rate_per_s", rate).given(),
        headers: fields.take("headers", headers::read).or_default(),
        description: fields.take("description", description).given(),
        secret: fields.take("secret", signing::read).given(),
        ed25519: fields.take("ed25519", flag).or_default(),
        challenge: fields.take("challenge", flag).or_default(),
    };
    read.headers.check_total(&mut fields.faults, "/headers", &BTreeMap::new());
    (read, fields.finish(ON_CREATION))
}

impl Creation {
    /// The subscription that this makes, unless `faults` were found: what could not be read is among them. What is
    /// secret of it, `secret` first of all, is sealed.
    pub fn complete(
        self,
        faults: Faults,
        id: SubscriptionId,
        sealer: &Sealer,
        secret: &Secret,
        owner: Owner,
        now: Timestamp,
    ) -> Result<Subscription, Refusal> {
        faults.finish()?;
        let (Some(url), Some(events)) = (self.url, self.events) else {
            return Err(Refusal::Fields(vec![Fault::at("", "url and events are required")]));
        };
        let mut filter = EventFilter { events, accounts: self.accounts, policies: self.policies };
        filter.narrow_to(&owner.reach);
        let mut sealed_headers = BTreeMap::new();
        self.headers.sealed(sealer, &id)?.onto(&mut sealed_headers);
        let ed25519_key = self.ed25519.then(|| signing::drawn_ed25519(sealer, &id)).transpose()?;
        Ok(Subscription {
            sealed_secrets: vec![secret.sealed(sealer, &id)?],
            retiring_secrets: Vec::new(),
            ed25519_keys: ed25519_key.into_iter().collect(),
            challenge: self.challenge,
            owner: Some(owner),
            id,
            url,
            filter,
            format: self.format,
            ordering: self.ordering,
            rate_per_s: self.rate_per_s,
            sealed_headers,
            description: self.description,
            status: Status::Active,
            start_after: self.start_after,
            created_at: now,
            updated_at: now,
        })
    }
}

/// Reads the body of a change of `current`.
pub(crate) fn change(body: Map<String, Value>, current: &Subscription, known: &Known<'_>) -> (Change, Faults) {
    let mut fields = Fields::new(body);
    let read = Change {
        url: fields.take("url", url),
        events: fields.take("events", events),
        accounts: fields.take("accounts", |faults, at, value| accounts(faults, at, value, known)),
        policies: fields.take("policies", policies),
        ordering: fields.take("ordering", ordering),
        rate_per_s: fields.take("rate_per_s", rate),
        headers: fields.take("headers", headers::read),
        description: fields.take("description", description),
        ed25519: fields.take("ed25519", flag),
        challenge: fields.take("challenge", flag),
    };
    for (name, cleared) in [("/url", read.url == Setting::Clear), ("/events", read.events == Setting::Clear)] {
        if cleared {
            fields.faults.note(name, "has no default and cannot be null");
        }
    }
    if let Setting::Set(merge) = &read.headers {
        merge.check_total(&mut fields.faults, "/headers", &headers::lengths(known.sealer, current));
    }
    let made = "is fixed when the subscription is made; make another one";
    for (fixed, why) in [("from", made), ("format", made), ("secret", "is changed by POST …/rotate-secret")] {
        let _: Setting<()> = fields.take(fixed, |faults, at, _| {
            faults.note(at, why);
            None
        });
    }
    (read, fields.finish(ON_CHANGE))
}

impl Change {
    /// The change as the subscription `id` may keep it.
    pub fn sealed(mut self, sealer: &Sealer, id: &SubscriptionId) -> Result<SealedChange, SealError> {
        let headers = std::mem::replace(&mut self.headers, Setting::Keep);
        let headers = headers.try_map(|merge| merge.sealed(sealer, id))?;
        let ed25519 = matches!(self.ed25519, Setting::Set(true)).then(|| signing::drawn_ed25519(sealer, id));
        Ok(SealedChange { headers, ed25519: ed25519.transpose()?, change: self })
    }
}

impl SealedChange {
    /// Makes the change to `subscription`.
    pub fn apply(&self, subscription: &mut Subscription) {
        let change = &self.change;
        replace(&mut subscription.url, &change.url);
        replace(&mut subscription.filter.events, &change.events);
        reset(&mut subscription.filter.accounts, &change.accounts);
        reset(&mut subscription.filter.policies, &change.policies);
        if let Some(owner) = &subscription.owner {
            subscription.filter.narrow_to(&owner.reach);
        }
        reset(&mut subscription.ordering, &change.ordering);
        match &self.headers {
            Setting::Keep => {}
            Setting::Clear => subscription.sealed_headers.clear(),
            Setting::Set(merge) => merge.onto(&mut subscription.sealed_headers),
        }
        match &change.ed25519 {
            Setting::Set(true) if subscription.ed25519_keys.is_empty() => {
                subscription.ed25519_keys.extend(self.ed25519.clone());
            }
            Setting::Keep | Setting::Set(true) => {}
            Setting::Set(false) | Setting::Clear => subscription.ed25519_keys.clear(),
        }
        reset(&mut subscription.challenge, &change.challenge);
        optional(&mut subscription.rate_per_s, &change.rate_per_s);
        optional(&mut subscription.description, &change.description);
    }
}

fn replace<T: Clone>(field: &mut T, setting: &Setting<T>) {
    if let Setting::Set(value) = setting {
        field.clone_from(value);
    }
}

fn reset<T: Clone + Default>(field: &mut T, setting: &Setting<T>) {
    match setting {
        Setting::Keep => {}
        Setting::Clear => *field = T::default(),
        Setting::Set(value) => field.clone_from(value),
    }
}

fn optional<T: Clone>(field: &mut Option<T>, setting: &Setting<T>) {
    match setting {
        Setting::Keep => {}
        Setting::Clear => *field = None,
        Setting::Set(value) => *field = Some(value.clone()),
    }
}

#[cfg(test)]
mod tests;
