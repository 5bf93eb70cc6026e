//! The poller over real HTTP against a small scripted upstream, with a real store on disk.

mod harness;
mod spending;
mod upstream;
mod watching;
