//! What becomes of deliveries: when a failed one is tried again ([`retry`]), which may start now ([`lanes`]), what one
//! subscription has to keep so that a kill at any moment repeats but never loses ([`outbox`]), and whether its endpoint may
//! be sent to at all ([`health`]).
//!
//! A shell reads the log, sends and stores; it asks here what to do and tells here how it went.

pub mod health;
pub mod key;
pub mod lanes;
pub mod outbox;
pub mod retry;

pub use health::{Admission, Consequence, Health, Patience};
pub use key::Key;
pub use lanes::Lanes;
pub use outbox::{Limits, Outbox, Start};
pub use retry::{Failed, Schedule, Verdict, retry_after, verdict};
