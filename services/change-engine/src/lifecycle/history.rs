//! The steps between two observations of a report, from its history where it tells them.
//!
//! Two states say only the net change: approved, unapproved and approved again looks like nothing, and a ledger that is posted
//! by events is wrong for ever. The upstream's history (`actionList`) tells each step with its time and actor. But nothing is
//! promised of it: names are unknown, entries come late, in any order, with days for times, twice, or not at all. So it is
//! believed only where it leads from the state that was told last to the state that is seen now, and whatever it says, the
//! last step ends in what is seen.
//!
//! **What is new** (`news`): the entries that the object in the log does not carry, as a multiset (a day agrees with a moment
//! of it). Left out are: entries without a date or of the far future; those earlier than what is told already, by the
//! upstream's own clock (the entries in the log, the known dates of submission, approval, reimbursement). If the last step was told without
//! an entry, or the history in the log does not end in the state in the log, the history was behind when that was told; then
//! entries of before the last look are held to be told too.
//!
//! **How they are read** (`reading`): along the lifecycle from the known state, each entry a step. A step to where the report
//! already stands is nothing new. Forward steps that no entry tells are inferred. A step back says that the report stood
//! further on. An approval after which the report goes back without having been unapproved was not the final one, and no step.
//! Of entries of one second, or of days without times, the order is taken that needs the least inference. When the entries
//! cannot lead to the state that is seen, because a step back is needed that none tells, they contradict it and are left; and
//! so are they where nothing but them says that anything happened and they leave gaps (`is_believable`). Then the plain steps from state to state are told, and entries only give them their times and actors.
//!
//! **Of several entries for one step** (an approver approved, then the next one did) the one is taken that the report's own
//! date names; else of approvals the last, which was the final one; else the first.

mod news;
mod reading;
#[cfg(test)]
mod tests;

use event_model::{EventType, HistoryEntry, Report, ReportState, UpstreamDate, history::step_of};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Evidence, Step, steps};
use crate::paths::{HISTORY, HISTORY_BEHIND, agrees};
use news::news;
pub(crate) use news::union;

/// What a report says of its life.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// Where it stands.
    pub state: ReportState,
    /// Its steps; `None` in objects of software that did not read them.
    pub history: Option<Vec<HistoryEntry>>,
    /// The last step was told without an entry of the history.
    pub behind: bool,
    /// Its own dates.
    pub dates: Dates,
}

/// The dates that a report carries of its own steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// When it was last submitted.
    pub submitted: Option<UpstreamDate>,
    /// When it was finally approved.
    pub approved: Option<UpstreamDate>,
    /// When it was reimbursed.
    pub reimbursed: Option<UpstreamDate>,
}

/// The time in which the steps must have been taken, by our clock.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Start of the last read that ought to have shown them.
    pub not_before: Option<Timestamp>,
    /// The last look at the report, by the upstream's clock, in which its history is written: that of `not_before`, or of the last
    /// event when that is not known any more.
    pub told_until: Option<Timestamp>,
    /// When they were seen.
    pub observed_at: Timestamp,
}

/// A step to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its event and the state after it.
    pub step: Step,
    /// The entry that tells of it.
    pub entry: Option<HistoryEntry>,
    /// No entry tells that it was taken, and the state after it was not seen.
    pub inferred: bool,
    /// The entries that are told with this step and those before it.
    pub so_far: Vec<HistoryEntry>,
}

impl Life {
    /// Before the report was created.
    pub fn unborn() -> Self {
        Self { state: ReportState::Open, history: Some(Vec::new()), behind: false, dates: Dates::default() }
    }

    /// Of a report as observed.
    pub fn of_report(report: &Report) -> Self {
        let Report { submitted, approved, reimbursed, .. } = *report;
        let dates = Dates { submitted, approved, reimbursed };
        Self { state: report.state.clone(), history: Some(report.history.clone()), behind: false, dates }
    }

    /// Of a report's object in the log.
    pub fn of_object(object: &Map<String, Value>) -> Self {
        let date = |field: &str| UpstreamDate::parse_blank(object.get(field)?.as_str()?).ok().flatten();
        let state = object.get("state").and_then(Value::as_str);
        Self {
            state: state.map_or(ReportState::Open, ReportState::from_upstream),
            history: object.get(HISTORY).and_then(|history| serde_json::from_value(history.clone()).ok()),
            behind: object.get(HISTORY_BEHIND).and_then(Value::as_bool).unwrap_or_default(),
            dates: Dates { submitted: date("submitted"), approved: date("approved"), reimbursed: date("reimbursed") },
        }
    }
}

