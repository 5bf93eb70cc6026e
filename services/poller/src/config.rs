//! What the poller must be told of each account.

use std::{collections::BTreeMap, fmt, time::Duration};

use change_engine::budget::Limits;
use event_model::{AccountName, Spans};
use expensify_client::Credentials;
use url::Url;

use crate::PollerError;

/// One Expensify credential pair and what to watch through it.
#[derive(Clone)]
pub struct AccountConfig {
    /// The name in events, metrics and keys.
    pub name: AccountName,
    /// The upstream's URL.
    pub endpoint: Url,
    /// The credential pair.
    pub credentials: Credentials,
    /// The domains whose cards are watched; empty: none.
    pub domains: Vec<String>,
    /// The policies that are watched, by id; empty: every policy that the credential administers.
    pub policies: Vec<String>,
    /// How many days back reports are watched; the upstream allows a year.
    pub history_days: u16,
    /// How many requests may be spent.
    pub budget: BudgetConfig,
    /// Waits before the second, third, ... try of a download that breaks: [`expensify_client::DOWNLOAD_WAITS`] but in tests.
    pub download_waits: Vec<Duration>,
    /// Where the spans of reads and events go.
    pub spans: Spans,
}

/// The upstream's limits per credential pair, and our share of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Requests in any 10 s.
    pub per_10s: u32,
    /// Requests in any 60 s.
    pub per_60s: u32,
    /// The part that is ours, above 0 and at most 1.
    pub share: f64,
}

impl Default for BudgetConfig {
    /// The upstream's published limits (reference section 1.7), all of them ours.
    fn default() -> Self {
        Self { per_10s: 5, per_60s: 20, share: 1.0 }
    }
}

impl BudgetConfig {
    pub(crate) fn limits(self) -> Limits {
        Limits::new(self.per_10s, self.per_60s, self.share)
    }
}

impl AccountConfig {
    /// What the upstream counts by: the id of the pair at its endpoint. The ledger is kept under it, so that an account
    /// under a new name does not begin with an empty one.
    pub(crate) fn pair(&self) -> String {
        format!("{} at {}", self.credentials.partner_user_id, self.endpoint)
    }

    /// The same with ids in the upstream's own spelling (policy ids are upper case where they are hexadecimal), each once
    /// and in order, so that they compare.
    pub(crate) fn canonical(mut self) -> Self {
        for id in &mut self.policies {
            let trimmed = id.trim();
            let hex = trimmed.chars().all(|c| c.is_ascii_hexdigit());
            *id = if hex { trimmed.to_ascii_uppercase() } else { trimmed.to_owned() };
        }
        for list in [&mut self.policies, &mut self.domains] {
            list.sort();
            list.dedup();
        }
        self
    }
}

/// Neither the secret nor the pair's id: a log line needs the name only.
impl fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountConfig")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint.as_str())
            .finish_non_exhaustive()
    }
}

/// Refuses accounts that share a name (they would share state) or a credential pair (each would spend the whole limit).
pub(crate) fn check(accounts: &[AccountConfig]) -> Result<(), PollerError> {
    let (mut names, mut pairs) = (BTreeMap::new(), BTreeMap::new());
    for account in accounts {
        if names.insert(account.name.as_str(), ()).is_some() {
            return Err(PollerError::SameName { account: account.name.clone() });
        }
        if let Some(first) = pairs.insert(account.pair(), &account.name) {
            return Err(PollerError::SamePair { first: first.clone(), second: account.name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_ids_compare_with_the_upstreams_however_they_are_typed() {
        let account = AccountConfig {
            name: "acme".parse().unwrap(),
            endpoint: "http://127.0.0.1/".parse().unwrap(),
            credentials: Credentials::new("id", "secret"),
            domains: vec!["b.example".into(), "a.example".into(), "b.example".into()],
            policies: vec![" a1b2c3d4e5f60718".into(), "A1B2C3D4E5F60718".into(), "_Personal_".into()],
            history_days: 365,
            budget: BudgetConfig::default(),
            download_waits: vec![],
            spans: Spans::default(),
        };
        assert!(!format!("{account:?}").contains("secret"));
        let account = account.canonical();
        assert_eq!(account.policies, ["A1B2C3D4E5F60718", "_Personal_"]);
        assert_eq!(account.domains, ["a.example", "b.example"]);
    }
}
