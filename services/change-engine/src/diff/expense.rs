//! Events of the lines of a report: each is an entity of its own, `expense/<transactionID>`.
//!
//! What changed in a line is found between the two objects of its report; the log's own state of the line only says which
//! revision comes next, whether it is told removed, and on which report it was last told to be. So a line that moves from A
//! to B is told as added on B, and leaves A in silence when A is seen later; seen first, A says that it is removed.
//!
//! A snapshot of a report tells nothing of its lines: a line has its first event when it first changes.

use std::collections::{BTreeMap, BTreeSet};

use event_model::{
    EntityKind, EntityState, EventDraft, EventType, Report, Revision, Subject, TimestampSource, UpstreamDate,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Chain, Happening, Known, Seen, object_of};
use crate::paths::{Paths, delta};

/// The lines of a report object by id.
type Lines<'a> = BTreeMap<&'a str, &'a Map<String, Value>>;

/// The ids of the expenses whose states [`report_drafts`](super::report_drafts) wants to know: of the lines that came, went
/// or differ; of all lines when the report is new or was removed.
pub fn touched_expenses(known: Option<&Known>, report: &Report) -> Vec<String> {
    let object = object_of(report);
    let after = lines(&object);
    let Some(known) = known else { return after.into_keys().map(str::to_owned).collect() };
    let empty = Map::new();
    let before_object = known.object.as_object().unwrap_or(&empty);
    let before = lines(before_object);
    let moved = before_object.get("policyID") != object.get("policyID");
    let ids: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let touched = |id: &&str| known.removed || moved || before.get(id) != after.get(id);
    ids.into_iter().filter(touched).map(str::to_owned).collect()
}

/// The ids of the lines of a report in the log, for [`report_removed`](super::report_removed).
pub fn lines_of(report: &Known) -> Vec<String> {
    report.object.as_object().map(|object| lines(object).into_keys().map(str::to_owned).collect()).unwrap_or_default()
}

/// The events of the lines between two objects of one report, in the order of their ids.
pub(super) fn line_drafts(
    seen: &Seen<'_>,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    states: &BTreeMap<String, EntityState>,
) -> Vec<EventDraft> {
    let (old, new) = (lines(before), lines(after));
    let ids: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let event = |id: &str| {
        let old = old.get(id).map(|line| reported(before, line));
        let new = new.get(id).map(|line| reported(after, line));
        line_draft(seen, id, old, new, states.get(id))
    };
    ids.into_iter().filter_map(event).collect()
}

fn line_draft(
    seen: &Seen<'_>,
    id: &str,
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
    state: Option<&EntityState>,
) -> Option<EventDraft> {
    let gone = state.is_some_and(|state| state.removed);
    let on = |report: &Map<String, Value>| {
        let told = state.and_then(|state| state.whereabouts.report.as_deref());
        told.is_none_or(|told| report.get("reportID").and_then(Value::as_str) == Some(told))
    };
    match (before, after) {
        (None, Some(line)) => Some(added(seen, id, line, state)),
        (Some(_), Some(line)) if gone => Some(added(seen, id, line, state)),
        (Some(old), Some(new)) => updated(seen, id, old, new, state),
        (Some(line), None) if !gone && on(&line) => Some(removed(seen, id, line, state)),
        (_, None) => None,
    }
}

fn added(seen: &Seen<'_>, id: &str, line: Map<String, Value>, state: Option<&EntityState>) -> EventDraft {
    let what = Happening::observed(seen, EventType::ExpenseAdded);
    let what = match inserted_at(seen, &line) {
        Some(timestamp) => Happening { timestamp, source: TimestampSource::Object, ..what },
        None => what,
    };
    draft(seen, id, None, what, line, state)
}

/// The line's own date of insertion, if that is what the report was changed by: an old expense can be moved to a report.
fn inserted_at(seen: &Seen<'_>, line: &Map<String, Value>) -> Option<Timestamp> {
    let text = line.get("inserted")?.as_str()?;
    let at = UpstreamDate::parse_blank(text).ok()??.moment()?;
    let since = seen.not_before?;
    (since <= at && at <= seen.observed_at).then_some(at)
}

fn updated(
    seen: &Seen<'_>,
    id: &str,
    before: Map<String, Value>,
    after: Map<String, Value>,
    state: Option<&EntityState>,
) -> Option<EventDraft> {
    let paths = in_line(seen);
    if delta(EntityKind::Expense, &before, &after, &paths).told.is_empty() {
        return None;
    }
    let seen = Seen { paths: &paths, ..*seen };
    let what = Happening::observed(&seen, EventType::ExpenseUpdated);
    Some(draft(&seen, id, Some(before), what, after, state))
}

fn removed(seen: &Seen<'_>, id: &str, line: Map<String, Value>, state: Option<&EntityState>) -> EventDraft {
    let what = Happening::observed(seen, EventType::ExpenseRemoved);
    draft(seen, id, Some(line.clone()), what, line, state)
}

fn draft(
    seen: &Seen<'_>,
    id: &str,
    before: Option<Map<String, Value>>,
    what: Happening,
    line: Map<String, Value>,
    state: Option<&EntityState>,
) -> EventDraft {
    let subject = Subject::new(EntityKind::Expense, id);
    let revision = state.map_or(Revision(0), |state| state.revision);
    let known = Known { revision, removed: before.is_none(), object: Value::Object(before.unwrap_or_default()) };
    let mut chain = Chain::after(seen, subject, Some(&known));
    chain.push(what, line);
    chain.take().pop().expect("one was pushed")
}

/// What the scope knows of a report's paths, as far as it is about lines, relative to the line.
fn in_line(seen: &Seen<'_>) -> Paths {
    let below = |paths: &BTreeSet<String>| {
        paths.iter().filter_map(|path| path.strip_prefix("expenses[].").map(str::to_owned)).collect()
    };
    Paths { set_aside: below(&seen.paths.set_aside), new: below(&seen.paths.new) }
}

/// The line as its own events carry it ([`event_model::ReportedExpense`]).
fn reported(report: &Map<String, Value>, line: &Map<String, Value>) -> Map<String, Value> {
    let mut object = line.clone();
    for key in ["reportID", "policyID"] {
        object.insert(key.to_owned(), report.get(key).cloned().unwrap_or(Value::Null));
    }
    object
}

fn lines(report: &Map<String, Value>) -> Lines<'_> {
    let items = report.get("expenses").and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| {
            let line = item.as_object()?;
            Some((line.get("transactionID")?.as_str()?, line))
        })
        .collect()
}
