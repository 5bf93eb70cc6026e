//! The reference: what must have been said, and what must not.
//!
//! It reads the log as any consumer could, and knows two things that no consumer does: what was true at every moment, and
//! what each read showed. From these follows, event by event, whether what is said happened ([`Reference::take`]), and, when
//! the upstream has been left alone for a while, whether everything that happened was said ([`rest`]).
//!
//! It is written from the issue and the design and shares no code with the engine. Where these leave a choice it takes
//! either; what happened and was undone between two looks may go unsaid only where no history tells of it.

mod access;
pub mod broken;
mod fold;
mod others;
mod paths;
mod reports;
pub mod rest;
pub mod sights;
mod steps;

use std::collections::BTreeMap;

use event_model::{EntityKind, Event};
use jiff::Timestamp;

use self::{
    broken::{Check, broken, hold, line},
    fold::Fold,
    sights::Sights,
    steps::Lived,
};
use super::{
    clock::{LocalClock, Moment},
    upstream::World,
};

/// Titles and keys that may move at every read without meaning.
pub const TICKING: [&str; 2] = ["reportName", "lastSync"];

/// When reads left out what is there.
#[derive(Clone, Debug, Default)]
pub struct Glitches(Vec<Moment>);

impl Glitches {
    /// A read did at `at`.
    pub fn add(&mut self, at: Moment) {
        self.0.push(at);
    }

    /// Whether one did from `from` to `to`.
    pub fn ever(&self, from: Moment, to: Moment) -> bool {
        self.0.iter().any(|at| (from..=to).contains(at))
    }
}

/// What the reference judges by.
pub struct Scene<'a> {
    /// What is true.
    pub world: &'a World,
    /// Who stamped.
    pub clock: &'a LocalClock,
    /// Reads that left out what is there.
    pub glitches: &'a Glitches,
    /// Now.
    pub now: Moment,
}

impl Scene<'_> {
    fn moment_of(&self, stamp: Option<Timestamp>) -> Option<Moment> {
        stamp.and_then(|stamp| self.clock.moment_of(stamp))
    }
}

/// See the module's head.
#[derive(Default)]
pub struct Reference {
    /// The log as folded here.
    pub fold: Fold,
    /// What reads showed.
    pub sights: Sights,
    /// Of each report, how far its life is told, and the entry of it that was told last.
    lives: BTreeMap<String, (Lived, usize)>,
}

impl Reference {
    /// The next events of the log.
    pub fn take(&mut self, scene: &Scene<'_>, events: &[Event]) -> Check {
        let mut left = events;
        while let Some(first) = left.first() {
            let together = left.iter().take_while(|event| belongs(first, event)).count();
            let (look, rest) = left.split_at(together);
            left = rest;
            if first.subject.kind == EntityKind::Report {
                self.look_at_report(scene, look)?;
            } else {
                self.look_at_other(scene, look)?;
            }
        }
        Ok(())
    }

    /// What one look told of a report: its own events, and those of its lines.
    fn look_at_report(&mut self, scene: &Scene<'_>, look: &[Event]) -> Check {
        let id = look[0].subject.id.clone();
        let own: Vec<Event> = look.iter().filter(|event| event.subject.kind == EntityKind::Report).cloned().collect();
        let known = self.fold.told.get(&look[0].subject.to_string()).cloned();
        let mut touched = self.touched_lines(&id, &known, &own);
        for event in look {
            let before = self.fold.take(event, &TICKING)?;
            if event.subject.kind == EntityKind::Expense {
                let expected = touched.remove(&event.subject.id).map(|touch| touch.event);
                hold(expected == Some(event.event_type), "a line that changed has one event", expected, line(event))?;
                self.expense(&id, event, &before)?;
            }
        }
        touched.retain(|_, touch| !touch.optional);
        hold(touched.is_empty(), "each line that changed has its event", &touched, own.last().map(line))?;
        self.report_group(scene, &id, &known, &own)
    }

    fn look_at_other(&mut self, scene: &Scene<'_>, look: &[Event]) -> Check {
        let (first, id) = (&look[0], look[0].subject.id.as_str());
        let known = self.fold.told.get(&first.subject.to_string()).cloned();
        for event in look {
            self.fold.take(event, &TICKING)?;
        }
        match first.subject.kind {
            EntityKind::Policy => self.policy_group(scene, id, &known, look),
            EntityKind::Card => self.card_group(scene, id, &known, look),
            EntityKind::Feed => look.iter().try_for_each(|event| self.feed(event)),
            EntityKind::Account => self.access(scene, &known, first),
            EntityKind::Scope => hold(known.is_none(), "a first sight ends once", "one event", line(first)),
            EntityKind::Report | EntityKind::Expense => {
                Err(broken("a line's event goes with its report's", "a report", line(first)))
            }
            EntityKind::Subscription => Err(broken("nobody was disabled", "nothing", line(first))),
        }
    }
}

/// Whether `event` tells of the same look at the same entity as `first`; lines go with their report.
fn belongs(first: &Event, event: &Event) -> bool {
    let same = event.subject == first.subject;
    let line = first.subject.kind == EntityKind::Report
        && event.subject.kind == EntityKind::Expense
        && event.data.object["reportID"] == first.subject.id.as_str();
    event.detection.observed_at == first.detection.observed_at && (same || line)
}
