//! Dates as the Integration Server writes and reads them: UTC, `yyyy-MM-dd` and `yyyy-MM-dd HH:mm:ss`, blank for never.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// `yyyy-MM-dd HH:mm:ss` in UTC.
pub(crate) fn date_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What [`date_time`] wrote.
pub(crate) fn parse_date_time(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// As [`date_time`]; blank when it never happened.
pub(crate) fn optional_date_time(at: Option<Timestamp>) -> String {
    at.map(date_time).unwrap_or_default()
}

/// The calendar day, in UTC.
pub(crate) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// `yyyy-MM-dd`, strictly: four, two and two digits that name a day of the calendar.
pub(crate) fn parse_day(text: &str) -> Option<Date> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    Date::strptime("%Y-%m-%d", text).ok()
}

/// So many seconds before.
pub(crate) fn earlier(at: Timestamp, by_s: i64) -> Timestamp {
    at.saturating_sub(SignedDuration::from_secs(by_s)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_to_the_second() {
        let at: Timestamp = "2026-04-02T09:14:21.987Z".parse().unwrap();
        assert_eq!(date_time(at), "2026-04-02 09:14:21");
        assert_eq!(optional_date_time(None), "");
        assert_eq!(parse_date_time("2026-04-02 09:14:21"), "2026-04-02T09:14:21Z".parse().ok());
        assert_eq!(parse_date_time(""), None);
    }

    #[test]
    fn only_a_full_calendar_day_is_read() {
        assert!(parse_day("2026-02-28").is_some());
        for bad in ["16-01-01", "2026-02-30", "2026-2-03", "2026-02-03 ", "20260203", "", "2026-02-0x"] {
            assert!(parse_day(bad).is_none(), "{bad}");
        }
    }
}
