//! Which exports of reports there are, chosen by what they cost.
//!
//! One export of everything is best as long as it is cheap: every change is seen by every read. When it becomes slow or
//! fat it is split into what moves (`Active`), what is young (`Recent`), and a slow sweep of the calendar in windows, a
//! month wide at first. A window that times out or is fat is cut, down to a day; neighbours that are cheap together are
//! joined, up to half a year. `Active` and `Recent` reach less far back while they are too much. What lies further back
//! than one export may span is always left to windows.
//!
//! What joins lies well below what splits, and one slow answer splits nothing, so the shape comes to rest. It is kept
//! between runs: finding it out again would cost timeouts.
//!
//! The days that complete reads have shown are kept as well: a report that appears there is new, one that appears on other
//! days may have been there all along.

mod cost;
mod scope;
mod seen;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use self::{cost::Cost, scope::days_after, seen::Seen, window::Width};
pub use self::{
    cost::Measure,
    scope::{Dates, MAX_SPAN_DAYS, ReportScope, must_show},
};

/// How far back `Recent` reaches at first: a month, and what a month's end drags along.
const RECENT_DAYS: u16 = 35;
/// ... and at least: below that its edges are all there is of it.
const LEAST_RECENT_DAYS: u16 = 4;
/// How far back `Active` reaches at least, however fat: what is older is left to the sweep.
const LEAST_ACTIVE_DAYS: u16 = 30;
/// The longest that one export reaches back: a year, less the day that it overlaps into the future.
const LONGEST_DAYS: u16 = 364;
/// A history no longer than a year is read by one export: the day that an export does not reach makes no windows.
const YEAR_DAYS: u16 = 365;
/// Most windows: narrower ones are not made beyond it, for then their number would be the cost.
const MAX_WINDOWS: usize = 400;

/// Which exports of reports an account is read by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    history_days: u16,
    split: bool,
    active_days: u16,
    recent_days: u16,
    /// Windows that are not a month wide, by their first day.
    widths: BTreeMap<Date, Width>,
    /// By name of the scope.
    costs: BTreeMap<String, Cost>,
    seen: Seen,
}

