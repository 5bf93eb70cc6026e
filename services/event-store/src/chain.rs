//! The chain over the log: whoever knows the link of an event knows whether anything up to it was lost, altered or reordered.
//!
//! ```text
//! link(0) = 32 zero bytes
//! link(n) = BLAKE3(link(n - 1) ‖ body(n))
//! ```
//!
//! Plain BLAKE3 over bytes that anyone has who has the exported events, so that a person can check it with `b3sum`. The body
//! names its sequence; so an event in another place changes the link as one that was altered does.

use std::{fmt, str::FromStr};

/// Bytes of a link.
pub const LINK_BYTES: usize = 32;

/// The hash over the log up to and including some event; shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link(pub(crate) [u8; LINK_BYTES]);

/// A text that is no link.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a link: 64 hex digits")]
pub struct InvalidLink(String);

impl Link {
    /// Before the first event.
    pub const START: Self = Self([0; LINK_BYTES]);

    /// The link of the event with `body`, which follows the event of this link.
    #[must_use]
    pub fn next(self, body: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        hasher.update(body);
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({self})")
    }
}

impl FromStr for Link {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| InvalidLink(text.chars().take(80).collect()))?;
        Ok(Self(*hash.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_plain_hash_of_the_link_before_it_and_the_body() {
        let first = Link::START.next(b"a body");
        assert_eq!(first.0, *blake3::hash(&[&[0; 32][..], b"a body"].concat()).as_bytes());
        // printf 'a body' | (head -c 32 /dev/zero; cat) | b3sum
        assert_eq!(first.to_string().len(), 64);
        assert_ne!(Link::START.next(b"a").next(b"b"), Link::START.next(b"b").next(b"a"));
        assert_ne!(Link::START.next(b"ab"), Link::START.next(b"a").next(b"b"));
    }

    #[test]
    fn a_link_reads_back_as_shown_and_nothing_else_passes_for_one() {
        let link = Link::START.next(b"x");
        assert_eq!(link.to_string().parse::<Link>().expect("a link"), link);
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(63)] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }
}
