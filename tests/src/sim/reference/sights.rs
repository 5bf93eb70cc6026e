//! What reads showed: an event may only say what one of them did.

use std::{collections::BTreeMap, rc::Rc};

use event_model::{Card, Policy, Report};
use jiff::Timestamp;

use crate::sim::clock::Moment;

/// Reads that are remembered: more than can be under way or unfinished at a crash.
const KEPT: usize = 64;

/// A report as a row showed it.
#[derive(Clone, Debug)]
pub struct ReportSight {
    /// The entry of the report's life.
    pub version: usize,
    /// When it was so.
    pub moment: Moment,
    /// The row.
    pub shown: Rc<Report>,
}

/// What one read showed, by id.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// When the read began.
    pub began: Moment,
    /// When its answer was there.
    pub ended: Moment,
    /// Rows, every one of a report that came twice.
    pub reports: BTreeMap<String, Vec<ReportSight>>,
    /// Details of policies.
    pub policies: BTreeMap<String, Policy>,
    /// Cards.
    pub cards: BTreeMap<String, Card>,
}

/// The latest reads by the stamp at which their answers were there.
#[derive(Default)]
pub struct Sights(BTreeMap<Timestamp, (u64, Sight)>, u64);

impl Sights {
    /// A read whose answer was there at `observed_at`.
    pub fn add(&mut self, observed_at: Timestamp, sight: Sight) {
        self.1 += 1;
        self.0.insert(observed_at, (self.1, sight));
        if self.0.len() > KEPT {
            let oldest = self.0.iter().min_by_key(|(_, (number, _))| *number).map(|(at, _)| *at);
            oldest.map(|at| self.0.remove(&at));
        }
    }

    /// The read of that stamp.
    pub fn at(&self, observed_at: Timestamp) -> Option<&Sight> {
        self.0.get(&observed_at).map(|(_, sight)| sight)
    }

    /// The same, to add to it.
    pub fn at_mut(&mut self, observed_at: Timestamp) -> Option<&mut Sight> {
        self.0.get_mut(&observed_at).map(|(_, sight)| sight)
    }
}
