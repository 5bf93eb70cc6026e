#![doc = include_str!("../README.md")]

mod auth;
mod config;
mod edge;
mod error;
mod fields;
mod headers;
mod idempotency;
mod input;
mod metrics;
mod page;
mod params;
mod problem;
mod replay;
mod routes;
mod sample;
mod server;
mod signing;
mod stall;
mod state;
mod view;
mod watching;

pub use auth::ensure_admin_key;
pub use error::ApiError;
pub use metrics::Metrics;
pub use server::serve;
pub use state::{Deps, TargetPolicy};
pub use watching::{Refresh, Released, Watching, WatchingRefusal};
