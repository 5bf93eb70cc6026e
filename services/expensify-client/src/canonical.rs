//! From what the upstream writes to the canonical form of `event-model`: equal values mean that nothing changed.
//!
//! Ids in one spelling, numbers and texts that stand for each other as one, blank as `None`, lists sorted by key. A value
//! of the wrong shape is an error, never a blank: a blank would read as a change.

pub(crate) mod html;
pub(crate) mod ids;
pub(crate) mod list;
pub(crate) mod report;
pub(crate) mod scalar;
pub(crate) mod state;
