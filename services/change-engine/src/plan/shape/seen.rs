//! The days of which complete reads have shown every report.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::scope::days_after;

/// Ranges of days, both ends included, in order and apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Seen(Vec<(Date, Date)>);

impl Seen {
    pub(super) fn add(&mut self, from: Date, until: Date) {
        self.0.push((from, until));
        self.0.sort_unstable();
        let mut apart: Vec<(Date, Date)> = Vec::new();
        for (from, until) in self.0.drain(..) {
            match apart.last_mut() {
                Some(last) if from <= days_after(last.1, 1) => last.1 = last.1.max(until),
                _ => apart.push((from, until)),
            }
        }
        self.0 = apart;
    }

    pub(super) fn holds(&self, from: Date, until: Date) -> bool {
        self.0.iter().any(|range| range.0 <= from && until <= range.1)
    }
}
