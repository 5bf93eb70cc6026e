//! The simulator over real HTTP.

#![expect(clippy::unwrap_used, reason = "a panic in a test is a failed test")]

mod access;
mod control;
mod exports;
mod faults;
mod harness;
mod living;
mod policy_writes;
mod reads;
mod report_writes;
