//! Deliveries, and the attempts at them.

use serde::Deserialize;

use crate::{link, time::Moment};

/// A page of deliveries.
#[derive(Default, Deserialize)]
pub(crate) struct Deliveries {
    pub deliveries: Vec<Delivery>,
    pub next: Option<String>,
}

/// A delivery that failed at least once, or was asked for by a person.
#[derive(Deserialize)]
pub(crate) struct Delivery {
    pub id: String,
    pub subscription: String,
    pub state: String,
    pub event: Carried,
    pub attempts: u32,
    pub history: Vec<Attempt>,
    pub since: Moment,
    pub next_attempt_at: Option<Moment>,
    pub ended_at: Option<Moment>,
}

/// What it carries; a test has no type and no place in the log.
#[derive(Deserialize)]
pub(crate) struct Carried {
    pub id: String,
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub sequence: Option<u64>,
    pub subject: Option<String>,
    pub account: Option<String>,
}

impl Carried {
    /// The address of its entity's page.
    pub fn entity(&self) -> String {
        link::entity(self.account.as_deref().unwrap_or_default(), self.subject.as_deref().unwrap_or_default())
    }
}

impl Delivery {
    /// The address of its page.
    pub fn address(&self) -> String {
        format!("/console/deliveries/{}", link::segment(&self.id))
    }

    /// The address of its subscription's page.
    pub fn owner(&self) -> String {
        format!("/console/subscriptions/{}", link::segment(&self.subscription))
    }

    /// How it stands, as words.
    pub fn word(&self) -> &'static str {
        match self.state.as_str() {
            "due" => "retrying",
            "waiting" => "waiting",
            "dead" => "given up",
            _ => "delivered",
        }
    }

    /// The class of its mark.
    pub fn tone(&self) -> &'static str {
        match self.state.as_str() {
            "due" | "waiting" => "warn",
            "dead" => "bad",
            _ => "good",
        }
    }

    /// Whether it can be sent now.
    pub fn can_retry(&self) -> bool {
        matches!(self.state.as_str(), "due" | "dead")
    }

    /// How the last attempt ended.
    pub fn last(&self) -> String {
        self.history.last().map(|attempt| attempt.outcome.told()).unwrap_or_default()
    }
}

/// One request to a subscriber.
#[derive(Clone, Deserialize)]
pub(crate) struct Attempt {
    pub at: Moment,
    pub duration_ms: u64,
    pub outcome: Outcome,
}

/// How it ended.
#[derive(Clone, Deserialize)]
pub(crate) struct Outcome {
    kind: String,
    status: Option<u16>,
    why: Option<String>,
}

impl Outcome {
    pub fn is_good(&self) -> bool {
        self.kind == "delivered"
    }

    /// What came back, as words.
    pub fn told(&self) -> String {
        let status = self.status.map(|status| status.to_string()).unwrap_or_default();
        match self.kind.as_str() {
            "delivered" => format!("answered {status}"),
            "status" => format!("answered {status}, which is no 2xx"),
            "dns" => "the name did not resolve".to_owned(),
            "blocked" => format!("the address is not allowed: {}", self.why.as_deref().unwrap_or_default()),
            "refused" => "no connection".to_owned(),
            "tls" => "TLS failed".to_owned(),
            "timeout" => "no answer in time".to_owned(),
            "too_large" => "the answer's head was too large".to_owned(),
            "transport" => "the connection broke".to_owned(),
            other => other.to_owned(),
        }
    }
}
