//! The client over real HTTP, against a local server.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test, in its helpers too")]

mod failures;
mod policies;
mod requests;
mod rows;
mod support;
