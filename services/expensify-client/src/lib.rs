#![doc = include_str!("../README.md")]

mod canonical;
mod cards;
pub mod classify;
mod client;
mod clock;
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
mod report_rows;
mod row;
pub mod rows;
mod scan;
pub mod template;
mod text;
mod transport;

pub use canonical::ids::report_id;
pub use client::{Client, ExportedFile};
pub use completeness::{Completeness, Incompleteness};
pub use config::{ClientConfig, Credentials, DOWNLOAD_WAITS, Timeouts};
pub use doctor::EngineReport;
pub use download::{Download, MAX_DOWNLOAD_BYTES};
pub use error::{ClientError, Retry, SetupError};
pub use gate::{Gate, GateClosed, OpenGate, Permit, RequestOutcome};
pub use job::{
    Asked, FileSystem, JobKind, MAX_REPORT_IDS, ReconciliationExport, ReconciliationType, ReportExport, ReportFilter,
};
pub use policies::{MAX_POLICY_REQUESTS, PoliciesById, PolicyOutcome, PolicySummary};
pub use report_rows::{ReportRows, RowStep, RowsEnd};
pub use row::{DigestKey, Row};
