//! Which events a subscription or a reader wants.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    account::AccountName,
    event::EventHead,
    event_type::EventType,
    key::{Allowed, Reach},
};

/// Longest glob: the longest type name is far shorter.
const MAX_GLOB_LENGTH: usize = 64;

/// A pattern over event types: `report.approved`, `report.*`, `*`; `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TypeGlob(String);

/// A pattern that no event type matches: a typing error, refused rather than waited on for ever.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} matches no event type")]
pub struct InvalidGlob(pub String);

impl TypeGlob {
    /// Whether `event_type` fits the pattern.
    pub fn matches(&self, event_type: EventType) -> bool {
        fits(&self.0, event_type.as_str())
    }

    /// Whether a subscriber who wrote this pattern wants `event_type`: as [`Self::matches`], but a snapshot must be
    /// named (`report.snapshot`, `*.snapshot`), so that nobody is flooded by a wildcard.
    pub fn asks_for(&self, event_type: EventType) -> bool {
        self.matches(event_type) && (!event_type.is_snapshot() || self.0.ends_with(".snapshot"))
    }

    /// The pattern of every type.
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether it is that of every type, those to come among them.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => {
            text.strip_prefix(head).is_some_and(|tail| (0..=tail.len()).any(|skip| fits(rest, &tail[skip..])))
        }
    }
}

impl FromStr for TypeGlob {
    type Err = InvalidGlob;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let glob = Self(text.to_owned());
        let stars = text.matches('*').count();
        if text.len() <= MAX_GLOB_LENGTH && stars <= 3 && EventType::ALL.iter().any(|t| glob.matches(*t)) {
            Ok(glob)
        } else {
            Err(InvalidGlob(text.chars().take(MAX_GLOB_LENGTH).collect()))
        }
    }
}

impl TryFrom<String> for TypeGlob {
    type Error = InvalidGlob;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TypeGlob> for String {
    fn from(glob: TypeGlob) -> Self {
        glob.0
    }
}

impl fmt::Display for TypeGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a subscription asks for. An empty list of accounts or policies means all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventFilter {
    /// Patterns; an event that one of them asks for is wanted.
    pub events: Vec<TypeGlob>,
    /// Only events of these accounts.
    #[serde(default)]
    pub accounts: Vec<AccountName>,
    /// Only events about these policies or the reports on them; events that belong to no policy are not wanted then.
    #[serde(default)]
    pub policies: Vec<String>,
}

impl EventFilter {
    /// Whether an event with this head is wanted.
    pub fn wants(&self, head: &EventHead) -> bool {
        self.events.iter().any(|glob| glob.asks_for(head.event_type))
            && (self.accounts.is_empty() || self.accounts.contains(&head.account))
            && (self.policies.is_empty()
                || head.policy_id().is_some_and(|id| self.policies.iter().any(|wanted| wanted == id)))
    }

    /// Names the accounts and policies of `reach` where none are named, so that a filter says what will come.
    pub fn narrow_to(&mut self, reach: &Reach) {
        if let (true, Allowed::Only(accounts)) = (self.accounts.is_empty(), &reach.accounts) {
            self.accounts = accounts.iter().cloned().collect();
        }
        if let (true, Allowed::Only(policies)) = (self.policies.is_empty(), &reach.policies) {
            self.policies = policies.iter().cloned().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> TypeGlob {
        text.parse().expect(text)
    }

    #[test]
    fn a_star_stands_for_any_run_and_nothing_else_is_special() {
        assert!(glob("report.*").matches(EventType::ReportApproved));
        assert!(glob("*").matches(EventType::CardAdded));
        assert!(glob("*.re*ed").matches(EventType::ReportReimbursed));
        assert!(!glob("report.approved").matches(EventType::ReportUnapproved));
        assert!(!glob("report.*").matches(EventType::PolicyChanged));
    }

    #[test]
    fn snapshots_come_only_to_those_who_name_them() {
        assert!(!glob("*").asks_for(EventType::ReportSnapshot));
        assert!(!glob("report.*").asks_for(EventType::ReportSnapshot));
        assert!(glob("report.snapshot").asks_for(EventType::ReportSnapshot));
        assert!(glob("*.snapshot").asks_for(EventType::ScopeSnapshot));
    }

    #[test]
    fn a_pattern_that_can_never_match_is_refused() {
        for bad in ["reprot.*", "", "report", "*****", &"*".repeat(70)] {
            assert!(bad.parse::<TypeGlob>().is_err(), "{bad}");
        }
    }
}