impl Shape {
    /// The shape of an account of which nothing is known: one export of everything.
    pub fn start(history_days: u16) -> Self {
        Self {
            history_days,
            split: false,
            active_days: LONGEST_DAYS,
            recent_days: RECENT_DAYS,
            widths: BTreeMap::new(),
            costs: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Takes over the configuration of this run.
    pub fn resume(&mut self, history_days: u16) {
        self.history_days = history_days;
    }

    /// Whether it is more than one export of everything that one can show.
    pub const fn is_split(&self) -> bool {
        self.split
    }

    /// The exports on the server's `today`. Every report of the history is one that some of them [`must_show`], but for the
    /// last days of a history of up to a year, which are leaving it.
    pub fn scopes(&self, today: Date) -> Vec<ReportScope> {
        let within = |days: u16| days.min(self.history_days);
        if self.split {
            let active = ReportScope::Active { days: within(self.active_days) };
            let recent = ReportScope::Recent { days: within(self.recent_days) };
            return [active, recent].into_iter().chain(self.windows(today, today)).collect();
        }
        let whole = ReportScope::Whole { days: within(LONGEST_DAYS) };
        let beyond = days_after(whole.sure_days(today).start, -1);
        let windows = if self.history_days > YEAR_DAYS { self.windows(today, beyond) } else { Vec::new() };
        [whole].into_iter().chain(windows).collect()
    }

    /// Takes in a complete read of `scope`. Whether the scopes are others now.
    #[must_use]
    pub fn measured(&mut self, scope: &ReportScope, today: Date, measure: Measure) -> bool {
        self.note_seen(scope, today);
        let too_much = self.costs.entry(scope.name()).or_default().measured(scope, measure);
        let changed = match scope {
            _ if too_much => self.split(scope, today),
            _ if !measure.is_cheap(scope) => false,
            ReportScope::Whole { .. } => false,
            ReportScope::Active { .. } => grow(&mut self.active_days, LONGEST_DAYS.min(self.history_days)),
            ReportScope::Recent { .. } => grow(&mut self.recent_days, RECENT_DAYS.min(self.history_days)),
            ReportScope::Window { from, until } => self.join(*from, *until) || self.join_all(today),
        };
        if changed {
            let names: BTreeSet<String> = self.scopes(today).iter().map(ReportScope::name).collect();
            self.costs.retain(|name, _| names.contains(name));
        }
        changed
    }

    /// Takes in that an export of `scope` was given up for taking too long. Whether the scopes are others now.
    #[must_use]
    pub fn timed_out(&mut self, scope: &ReportScope, today: Date) -> bool {
        self.costs.entry(scope.name()).or_default().timed_out(scope) && self.split(scope, today)
    }

    /// Whether a complete read of the past had to show any report of that day, so that one which is not known is new. To be
    /// asked before the read that shows it is [`measured`](Self::measured).
    pub fn has_seen(&self, day: Date) -> bool {
        self.seen.holds(day, day)
    }

    /// Whether complete reads have shown all that `scope` has to show: then it is baselined however new it is.
    pub fn is_seen(&self, scope: &ReportScope, today: Date) -> bool {
        let Dates { start, end } = scope.sure_days(today);
        self.seen.holds(start, end)
    }

    /// Forgets what was seen: the reads of before looked at other policies, or with other rights.
    pub fn forget_seen(&mut self) {
        self.seen = Seen::default();
    }

    /// The windows from the start of the history until `last`.
    fn windows(&self, today: Date, last: Date) -> Vec<ReportScope> {
        let horizon = days_after(today, -i32::from(self.history_days));
        let mut windows = Vec::new();
        let mut from = Width::Half.start(horizon);
        while from <= last {
            let until = self.width(from).end(from);
            if until >= horizon {
                windows.push(ReportScope::Window { from, until });
            }
            if until == Date::MAX {
                break;
            }
            from = days_after(until, 1);
        }
        windows
    }

    fn width(&self, from: Date) -> Width {
        self.widths.get(&from).copied().unwrap_or(Width::Month)
    }

    fn note_seen(&mut self, scope: &ReportScope, today: Date) {
        if matches!(scope, ReportScope::Active { .. }) {
            return;
        }
        let Dates { start, end } = scope.sure_days(today);
        // What reaches the present goes on with it: what is dated later has come later.
        self.seen.add(start, if end >= today { Date::MAX } else { end });
    }

    fn split(&mut self, scope: &ReportScope, today: Date) -> bool {
        match scope {
            ReportScope::Whole { .. } => !std::mem::replace(&mut self.split, true),
            ReportScope::Active { days } => shrink(&mut self.active_days, *days, LEAST_ACTIVE_DAYS),
            ReportScope::Recent { days } => shrink(&mut self.recent_days, *days, LEAST_RECENT_DAYS),
            ReportScope::Window { from, .. } => self.cut(*from, today),
        }
    }

    fn cut(&mut self, from: Date, today: Date) -> bool {
        let width = self.width(from);
        let Some(narrower) = width.narrower() else { return false };
        let parts = parts(width, narrower, from);
        if self.scopes(today).len() + parts.len() > MAX_WINDOWS {
            return false;
        }
        let whole = ReportScope::Window { from, until: width.end(from) };
        let reckoned = self.costs.remove(&whole.name()).and_then(|cost| cost.last).map(|last| last.part(parts.len()));
        for part in &parts {
            self.set_width(*part, narrower);
            let part = ReportScope::Window { from: *part, until: narrower.end(*part) };
            self.costs.insert(part.name(), Cost::reckoned(reckoned));
        }
        true
    }

    /// Joins the window with its neighbours if all of them were read and are cheap together.
    fn join(&mut self, from: Date, until: Date) -> bool {
        let width = self.width(from);
        let Some(wider) = width.wider().filter(|_| width.end(from) == until) else { return false };
        let start = wider.start(from);
        let parts = parts(wider, width, start);
        let joined = ReportScope::Window { from: start, until: wider.end(start) };
        let costs = parts.iter().map(|part| self.measure_of(*part, width));
        let Some(sum) = costs.reduce(|sum, next| Some(sum?.plus(next?))).flatten() else { return false };
        if !sum.is_cheap(&joined) {
            return false;
        }
        for part in parts {
            self.widths.remove(&part);
        }
        self.set_width(start, wider);
        self.costs.insert(joined.name(), Cost::reckoned(Some(sum)));
        true
    }

    /// Back to one export of everything, if the windows of the time that it spans were all read and are cheap together.
    fn join_all(&mut self, today: Date) -> bool {
        let whole = ReportScope::Whole { days: LONGEST_DAYS.min(self.history_days) };
        let since = whole.sure_days(today).start;
        let windows = self.windows(today, today);
        let spanned = windows.iter().filter(|scope| scope.sure_days(today).end >= since);
        let measures = spanned.map(|scope| self.costs.get(&scope.name()).filter(|cost| cost.measured)?.last);
        let sum = measures.reduce(|sum, next| Some(sum?.plus(next?))).flatten();
        let joins = self.split && sum.is_some_and(|sum| sum.is_cheap(&whole));
        self.split &= !joins;
        joins
    }

    /// What the window that begins on `from` took when it was last read, if it is one of that width.
    fn measure_of(&self, from: Date, width: Width) -> Option<Measure> {
        let scope = ReportScope::Window { from, until: width.end(from) };
        let cost = self.costs.get(&scope.name()).filter(|cost| cost.measured && self.width(from) == width)?;
        cost.last
    }

    fn set_width(&mut self, from: Date, width: Width) {
        match width {
            Width::Month => self.widths.remove(&from),
            other => self.widths.insert(from, other),
        };
    }
}

/// The windows of width `narrower` that one of `width` from `start` consists of, by their first days.
fn parts(width: Width, narrower: Width, start: Date) -> Vec<Date> {
    let end = width.end(start);
    let next = |from: &Date| Some(days_after(narrower.end(*from), 1)).filter(|next| *next <= end && next > from);
    std::iter::successors(Some(start), next).collect()
}

fn shrink(days: &mut u16, from: u16, least: u16) -> bool {
    let before = *days;
    *days = (from / 2).max(least).min(before);
    *days != before
}

fn grow(days: &mut u16, most: u16) -> bool {
    let before = *days;
    *days = before.saturating_mul(2).min(most).max(before);
    *days != before
}
