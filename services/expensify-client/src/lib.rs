#![doc = include_str!("../README.md")]

mod canonical;
mod cards;
pub mod classify;
mod client;
mod completeness;
mod config;
pub mod doctor;
mod download;
mod error;
mod gate;
mod job;
pub mod lines;
mod policies;
pub mod reader;
pub mod rows;
pub mod template;
mod text;
mod transport;

pub use client::{Client, ExportedFile, ReportsRead};
pub use completeness::{Completeness, Incompleteness};
pub use config::{ClientConfig, Credentials, DOWNLOAD_WAITS, Timeouts};
pub use doctor::EngineReport;
pub use download::{Download, MAX_DOWNLOAD_BYTES};
pub use error::{ClientError, Retry, SetupError};
pub use gate::{Gate, GateClosed, OpenGate, Permit, RequestOutcome};
pub use job::{Asked, FileSystem, JobKind, ReconciliationExport, ReconciliationType, ReportExport, ReportFilter};
pub use policies::PolicySummary;
