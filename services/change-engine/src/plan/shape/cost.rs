//! What exports cost, and when that is too much for one or little enough to be joined.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::ReportScope;

/// An export that is read over and over may take so long: with more, most of the delay would be rendering, and the parts
/// are there sooner.
const HOT_TOOK: SignedDuration = SignedDuration::from_secs(20);
/// ... and weigh so much: read every six seconds it is 5 MiB a second.
const HOT_BYTES: u64 = 32 << 20;
/// A window may take so long: a fifth of what the client waits, so that a slow hour is not a timeout.
const WINDOW_TOOK: SignedDuration = SignedDuration::from_secs(60);
/// ... and weigh so much: a download that breaks begins anew.
const WINDOW_BYTES: u64 = 128 << 20;
/// What may be joined is together below this part of what would be split.
const CHEAP: f64 = 0.25;
/// Reads in a row that are too much before anything is split: one slow answer is weather.
const SPLIT_AFTER: u8 = 2;
/// Timeouts in a row of an export that was cheap, before it is split: then the upstream is ill, not the export.
const SPLIT_CHEAP_AFTER: u8 = 4;

/// What a complete read took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Rendering and download.
    pub took: SignedDuration,
    /// Size of the file.
    pub bytes: u64,
    /// Reports in it.
    pub rows: u64,
}

impl Measure {
    /// The part of what is too much for an export of this scope: above 1 it is.
    pub(super) fn load(&self, scope: &ReportScope) -> f64 {
        let window = matches!(scope, ReportScope::Window { .. });
        let (took, bytes) = if window { (WINDOW_TOOK, WINDOW_BYTES) } else { (HOT_TOOK, HOT_BYTES) };
        (self.took.as_secs_f64() / took.as_secs_f64()).max(self.bytes as f64 / bytes as f64)
    }

    pub(super) fn is_cheap(&self, scope: &ReportScope) -> bool {
        self.load(scope) < CHEAP
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let took = self.took.saturating_add(other.took);
        Self { took, bytes: self.bytes.saturating_add(other.bytes), rows: self.rows.saturating_add(other.rows) }
    }

    /// What one of `parts` would take.
    pub(super) fn part(self, parts: usize) -> Self {
        let parts = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        let took = SignedDuration::from_secs_f64(self.took.as_secs_f64() / f64::from(parts));
        Self { took, bytes: self.bytes / u64::from(parts), rows: self.rows / u64::from(parts) }
    }
}

/// What is remembered of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cost {
    /// Of the last complete read, or reckoned from those of its parts or of what it is a part of.
    pub(super) last: Option<Measure>,
    /// Whether `last` is of a read.
    pub(super) measured: bool,
    /// Complete reads in a row that were too much.
    too_much: u8,
    timeouts: u8,
}

impl Cost {
    pub(super) fn reckoned(measure: Option<Measure>) -> Self {
        Self { last: measure, ..Self::default() }
    }

    /// Takes in a complete read; whether the export is to be split.
    pub(super) fn measured(&mut self, scope: &ReportScope, measure: Measure) -> bool {
        let too_much = if measure.load(scope) > 1.0 { self.too_much.saturating_add(1) } else { 0 };
        *self = Self { last: Some(measure), measured: true, too_much, timeouts: 0 };
        too_much >= SPLIT_AFTER
    }

    /// Takes in a timeout; whether the export is to be split.
    pub(super) fn timed_out(&mut self, scope: &ReportScope) -> bool {
        self.timeouts = self.timeouts.saturating_add(1);
        let cheap = self.last.is_some_and(|measure| measure.is_cheap(scope));
        self.timeouts >= if cheap { SPLIT_CHEAP_AFTER } else { 1 }
    }
}
