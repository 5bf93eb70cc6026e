//! The steps of a report's life: each that was truly taken is told once and in order, none that was not.
//!
//! How much can be asked depends on the report's history. With a *faithful* one every step between two looks is told, with its
//! true time and actor; what a jump skips is told as inferred. With *none*, the steps on the way between the two stages are
//! told and nothing else. With one that lags, lies, leaves out or knows only days, what is told must at least be a
//! subsequence of what was done, never used twice.

use std::collections::BTreeMap;

use event_model::{Event, EventType, TimestampSource};
use jiff::Timestamp;

use super::{
    broken::{Broken, Check, broken, hold, line},
    sights::ReportSight,
};
use crate::sim::{
    clock::{HOUR, Moment, shifted, true_time},
    upstream::{
        report::{HistoryKind, LAG, Report, Step},
        stage::{Stage, path},
    },
};

/// How far the telling of a report's life has come.
#[derive(Clone, Debug)]
pub struct Lived {
    /// Steps that had been taken at the version told last.
    pub steps: usize,
    /// The stage told last.
    pub stage: Stage,
    /// Entries of [`all_of`] that are used up.
    used: usize,
    /// How often each step was told.
    told: BTreeMap<&'static str, usize>,
    /// When it was first told of.
    since: Moment,
}

impl Lived {
    /// Of a report that is first told as `sight` shows it.
    pub fn since(report: &Report, sight: &ReportSight) -> Self {
        let used = all_of(report).iter().filter(|entry| entry.at <= sight.moment).count();
        let (steps, stage) = stand(report, sight);
        Self { steps, stage, used, told: BTreeMap::new(), since: sight.moment }
    }

    /// Of a report that is told from its beginning.
    pub fn from_birth() -> Self {
        Self { steps: 0, stage: Stage::Open, used: 0, told: BTreeMap::new(), since: 0 }
    }
}

/// Whether events of this type are steps.
pub fn is_step(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::ReportSubmitted
            | E::ReportApproved
            | E::ReportReimbursed
            | E::ReportArchived
            | E::ReportReopened
            | E::ReportUnapproved
            | E::ReportReimbursementReverted
    )
}

/// Checks the steps `told` between `before` and `sight`; how far the telling has come then.
pub fn check(
    report: &Report,
    before: Lived,
    sight: &ReportSight,
    told: &[&Event],
    zone_h: i64,
) -> Result<Lived, Broken> {
    let (steps, stage) = stand(report, sight);
    let between = report.steps.get(before.steps..steps).unwrap_or_default();
    // Some steps have no word in any history: from then on it has a gap.
    let odd = report.steps.iter().take(steps).any(|step| step.deed.word.is_none());
    match report.history {
        HistoryKind::Faithful if !odd => exactly("faithful", &by_history(between), told, zone_h)?,
        HistoryKind::Empty => {
            exactly("none", &by_inference(before.stage, stage), told, zone_h)?;
            told.iter().try_for_each(|event| undated_by_history(report, event))?;
        }
        HistoryKind::Days | HistoryKind::Lagging(_) => return by_count(report, before, sight, told),
        _ => return loosely(report, before, sight, told),
    }
    let used = all_of(report).iter().filter(|entry| entry.at <= sight.moment).count();
    Ok(Lived { steps, stage, used, ..before })
}

/// Steps taken, and the stage, at what `sight` shows.
fn stand(report: &Report, sight: &ReportSight) -> (usize, Stage) {
    report.body_at(sight.moment).map_or((0, Stage::Open), |body| (body.steps, body.stage))
}

/// What is expected.
struct Expected<'a> {
    event: &'static str,
    optional: bool,
    /// The true step that it is; `None`: it is inferred, or nothing is known of it.
    step: Option<&'a Step>,
    inferred: bool,
}

fn by_history(between: &[Step]) -> Vec<Expected<'_>> {
    let mut expected = Vec::new();
    for step in between {
        let way = path(step.deed.from, step.deed.to);
        for skipped in way.iter().take(way.len().saturating_sub(1)) {
            expected.push(Expected { event: skipped.event, optional: skipped.optional, step: None, inferred: true });
        }
        expected.push(Expected { event: step.deed.event, optional: false, step: Some(step), inferred: false });
    }
    expected
}

fn by_inference(from: Stage, to: Stage) -> Vec<Expected<'static>> {
    let way = path(from, to);
    let last = way.len().saturating_sub(1);
    let expected = |(at, named): (usize, &crate::sim::upstream::stage::Named)| Expected {
        event: named.event,
        optional: named.optional,
        step: None,
        inferred: at < last,
    };
    way.iter().enumerate().map(expected).collect()
}

