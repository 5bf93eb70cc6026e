//! Dates as the upstream writes them.

use std::{cmp::Ordering, fmt};

use jiff::{Timestamp, civil, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A date of the upstream: a day (`2026-04-02`) or a moment of it (`2026-04-02 09:14:00`). The upstream names no zone;
/// where a moment in time is needed, UTC is assumed (reference section 8, U11). Ordered by time, a day before its moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum UpstreamDate {
    /// Only the day is known.
    Day(#[schemars(with = "String")] civil::Date),
    /// The moment is known to the second.
    Moment(#[schemars(with = "String")] civil::DateTime),
}

/// A text that is no date.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a date (yyyy-MM-dd, or yyyy-MM-dd HH:mm:ss)")]
pub struct InvalidDate(String);

impl UpstreamDate {
    /// Reads `yyyy-MM-dd`, or that and ` HH:mm:ss` (with a blank or a `T`). Blank is `None`: the date was not reached.
    pub fn parse_blank(text: &str) -> Result<Option<Self>, InvalidDate> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = |_| InvalidDate(text.chars().take(40).collect());
        let date = if text.len() == 10 {
            Self::Day(text.parse().map_err(invalid)?)
        } else {
            Self::Moment(text.parse().map_err(invalid)?)
        };
        Ok(Some(date))
    }

    /// The day, in the upstream's own zone.
    pub fn day(self) -> civil::Date {
        match self {
            Self::Day(day) => day,
            Self::Moment(moment) => moment.date(),
        }
    }

    /// The moment in UTC, when it is known to the second.
    pub fn moment(self) -> Option<Timestamp> {
        match self {
            Self::Day(_) => None,
            Self::Moment(moment) => TimeZone::UTC.to_timestamp(moment).ok(),
        }
    }
}

impl Ord for UpstreamDate {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |date: &Self| match date {
            Self::Day(day) => (day.at(0, 0, 0, 0), 0),
            Self::Moment(moment) => (*moment, 1),
        };
        place(self).cmp(&place(other))
    }
}

impl PartialOrd for UpstreamDate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for UpstreamDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Moment(moment) => write!(f, "{} {}", moment.date(), moment.time()),
        }
    }
}

impl TryFrom<String> for UpstreamDate {
    type Error = InvalidDate;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse_blank(&text)?.ok_or(InvalidDate(text))
    }
}

impl From<UpstreamDate> for String {
    fn from(date: UpstreamDate) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_read_back_in_canonical_spelling_and_blank_is_none() {
        let parse = |text| UpstreamDate::parse_blank(text).expect(text).map(|d| d.to_string());
        assert_eq!(parse("2026-04-02").as_deref(), Some("2026-04-02"));
        assert_eq!(parse("2026-04-02 09:14:00").as_deref(), Some("2026-04-02 09:14:00"));
        assert_eq!(parse("2026-04-02T09:14:00").as_deref(), Some("2026-04-02 09:14:00"));
        assert_eq!(parse(" "), None);
        assert!(UpstreamDate::parse_blank("16-01-01").is_err());
        assert!(UpstreamDate::parse_blank("yesterday").is_err());
    }

    #[test]
    fn dates_are_ordered_by_time_whatever_their_form() {
        let parse = |text| UpstreamDate::parse_blank(text).expect(text).expect(text);
        let in_order =
            ["2026-04-01 23:59:59", "2026-04-02", "2026-04-02 00:00:00", "2026-04-02 09:14:00", "2026-04-03"]
                .map(parse);
        assert!(in_order.is_sorted());
    }
}
