#![doc = include_str!("../README.md")]

mod audit;
mod auth;
mod caller;
mod config;
mod contract;
mod edge;
mod error;
mod fields;
mod headers;
mod idempotency;
mod input;
mod keys;
mod limits;
mod metrics;
mod page;
mod params;
mod problem;
mod replay;
mod routes;
mod sample;
mod scope;
mod server;
mod signing;
mod stall;
mod state;
mod view;
mod watching;

pub use auth::Needs;
pub use contract::{asyncapi, openapi};
pub use error::ApiError;
pub use keys::ensure_admin_key;
pub use metrics::Metrics;
pub use routes::{Route, keyed_routes};
pub use server::serve;
pub use state::{Deps, TargetPolicy};
pub use watching::{Refresh, Released, Watching, WatchingRefusal};
