//! The store as a whole, on a real disk.

mod appending;
mod committing;
mod crashing;
mod damage;
mod reading;
mod support;
mod tables;
