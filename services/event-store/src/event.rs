//! An event as it stands in the log.

use std::{
    fmt,
    ops::Deref,
    sync::{LazyLock, OnceLock},
};

use bytes::Bytes;
use event_model::{EventHead, Sequence};
use memchr::memmem::Finder;

use crate::StoreError;

/// An event of the log: its bytes, and the part of them that filters and cursors look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Read from `body`.
    pub head: StoredHead,
    /// The JSON of the event, exactly as it was built when it was appended: what is signed and sent.
    pub body: Bytes,
}

/// The head of a stored event. Its sequence is known; the rest is parsed when it is looked at first, so that whoever replays a
/// million events without a filter parses none.
#[derive(Clone)]
pub struct StoredHead {
    /// The event's place in the log.
    pub sequence: Sequence,
    body: Bytes,
    parsed: OnceLock<Box<EventHead>>,
}

impl StoredEvent {
    /// The event of `sequence` from its body, which was checked when it entered the log. Here it must agree about its
    /// sequence, or the block is not the one that belongs there.
    pub(crate) fn read(sequence: Sequence, body: Bytes) -> Result<Self, StoreError> {
        if told_sequence(&body) == Some(sequence) {
            return Ok(Self::new(sequence, body));
        }
        match serde_json::from_slice::<EventHead>(&body) {
            Ok(head) if head.sequence == sequence => Ok(Self::new(sequence, body)),
            _ => Err(StoreError::Corrupt { sequence }),
        }
    }

    /// The event of `sequence` with `body`, which are known to be right.
    pub(crate) fn new(sequence: Sequence, body: Bytes) -> Self {
        Self { head: StoredHead { sequence, body: body.clone(), parsed: OnceLock::new() }, body }
    }
}

/// What comes before the sequence in every body that we build; nothing before it contains it.
const BEFORE_SEQUENCE: &[u8] = b",\"sequence\":";
/// It is that near the beginning.
const SEARCHED_BYTES: usize = 256;

/// Where the number is that follows [`BEFORE_SEQUENCE`].
pub(crate) fn sequence_at(body: &[u8]) -> Option<usize> {
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(BEFORE_SEQUENCE));
    let at = FINDER.find(&body[..body.len().min(SEARCHED_BYTES)])?;
    Some(at + BEFORE_SEQUENCE.len())
}

fn told_sequence(body: &[u8]) -> Option<Sequence> {
    let digits = &body[sequence_at(body)?..];
    let mut value = 0_u64;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b',' if index > 0 => return Some(Sequence(value)),
            _ => return None,
        }
    }
    None
}

impl StoredHead {
    /// The head, read from the body now; for who takes nothing for granted.
    pub(crate) fn parse(&self) -> serde_json::Result<EventHead> {
        serde_json::from_slice(&self.body)
    }
}

impl Deref for StoredHead {
    type Target = EventHead;

    /// Every body came in as a draft that we wrote down or as an import whose head was parsed. On the disk it is under the digest of its
    /// block, which is checked each time before a body is taken out of it, so damage never comes here. Who can write to
    /// the directory can forge a block with its digest; `verify` parses every head and says where.
    fn deref(&self) -> &EventHead {
        let parse =
            || self.parse().expect("its head was parsed or written when it entered the log, under a digest since");
        self.parsed.get_or_init(|| Box::new(parse()))
    }
}

impl PartialEq for StoredHead {
    fn eq(&self, other: &Self) -> bool {
        self.body == other.body
    }
}

impl Eq for StoredHead {}

impl fmt::Debug for StoredHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_a_body_is_read_without_the_rest() {
        let told = |body: &str| told_sequence(body.as_bytes()).map(|sequence| sequence.0);
        assert_eq!(told(r#"{"id":"evt_a","type":"t","timestamp":"x","sequence":1042,"account":"a"}"#), Some(1042));
        for unlike in
            ["", r#"{"sequence":1}"#, r#"{"a":1,"sequence":"#, r#"{"a":1,"sequence":,"#, r#"{"a":1,"sequence":12"#]
        {
            assert_eq!(told(unlike), None, "{unlike}");
        }
        assert_eq!(told(r#"{"a":1,"sequence":99999999999999999999,"b":1}"#), None);
    }
}
