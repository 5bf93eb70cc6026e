//! Which entries of a history are news.

use event_model::{HistoryEntry, ReportState, UpstreamDate, history::MAX_HISTORY, history::step_of};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use super::{Life, Window};
use crate::paths::agrees;

/// The upstream names no zone: what it calls a moment may be a day from what we take it for. What lies further in the future
/// was not taken yet, and is no date at all.
const ZONE_DOUBT: SignedDuration = SignedDuration::from_hours(24);

/// The entries of `now` that are not told in `past`, sorted by time.
pub(super) fn news(past: &Life, now: &Life, window: Window) -> Vec<HistoryEntry> {
    let known = past.history.as_deref().unwrap_or_default();
    let observed = now.history.as_deref().unwrap_or_default();
    let behind = past.history.is_some() && (past.behind || is_behind(known, &past.state));
    let told_until = window.told_until.filter(|_| behind);
    let is_news = |entry: &&HistoryEntry| {
        let (Some(at), Some(step)) = (entry.at, step_of(&entry.action)) else { return false };
        // A date of the far future is none: it must not make all that comes look old.
        let dates = known.iter().filter_map(|entry| entry.at).chain(dates_of(past));
        let told = dates.filter(|date| !is_far_future(*date, window.observed_at)).any(|known| is_before(at, known))
            || past.dates.of(step.event_type) == Some(at)
            || told_until.is_some_and(|until| end_of(at).is_some_and(|end| end < until));
        !told && !is_far_future(at, window.observed_at)
    };
    let matches = matched(known, observed);
    let unmatched = observed.iter().enumerate().filter(|(place, _)| !matches.contains(&Some(*place)));
    let mut news: Vec<HistoryEntry> = unmatched.map(|(_, entry)| entry).filter(is_news).cloned().collect();
    news.sort();
    news
}

/// The entries of `known` and those that `observed` has beside them, the newest [`MAX_HISTORY`]. What a history once told it
/// does not take back by being silent; a moment is kept where only its day is told now.
pub(crate) fn union(known: &[HistoryEntry], observed: &[HistoryEntry]) -> Vec<HistoryEntry> {
    let mut all = observed.to_vec();
    for (entry, place) in known.iter().zip(matched(known, observed)) {
        match place {
            None => all.push(entry.clone()),
            Some(place) => {
                let seen = &mut all[place];
                seen.at = seen.at.max(entry.at);
                seen.actor = seen.actor.take().or_else(|| entry.actor.clone());
            }
        }
    }
    all.sort();
    let excess = all.len().saturating_sub(MAX_HISTORY);
    all.drain(..excess);
    all
}

/// For each entry of `known`, its place in `observed`, each place once: the same entry if it is there, else one that says the
/// same with another precision or without the actor. As many find a place as can, so that nothing is taken for news only
/// because another entry took its place.
fn matched(known: &[HistoryEntry], observed: &[HistoryEntry]) -> Vec<Option<usize>> {
    let mut taken_by: Vec<Option<usize>> = vec![None; observed.len()];
    for (number, entry) in known.iter().enumerate() {
        let same = (0..observed.len()).find(|place| taken_by[*place].is_none() && observed[*place] == *entry);
        if let Some(place) = same {
            taken_by[place] = Some(number);
        }
    }
    for number in 0..known.len() {
        if !taken_by.contains(&Some(number)) {
            let mut tried = vec![false; observed.len()];
            find_place(number, known, observed, &mut taken_by, &mut tried);
        }
    }
    (0..known.len()).map(|number| taken_by.iter().position(|by| *by == Some(number))).collect()
}

/// Finds a place for entry `number` of `known`, moving others to other places where they fit too (Kuhn's augmenting path).
fn find_place(
    number: usize,
    known: &[HistoryEntry],
    observed: &[HistoryEntry],
    taken_by: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for place in 0..observed.len() {
        if tried[place] || !says_the_same(&known[number], &observed[place]) {
            continue;
        }
        tried[place] = true;
        if taken_by[place].is_none_or(|other| find_place(other, known, observed, taken_by, tried)) {
            taken_by[place] = Some(number);
            return true;
        }
    }
    false
}

fn says_the_same(one: &HistoryEntry, other: &HistoryEntry) -> bool {
    let time = match (one.at, other.at) {
        (Some(one), Some(other)) => agrees(one, other),
        (one, other) => one == other,
    };
    let actor = one.actor.is_none() || other.actor.is_none() || one.actor == other.actor;
    time && actor && one.action.eq_ignore_ascii_case(&other.action)
}

/// The history did not tell how the report came to where it stands. A draft needs no history.
fn is_behind(history: &[HistoryEntry], state: &ReportState) -> bool {
    let steps = history.iter().filter_map(|entry| Some((entry.at?, step_of(&entry.action)?.state)));
    let last = steps.clone().map(|(at, _)| at).max();
    let mut ends: Vec<ReportState> = steps.filter(|(at, _)| Some(*at) == last).map(|(_, state)| state).collect();
    if ends.is_empty() {
        ends.push(ReportState::Open);
    }
    !ends.contains(state)
}

fn dates_of(life: &Life) -> impl Iterator<Item = UpstreamDate> {
    [life.dates.submitted, life.dates.approved, life.dates.reimbursed].into_iter().flatten()
}

/// One is earlier than the other for certain.
pub(super) fn is_before(one: UpstreamDate, other: UpstreamDate) -> bool {
    match (one, other) {
        (UpstreamDate::Moment(one), UpstreamDate::Moment(other)) => one < other,
        _ => one.day() < other.day(),
    }
}

/// It was before `look`, whatever zone the upstream writes in.
pub(super) fn is_long_before(at: UpstreamDate, look: Timestamp) -> bool {
    let latest = end_of(at).and_then(|end| end.checked_add(ZONE_DOUBT).ok());
    latest.is_some_and(|latest| latest < look)
}

fn is_far_future(at: UpstreamDate, observed_at: Timestamp) -> bool {
    let latest = observed_at.checked_add(ZONE_DOUBT).unwrap_or(Timestamp::MAX);
    utc(start_of(at)).is_none_or(|start| start > latest)
}

/// The first moment that it may be.
pub(super) fn start_of(date: UpstreamDate) -> civil::DateTime {
    match date {
        UpstreamDate::Day(day) => day.at(0, 0, 0, 0),
        UpstreamDate::Moment(moment) => moment,
    }
}

/// The last moment that it may be.
fn end_of(date: UpstreamDate) -> Option<Timestamp> {
    utc(match date {
        UpstreamDate::Day(day) => day.at(23, 59, 59, 0),
        UpstreamDate::Moment(moment) => moment,
    })
}

fn utc(moment: civil::DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(moment).ok()
}
