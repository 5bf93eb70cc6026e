//! An event as it stands in the log.

use bytes::Bytes;
use event_model::EventHead;

/// An event of the log: its bytes, and the part of them that filters and cursors look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Parsed from `body`.
    pub head: EventHead,
    /// The JSON of the event, exactly as it was built when it was appended: what is signed and sent.
    pub body: Bytes,
}
