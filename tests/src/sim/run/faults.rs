//! What goes wrong in a run, and how often: drawn once per run, so that some runs are quiet and some are not.

use change_engine::plan::shape::ReportScope;
use poller::Watch;

use super::Run;
use crate::sim::{
    chance::Chance,
    clock::{DAY, HOUR, MINUTE, Moment, SECOND},
    service::flight::{Fate, Job},
};

/// How a run is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Temper {
    /// How long things happen before the calm.
    pub active: Moment,
    /// Between two changes, on average.
    pub mutate_every: Moment,
    /// Between two changes of what is in sight, on average.
    pub trouble_every: Moment,
    /// Requests that fail, in a hundred.
    pub request_faults: u32,
    /// Files that are not as they should be, in a hundred.
    pub file_faults: u32,
    /// Between two deaths of the process, on average.
    pub kill_every: Moment,
    /// Rendering takes so long.
    pub render: Moment,
    /// Whether the calm lasts long enough to see that nothing grows old.
    pub long_calm: bool,
}

impl Temper {
    pub fn of(dice: &mut Chance) -> Self {
        Self {
            active: dice.between(8, 25) * MINUTE,
            mutate_every: dice.weighted(&[(30, 4 * SECOND), (50, 15 * SECOND), (20, MINUTE)]),
            trouble_every: dice.weighted(&[(40, 40 * SECOND), (40, 3 * MINUTE), (20, 2 * HOUR)]),
            request_faults: dice.weighted(&[(30, 0), (50, 4), (20, 15)]),
            file_faults: dice.weighted(&[(30, 0), (40, 10), (30, 30)]),
            kill_every: dice.weighted(&[(30, 3 * HOUR), (50, 5 * MINUTE), (20, MINUTE)]),
            render: dice.weighted(&[(70, 2 * SECOND), (22, 12 * SECOND), (8, 70 * SECOND)]),
            long_calm: dice.percent(6),
        }
    }
}

/// Faults that are under way.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// One of the next commits was made to fail.
    pub commit_fails: bool,
    /// Reads since one left something out, by what was read.
    since_glitch: std::collections::BTreeMap<String, u32>,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    Truncated,
    Empty,
    Duplicated,
    DuplicatedOtherwise,
    Reordered,
    BrokenOff,
    /// Whole by its own count, and yet some of what is there is not in it.
    LeavesOut,
    /// The same with everything.
    LeavesOutAll,
}

impl Run {
    /// What becomes of a request.
    pub(super) fn fate(&mut self, job: Job) -> Fate {
        if self.calm.is_some() || !self.dice.percent(self.temper.request_faults) {
            return Fate::Fine;
        }
        let fate = self.dice.weighted(&[(20, Fate::Limited), (50, Fate::Error), (30, Fate::NoAnswer)]);
        self.trace.count(match fate {
            Fate::Limited => "429",
            Fate::Error => "error instead of an answer",
            Fate::NoAnswer => "connection breaks",
            Fate::Fine => "answer",
        });
        self.trace.note(self.now, format_args!("{job:?} will end in {fate:?}"));
        fate
    }

    /// What is wrong with the file of `watch`.
    pub(super) fn flaw(&mut self, watch: &Watch) -> Flaw {
        if self.calm.is_some() || !self.dice.percent(self.temper.file_faults) {
            return Flaw::None;
        }
        let flaw = self.dice.weighted(&[
            (20, Flaw::Truncated),
            (6, Flaw::Empty),
            (12, Flaw::Duplicated),
            (12, Flaw::DuplicatedOtherwise),
            (20, Flaw::Reordered),
            (12, Flaw::BrokenOff),
            (8, Flaw::LeavesOut),
            (2, Flaw::LeavesOutAll),
        ]);
        let whole = !matches!(watch, Watch::Reports(ReportScope::Window { .. }));
        if matches!(flaw, Flaw::LeavesOut | Flaw::LeavesOutAll) && !(whole && self.may_leave_out(&kind_of(watch))) {
            return Flaw::None;
        }
        self.trace.count(match flaw {
            Flaw::None => "file",
            Flaw::Truncated => "truncated file",
            Flaw::Empty => "empty file",
            Flaw::Duplicated => "row twice",
            Flaw::DuplicatedOtherwise => "row twice and differently",
            Flaw::Reordered => "rows in another order",
            Flaw::BrokenOff => "download begins anew",
            Flaw::LeavesOut => "read leaves something out",
            Flaw::LeavesOutAll => "read leaves everything out",
        });
        flaw
    }

    /// Whether a read of `kind` may leave something out: not two in a row, for the design asks for a second one to be sure.
    pub(super) fn may_leave_out(&mut self, kind: &str) -> bool {
        let since = self.faults.since_glitch.entry(kind.to_owned()).or_insert(9);
        let may = *since >= 3;
        if may {
            *since = 0;
            self.glitches.add(self.now);
        }
        may
    }

    /// A read of `kind` was answered.
    pub(super) fn count_read(&mut self, watch: &Watch) {
        *self.faults.since_glitch.entry(kind_of(watch)).or_insert(9) += 1;
    }

    /// When the process dies next, and how: by a kill, or by a commit that fails.
    pub(super) fn schedule_kill(&mut self) {
        let at = self.now + self.dice.between(self.temper.kill_every / 4, self.temper.kill_every * 2);
        let task = if self.dice.percent(50) { super::Task::Kill } else { super::Task::Sabotage };
        self.agenda.put(at, task);
    }

    /// How long nobody starts the process again.
    pub(super) fn downtime(&mut self) -> Moment {
        let long = self.calm.is_none();
        let (kind, at_most) = if long {
            self.dice.weighted(&[
                (90, ("restart", 30 * SECOND)),
                (6, ("restart after hours", 8 * HOUR)),
                (4, ("restart after days", 40 * DAY / 10)),
            ])
        } else {
            ("restart", 5 * SECOND)
        };
        self.trace.count(kind);
        self.dice.between(100, at_most)
    }
}

/// What is read, as far as two reads can agree on what is not there.
pub(super) fn kind_of(watch: &Watch) -> String {
    let kind = match watch {
        Watch::Reports(_) => "reports",
        Watch::FollowUp | Watch::Aged | Watch::Report(_) => "reports by id",
        Watch::Policies => "policies",
        Watch::PolicyConfirmation => "policies by id",
        // Each domain's list is confirmed by its own next one.
        Watch::Cards(_) => return watch.name(),
    };
    kind.to_owned()
}
