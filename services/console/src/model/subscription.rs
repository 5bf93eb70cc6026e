//! Subscriptions.

use std::collections::BTreeMap;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::delivery::Attempt;
use crate::{link, time::Moment};

/// A page of subscriptions.
#[derive(Default, Deserialize)]
pub(crate) struct Subscriptions {
    pub subscriptions: Vec<Subscription>,
    pub next: Option<String>,
}

/// A subscription, and how far it has come.
#[derive(Deserialize)]
pub(crate) struct Subscription {
    pub id: String,
    pub url: String,
    pub events: Vec<String>,
    pub accounts: Vec<String>,
    pub policies: Vec<String>,
    pub format: String,
    pub ordering: String,
    pub rate_per_s: Option<u32>,
    headers: BTreeMap<String, String>,
    pub description: Option<String>,
    pub ed25519: bool,
    pub challenge: bool,
    pub overlap_until: Option<Moment>,
    status: Status,
    pub owner: Option<String>,
    pub cursor: u64,
    pub lag_events: u64,
    pub pending: u64,
    pub dead_letters: u64,
    pub delivered: u64,
    pub last_success_at: Option<Moment>,
    pub last_failure: Option<Attempt>,
    pub trouble: Option<Trouble>,
    pub created_at: Moment,
    pub updated_at: Moment,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    reason: Option<String>,
    at: Option<Moment>,
}

/// What is wrong with the endpoint.
#[derive(Deserialize)]
pub(crate) struct Trouble {
    pub since: Moment,
    pub failures: u32,
    pub suspended_at: Option<Moment>,
    #[serde(default)]
    pub probes: u32,
    pub not_before: Option<Moment>,
}

/// How well a subscription is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    Disabled,
    Suspended,
    Lapsed,
    GivenUp,
    Failing,
    Active,
    Paused,
}

impl Subscription {
    /// The address of its page.
    pub fn address(&self) -> String {
        format!("/console/subscriptions/{}", link::segment(&self.id))
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        self.description.as_deref().filter(|text| !text.is_empty()).unwrap_or(&self.url)
    }

    /// How it is chosen among others.
    pub fn choice(&self) -> String {
        let name = self.name();
        if name == self.url { name.to_owned() } else { format!("{name} · {}", self.url) }
    }

    pub fn health(&self) -> Health {
        match self.status.state.as_str() {
            "disabled" => Health::Disabled,
            "paused" if self.status.reason.is_some() => Health::Lapsed,
            "paused" => Health::Paused,
            _ if self.trouble.as_ref().is_some_and(|trouble| trouble.suspended_at.is_some()) => Health::Suspended,
            _ if self.dead_letters > 0 => Health::GivenUp,
            _ if self.trouble.is_some() => Health::Failing,
            _ => Health::Active,
        }
    }

    /// Whether somebody should look after it.
    pub fn needs_a_person(&self) -> bool {
        self.health() < Health::Failing
    }

    pub fn is_active(&self) -> bool {
        self.status.state == "active"
    }

    /// Its state in a word.
    pub fn word(&self) -> &'static str {
        match self.health() {
            Health::Disabled => "disabled",
            Health::Suspended => "suspended",
            Health::Lapsed => "key expired",
            Health::GivenUp => "gave up some",
            Health::Failing => "failing",
            Health::Active => "active",
            Health::Paused => "paused",
        }
    }

    /// The class of its mark.
    pub fn tone(&self) -> &'static str {
        match self.health() {
            Health::Disabled | Health::Suspended | Health::GivenUp => "bad",
            Health::Failing | Health::Lapsed => "warn",
            Health::Active => "good",
            Health::Paused => "calm",
        }
    }

    /// What is the matter with it, as a sentence; empty while nothing is.
    pub fn matter(&self) -> String {
        let last = self.last_failure.as_ref().map(|attempt| attempt.outcome.told()).unwrap_or_default();
        match (self.health(), &self.trouble) {
            (Health::Disabled, _) => {
                let when = self.status.at.map(|at| at.distance()).unwrap_or_default();
                format!("Disabled {when}: {}. It goes on where it stood when you resume it.", self.reason())
            }
            (Health::Lapsed, _) => {
                "The key that it belongs to has expired; an administrator can give it another owner.".to_owned()
            }
            (Health::Suspended, Some(trouble)) => {
                format!("Only probes are sent since {} failures in a row; the last: {last}.", trouble.failures)
            }
            (Health::GivenUp, _) => {
                format!("{} deliveries were given up; retry them when the endpoint is well.", self.dead_letters)
            }
            (Health::Failing, Some(trouble)) => {
                format!("{} failures since the last success; the last: {last}.", trouble.failures)
            }
            _ => String::new(),
        }
    }

    /// What waits behind a failure.
    pub fn waits(&self) -> &str {
        match self.ordering.as_str() {
            "entity" => "later events of the same entity wait",
            "strict" => "every later event waits",
            "none" => "nothing waits",
            other => other,
        }
    }

    /// Whether events go to it as they come.
    pub fn is_delivering(&self) -> bool {
        !matches!(self.health(), Health::Disabled | Health::Suspended | Health::Lapsed | Health::Paused)
    }

    /// Why it is disabled.
    fn reason(&self) -> &str {
        self.status.reason.as_deref().unwrap_or("no reason was noted")
    }

    /// The names of its headers; their values are nobody's to see.
    pub fn header_names(&self) -> Vec<&str> {
        self.headers.keys().map(String::as_str).collect()
    }

    /// Whether it is found by `text`.
    pub fn matches(&self, text: &str) -> bool {
        let wanted = text.to_lowercase();
        let texts = [self.id.as_str(), &self.url, self.description.as_deref().unwrap_or_default(), self.word()];
        texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// The answer to a creation or a rotation.
#[derive(Deserialize)]
pub(crate) struct Signed {
    pub id: String,
    /// Shown once.
    pub secret: Option<Zeroizing<String>>,
}
