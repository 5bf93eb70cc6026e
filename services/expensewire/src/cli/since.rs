//! A time in the past, as people write it: `2026-04-02T09:14:00Z`, or `2h`, `30m`, `1d 12h` ago.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A time in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// This time.
    At(Timestamp),
    /// So long before now.
    Ago(SignedDuration),
}

/// A text that is no time.
#[derive(Debug, thiserror::Error)]
#[error("must be a time like 2026-04-02T09:14:00Z, or how long ago, like 2h or 30m")]
pub(crate) struct NoTime;

impl Since {
    /// The time itself, seen from `now`; nothing is before the beginning of time.
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

impl FromStr for Since {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time));
        }
        let span: Span = text.parse().map_err(|_| NoTime)?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| NoTime)?;
        if duration.is_negative() { Err(NoTime) } else { Ok(Self::Ago(duration)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_span_is_read_and_anything_else_refused() {
        let now: Timestamp = "2026-04-02T12:00:00Z".parse().unwrap();
        for (text, time) in [
            ("2026-04-02T09:14:00Z", "2026-04-02T09:14:00Z"),
            ("2026-04-02T09:14:00+02:00", "2026-04-02T07:14:00Z"),
            ("2h", "2026-04-02T10:00:00Z"),
            ("30m", "2026-04-02T11:30:00Z"),
            ("1d 12h", "2026-04-01T00:00:00Z"),
            ("90 seconds", "2026-04-02T11:58:30Z"),
        ] {
            assert_eq!(text.parse::<Since>().unwrap().seen_from(now).to_string(), time, "{text}");
        }
        for bad in ["", "yesterday", "2", "-2h", "1 month", "2026-04-02"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
