//! Times as people read them: in UTC, and how long ago.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};

/// A time, seen from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    at: Timestamp,
    now: Timestamp,
}

impl Moment {
    /// `at` as it is now.
    pub fn of(at: Timestamp) -> Self {
        Self { at, now: Timestamp::now() }
    }

    /// Whether it was before now.
    pub fn is_past(&self) -> bool {
        self.at < self.now
    }

    /// How far off it is: `12 s ago`.
    pub fn distance(&self) -> String {
        distance(self.at, self.now)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Self::of)
    }
}

// Digits and letters of ours alone.
impl HtmlSafe for Moment {}

impl fmt::Display for Moment {
    /// `<time>` with the distance as its text, which a script keeps true, and the time in UTC beside it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.at.strftime("%Y-%m-%d %H:%M:%S");
        let stamp = self.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        let ago = distance(self.at, self.now);
        write!(
            f,
            "<time datetime=\"{stamp}\" title=\"{utc} UTC\"><span class=\"utc\">{utc} UTC,</span> \
             <span class=\"ago\" data-ago>{ago}</span></time>"
        )
    }
}

/// How far `at` is from `now`: `12 s ago`, `in 3 h`.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let between = now.duration_since(at);
    let told = duration(between.abs());
    if between < SignedDuration::ZERO { format!("in {told}") } else { format!("{told} ago") }
}

/// A span of time in its two largest parts: `850 ms` is `0 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.
pub(crate) fn duration(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => two(minutes, "min", seconds % 60, "s"),
        (0, hours, minutes) => two(hours, "h", minutes % 60, "min"),
        (days, hours, _) => two(days, "d", hours % 24, "h"),
    }
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
}

/// Seconds that somebody measured: `4.2 s`, `3 min 5 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    // Far below what a duration holds.
    duration(SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_distance_has_its_two_largest_parts() {
        let now = at("2026-04-02T09:14:00Z");
        for (time, told) in [
            ("2026-04-02T09:14:00Z", "0 s ago"),
            ("2026-04-02T09:13:48Z", "12 s ago"),
            ("2026-04-02T09:10:55Z", "3 min 5 s ago"),
            ("2026-04-02T07:14:00Z", "2 h ago"),
            ("2026-03-29T06:14:00Z", "4 d 3 h ago"),
            ("2026-04-02T09:24:00Z", "in 10 min"),
        ] {
            assert_eq!(distance(at(time), now), told);
        }
        assert_eq!((seconds(4.26), seconds(185.0)), ("4.3 s".to_owned(), "3 min 5 s".to_owned()));
    }

    #[test]
    fn a_time_is_told_to_machines_and_people() {
        let moment = Moment { at: at("2026-04-02T09:14:00.5Z"), now: at("2026-04-02T09:14:02Z") };
        let text = moment.to_string();
        assert!(text.contains("datetime=\"2026-04-02T09:14:00Z\""), "{text}");
        assert!(text.contains("2026-04-02 09:14:00 UTC") && text.contains("1 s ago"), "{text}");
    }
}
