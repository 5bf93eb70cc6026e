//! Where a key is, and where its value came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// A key of the configuration, from the root: `accounts.acme.budget.share`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<String>);

impl KeyPath {
    /// The path of these segments.
    pub fn new<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self(segments.into_iter().map(Into::into).collect())
    }

    /// The key `name` inside this table.
    #[must_use]
    pub fn join(&self, name: impl Into<String>) -> Self {
        let mut segments = self.0.clone();
        segments.push(name.into());
        Self(segments)
    }

    /// The table that holds this key; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// The last segment; empty for the root.
    pub fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The same key in the environment: `EXPENSEWIRE__ACCOUNTS__ACME__BUDGET__SHARE`.
    pub fn variable(&self) -> String {
        let segments = self.0.iter().map(|segment| segment.to_uppercase().replace('-', "_"));
        std::iter::once("EXPENSEWIRE".to_owned()).chain(segments).collect::<Vec<_>>().join("__")
    }
}

/// As TOML writes it: segments that are no bare keys are quoted.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            let bare =
                !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if bare { f.write_str(segment)? } else { write!(f, "{segment:?}")? }
        }
        Ok(())
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => f.write_str(variable),
        }
    }
}

/// The origin of every key that somebody set, tables included.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<KeyPath, Origin>);

impl Origins {
    /// Where the value of `key` came from.
    pub fn of(&self, key: &KeyPath) -> Origin {
        self.0.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Where to look for a key that may not be there: its own origin, else that of the nearest table around it.
    pub fn nearest(&self, key: &KeyPath) -> Origin {
        let mut at = Some(key.clone());
        while let Some(path) = at {
            if let Some(origin) = self.0.get(&path) {
                return origin.clone();
            }
            at = path.parent();
        }
        Origin::Default
    }

    pub(super) fn set(&mut self, key: KeyPath, origin: Origin) {
        self.0.insert(key, origin);
    }

    pub(super) fn set_if_new(&mut self, key: KeyPath, origin: Origin) {
        self.0.entry(key).or_insert(origin);
    }

    pub(super) fn forget(&mut self, key: &KeyPath) {
        self.0.remove(key);
    }

    /// Whether somebody set `key`.
    pub fn is_set(&self, key: &KeyPath) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
