//! The body that makes a key, and what its maker may put into it: nothing beyond the maker's own key.

use std::{fmt::Display, str::FromStr};

use event_model::{AccountName, Action, Allowed, Grant, Reach, TypeGlob};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::{
    caller::Caller,
    config::MAX_SCOPE,
    fields::{Faults, Fields, nearest, text, whole},
    input::values::{description, list, policy},
    limits,
    params::cut,
    problem::{Denied, Fault, Refusal},
};

pub(super) const KNOWN: &[&str] =
    &["description", "accounts", "policies", "events", "actions", "expires_at", "expires_in_s", "rate_per_s"];
/// What stands for all.
const ALL: &str = "*";
/// The longest that a key may be made for, in seconds: ten years. For ever is to say nothing.
pub(super) const MAX_EXPIRES_IN_S: i64 = 10 * 366 * 24 * 60 * 60;

/// What a key is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub grant: Grant,
    pub description: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub rate_per_s: Option<u32>,
}

/// Reads a body at `now`.
pub(super) fn read(body: Map<String, Value>, now: Timestamp) -> Result<Wanted, Refusal> {
    let mut fields = Fields::new(body);
    let accounts = fields.take("accounts", allowed::<AccountName>).given();
    let policies = fields.take("policies", policies).given();
    let events = fields.take("events", globs).given();
    let actions = fields.take("actions", actions).or_default();
    let description = fields.take("description", description).given();
    let expires_at = fields.take("expires_at", |faults, at, value| time(faults, at, value, now)).given();
    let expires_in = fields.take("expires_in_s", |faults, at, value| seconds(faults, at, &value, now)).given();
    let rate_per_s = fields.take("rate_per_s", |faults, at, value| rate(faults, at, &value)).given();
    if expires_at.is_some() && expires_in.is_some() {
        fields.faults.note("/expires_in_s", "says when the key expires, and so does expires_at; send one of them");
    }
    let named = [("/accounts", accounts.is_some()), ("/policies", policies.is_some()), ("/events", events.is_some())];
    let mut faults = fields.finish(KNOWN);
    // None of them is a key that sees nothing; some of them is an oversight, which would be one too.
    if named.iter().any(|(_, given)| *given) {
        for (at, _) in named.iter().filter(|(_, given)| !given) {
            faults.note(at, "is required beside the others: what is not named is not seen; [\"*\"] is all of them");
        }
    }
    faults.finish()?;
    let reach = Reach {
        accounts: accounts.unwrap_or_default(),
        policies: policies.unwrap_or_default(),
        events: events.unwrap_or_default(),
    };
    Ok(Wanted { grant: Grant { reach, actions }, description, expires_at: expires_at.or(expires_in), rate_per_s })
}

impl Wanted {
    /// The same, if it allows nothing that `caller`'s own key does not; a key lasts no longer than the one that makes it.
    pub fn allowed_by(mut self, caller: &Caller) -> Result<Self, Refusal> {
        let (own, reach) = (&caller.key().grant, &self.grant.reach);
        let mut faults = Vec::new();
        let mut check = |is_within: bool, at: &str, what: &str| {
            if !is_within {
                faults.push(Fault::at(at, format!("{what} that the key which makes this one has not")));
            }
        };
        check(reach.accounts.is_within(&own.reach.accounts), "/accounts", "names accounts");
        check(reach.policies.is_within(&own.reach.policies), "/policies", "names policies");
        let types = Reach { events: own.reach.events.clone(), ..reach.clone() };
        check(reach.is_within(&types), "/events", "names types");
        check(self.grant.actions.is_within(&own.actions), "/actions", "names actions");
        let until = caller.key().expires_at;
        let outlives = |until: Timestamp| self.expires_at.is_some_and(|expires_at| expires_at > until);
        check(!until.is_some_and(outlives), "/expires_at", "is a life");
        let (wanted, most) = (self.rate_per_s, limits::rate_of(caller.key()));
        check(caller.is_admin() || wanted.is_none_or(|wanted| wanted <= most), "/rate_per_s", "is a rate");
        if !faults.is_empty() {
            return Err(Denied::fields(faults).into());
        }
        self.expires_at = self.expires_at.or(until);
        if !caller.is_admin() {
            self.rate_per_s = self.rate_per_s.or(caller.key().rate_per_s);
        }
        Ok(self)
    }
}

/// A list of `T`s, or all of them.
fn allowed<T: FromStr<Err: Display> + Ord>(faults: &mut Faults, at: &str, value: Value) -> Option<Allowed<T>> {
    let texts = list(faults, at, value, MAX_SCOPE, |faults, at, text| match text.parse::<T>() {
        Err(error) if text != ALL => {
            faults.note(at, cut(&error.to_string()));
            None
        }
        Ok(_) | Err(_) => Some(text),
    })?;
    Allowed::of(&texts).ok()
}

fn policies(faults: &mut Faults, at: &str, value: Value) -> Option<Allowed<String>> {
    Allowed::of(&list(faults, at, value, MAX_SCOPE, policy)?).ok()
}

fn globs(faults: &mut Faults, at: &str, value: Value) -> Option<Vec<TypeGlob>> {
    list(faults, at, value, MAX_SCOPE, |faults, at, text| {
        text.parse::<TypeGlob>().inspect_err(|error| faults.note(at, error)).ok()
    })
}

fn actions(faults: &mut Faults, at: &str, value: Value) -> Option<Allowed<Action>> {
    let texts = list(faults, at, value, MAX_SCOPE, |faults, at, text| {
        let known = || Action::ALL.iter().map(|action| action.as_str());
        if text == ALL || known().any(|known| known == text) {
            return Some(text);
        }
        let likely = nearest(&text, known()).map(|likely| format!("; did you mean {likely:?}?"));
        faults.note(at, format!("{:?} is not an action{}", cut(&text), likely.unwrap_or_default()));
        None
    })?;
    Allowed::of(&texts).ok()
}

fn time(faults: &mut Faults, at: &str, value: Value, now: Timestamp) -> Option<Timestamp> {
    let text = text(faults, at, value)?;
    let read = text.parse::<Timestamp>().ok().filter(|time| *time > now);
    if read.is_none() {
        faults.note(at, format!("{:?} is not a time to come, like 2030-04-02T09:14:00Z", cut(&text)));
    }
    read
}

fn seconds(faults: &mut Faults, at: &str, value: &Value, now: Timestamp) -> Option<Timestamp> {
    let seconds = whole(value)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .filter(|seconds| (1..=MAX_EXPIRES_IN_S).contains(seconds));
    let read = seconds.and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok());
    if read.is_none() {
        faults.note(at, format!("must be a whole number of seconds from 1 to {MAX_EXPIRES_IN_S}"));
    }
    read
}

fn rate(faults: &mut Faults, at: &str, value: &Value) -> Option<u32> {
    let rate = whole(value).and_then(|rate| u32::try_from(rate).ok());
    let rate = rate.filter(|rate| (1..=limits::MAX_RATE_PER_S).contains(rate));
    if rate.is_none() {
        faults.note(at, format!("must be a whole number of requests a second from 1 to {}", limits::MAX_RATE_PER_S));
    }
    rate
}
