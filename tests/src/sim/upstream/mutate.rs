//! What happens to reports. Every change is entered at a whole second that is not before `now` and after the last change of
//! the same report, so that histories to the second are in order.

use std::rc::Rc;

use super::{
    World,
    people::{APPROVERS, AUTHORS},
    report::{HistoryKind, LAG, Line, Report, Step},
    stage::{Deed, Stage, deeds},
};
use crate::sim::{
    chance::Chance,
    clock::{Moment, SECOND},
    trace::Trace,
};

/// What can happen to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Act,
    Flip,
    Rename,
    EditLine,
    AddLine,
    RemoveLine,
    MoveLine,
    MovePolicy,
    Delete,
    Resurrect,
    Create,
    Lie,
}

const KINDS: [(u32, Kind); 12] = [
    (36, Kind::Act),
    (12, Kind::Flip),
    (5, Kind::Rename),
    (9, Kind::EditLine),
    (8, Kind::AddLine),
    (5, Kind::RemoveLine),
    (5, Kind::MoveLine),
    (3, Kind::MovePolicy),
    (4, Kind::Delete),
    (5, Kind::Resurrect),
    (7, Kind::Create),
    (2, Kind::Lie),
];

impl World {
    /// Something happens to some report.
    pub fn mutate_reports(&mut self, chance: &mut Chance, trace: &mut Trace, now: Moment) {
        let kind = chance.weighted(&KINDS);
        let ids: Vec<String> = self.reports.keys().cloned().collect();
        if kind == Kind::Create || ids.is_empty() {
            let at = now.div_ceil(SECOND) * SECOND;
            let id = self.add_report(chance, at);
            trace.count("report created");
            trace.note(now, format_args!("{id} is created"));
            for _ in 0..chance.between(0, 3) {
                let at = self.free_second(&id, at);
                self.do_something(chance, &id, at);
            }
            return;
        }
        let id = ids[chance.below(ids.len())].clone();
        let at = self.free_second(&id, now);
        if let Some(what) = self.mutate(chance, kind, &id, at) {
            trace.count(what);
            let history = self.reports[&id].history;
            trace.note(now, format_args!("{id}: {what}, {:?}, {history:?}", self.body(&id).map(|body| body.stage)));
        }
    }

