//! Events of a report: edits, then lifecycle steps.

use event_model::{EntityKind, EventDraft, EventType, Report, ReportState, Subject, UpstreamDate};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::{Chain, Known, Seen, object_of};
use crate::lifecycle::{Evidence, Step, steps};

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

/// The upstream names no zone: what it calls a moment may be a day from what we take it for.
const ZONE_DOUBT: SignedDuration = SignedDuration::from_hours(24);

/// The events that lead from `known` to `report`, in order; none when nothing changed.
pub fn report_drafts(seen: &Seen<'_>, known: Option<&Known>, report: &Report) -> Vec<EventDraft> {
    let subject = Subject::new(EntityKind::Report, &report.report_id);
    let mut chain = Chain::after(seen, &subject, known);
    let after = object_of(report);
    match chain.object.clone() {
        None if known.is_none() && (!seen.baselined || was_there_before(seen, report)) => {
            chain.push_snapshot(EventType::ReportSnapshot, after);
        }
        None => push_created(&mut chain, report, after),
        Some(before) => push_changes(&mut chain, report, before, after),
    }
    chain.drafts
}

/// A report that is new to us but not new: it was created before the last read that did not show it, so that read could not
/// see it. It came into reach since, by a role on one more policy, or by being submitted after lying about for longer than
/// reports are watched. Nothing is known of when its steps were taken.
fn was_there_before(seen: &Seen<'_>, report: &Report) -> bool {
    let Some((created, not_before)) = report.created.zip(seen.not_before) else { return false };
    let latest = created
        .moment()
        .or_else(|| created.day().at(23, 59, 59, 0).to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp()));
    latest.and_then(|at| at.checked_add(ZONE_DOUBT).ok()).is_some_and(|at| at < not_before)
}

/// A report that came into being: as a draft, then each step up to where it stands now.
fn push_created(chain: &mut Chain<'_>, report: &Report, after: Map<String, Value>) {
    let evidence = Evidence { submitted: report.submitted.is_some(), approved: report.approved.is_some() };
    let way = steps(&ReportState::Open, &report.state, evidence);
    let created = step_time(chain.seen, report.created, None);
    if way.is_empty() {
        return chain.push(EventType::ReportCreated, created, false, after);
    }
    let mut draft = after.clone();
    for field in STEP_FIELDS {
        draft.insert(field.to_owned(), Value::Null);
    }
    draft.insert("state".to_owned(), ReportState::Open.as_str().into());
    draft.insert("approvers".to_owned(), Value::Array(Vec::new()));
    chain.push(EventType::ReportCreated, created, true, draft);
    push_steps(chain, report, &way, &Map::new(), after);
}

fn push_changes(chain: &mut Chain<'_>, report: &Report, before: Map<String, Value>, after: Map<String, Value>) {
    let from = before.get("state").and_then(Value::as_str).map_or(ReportState::Open, ReportState::from_upstream);
    let is_new = |field: &str| !after[field].is_null() && before.get(field) != after.get(field);
    let evidence = Evidence { submitted: is_new("submitted"), approved: is_new("approved") };
    let way = steps(&from, &report.state, evidence);
    if way.is_empty() {
        return chain.push_if_changed(EventType::ReportUpdated, after);
    }
    let mut edited = after.clone();
    for field in STEP_FIELDS {
        edited.insert(field.to_owned(), before.get(field).cloned().unwrap_or(Value::Null));
    }
    chain.push_if_changed(EventType::ReportUpdated, edited);
    push_steps(chain, report, &way, &before, after);
}

/// Each step of `way`. The last is what was seen; those before it are inferred, their objects moved only as far as the step
/// itself says.
fn push_steps(
    chain: &mut Chain<'_>,
    report: &Report,
    way: &[Step],
    before: &Map<String, Value>,
    after: Map<String, Value>,
) {
    let Some((last, inferred)) = way.split_last() else { return };
    for step in inferred {
        let mut object = chain.object.clone().unwrap_or_default();
        object.insert("state".to_owned(), step.state.as_str().into());
        if let Some((field, _)) = date_of(step, report) {
            object.insert(field.to_owned(), after[field].clone());
        }
        let time = time_of(chain.seen, step, report, before);
        chain.push(step.event_type, time, true, object);
    }
    let time = time_of(chain.seen, last, report, before);
    chain.push(last.event_type, time, false, after);
}

/// The report's own date of a step forward, and the field it stands in. Steps back and closing have none.
fn date_of(step: &Step, report: &Report) -> Option<(&'static str, Option<UpstreamDate>)> {
    match step.event_type {
        EventType::ReportSubmitted => Some(("submitted", report.submitted)),
        EventType::ReportApproved => Some(("approved", report.approved)),
        EventType::ReportReimbursed => Some(("reimbursed", report.reimbursed)),
        _ => None,
    }
}

fn time_of(seen: &Seen<'_>, step: &Step, report: &Report, before: &Map<String, Value>) -> Timestamp {
    let Some((field, date)) = date_of(step, report) else { return seen.observed_at };
    let known =
        before.get(field).and_then(Value::as_str).and_then(|text| UpstreamDate::parse_blank(text).ok().flatten());
    step_time(seen, date, known)
}

/// When a step happened: the moment that the upstream gives; of a day alone, the moment of it nearest to the observation; the
/// observation itself when there is no date, or only the one that the report already had before the step.
fn step_time(seen: &Seen<'_>, date: Option<UpstreamDate>, known: Option<UpstreamDate>) -> Timestamp {
    match date.filter(|date| known != Some(*date)) {
        None => seen.observed_at,
        Some(date) => date.moment().or_else(|| nearest(date, seen.observed_at)).unwrap_or(seen.observed_at),
    }
}

fn nearest(date: UpstreamDate, observed_at: Timestamp) -> Option<Timestamp> {
    let day = date.day();
    let start = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let end = day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(observed_at.clamp(start, end))
}