impl Dates {
    /// The date of the step that `event_type` names. Steps back and closing have none.
    pub fn of(&self, event_type: EventType) -> Option<UpstreamDate> {
        match event_type {
            EventType::ReportSubmitted => self.submitted,
            EventType::ReportApproved => self.approved,
            EventType::ReportReimbursed => self.reimbursed,
            _ => None,
        }
    }

    /// The date of that step, if `past` did not have it.
    pub fn new_since(&self, past: &Self, event_type: EventType) -> Option<UpstreamDate> {
        let known = past.of(event_type);
        self.of(event_type).filter(|date| known.is_none_or(|known| !agrees(known, *date)))
    }
}

/// The steps from `past` to `now`, in order. The last one ends in the state of `now`; none when the state is the same and the
/// history tells nothing between.
pub fn story(past: &Life, now: &Life, window: Window) -> Vec<Told> {
    let is_new = |event_type| now.dates.new_since(&past.dates, event_type).is_some();
    let evidence =
        Evidence { submitted: is_new(EventType::ReportSubmitted), approved: is_new(EventType::ReportApproved) };
    let news = news(past, now, window);
    let read = past.history.as_ref().and_then(|_| reading::read(past, now, evidence, &news));
    let believed = read.filter(|told| is_believable(past, now, told, window));
    believed.unwrap_or_else(|| plain(past, now, evidence, &news))
}

/// A story whose every step has its entry is believed. One with gaps, which we would have to fill with steps that nobody saw,
/// is believed only where something else speaks for it: another state than before, a new date of the report's own, or a second
/// entry that takes back what the first did; and only if none of its entries is older than the last look, for then that look
/// would have shown what it did. One false entry in a report where nothing happened is no story.
fn is_believable(past: &Life, now: &Life, told: &[Told], window: Window) -> bool {
    if told.iter().all(|told| told.entry.is_some()) {
        return true;
    }
    let dated = |told: &Told| now.dates.new_since(&past.dates, told.step.event_type).is_some();
    let entries = told.iter().filter(|told| told.entry.is_some()).count();
    let moved = past.state != now.state || told.iter().any(dated) || entries > 1;
    let mut times = told.iter().filter_map(|told| told.entry.as_ref()?.at);
    moved && times.all(|at| !window.not_before.is_some_and(|look| news::is_long_before(at, look)))
}

/// Whether the history is behind once `story` is told: the last step was taken, and the history has yet to tell of it. What
/// it has yet to tell of the steps before is older than the entry of the last, and so is not news when it comes.
pub fn leaves_behind(past: &Life, story: &[Told]) -> bool {
    story.last().map_or(past.behind, |last| last.entry.is_none())
}

/// The steps that the two states alone come to, dated and named by the entries that fit.
fn plain(past: &Life, now: &Life, evidence: Evidence, news: &[HistoryEntry]) -> Vec<Told> {
    let way = steps(&past.state, &now.state, evidence);
    let last = way.len().saturating_sub(1);
    let told = |(place, step): (usize, Step)| {
        let entry = fitting(past, now, step.event_type, news).cloned();
        Told { step, entry, inferred: place < last, so_far: Vec::new() }
    };
    way.into_iter().enumerate().map(told).collect()
}

/// The entry that tells of a step that is known by the states alone: by the report's own date of it when that is new, else the
/// last of its kind.
fn fitting<'a>(
    past: &Life,
    now: &'a Life,
    event_type: EventType,
    news: &'a [HistoryEntry],
) -> Option<&'a HistoryEntry> {
    let of_kind = |entry: &&HistoryEntry| step_of(&entry.action).is_some_and(|step| step.event_type == event_type);
    match now.dates.new_since(&past.dates, event_type) {
        Some(date) => {
            let all = news.iter().chain(now.history.iter().flatten());
            all.filter(of_kind).find(|entry| entry.at.is_some_and(|at| agrees(at, date)))
        }
        None => news.iter().rfind(of_kind),
    }
}
