//! The API over real HTTP, against a store on disk.

mod accounts;
mod audit;
mod auth;
mod bad_input;
mod catalogue;
mod deliveries;
mod events;
mod idempotency;
mod keys;
mod limits;
mod log;
mod problems;
mod replays;
mod retention;
mod scopes;
mod service;
mod signing;
mod stopping;
mod stream;
mod subscriptions;
