//! The dispatcher over real HTTP and a real store.

mod cut;
mod endpoints;
mod evasions;
mod failures;
mod gone;
mod lifecycle;
mod order;
mod receiver;
mod replays;
mod scopes;
mod signing;
mod targets;
mod tls;
mod told;
mod world;
