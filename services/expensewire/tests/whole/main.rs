//! The service whole, against a simulated Expensify.

#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

mod asked;
mod catalogue;
mod traces;
mod world;
