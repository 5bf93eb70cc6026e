//! Simulated time: whole milliseconds since [`EPOCH_S`], told by nobody but the run itself.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// 2026-04-02T08:00:00Z: where every run begins.
const EPOCH_S: i64 = 1_775_116_800;

/// A moment of the world: milliseconds since the beginning of the run. Far enough from 0 to have a past.
pub type Moment = u64;
/// Where the run begins: two years of past lie before it.
pub const START: Moment = 2 * 365 * DAY;
/// A second.
pub const SECOND: Moment = 1_000;
/// A minute.
pub const MINUTE: Moment = 60 * SECOND;
/// An hour.
pub const HOUR: Moment = 60 * MINUTE;
/// A day.
pub const DAY: Moment = 24 * HOUR;

/// `moment` as the upstream's own clock shows it.
pub fn true_time(moment: Moment) -> Timestamp {
    shifted(moment, 0)
}

/// `moment` on a clock that is `skew_ms` ahead.
pub fn shifted(moment: Moment, skew_ms: i64) -> Timestamp {
    let ms = EPOCH_S * 1_000 + moment as i64 - START as i64 + skew_ms;
    Timestamp::from_millisecond(ms).expect("a run lasts days, not centuries")
}

/// The day of `moment` where the clock on the wall is `zone_h` hours ahead of UTC.
pub fn day_of(moment: Moment, zone_h: i64) -> Date {
    shifted(moment, zone_h * HOUR as i64).to_zoned(TimeZone::UTC).date()
}

/// The clock of the service's machine. It may be wrong, and stepped between two processes. It never shows one time twice,
/// so that what it stamped can be found again.
#[derive(Default)]
pub struct LocalClock {
    skew_ms: i64,
    shown: BTreeMap<Timestamp, Moment>,
}

impl LocalClock {
    /// How far it is ahead.
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms
    }

    /// Steps it.
    pub fn set_skew(&mut self, skew_ms: i64) {
        self.skew_ms = skew_ms;
    }

    /// What it shows at `moment`, for decisions.
    pub fn now(&self, moment: Moment) -> Timestamp {
        shifted(moment, self.skew_ms)
    }

    /// What it shows at `moment` or the next free millisecond, for a stamp that is to be known again.
    pub fn stamp(&mut self, moment: Moment) -> Timestamp {
        let mut stamp = self.now(moment);
        while self.shown.contains_key(&stamp) {
            stamp += jiff::SignedDuration::from_millis(1);
        }
        self.shown.insert(stamp, moment);
        stamp
    }

    /// When `stamp` was given.
    pub fn moment_of(&self, stamp: Timestamp) -> Option<Moment> {
        self.shown.get(&stamp).copied()
    }
}

/// What was so from when on.
#[derive(Clone, Debug)]
pub struct Timeline<T>(Vec<(Moment, T)>);

impl<T> Timeline<T> {
    /// `value` from `at` on.
    pub fn starting(at: Moment, value: T) -> Self {
        Self(vec![(at, value)])
    }

    /// `value` from `at` on, which is not before the last change.
    pub fn set(&mut self, at: Moment, value: T) {
        assert!(self.last_change() <= at, "time goes forward");
        self.0.push((at, value));
    }

    /// What is so at `moment`; `None` before the beginning.
    pub fn at(&self, moment: Moment) -> Option<&T> {
        self.index_at(moment).map(|index| &self.0[index].1)
    }

    /// Which entry is so at `moment`.
    pub fn index_at(&self, moment: Moment) -> Option<usize> {
        self.0.partition_point(|(from, _)| *from <= moment).checked_sub(1)
    }

    /// What is so now.
    pub fn last(&self) -> &T {
        &self.0.last().expect("a timeline begins with a value").1
    }

    /// When the last change was.
    pub fn last_change(&self) -> Moment {
        self.0.last().expect("a timeline begins with a value").0
    }

    /// Every value, with when it began and when it ended.
    pub fn spans(&self) -> impl Iterator<Item = (Moment, Moment, &T)> {
        let ends = self.0.iter().skip(1).map(|(from, _)| *from).chain(std::iter::once(Moment::MAX));
        self.0.iter().zip(ends).map(|((from, value), to)| (*from, to, value))
    }

    /// Whether `test` holds at some moment from `from` to `to`.
    pub fn ever(&self, from: Moment, to: Moment, test: impl Fn(&T) -> bool) -> bool {
        self.spans().any(|(begins, ends, value)| begins <= to && from < ends && test(value))
    }
}
