//! The steps of a report's life as events.
//!
//! The last step leads to the report as it was seen. The objects of those before it were never seen: they are the report as
//! edited, moved only as far as each step itself says, with the history told so far. So whoever stops reading in the middle,
//! by a crash, finds the rest again.

use event_model::{EventType, Report, TimestampSource, UpstreamDate};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::{Chain, Happening, Seen};
use crate::{
    lifecycle::history::{Life, Told, union},
    paths::{HISTORY, agrees},
};

/// The fields of a report that a lifecycle step moves. The rest is edited by people.
pub const STEP_FIELDS: [&str; 9] = [
    "approved",
    "approvers",
    "entryID",
    "isACHReimbursed",
    "managerEmail",
    "reimbursed",
    "state",
    "stateNum",
    "submitted",
];

/// Tells the steps of `story`, from `edited` (the report as `past`, with all edits) to `after` (as `report` shows it).
pub(super) fn tell(
    chain: &mut Chain<'_>,
    story: &[Told],
    past: &Life,
    report: &Report,
    edited: Map<String, Value>,
    after: Map<String, Value>,
) {
    let now = Life::of_report(report);
    let mut object = edited;
    for (place, told) in story.iter().enumerate() {
        let kind = told.step.event_type;
        let is_last_of_kind = story[place + 1..].iter().all(|later| later.step.event_type != kind);
        // The report's own date of a step is that of the last such step.
        let own = now.dates.new_since(&past.dates, kind).filter(|_| is_last_of_kind);
        let what = happening(chain.seen, told, own, report);
        if place + 1 == story.len() {
            return chain.push(what, after);
        }
        take_step(&mut object, told, own, past);
        chain.push(what, object.clone());
    }
}

fn happening(seen: &Seen<'_>, told: &Told, own: Option<UpstreamDate>, report: &Report) -> Happening {
    let told_at = told.entry.as_ref().and_then(|entry| entry.at);
    let (timestamp, source) = match (told_at, own) {
        (Some(at @ UpstreamDate::Day(_)), Some(own)) if own.moment().is_some() && agrees(at, own) => {
            (moment_of(own, seen.observed_at), TimestampSource::Object)
        }
        (Some(at), _) => (moment_of(at, seen.observed_at), TimestampSource::History),
        (None, Some(own)) => (moment_of(own, seen.observed_at), TimestampSource::Object),
        (None, None) => (seen.observed_at, TimestampSource::Observation),
    };
    let named = told.entry.as_ref().and_then(|entry| entry.actor.clone());
    let approved = told.step.event_type == EventType::ReportApproved;
    let actor = named.or_else(|| approver(report, told_at.or(own)?).filter(|_| approved));
    Happening { event_type: told.step.event_type, timestamp, source, inferred: told.inferred, actor }
}

/// The moment of a date; of a day alone, the moment of it nearest to the observation.
pub(super) fn moment_of(date: UpstreamDate, observed_at: Timestamp) -> Timestamp {
    date.moment().or_else(|| nearest(date, observed_at)).unwrap_or(observed_at)
}

fn nearest(date: UpstreamDate, observed_at: Timestamp) -> Option<Timestamp> {
    let day = date.day();
    let start = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let end = day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(observed_at.clamp(start, end))
}

/// Who approved at `date`, if the report's approvers leave no doubt.
fn approver(report: &Report, date: UpstreamDate) -> Option<String> {
    let mut then = report.approvers.iter().filter(|approver| approver.date.is_some_and(|at| agrees(at, date)));
    let email = &then.next()?.email;
    then.all(|other| other.email == *email).then(|| email.clone())
}

/// Moves `object` as far as the step says.
fn take_step(object: &mut Map<String, Value>, told: &Told, own: Option<UpstreamDate>, past: &Life) {
    let mut set = |field: &str, value: Value| object.insert(field.to_owned(), value);
    set("state", told.step.state.as_str().into());
    // It went with the state before, and nothing tells the new one.
    set("stateNum", Value::Null);
    if let Some(known) = past.history.as_deref() {
        let history = serde_json::to_value(union(known, &told.so_far)).expect("entries have text keys and serialise");
        set(HISTORY, history);
    }
    let date = own.or_else(|| told.entry.as_ref()?.at).map_or(Value::Null, |date| date.to_string().into());
    match told.step.event_type {
        EventType::ReportSubmitted => drop(set("submitted", date)),
        EventType::ReportApproved => drop(set("approved", date)),
        EventType::ReportReimbursed => drop(set("reimbursed", date)),
        EventType::ReportUnapproved => drop(set("approved", Value::Null)),
        EventType::ReportReimbursementReverted => {
            set("reimbursed", Value::Null);
            set("entryID", Value::Null);
        }
        EventType::ReportReopened => {
            set("submitted", Value::Null);
            set("approved", Value::Null);
        }
        _ => {}
    }
}
