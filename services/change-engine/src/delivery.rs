//! What becomes of deliveries: when a failed one is tried again ([`retry`]), which may start now ([`lanes`]), and what one
//! subscription has to keep so that a kill at any moment repeats but never loses ([`outbox`]).
//!
//! A shell reads the log, sends and stores; it asks here what to do and tells here how it went.

pub mod key;
pub mod lanes;
pub mod outbox;
pub mod retry;

pub use key::Key;
pub use lanes::Lanes;
pub use outbox::{Limits, Outbox, Start};
pub use retry::{Failed, Schedule, Verdict, retry_after, verdict};
