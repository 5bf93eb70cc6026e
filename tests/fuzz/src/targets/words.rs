//! Ids, names, patterns and a header, as callers and subscribers write them.

use std::{fmt::Display, str::FromStr, time::Duration};

use change_engine::delivery::retry_after;
use event_model::{
    AccountName, Action, EventId, EventType, KeyId, ReplayId, Subject, SubscriptionId, TypeGlob,
    secret::{check_strength, parse_secret},
};
use jiff::Timestamp;

/// The longest wait that a subscriber may ask for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What is read as a `T` is written so that it reads the same.
fn round<T: FromStr<Err: Display> + Display + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Ok(read) => {
            let written = read.to_string();
            assert!(written.parse::<T>().is_ok_and(|again| again == read), "{text:?} was written as {written:?}");
        }
        Err(refused) => drop(refused.to_string()),
    }
}

/// Any text as each kind of word.
pub fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    round::<AccountName>(&text);
    round::<Action>(&text);
    round::<EventId>(&text);
    round::<KeyId>(&text);
    round::<ReplayId>(&text);
    round::<Subject>(&text);
    round::<SubscriptionId>(&text);
    round::<TypeGlob>(&text);
    if let Ok(glob) = text.parse::<TypeGlob>() {
        assert!(EventType::ALL.iter().any(|known| glob.matches(*known)), "{glob} fits nothing");
    }
    if let Ok(secret) = parse_secret(&text) {
        let _ = check_strength(&secret);
    }
}

/// `Retry-After`: seconds, or one of the three forms of a date. Never more than the bound.
fn waits(text: &str) {
    let now: Timestamp = "2026-04-02T09:14:00Z".parse().expect("a time");
    if let Some(wait) = retry_after(text, now) {
        assert!(wait <= LONGEST, "{text:?}: {wait:?}");
    }
}

/// The same of any bytes that a header may have.
pub fn retry_after_header(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        waits(text);
    }
}
