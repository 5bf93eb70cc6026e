//! Keys: what they allow, never what they are.

use serde::Deserialize;

use crate::time::Moment;

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
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub expired: bool,
}

impl Key {
    pub fn accounts(&self) -> String {
        self.accounts.join(", ")
    }

    pub fn policies(&self) -> String {
        self.policies.join(", ")
    }

    pub fn events(&self) -> String {
        self.events.join(", ")
    }

    pub fn actions(&self) -> String {
        self.actions.join(", ")
    }
}
