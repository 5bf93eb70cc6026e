//! Why a simulator could not start, or a control operation was not done.

use crate::faults::BadProbability;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The listener has no address.
    #[error("the listener has no local address")]
    Listener(
        /// What the system said.
        #[source]
        std::io::Error,
    ),
    /// A configured value is out of range.
    #[error("{0}")]
    Config(#[from] ControlError),
}

/// Why a control operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A value is out of range.
    #[error("{0}")]
    Invalid(
        /// Which, and what is allowed.
        String,
    ),
    /// The named entity is not there.
    #[error("there is no {0}")]
    Missing(
        /// The entity.
        String,
    ),
    /// It is there, but this cannot be done to it, or nothing suits.
    #[error("{0}")]
    Impossible(
        /// Why.
        String,
    ),
}

impl ControlError {
    /// The same, of one change of several.
    pub(crate) fn at(self, place: usize) -> Self {
        match self {
            Self::Invalid(why) => Self::Invalid(format!("change {place}: {why}")),
            Self::Missing(what) => Self::Missing(format!("{what} (change {place})")),
            Self::Impossible(why) => Self::Impossible(format!("change {place}: {why}")),
        }
    }
}

impl From<BadProbability> for ControlError {
    fn from(bad: BadProbability) -> Self {
        Self::Invalid(bad.to_string())
    }
}
