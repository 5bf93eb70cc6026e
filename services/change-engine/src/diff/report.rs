//! Events of a report and its lines: edits, then the lines, then lifecycle steps.

use std::collections::BTreeMap;

use event_model::{EntityKind, EntityState, EventDraft, EventType, HistoryEntry, Report, Subject, TimestampSource};
use jiff::{SignedDuration, tz::TimeZone};
use serde_json::{Map, Value};

use super::{Chain, Happening, Known, STEP_FIELDS, Seen, as_map, expense::line_drafts, object_of, steps};
use crate::{
    lifecycle::history::{Life, Window, leaves_behind, story, union},
    paths::{HISTORY, HISTORY_BEHIND, keep_moments},
};

/// The upstream names no zone: what it calls a moment may be a day from what we take it for.
const ZONE_DOUBT: SignedDuration = SignedDuration::from_hours(24);

/// The events that lead from `known` to `report`, in order; none when nothing changed. `lines` are the states of
/// [`touched_expenses`](super::touched_expenses), as far as the log has them. They belong in one append: what a later look
/// compares with is the report's own last event.
///
/// First the edits of the report as a whole (`report.created` or `report.updated`), then one event for each line that
/// changed, then the steps of its life. A report that was removed and is back is created with what was last known of it, and
/// only what changed since is told.
pub fn report_drafts(
    seen: &Seen<'_>,
    known: Option<&Known>,
    report: &Report,
    lines: &BTreeMap<String, EntityState>,
) -> Vec<EventDraft> {
    let mut chain = Chain::after(seen, Subject::new(EntityKind::Report, &report.report_id), known);
    match known {
        None if !seen.baselined || was_there_before(seen, report) => {
            chain.snapshot(EventType::ReportSnapshot, object_of(report));
            chain.take()
        }
        None => created(chain, report, lines),
        Some(known) => changed(chain, known, report, lines),
    }
}

/// The events that say that a report is gone: `report.removed` with the report as last known, and `expense.removed` for each
/// of its lines that is not seen elsewhere. None when it is told already. `lines` are the states of
/// [`lines_of`](super::lines_of).
pub fn report_removed(
    seen: &Seen<'_>,
    known: &Known,
    id: &str,
    lines: &BTreeMap<String, EntityState>,
) -> Vec<EventDraft> {
    if known.removed {
        return Vec::new();
    }
    let object = as_map(known.object.clone());
    let mut chain = Chain::after(seen, Subject::new(EntityKind::Report, id), Some(known));
    chain.push(Happening::observed(seen, EventType::ReportRemoved), object.clone());
    let mut drafts = chain.take();
    let mut without_lines = object.clone();
    without_lines.remove("expenses");
    drafts.extend(line_drafts(seen, &object, &without_lines, lines));
    drafts
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
fn created(mut chain: Chain<'_>, report: &Report, lines: &BTreeMap<String, EntityState>) -> Vec<EventDraft> {
    let seen = chain.seen;
    let past = Life::unborn();
    let story = story(&past, &Life::of_report(report), window(seen));
    let mut after = object_of(report);
    after.insert(HISTORY_BEHIND.to_owned(), leaves_behind(&past, &story).into());
    let draft = if story.is_empty() { after.clone() } else { as_drafted(&after) };
    let (timestamp, source) = match report.created {
        Some(date) => (steps::moment_of(date, seen.observed_at), TimestampSource::Object),
        None => (seen.observed_at, TimestampSource::Observation),
    };
    let event_type = EventType::ReportCreated;
    let inferred = !story.is_empty();
    chain.push(Happening { event_type, timestamp, source, inferred, actor: None }, draft.clone());
    let mut drafts = chain.take();
    drafts.extend(line_drafts(seen, &Map::new(), &after, lines));
    steps::tell(&mut chain, &story, &past, report, draft, after);
    drafts.extend(chain.take());
    drafts
}

/// The report before its first step.
fn as_drafted(after: &Map<String, Value>) -> Map<String, Value> {
    let mut draft = after.clone();
    for field in STEP_FIELDS {
        draft.insert(field.to_owned(), Value::Null);
    }
    draft.insert("state".to_owned(), "OPEN".into());
    for list in ["approvers", HISTORY] {
        draft.insert(list.to_owned(), Value::Array(Vec::new()));
    }
    draft
}

/// A report that the log knows.
fn changed(
    mut chain: Chain<'_>,
    known: &Known,
    report: &Report,
    lines: &BTreeMap<String, EntityState>,
) -> Vec<EventDraft> {
    let before = as_map(known.object.clone());
    let past = Life::of_object(&before);
    let mut after = settled(&before, &past, report);
    if known.removed {
        chain.push(Happening::observed(chain.seen, EventType::ReportCreated), before.clone());
    }
    let story = story(&past, &Life::of_report(report), window(chain.seen));
    after.insert(HISTORY_BEHIND.to_owned(), leaves_behind(&past, &story).into());
    let mut edited = after.clone();
    if story.is_empty() {
        chain.settle(EventType::ReportUpdated, EventType::ReportSnapshot, after.clone());
    } else {
        keep_steps(&mut edited, &before);
        chain.push_change(EventType::ReportUpdated, &edited);
    }
    let mut drafts = chain.take();
    drafts.extend(line_drafts(chain.seen, &before, &after, lines));
    steps::tell(&mut chain, &story, &past, report, edited, after);
    drafts.extend(chain.take());
    drafts
}

/// The report as observed, without losing what a poorer look does not show: moments of dates, entries of the history.
fn settled(before: &Map<String, Value>, past: &Life, report: &Report) -> Map<String, Value> {
    let mut after = object_of(report);
    keep_moments(before, &mut after);
    let known: &[HistoryEntry] = past.history.as_deref().unwrap_or_default();
    let history = serde_json::to_value(union(known, &report.history)).expect("entries have text keys and serialise");
    after.insert(HISTORY.to_owned(), history);
    after
}

/// Puts what steps move as it was before them.
fn keep_steps(object: &mut Map<String, Value>, before: &Map<String, Value>) {
    for field in STEP_FIELDS.into_iter().chain([HISTORY]) {
        match before.get(field) {
            Some(value) => object.insert(field.to_owned(), value.clone()),
            None => object.remove(field),
        };
    }
}

fn window(seen: &Seen<'_>) -> Window {
    Window { not_before: seen.not_before, told_until: seen.told_until, observed_at: seen.observed_at }
}
