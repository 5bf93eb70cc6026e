//! A configuration on its way: the layers merged into one tree, and what was found wrong so far.

use event_model::AccountName;
use serde_json::{Map, Value};

use super::{
    error::Finding,
    place::{KeyPath, Origin, Origins},
};

#[derive(Default)]
pub(super) struct Draft {
    pub(super) tree: Map<String, Value>,
    pub(super) origins: Origins,
    pub(super) mistakes: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

impl Draft {
    /// Notes that something is wrong with `key`; the finding can be given a hint.
    pub(super) fn mistake(&mut self, key: &KeyPath, what: impl Into<String>) -> &mut Finding {
        self.mistakes.push(Finding::new(key.clone(), self.origins.nearest(key), what));
        self.mistakes.last_mut().expect("just pushed")
    }

    pub(super) fn warning(&mut self, key: &KeyPath, what: impl Into<String>) {
        self.warnings.push(Finding::new(key.clone(), self.origins.nearest(key), what));
    }

    /// Whether `key` was found wrong already, so that nothing more need be said of it.
    pub(super) fn is_wrong(&self, key: &KeyPath) -> bool {
        self.mistakes.iter().any(|mistake| mistake.key == *key)
    }

    /// Takes the accounts out of the tree whose name is none: a document cannot hold them.
    pub(super) fn take_misnamed_accounts(&mut self) -> Map<String, Value> {
        let Some(Value::Object(accounts)) = self.tree.get_mut("accounts") else { return Map::new() };
        let (named, misnamed) =
            std::mem::take(accounts).into_iter().partition(|(name, _)| name.parse::<AccountName>().is_ok());
        *accounts = named;
        misnamed
    }

    /// Sets `key`, making the tables around it; `false` when something around it is no table.
    pub(super) fn set(&mut self, key: &KeyPath, value: Value, origin: &Origin) -> bool {
        let Some(parent) = key.parent() else { return false };
        let mut at = KeyPath::default();
        let mut table = &mut self.tree;
        for name in parent.segments() {
            at = at.join(name.as_str());
            let entry = table.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = entry else { return false };
            self.origins.set_if_new(at.clone(), origin.clone());
            table = inner;
        }
        table.insert(key.name().to_owned(), value);
        self.origins.set(key.clone(), origin.clone());
        true
    }

    /// Takes `key` out of the tree, leaving its origin for those who speak of it.
    pub(super) fn prune(&mut self, key: &KeyPath) {
        let Some(parent) = key.parent() else { return };
        let mut table = Some(&mut self.tree);
        for name in parent.segments() {
            table = table.and_then(|table| table.get_mut(name)).and_then(Value::as_object_mut);
        }
        if let Some(table) = table {
            table.remove(key.name());
        }
    }
}
