//! The simulator over real HTTP.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

mod access;
mod clock;
mod control;
mod edits;
mod exports;
mod faults;
mod feeds;
mod form;
mod harness;
mod history;
mod living;
mod policy_writes;
mod reads;
mod report_writes;
mod scope;
