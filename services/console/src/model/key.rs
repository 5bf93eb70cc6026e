//! Keys: what they allow, never what they are.

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{link, time::Moment};

/// What stands for all.
const ALL: &str = "*";

/// A page of keys.
#[derive(Default, Deserialize)]
pub(crate) struct Keys {
    pub keys: Vec<Key>,
    pub next: Option<String>,
}

/// A key.
#[derive(Deserialize)]
pub(crate) struct Key {
    pub id: String,
    pub description: Option<String>,
    accounts: Vec<String>,
    policies: Vec<String>,
    events: Vec<String>,
    actions: Vec<String>,
    pub origin: String,
    pub made_by: Option<String>,
    pub rate_per_s: Option<u32>,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub expired: bool,
}

impl Key {
    /// The address of its page.
    pub fn address(&self) -> String {
        address(&self.id)
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        let described = self.description.as_deref().filter(|text| !text.is_empty());
        described.unwrap_or(match self.origin.as_str() {
            "generated" => "the generated key",
            "configured" => "the configured key",
            _ => &self.id,
        })
    }

    /// Whether `action` is among its actions.
    pub fn names(&self, action: &str) -> bool {
        self.actions.iter().any(|one| one == ALL || one == action)
    }

    /// Whether it allows `action`. Accounts are watched as a whole: who may not see all policies may not see how.
    pub fn allows(&self, action: &str) -> bool {
        self.names(action) && (!action.starts_with("accounts:") || is_all(&self.policies))
    }

    /// Whether it allows everything that there is and will be.
    pub fn is_everything(&self) -> bool {
        [&self.accounts, &self.policies, &self.events, &self.actions].into_iter().all(|list| is_all(list))
    }

    /// Whether it is set by the configuration, and goes when it goes there.
    pub fn is_configured(&self) -> bool {
        self.origin == "configured"
    }

    pub fn accounts(&self) -> String {
        told(&self.accounts)
    }

    pub fn policies(&self) -> String {
        told(&self.policies)
    }

    pub fn events(&self) -> String {
        told(&self.events)
    }

    pub fn actions(&self) -> String {
        told(&self.actions)
    }

    /// Where it comes from.
    pub fn origin(&self) -> &str {
        match self.origin.as_str() {
            "generated" => "made at the first start",
            "configured" => "set by the configuration",
            "made" => "made",
            other => other,
        }
    }
}

/// The address of the page of the key `id`.
pub(crate) fn address(id: &str) -> String {
    format!("/console/keys/{}", link::segment(id))
}

fn is_all(list: &[String]) -> bool {
    list.iter().any(|one| one == ALL)
}

/// A list as one reads it.
fn told(list: &[String]) -> String {
    match list {
        [] => "none".to_owned(),
        list if is_all(list) => "all".to_owned(),
        list => list.join(", "),
    }
}

/// The answer to a creation.
#[derive(Deserialize)]
pub(crate) struct CreatedKey {
    pub id: String,
    /// The key itself, shown once.
    pub key: Option<Zeroizing<String>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(actions: &[&str], policies: &[&str]) -> Key {
        serde_json::from_value(json!({
            "id": "key_1", "description": "", "accounts": ["*"], "policies": policies, "events": ["*"], "actions": actions,
            "origin": "made", "made_by": null, "rate_per_s": null, "created_at": "2026-04-02T09:14:00Z", "expires_at": null,
            "expired": false,
        }))
        .expect("a key")
    }

    #[test]
    fn what_a_key_allows_is_what_it_names_and_accounts_need_all_policies() {
        let one = key(&["events:read", "accounts:read"], &["P1"]);
        assert!(one.allows("events:read") && !one.allows("accounts:read") && !one.allows("keys:write"));
        assert!(key(&["accounts:read"], &["*"]).allows("accounts:read"));
        assert!(key(&["*"], &["*"]).is_everything() && !key(&["*"], &["P1"]).is_everything());
        assert_eq!((one.name(), one.accounts(), one.policies()), ("key_1", "all".to_owned(), "P1".to_owned()));
        assert_eq!(key(&[], &[]).actions(), "none");
    }
}
