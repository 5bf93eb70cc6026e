//! The traps of an upstream that was not made to be watched: each planted in the simulator, over real HTTP, with a real
//! store; and exactly what the log has to say afterwards, and what not.

#![expect(clippy::unwrap_used, reason = "in helpers of tests too, a panic is a failed test")]

mod absence;
mod access;
mod clock;
mod drift;
mod feeds;
mod files;
mod forms;
mod small;
mod windows;
mod world;
