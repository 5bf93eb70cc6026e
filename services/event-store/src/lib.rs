//! The append-only event log and the key-value state, on sled.
