//! Reports and their lines: what a row showed is told, whole, and nothing else.

use std::{collections::BTreeMap, rc::Rc};

use event_model::{Event, EventType, Report as Shown};
use serde_json::{Value, json};

use super::{
    Reference, Scene, TICKING,
    broken::{Broken, Check, broken, hold, line},
    fold::Told,
    paths::{differ_in_precision, differences},
    sights::ReportSight,
    steps::{self, Lived},
};
use crate::sim::{
    clock::{DAY, HOUR, MINUTE, Moment, day_of},
    upstream::{
        World,
        render::DateForm,
        report::{Body, Report},
    },
};

/// The zone of the upstream's dates is not known, and some have no time of the day.
const DOUBT: Moment = DAY + 14 * HOUR;

/// What was told of an entity before the events at hand.
pub type Before = Option<Told>;

/// What must be told of a line.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// The event.
    pub event: EventType,
    /// It may as well go unsaid.
    pub optional: bool,
}

impl Reference {
    /// The events of one report from one look, in order.
    pub(super) fn report_group(&mut self, scene: &Scene<'_>, id: &str, before: &Before, group: &[Event]) -> Check {
        let report =
            scene.world.reports.get(id).ok_or_else(|| broken("reports are not made up", id, line(&group[0])))?;
        if let [removed] = group
            && removed.event_type == EventType::ReportRemoved
        {
            return self.report_removed(scene, report, removed);
        }
        let last = group.last().expect("a group has an event");
        let sight = self.sight_of(id, last)?;
        let first_sight = before.as_ref().is_none_or(|told| told.removed);
        let lived = match (&group[0].event_type, before) {
            (EventType::ReportSnapshot, None) => {
                self.may_be_snapshot(scene, report, &group[0])?;
                Lived::since(report, &sight)
            }
            (EventType::ReportCreated, None) => {
                self.may_be_created(scene, report, &group[0])?;
                Lived::from_birth()
            }
            (EventType::ReportCreated, Some(told)) if told.removed => self.lived(id, &group[0])?,
            _ if !first_sight => self.lived(id, &group[0])?,
            _ => return Err(broken("a report begins with report.created or report.snapshot", id, line(&group[0]))),
        };
        let told: Vec<&Event> = group.iter().filter(|event| steps::is_step(event.event_type)).collect();
        let snapshot = before.is_none() && group[0].event_type == EventType::ReportSnapshot;
        let lived = if snapshot {
            hold(group.len() == 1, "a first sight is one event", 1, group.len())?;
            lived
        } else {
            steps::check(report, lived, &sight, &told, scene.world.zone_h)?
        };
        self.others_in_group(before, group)?;
        if !first_sight {
            self.changed_after(scene, report, last)?;
        }
        self.lives.insert(id.to_owned(), (lived, sight.version));
        Ok(())
    }

    fn lived(&self, id: &str, event: &Event) -> Result<Lived, Broken> {
        self.lives.get(id).map(|(lived, _)| lived.clone()).ok_or_else(|| broken("a report begins", id, line(event)))
    }

    /// The row that `last` tells: its object is that row.
    fn sight_of(&self, id: &str, last: &Event) -> Result<ReportSight, Broken> {
        let rows = self.sights.at(last.detection.observed_at).and_then(|sight| sight.reports.get(id));
        let rows = rows.ok_or_else(|| broken("an event tells what a read showed", "a row", line(last)))?;
        let exact = rows.iter().find(|row| is_told(&last.data.object, &row.shown, &[]));
        // What comes back is told as it was last known; a title that only ticks makes no event after that.
        let found = exact.or_else(|| rows.iter().find(|row| is_told(&last.data.object, &row.shown, &TICKING)));
        found.cloned().ok_or_else(|| {
            let shown: Vec<_> = rows.iter().map(|row| differences(&last.data.object, &json!(*row.shown))).collect();
            broken("the last event of a look carries what it showed", shown, line(last))
        })
    }

    fn may_be_snapshot(&self, scene: &Scene<'_>, report: &Report, event: &Event) -> Check {
        let not_before = scene.moment_of(event.detection.not_before);
        let baselined = self.is_baselined();
        let was_there = not_before.is_none_or(|at| report.created <= at);
        let out_of_sight = not_before.is_some_and(|at| !scene.world.sees(report, at));
        hold(!baselined || was_there || out_of_sight, "a new report is told as created", report.created, line(event))
    }

