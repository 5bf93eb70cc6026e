//! What is wrong with a configuration.

use std::fmt;

use super::place::{KeyPath, Origin};

/// One thing to say about one key: a mistake that keeps the service from starting, or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key; empty for the configuration as a whole.
    pub key: KeyPath,
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong with it. Never holds the value of a secret.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    pub(super) fn new(key: KeyPath, origin: Origin, what: impl Into<String>) -> Self {
        Self { key, origin, what: what.into(), hint: None }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.segments().is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if self.origin != Origin::Default {
            write!(f, " ({})", self.origin)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n    hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every mistake of a configuration, in the order in which they were found. Never empty.
#[derive(Debug)]
pub struct ConfigErrors(Vec<Finding>);

impl ConfigErrors {
    pub(super) fn new(mistakes: Vec<Finding>) -> Self {
        debug_assert!(!mistakes.is_empty(), "an error without a mistake");
        Self(mistakes)
    }

    /// The mistakes.
    pub fn mistakes(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake")?,
            n => write!(f, "the configuration has {n} mistakes")?,
        }
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for ConfigErrors {}
