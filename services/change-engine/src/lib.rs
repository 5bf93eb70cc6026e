#![doc = include_str!("../README.md")]

pub mod absence;
pub mod access;
pub mod budget;
pub mod delivery;
pub mod diff;
pub mod fingerprints;
pub mod lifecycle;
pub mod paths;
pub mod plan;

pub use absence::{Absences, Confirmation, Verdict};
pub use access::access_draft;
pub use diff::{
    Known, Seen, card_drafts, feed_drafts, policy_drafts, removal_draft, report_drafts, report_removed,
    scope_snapshot_draft, touched_expenses,
};
pub use paths::Paths;
