//! What one export of reports asks for, and which reports it has to show.

use event_model::{ReportState, Whereabouts};
use jiff::{ToSpan, civil::Date};

use super::window::window_name;
use crate::plan::Class;

/// The upstream refuses a span of dates beyond a year (reference section 1.8).
pub const MAX_SPAN_DAYS: i32 = 365;

/// The zone of the upstream's dates and of its filters is not known (U11), so every export asks for so much more on each side.
const OVERLAP_DAYS: i32 = 1;
/// A report so near to an edge that moves with the day may be outside already: the zone again, and the midnight between the
/// day that we reckon with and the one on which the request arrives.
const EDGE_DAYS: i32 = 2;

/// The reports that one export shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReportScope {
    /// Every state, all the days that one export may span, or the history if that is less.
    Whole {
        /// Days back from today.
        days: u16,
    },
    /// What can still move by itself: open, submitted, approved.
    Active {
        /// Days back from today.
        days: u16,
    },
    /// Every state, lately created or submitted.
    Recent {
        /// Days back from today.
        days: u16,
    },
    /// Every state, created or submitted within these days.
    Window {
        /// The first.
        from: Date,
        /// The last.
        until: Date,
    },
}

/// The days that an export asks for, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// `startDate`.
    pub start: Date,
    /// `endDate`.
    pub end: Date,
}

impl ReportScope {
    /// The name in status, metrics and keys; the same while the days under it change.
    pub fn name(&self) -> String {
        match self {
            Self::Whole { .. } => "reports".to_owned(),
            Self::Active { .. } => "reports:active".to_owned(),
            Self::Recent { .. } => "reports:recent".to_owned(),
            Self::Window { from, until } => format!("reports:{}", window_name(*from, *until)),
        }
    }

    /// What it is to the planner.
    pub const fn class(&self) -> Class {
        match self {
            Self::Whole { .. } | Self::Active { .. } | Self::Recent { .. } => Class::Reports,
            Self::Window { .. } => Class::Window,
        }
    }

    /// The days to ask for on the server's `today`: never more than the upstream allows.
    pub fn dates(&self, today: Date) -> Dates {
        let tomorrow = days_after(today, OVERLAP_DAYS);
        match self {
            Self::Whole { days } | Self::Active { days } | Self::Recent { days } => {
                let wanted = days_after(today, -i32::from(*days) - OVERLAP_DAYS);
                Dates { start: wanted.max(days_after(tomorrow, -MAX_SPAN_DAYS)), end: tomorrow }
            }
            Self::Window { from, until } => {
                let start = days_after(*from, -OVERLAP_DAYS);
                Dates { start, end: days_after(*until, OVERLAP_DAYS).min(tomorrow).max(start) }
            }
        }
    }

    /// The states to ask for. All are named one by one: what an absent filter means is the upstream's to change.
    pub fn states(&self) -> Vec<ReportState> {
        let mut states = vec![ReportState::Open, ReportState::Submitted, ReportState::Approved];
        if !matches!(self, Self::Active { .. }) {
            states.extend([ReportState::Reimbursed, ReportState::Archived]);
        }
        states
    }

    /// The days of which a complete read shows every report of the asked states, both included.
    pub fn sure_days(&self, today: Date) -> Dates {
        let Dates { start, end } = self.dates(today);
        match self {
            Self::Window { from, until } => Dates { start: *from, end: *until },
            Self::Whole { .. } | Self::Active { .. } | Self::Recent { .. } => {
                Dates { start: days_after(start, EDGE_DAYS), end: days_after(end, -OVERLAP_DAYS) }
            }
        }
    }
}

/// Whether a complete read of `scope` has to show a report that was last known `at` this place. `shows_policy` says whether
/// the read shows the reports of a policy: those that are watched and visible; of `None`, reports on no policy.
///
/// When it has to and does not, the report has moved or is gone: a read by id tells which. When it has not, its absence
/// means nothing.
pub fn must_show(
    scope: &ReportScope,
    at: &Whereabouts,
    shows_policy: impl FnOnce(Option<&str>) -> bool,
    today: Date,
) -> bool {
    let (Some(state), Some(day)) = (&at.state, at.day) else { return false };
    let sure = scope.sure_days(today);
    // A window of the present does not show what is dated after its end of today.
    let end = sure.end.min(today);
    (sure.start..=end).contains(&day) && scope.states().contains(state) && shows_policy(at.policy.as_deref())
}

pub(super) fn days_after(date: Date, days: i32) -> Date {
    date.saturating_add(days.days())
}
