//! The dispatcher over real HTTP and a real store.

mod failures;
mod lifecycle;
mod order;
mod receiver;
mod targets;
mod world;
