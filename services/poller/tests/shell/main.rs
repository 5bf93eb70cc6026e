//! The poller over real HTTP against a small scripted upstream, with a real store on disk.

#![expect(clippy::unwrap_used, reason = "in helpers of tests too, a panic is a failed test")]

mod absence;
mod asking;
mod harness;
mod spending;
mod upstream;
mod watching;
