//! Windows of the calendar: half years, quarters, months, thirds of a month, days. Each is cut into whole ones of the next
//! smaller kind, so a set of them that covers the calendar does so after every cut and every merge, and a window keeps its
//! name whatever day it is.

use jiff::{ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use super::scope::days_after;

/// How wide a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Width {
    Day,
    /// Days 1 to 10, 11 to 20, 21 to the end.
    Third,
    Month,
    Quarter,
    /// The widest: a year with its overlaps would be more than the upstream allows.
    Half,
}

impl Width {
    pub(super) const fn narrower(self) -> Option<Self> {
        match self {
            Self::Day => None,
            Self::Third => Some(Self::Day),
            Self::Month => Some(Self::Third),
            Self::Quarter => Some(Self::Month),
            Self::Half => Some(Self::Quarter),
        }
    }

    pub(super) const fn wider(self) -> Option<Self> {
        match self {
            Self::Day => Some(Self::Third),
            Self::Third => Some(Self::Month),
            Self::Month => Some(Self::Quarter),
            Self::Quarter => Some(Self::Half),
            Self::Half => None,
        }
    }

    /// The first day of the window of this width that `day` lies in.
    pub(super) fn start(self, day: Date) -> Date {
        let month = |months: i8| Date::new(day.year(), (day.month() - 1) / months * months + 1, 1).unwrap_or(day);
        match self {
            Self::Day => day,
            Self::Third => day.with().day((day.day() - 1).min(20) / 10 * 10 + 1).build().unwrap_or(day),
            Self::Month => month(1),
            Self::Quarter => month(3),
            Self::Half => month(6),
        }
    }

    /// The last day of that window.
    pub(super) fn end(self, day: Date) -> Date {
        let start = self.start(day);
        match self {
            Self::Day => day,
            Self::Third if start.day() < 21 => days_after(start, 9),
            Self::Third | Self::Month => start.last_of_month(),
            Self::Quarter => start.saturating_add(2.months()).last_of_month(),
            Self::Half => start.saturating_add(5.months()).last_of_month(),
        }
    }
}

/// `2026-H1`, `2026-Q2`, `2026-03`, `2026-03-01..10`, `2026-03-14`.
pub(super) fn window_name(from: Date, until: Date) -> String {
    let (year, month) = (from.year(), from.month());
    let is = |width: Width| width.start(from) == from && width.end(from) == until;
    if from == until {
        from.to_string()
    } else if is(Width::Month) {
        format!("{year:04}-{month:02}")
    } else if is(Width::Quarter) {
        format!("{year:04}-Q{}", (month + 2) / 3)
    } else if is(Width::Half) {
        format!("{year:04}-H{}", (month + 5) / 6)
    } else {
        format!("{from}..{:02}", until.day())
    }
}
