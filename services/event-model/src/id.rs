//! Identifiers of events and positions in the log.

use std::{fmt, str::FromStr};

use data_encoding::{Encoding, Specification};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{account::AccountName, entity::Subject, event_type::EventType};

/// Bytes of hash in an event id: 128 bits, so that two events of one log never share an id by chance.
const ID_BYTES: usize = 16;
const PREFIX: &str = "evt_";

/// A text that is no id of the kind wanted.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct InvalidId {
    /// What was given.
    pub text: String,
    /// What was wanted, with an article.
    pub wanted: &'static str,
}

/// An event's id: `evt_` and 26 characters. The same change of the same entity always has the same id, so detecting it
/// again after a crash or a restore is recognised by whoever de-duplicates on `webhook-id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct EventId(String);

impl EventId {
    /// The id of the event of `event_type` that is `revision` of `subject` in `account`: a BLAKE3 hash over the four,
    /// each preceded by its length so that no two different inputs run together.
    pub fn derive(account: &AccountName, subject: &Subject, revision: Revision, event_type: EventType) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("expensewire event id v1");
        let revision = revision.0.to_string();
        for part in [account.as_str(), subject.kind.as_str(), &subject.id, &revision, event_type.as_str()] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0; ID_BYTES];
        hasher.finalize_xof().fill(&mut bytes);
        Self(format!("{PREFIX}{}", lowercase_base32().encode(&bytes)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 4648 base32 in lower case without padding: safe in URLs, headers and file names, and readable aloud.
fn lowercase_base32() -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().expect("the alphabet has 32 different symbols")
}

impl FromStr for EventId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        match text.strip_prefix(PREFIX) {
            Some(rest) if (1..=60).contains(&rest.len()) && rest.chars().all(known) => Ok(Self(text.to_owned())),
            _ => Err(InvalidId { text: text.to_owned(), wanted: "an event id (evt_…)" }),
        }
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A position in the log: dense from 1, never reused. It is the cursor; 0 is before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The position before the first event.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An entity's own counter: 1 for its first event, +1 for each later one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one; that of an entity's first event is `Revision(0).next()`.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::EntityKind;

    fn derive(account: &str, id: &str, revision: u64, event_type: EventType) -> EventId {
        let account = account.parse().expect("account");
        EventId::derive(&account, &Subject::new(EntityKind::Report, id), Revision(revision), event_type)
    }

    #[test]
    fn an_event_id_is_the_same_for_the_same_change_for_ever() {
        // A released id never changes: subscribers remember it.
        assert_eq!(
            derive("acme", "R00AbCdEf123", 7, EventType::ReportApproved).as_str(),
            "evt_6xbov5pjraxgcsiektuhji63mu"
        );
    }

    #[test]
    fn an_event_id_differs_when_any_part_differs() {
        let base = derive("acme", "R1", 1, EventType::ReportApproved);
        assert_ne!(base, derive("acme2", "R1", 1, EventType::ReportApproved));
        assert_ne!(base, derive("acme", "r1", 1, EventType::ReportApproved));
        assert_ne!(base, derive("acme", "R1", 2, EventType::ReportApproved));
        assert_ne!(base, derive("acme", "R1", 1, EventType::ReportUpdated));
        assert_ne!(derive("a", "b1", 1, EventType::ReportUpdated), derive("ab", "1", 1, EventType::ReportUpdated));
    }

    #[test]
    fn only_event_ids_parse_as_event_ids() {
        assert!(derive("acme", "R1", 1, EventType::ReportApproved).as_str().parse::<EventId>().is_ok());
        for bad in ["", "evt_", "msg_abc", "evt_ABC", "evt_a b"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
