#![doc = include_str!("../README.md")]

mod answer;
mod config;
mod distort;
mod error;
mod faults;
mod fields;
mod files;
mod jobs;
mod journal;
mod life;
mod limits;
mod server;
mod sim;
mod simulator;
mod stats;
pub mod template;
mod tenant;
mod world;

pub use config::{Credentials, Quiet, RateLimitForm, RateLimits, SimConfig, UnknownPolicy};
pub use error::{ControlError, SimError};
pub use faults::{BadProbability, Fault, Faults};
pub use journal::{Change, MAX_RECORDS, Record};
pub use sim::ReportLine;
pub use simulator::Simulator;
pub use stats::Stats;
pub use template::EngineSettings;
pub use world::trigger::{EntityKind, Trigger};
