#![doc = include_str!("../README.md")]

pub mod absence;
pub mod budget;
pub mod delivery;
pub mod diff;
pub mod lifecycle;
pub mod paths;
pub mod plan;

pub use absence::{Absences, Verdict};
pub use diff::{Known, Seen, card_drafts, policy_drafts, removal_draft, report_drafts, scope_snapshot_draft};
