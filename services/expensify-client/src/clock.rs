//! The server's clock, as the `Date` of its answers shows it.
//!
//! A date filter of an export, and the dates in a report, are the server's: whoever cuts windows by a clock of their own that
//! runs an hour ahead leaves an hour out. The header has seconds and no fractions, so what is told here is right to about a
//! second and half the time that the request took. An answer that took longer than [`MAX_WAIT`] tells nothing: an export is
//! answered after minutes of rendering, and which of them the header means is not said.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};

/// Half of it is the error that a slow answer adds.
const MAX_WAIT: SignedDuration = SignedDuration::from_secs(20);
/// No server of ours has run before 2020-01-01: a date before is that of a machine without a clock.
const EARLIEST_S: i64 = 1_577_836_800;
/// A clock that is further off is broken, whichever of the two it is; windows would be no better for following it.
const MAX_OFFSET: SignedDuration = SignedDuration::from_hours(3 * 365 * 24);
/// A date without fractions is half a second early on average.
const HALF_A_SECOND: SignedDuration = SignedDuration::from_millis(500);

static PARSER: DateTimeParser = DateTimeParser::new();

/// What the newest usable answer said.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    offset: Mutex<Option<SignedDuration>>,
    /// The notice of an absurd date was given: once is enough, every answer would bring it.
    noticed: AtomicBool,
}

impl ServerClock {
    /// An answer whose head came at `answered_at` had this `Date`.
    pub(crate) fn heard(&self, date: Option<&[u8]>, sent_at: Timestamp, answered_at: Timestamp) {
        let Some(date) = date else { return };
        if answered_at.duration_since(sent_at) > MAX_WAIT {
            return;
        }
        match offset(date, sent_at, answered_at) {
            Some(offset) => *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = Some(offset),
            None if !self.noticed.swap(true, Ordering::Relaxed) => {
                let date = String::from_utf8_lossy(date);
                let date = crate::text::presentable(&date, 40);
                tracing::warn!(date, "the server's Date is none, or years off: it is not used");
            }
            None => {}
        }
    }

    /// Server minus us, in whole seconds.
    pub(crate) fn offset(&self) -> Option<SignedDuration> {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server's clock minus ours, in whole seconds; `None` for what is no date, or an absurd one.
fn offset(date: &[u8], sent_at: Timestamp, answered_at: Timestamp) -> Option<SignedDuration> {
    let told = PARSER.parse_timestamp(date).ok()?;
    let middle = sent_at + answered_at.duration_since(sent_at) / 2;
    let offset = (told.duration_since(middle) + HALF_A_SECOND).as_millis();
    let offset = SignedDuration::from_secs(i64::try_from((offset + 500).div_euclid(1000)).ok()?);
    (told.as_second() >= EARLIEST_S && offset.abs() <= MAX_OFFSET).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_offset_is_taken_at_the_middle_of_the_request() {
        for (date, sent, answered, wanted_s) in [
            ("Thu, 02 Apr 2026 09:00:00 GMT", "2026-04-02T09:00:00.2Z", "2026-04-02T09:00:00.8Z", 0),
            ("Thu, 02 Apr 2026 09:00:00 GMT", "2026-04-02T08:59:50.3Z", "2026-04-02T09:00:10.3Z", 0),
            ("Thu, 02 Apr 2026 10:00:00 GMT", "2026-04-02T08:59:58.9Z", "2026-04-02T09:00:01.9Z", 3600),
            ("Thu, 02 Apr 2026 08:55:00 GMT", "2026-04-02T09:00:00.1Z", "2026-04-02T09:00:00.3Z", -300),
        ] {
            let offset = offset(date.as_bytes(), at(sent), at(answered));
            assert_eq!(offset, Some(SignedDuration::from_secs(wanted_s)), "{date} {sent} {answered}");
        }
    }

    #[test]
    fn an_absurd_date_and_a_slow_answer_leave_what_was_known() {
        let clock = ServerClock::default();
        let (sent, answered) = (at("2026-04-02T09:00:00Z"), at("2026-04-02T09:00:01Z"));
        clock.heard(None, sent, answered);
        assert_eq!(clock.offset(), None);
        clock.heard(Some(b"Thu, 02 Apr 2026 09:01:00 GMT"), sent, answered);
        let minute = Some(SignedDuration::from_secs(60));
        assert_eq!(clock.offset(), minute);
        for absurd in [
            "",
            "soon",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Tue, 31 Dec 2019 23:59:59 GMT",
            "Fri, 02 Apr 2032 09:00:00 GMT",
        ] {
            clock.heard(Some(absurd.as_bytes()), sent, answered);
            assert_eq!(clock.offset(), minute, "{absurd}");
        }
        clock.heard(Some(b"Thu, 02 Apr 2026 09:00:00 GMT"), sent, at("2026-04-02T09:00:21Z"));
        assert_eq!(clock.offset(), minute);
    }
}
