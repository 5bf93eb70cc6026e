//! The store as a whole: one suite for every engine, and beside it what only a real directory or a disk that fails on
//! demand can show.

mod appending;
mod caring;
mod committing;
mod crashing;
mod damage;
mod engines;
mod faults;
mod migrating;
mod paging;
mod reading;
mod seam;
pub mod support;
mod tables;