    fn may_be_created(&self, scene: &Scene<'_>, report: &Report, event: &Event) -> Check {
        let not_before = scene.moment_of(event.detection.not_before);
        let new = not_before.is_none_or(|at| report.created + DOUBT >= at);
        hold(self.is_baselined(), "what is there at first sight is told as a snapshot", "a first sight", line(event))?;
        hold(new, "an old report is not told as created", report.created, line(event))
    }

    fn others_in_group(&self, before: &Before, group: &[Event]) -> Check {
        let mut object = before.as_ref().map(|told| told.object.clone());
        for event in group {
            match event.event_type {
                EventType::ReportUpdated => {
                    hold(!event.data.changed.is_empty(), "an update changes something", "paths", line(event))?;
                }
                EventType::ReportSnapshot if object.is_some() => {
                    let mut loud = loud(object.as_ref().unwrap_or(&Value::Null), &event.data.object);
                    loud.retain(|path, _| !TICKING.contains(&path.as_str()));
                    hold(loud.is_empty(), "a change is not told as a snapshot", loud, line(event))?;
                }
                _ => {}
            }
            object = Some(event.data.object.clone());
        }
        Ok(())
    }

    /// The change lies after `not_before`: the version told before was still true then.
    fn changed_after(&self, scene: &Scene<'_>, report: &Report, last: &Event) -> Check {
        let not_before = scene.moment_of(last.detection.not_before);
        let (Some(not_before), Some((_, version))) = (not_before, self.lives.get(&report.id)) else { return Ok(()) };
        let looks = |body: &Option<Rc<Body>>| body.as_ref().map(|body| looks(scene.world, body));
        let told = report.life.spans().nth(*version).and_then(|(_, _, body)| looks(body));
        // It may have gone on, or away, and come back as it was.
        let same = report.life.spans().filter(|(_, _, body)| looks(body) == told).map(|(_, ends, _)| ends);
        let ended = same.filter(|_| told.is_some()).max();
        let holds = ended.is_none_or(|ended| ended >= not_before);
        hold(holds, "a change lies after not_before", ended, (not_before, line(last)))
    }

    fn is_baselined(&self) -> bool {
        self.fold.told.keys().any(|subject| subject.starts_with("scope/reports"))
    }

    fn report_removed(&self, scene: &Scene<'_>, report: &Report, event: &Event) -> Check {
        let seen = self.sights.at(event.detection.observed_at);
        let (began, ended) = seen.map_or((0, 0), |sight| (sight.began, sight.ended));
        let gone = report.life.ever(began, ended, Option::is_none);
        // Gone for a while, and left out by the one read that could have shown that it is back.
        let unlucky = scene.glitches.ever(began, ended + MINUTE)
            && report.life.ever(began.saturating_sub(15 * MINUTE), ended, Option::is_none);
        let gone = gone || unlucky;
        let why = (report.body_at(ended).map(|body| body.stage), scene.world.sees(report, ended));
        hold(gone, "only what is deleted is removed", ("deleted", why), line(event))
    }

    /// The lines whose events must follow those of the report `id`, from `before` to what the group told last.
    pub(super) fn touched_lines(&self, id: &str, before: &Before, group: &[Event]) -> BTreeMap<String, Touch> {
        let last = group.last().expect("a group has an event");
        let mut touched = BTreeMap::new();
        if before.is_none() && group[0].event_type == EventType::ReportSnapshot {
            return touched;
        }
        let old = before.as_ref().filter(|told| !told.removed).map(|told| lines(&told.object)).unwrap_or_default();
        let removed = last.event_type == EventType::ReportRemoved;
        let new = if removed { BTreeMap::new() } else { lines(&last.data.object) };
        let moved = before.as_ref().is_some_and(|told| told.object["policyID"] != last.data.object["policyID"]);
        for (transaction, line) in &new {
            // It went to another report and came back before this one was looked at.
            let told = self.fold.told.get(&format!("expense/{transaction}"));
            let away = told.is_some_and(|told| told.removed || told.object["reportID"] != id);
            let event = match old.get(transaction) {
                Some(_) if away => EventType::ExpenseAdded,
                Some(before) if !moved && differences(before, line).is_empty() => continue,
                Some(_) => EventType::ExpenseUpdated,
                None => EventType::ExpenseAdded,
            };
            touched.insert(transaction.clone(), Touch { event, optional: away && old.contains_key(transaction) });
        }
        for transaction in old.keys().filter(|transaction| !new.contains_key(*transaction)) {
            let told = self.fold.told.get(&format!("expense/{transaction}"));
            let elsewhere = told.is_some_and(|told| told.removed || told.object["reportID"] != id);
            if !elsewhere {
                // A first sight tells no lines: that the other report has it may not be known.
                let optional = self.lives_elsewhere(id, transaction);
                touched.insert(transaction.clone(), Touch { event: EventType::ExpenseRemoved, optional });
            }
        }
        touched
    }