fn exactly(history: &str, expected: &[Expected<'_>], told: &[&Event], zone_h: i64) -> Check {
    let names: Vec<_> = expected.iter().map(|expected| (history, expected.event, expected.inferred)).collect();
    let said = || told.iter().map(|event| line(event)).collect::<Vec<_>>();
    let mut left = expected.iter();
    for event in told {
        let found = left.by_ref().find(|expected| !expected.optional || expected.event == event.event_type.as_str());
        let Some(found) = found.filter(|found| found.event == event.event_type.as_str()) else {
            return Err(broken("each step is told once, in order, and no other", names, said()));
        };
        let rule = "what was not seen is inferred";
        hold(event.detection.inferred == found.inferred, rule, &names, line(event))?;
        if let Some(step) = found.step {
            check_dated(event, step, zone_h)?;
        }
    }
    hold(left.all(|expected| expected.optional), "each step is told once, in order, and no other", names, said())
}

fn check_dated(event: &Event, step: &Step, zone_h: i64) -> Check {
    let rule = "a step that the history tells has its time and its actor";
    let expected = (true_time(step.at), &step.actor);
    hold(event.detection.timestamp_source == TimestampSource::History, rule, expected, line(event))?;
    hold(is_time_of(event.timestamp, step.at, zone_h), rule, expected, line(event))?;
    hold(event.actor.as_deref() == Some(&step.actor), rule, expected, line(event))
}

/// The upstream names no zone: what it shows may be read as UTC or as what it is.
fn is_time_of(timestamp: Timestamp, moment: Moment, zone_h: i64) -> bool {
    timestamp == true_time(moment) || timestamp == shifted(moment, zone_h * HOUR as i64)
}

/// Without a history only the report itself can date a step, and only its list of approvers can say by whom it was taken.
fn undated_by_history(report: &Report, event: &Event) -> Check {
    let by_history = event.detection.timestamp_source == TimestampSource::History;
    hold(!by_history, "what no history tells is not said to be from it", "no history", line(event))?;
    let did = |step: &Step| step.deed.to == Stage::Approved && Some(&step.actor) == event.actor.as_ref();
    let known = event.actor.is_none() || report.steps.iter().any(did);
    hold(known, "who did something did it", "an approver", line(event))
}

/// A step that consumers may be told of, in the order of what happened.
struct Entry {
    event: &'static str,
    at: Moment,
}

/// Everything that may ever be told of the report's life: its steps, what jumps skip, and what a lying history makes of it.
fn all_of(report: &Report) -> Vec<Entry> {
    let mut taken: Vec<(&Step, bool)> = report.steps.iter().map(|step| (step, false)).collect();
    taken.extend(report.lies.iter().map(|lie| (lie, true)));
    taken.sort_by_key(|(step, _)| step.at);
    let mut known = Stage::Open;
    let mut entries = Vec::new();
    for (step, lie) in taken {
        let (from, to) = (step.deed.from, step.deed.to);
        let mut names: Vec<&'static str> =
            path(if from == Stage::Odd { known } else { from }, to).iter().map(|named| named.event).collect();
        if lie {
            names.extend(path(to, from).iter().map(|named| named.event));
        }
        let named = if from == Stage::Odd { to.arrival() } else { step.deed.event };
        if to != Stage::Odd && !lie && names.last() != Some(&named) {
            names.push(named);
        }
        entries.extend(names.into_iter().map(|event| Entry { event, at: step.at }));
        if to != Stage::Odd && !lie {
            known = to;
        }
    }
    entries
}

/// What was done is told, some of it perhaps; or, where the history is of no use, where it led.
fn loosely(report: &Report, before: Lived, sight: &ReportSight, told: &[&Event]) -> Result<Lived, Broken> {
    let entries = all_of(report);
    let (steps, stage) = stand(report, sight);
    let used = match subsequence(report, &entries, before.used, sight, told) {
        Ok(used) => used,
        Err(broken) => {
            let inferred = by_inference(before.stage, stage);
            exactly("unusable", &inferred, told, 0).map_err(|_| broken)?;
            entries.iter().filter(|entry| entry.at <= sight.moment).count()
        }
    };
    Ok(Lived { steps, stage, used, ..before })
}

/// How many of `entries` are used up after `told`, each of which is one of them, in order.
fn subsequence(
    report: &Report,
    entries: &[Entry],
    mut used: usize,
    sight: &ReportSight,
    told: &[&Event],
) -> Result<usize, Broken> {
    // Between the entries that it has, a history with gaps leaves as much to be inferred as none at all.
    let gaps = report.history == HistoryKind::Partial;
    for event in told.iter().filter(|event| !(gaps && event.detection.inferred)) {
        let fits = |entry: &Entry| entry.event == event.event_type.as_str() && entry.at <= sight.moment;
        let left = &entries[used.min(entries.len())..];
        let Some(ahead) = left.iter().position(fits) else {
            let left: Vec<_> = left.iter().map(|entry| entry.event).collect();
            let rule = "no step is told that was not taken, and none twice";
            return Err(broken(rule, (report.history, left), line(event)));
        };
        used += ahead + 1;
    }
    Ok(used)
}

/// Of steps that are known by the day alone nobody can tell the order within a day, and of those that are known late not what
/// was told of them already; but none is told more often than it was taken.
fn by_count(report: &Report, before: Lived, sight: &ReportSight, told: &[&Event]) -> Result<Lived, Broken> {
    let (steps, stage) = stand(report, sight);
    let mut lived = Lived { steps, stage, ..before };
    for event in told.iter().filter(|event| !event.detection.inferred) {
        let name = event.event_type.as_str();
        let often = lived.told.entry(name).or_default();
        *often += 1;
        // What an unseen detour implies is taken as well.
        let known = |entry: &Entry| entry.at <= sight.moment && entry.at + LAG > lived.since;
        let taken = all_of(report).iter().filter(|entry| entry.event == name && known(entry)).count();
        hold(*often <= taken.max(1), "no step is told more often than it was taken", taken, line(event))?;
    }
    Ok(lived)
}