    fn mutate(&mut self, chance: &mut Chance, kind: Kind, id: &str, at: Moment) -> Option<&'static str> {
        let body = self.body(id);
        if kind == Kind::Resurrect {
            return self.resurrect(id, at).then_some("report resurrected");
        }
        let body = body?;
        let line = chance.pick(&body.lines.keys().cloned().collect::<Vec<_>>()).cloned();
        let report = self.reports.get_mut(id)?;
        match kind {
            Kind::Act => return self.do_something(chance, id, at),
            Kind::Flip => return self.flip(chance, id, at),
            Kind::Rename => report.edit(at, |body| body.name = format!("Trip of {at}")),
            Kind::EditLine => {
                let amount = chance.between(100, 90_000) as i64;
                let line = line?;
                report.edit(at, |body| body.lines.get_mut(&line).into_iter().for_each(|line| line.amount = amount));
                return Some("line edited");
            }
            Kind::AddLine => return self.add_line(chance, id, at),
            Kind::RemoveLine => {
                let line = line?;
                report.edit(at, |body| drop(body.lines.remove(&line)));
                return Some("line removed");
            }
            Kind::MoveLine => return self.move_line(chance, id, &line?, at),
            Kind::MovePolicy => return self.move_policy(chance, id, at),
            Kind::Delete => {
                report.life.set(at, None);
                return Some("report deleted");
            }
            Kind::Lie => return self.lie(id, at),
            Kind::Resurrect | Kind::Create => return None,
        }
        Some("report renamed")
    }

    /// A draft with some lines, made at `at`; sometimes its id differs from another only in case.
    pub fn add_report(&mut self, chance: &mut Chance, at: Moment) -> String {
        let number = self.fresh_number();
        let twin = self.reports.keys().next_back().map(|id| id.to_lowercase().replacen('r', "R", 1));
        let twin = twin.filter(|id| chance.percent(10) && !self.reports.contains_key(id));
        let id = twin.unwrap_or_else(|| format!("R00AbCd{number:05}"));
        let history = self.some_history(chance);
        let policies = self.living_policies();
        let policy = chance.pick(&policies).cloned().filter(|_| !chance.percent(10));
        let author = AUTHORS[chance.below(AUTHORS.len())];
        self.reports.insert(id.clone(), Report::new(id.clone(), author, at, history, policy));
        for _ in 0..chance.between(0, 3) {
            let at = self.free_second(&id, at);
            self.add_line(chance, &id, at);
        }
        id
    }

    fn some_history(&self, chance: &mut Chance) -> HistoryKind {
        let history = chance.weighted(&[
            (55, HistoryKind::Faithful),
            (15, HistoryKind::Empty),
            (10, HistoryKind::Lagging(LAG)),
            (7, HistoryKind::Partial),
            (7, HistoryKind::Lying),
            (6, HistoryKind::Days),
        ]);
        // Nobody can tell an entry that comes late from one that was written in another zone.
        if history == HistoryKind::Lagging(LAG) && self.zone_h != 0 { HistoryKind::Faithful } else { history }
    }

    /// Somebody takes a step.
    pub fn do_something(&mut self, chance: &mut Chance, id: &str, at: Moment) -> Option<&'static str> {
        let body = self.body(id)?;
        let deed = chance.weighted(&deeds(body.stage));
        self.act(chance, id, at, deed);
        Some(match deed.to {
            Stage::Odd => "unknown state",
            _ if deed.from == Stage::Odd => "back from an unknown state",
            _ => deed.event,
        })
    }

    fn act(&mut self, chance: &mut Chance, id: &str, at: Moment, deed: Deed) {
        let actor = APPROVERS[chance.below(APPROVERS.len())];
        if let Some(report) = self.reports.get_mut(id) {
            report.act(at, deed, actor);
        }
    }

    /// Several steps within seconds: approved, taken back and approved again, above all.
    fn flip(&mut self, chance: &mut Chance, id: &str, at: Moment) -> Option<&'static str> {
        let mut at = at;
        for _ in 0..chance.between(2, 4) {
            let stage = self.body(id)?.stage;
            let wanted = match stage {
                Stage::Submitted => "APPROVED",
                Stage::Approved => "UNAPPROVED",
                Stage::Open => "SUBMITTED",
                _ => return self.do_something(chance, id, at),
            };
            let (_, deed) = deeds(stage).into_iter().find(|(_, deed)| deed.word == Some(wanted))?;
            self.act(chance, id, at, deed);
            at += chance.between(1, 3) * SECOND;
        }
        Some("steps within seconds")
    }

    fn add_line(&mut self, chance: &mut Chance, id: &str, at: Moment) -> Option<&'static str> {
        let transaction = (4_056_343_000_000_000_000 + self.fresh_number()).to_string();
        let line = Line {
            amount: chance.between(100, 90_000) as i64,
            merchant: format!("Cab {}", chance.between(1, 9)),
            category: chance.percent(60).then(|| "Travel".to_owned()),
            comment: None,
            inserted: at,
        };
        self.reports.get_mut(id)?.edit(at, |body| drop(body.lines.insert(transaction, line)));
        Some("line added")
    }

    fn move_line(&mut self, chance: &mut Chance, from: &str, transaction: &str, at: Moment) -> Option<&'static str> {
        let others = self.reports.values().filter(|report| report.id != from && report.body().is_some());
        let others: Vec<String> = others.map(|report| report.id.clone()).collect();
        let to = chance.pick(&others)?;
        let at = self.free_second(to, at);
        let mut moved = None;
        self.reports.get_mut(from)?.edit(at, |body| moved = body.lines.remove(transaction));
        let line = moved?;
        self.reports.get_mut(to)?.edit(at, |body| drop(body.lines.insert(transaction.to_owned(), line)));
        Some("line moved")
    }

    fn move_policy(&mut self, chance: &mut Chance, id: &str, at: Moment) -> Option<&'static str> {
        let policies = self.living_policies();
        let to = chance.pick(&policies)?.clone();
        self.reports.get_mut(id)?.edit(at, |body| body.policy = Some(to));
        Some("report moved to another policy")
    }

    fn resurrect(&mut self, id: &str, at: Moment) -> bool {
        let Some(report) = self.reports.get_mut(id) else { return false };
        let before = report.life.spans().filter_map(|(_, _, body)| body.clone()).last();
        match (report.body().is_none(), before) {
            (true, Some(body)) => {
                report.life.set(at, Some(Rc::clone(&body)));
                true
            }
            _ => false,
        }
    }

    /// A history that lies tells a step forward that was not taken.
    fn lie(&mut self, id: &str, at: Moment) -> Option<&'static str> {
        let report = self.reports.get_mut(id).filter(|report| report.history == HistoryKind::Lying)?;
        let from = report.body()?.stage;
        let (word, to) = match from {
            Stage::Open => ("SUBMITTED", Stage::Submitted),
            Stage::Submitted => ("APPROVED", Stage::Approved),
            Stage::Approved => ("REIMBURSED", Stage::Reimbursed),
            Stage::Reimbursed | Stage::Archived | Stage::Odd => return None,
        };
        let deed = Deed { word: Some(word), event: to.arrival(), from, to };
        report.lies.push(Step { at, deed, actor: APPROVERS[0].to_owned() });
        Some("history lies")
    }
}
