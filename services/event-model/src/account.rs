//! The name of an account: one Expensify credential pair, as the configuration calls it.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest account name: it is part of keys, file names and metric labels.
const MAX_LENGTH: usize = 63;

/// The configured name of an account: 1 to 63 of `a-z 0-9 _ -`, starting with a letter or digit.
///
/// Lower case only, because an environment variable that overrides a key cannot tell the cases apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(#[schemars(regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,62}$"))] String);

/// A text that is no account name.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an account name: 1 to 63 characters of a-z, 0-9, '_' and '-', starting with a letter or digit")]
pub struct InvalidAccountName(String);

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountName {
    type Error = InvalidAccountName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let first = text.chars().next();
        let starts_well = first.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts_well && text.len() <= MAX_LENGTH && text.chars().all(inner) {
            Ok(Self(text))
        } else {
            Err(InvalidAccountName(text))
        }
    }
}

impl FromStr for AccountName {
    type Err = InvalidAccountName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_a_key_are_taken_and_others_refused() {
        for good in ["acme", "a", "acme-eu_2", "0x"] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in ["", "Acme", "-a", "a/b", "a b", "é", &"a".repeat(64)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
    }
}