    /// Whether another report, as told, has the line.
    fn lives_elsewhere(&self, id: &str, transaction: &str) -> bool {
        self.fold.told.iter().any(|(subject, told)| {
            let other = subject.strip_prefix("report/").is_some_and(|other| other != id);
            other && !told.removed && lines(&told.object).contains_key(transaction)
        })
    }

    /// An event about a line of the report `id`.
    pub(super) fn expense(&self, id: &str, event: &Event, before: &Before) -> Check {
        let object = &event.data.object;
        hold(object["reportID"] == id, "a line's event follows its report's", id, line(event))?;
        let gone = before.as_ref().is_none_or(|told| told.removed);
        if event.event_type == EventType::ExpenseAdded {
            // It may have been on another report: coming onto this one is being added to it.
            let here = before.as_ref().is_some_and(|told| !told.removed && told.object["reportID"] == id);
            hold(!here, "what is there is not added", "elsewhere, removed or new", line(event))?;
        }
        if event.event_type == EventType::ExpenseUpdated && !gone {
            hold(!event.data.changed.is_empty(), "an update changes something", "paths", line(event))?;
        }
        if event.event_type == EventType::ExpenseRemoved {
            return Ok(());
        }
        let told = self.fold.live(&format!("report/{id}")).map(|told| lines(&told.object)).unwrap_or_default();
        let of_report = told.get(&event.subject.id).cloned().unwrap_or_default();
        let mut own = object.clone();
        if let Value::Object(own) = &mut own {
            own.retain(|key, _| key != "reportID" && key != "policyID");
        }
        let different = differences(&of_report, &own);
        hold(different.is_empty(), "a line's event carries the line of its report", different, line(event))
    }
}

/// The body as far as reads can tell two apart: not by titles that tick, nor by the time of the day when they show days.
fn looks(world: &World, body: &Body) -> Body {
    let mut seen = Body { steps: 0, ..body.clone() };
    if *world.ticking_titles.last() {
        seen.name.clear();
    }
    if world.dates.spans().any(|(_, _, form)| *form == DateForm::Day) {
        let day = |at: Moment| {
            let date = day_of(at, world.zone_h);
            Moment::from(date.year().unsigned_abs()) * 366 + Moment::from(date.day_of_year().unsigned_abs())
        };
        for date in [&mut seen.submitted, &mut seen.approved, &mut seen.reimbursed] {
            *date = date.map(day);
        }
        seen.approvers.iter_mut().for_each(|(at, _)| *at = day(*at));
    }
    seen
}

/// The lines of a report's object by their ids.
pub fn lines(object: &Value) -> BTreeMap<String, Value> {
    let lines = object["expenses"].as_array().into_iter().flatten();
    lines.filter_map(|line| Some((line["transactionID"].as_str()?.to_owned(), line.clone()))).collect()
}

/// Differences that mean something: not those of precision alone.
pub fn loud(before: &Value, after: &Value) -> BTreeMap<String, Value> {
    let mut found = differences(before, after);
    found.retain(|path, was| !differ_in_precision(was, super::paths::value_at(after, path)));
    // Approvals are keyed by person and dated: the same person on the same day is the same approval.
    found.retain(|path, _| !path.starts_with("approvers") || !same_approvals(before, after));
    found
}

fn same_approvals(before: &Value, after: &Value) -> bool {
    let days = |object: &Value| {
        let approvals = object["approvers"].as_array().into_iter().flatten();
        let mut days: Vec<(String, String)> = approvals
            .map(|approval| {
                let date = approval["date"].as_str().unwrap_or_default();
                (approval["email"].to_string(), date.chars().take(10).collect())
            })
            .collect();
        days.sort();
        days
    };
    days(before) == days(after)
}

/// Whether `object` is `shown`, but for the precision of dates that were known better before and for paths in `but`.
fn is_told(object: &Value, shown: &Shown, but: &[&str]) -> bool {
    loud(object, &json!(shown)).keys().all(|path| but.contains(&path.as_str()))
}
