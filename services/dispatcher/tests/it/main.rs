//! The dispatcher over real HTTP and a real store.

mod cut;
mod failures;
mod gone;
mod lifecycle;
mod order;
mod receiver;
mod targets;
mod told;
mod world;
