//! The cheapest reading of a history: a shortest path over (entries taken, state), as described in [the theory](super).
//!
//! Each entry is a step from the state before it, with what has to be inferred for it, or it is passed over. Costs rank the
//! readings: what is told costs nothing, an inferred step forward little, an approval that is held to be an intermediate one
//! more than any number of those, an inferred step back most. Entries whose order is not known form a group and are tried in
//! every order; groups are small, and each (group, entries left, state) is solved once.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use event_model::{
    EventType, HistoryEntry, ReportState, UpstreamDate,
    history::{MAX_HISTORY, step_of},
};

use super::{
    super::{Evidence, Step, along, place, steps},
    Life, Told,
    news::{is_before, start_of},
};
use crate::paths::agrees;

/// An entry that tells of a step to where the report stands already.
const NOTHING_NEW: u32 = 1;
/// A forward step that no entry tells; more than passing over all the entries that there are.
const INFERRED: u32 = 2 * MAX_HISTORY as u32;
/// An approval that is passed over although the report could have taken it; more than the three steps that there are forward.
const INTERMEDIATE: u32 = 4 * INFERRED;
/// A step back that a later step back implies; more than passing over all the approvals that it would undo.
const RETREAT: u32 = MAX_HISTORY as u32 * INTERMEDIATE;
/// Most entries that are tried in every order: 40,320 orders, but at most 256 sets of entries left. Of more in one second, or
/// on one day without times, the first ones are tried among themselves, then the next.
const MAX_GROUP: usize = 8;

struct Entry<'a> {
    told: &'a HistoryEntry,
    at: UpstreamDate,
    step: Step,
}

/// One entry in its place: the steps that it comes to, the last of which it tells itself. None: it is passed over.
struct Taken {
    entry: usize,
    way: Vec<Step>,
}

/// The steps from `past` to `now` that `news` tell; `None` when they contradict it.
pub(super) fn read(past: &Life, now: &Life, evidence: Evidence, news: &[HistoryEntry]) -> Option<Vec<Told>> {
    let entries: Vec<Entry<'_>> = news.iter().filter_map(entry).collect();
    let tells = |event_type| entries.iter().any(|entry| entry.step.event_type == event_type);
    let evidence = Evidence {
        submitted: evidence.submitted && !tells(EventType::ReportSubmitted),
        approved: evidence.approved && !tells(EventType::ReportApproved),
    };
    let mut reader =
        Reader { groups: groups(&entries), entries: &entries, to: &now.state, evidence, solved: HashMap::new() };
    let (taken, rest) = reader.path(&past.state)?;
    Some(told(&entries, &taken, rest, now))
}

fn entry(told: &HistoryEntry) -> Option<Entry<'_>> {
    let step = step_of(&told.action)?;
    Some(Entry { told, at: told.at?, step: Step { event_type: step.event_type, state: step.state } })
}

/// Ranges of entries whose order among each other is not known, or only in part.
fn groups(entries: &[Entry<'_>]) -> Vec<Range<usize>> {
    let mut days_without_times: BTreeMap<_, bool> = BTreeMap::new();
    for entry in entries {
        *days_without_times.entry(entry.at.day()).or_insert(false) |= entry.at.moment().is_none();
    }
    let tied = |one: &Entry<'_>, other: &Entry<'_>| {
        start_of(one.at) == start_of(other.at) || (one.at.day() == other.at.day() && days_without_times[&one.at.day()])
    };
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if group.len() < MAX_GROUP && tied(&entries[place - 1], entry) => group.end += 1,
            _ => groups.push(place..place + 1),
        }
    }
    groups
}

/// How far a reading has come: a group, and which of its entries are done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct At {
    group: usize,
    done: u8,
}

/// The cheapest way on: its cost, and the entry to take next with the steps that it comes to; none at the end.
type Best = Option<(u32, Option<(usize, Vec<Step>)>)>;

struct Reader<'a> {
    entries: &'a [Entry<'a>],
    groups: Vec<Range<usize>>,
    to: &'a ReportState,
    evidence: Evidence,
    solved: HashMap<(At, ReportState), Best>,
}

impl Reader<'_> {
    /// The cheapest reading from `from`, and the inferred steps that are left after its last entry.
    fn path(&mut self, from: &ReportState) -> Option<(Vec<Taken>, Vec<Step>)> {
        let (mut at, mut state) = (At { group: 0, done: 0 }, from.clone());
        let mut taken = Vec::new();
        while let (_, Some((entry, way))) = self.best(at, &state)? {
            state = way.last().map_or(state, |step| step.state.clone());
            at = self.after(at, entry);
            taken.push(Taken { entry, way });
        }
        let rest = onward(&state, self.to, self.evidence)?;
        Some((taken, rest))
    }

    fn best(&mut self, at: At, state: &ReportState) -> Best {
        let Some(group) = self.groups.get(at.group).cloned() else {
            let rest = onward(state, self.to, self.evidence)?;
            return Some((INFERRED * rest.len() as u32, None));
        };
        let key = (at, state.clone());
        if let Some(best) = self.solved.get(&key) {
            return best.clone();
        }
        let mut best: Best = None;
        for entry in group.filter(|entry| self.may_come_next(at, *entry)).collect::<Vec<_>>() {
            for (cost, way) in options(state, &self.entries[entry].step, self.evidence) {
                let next = way.last().map_or(state, |step| &step.state);
                let Some((further, _)) = self.best(self.after(at, entry), next) else { continue };
                let cost = cost + further;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, Some((entry, way))));
                }
            }
        }
        self.solved.insert(key, best.clone());
        best
    }

    /// It is not done, and nothing that is left is earlier for certain.
    fn may_come_next(&self, at: At, entry: usize) -> bool {
        let group = &self.groups[at.group];
        let left = |place: &usize| at.done & (1 << (place - group.start)) == 0;
        let earlier = |place: usize| is_before(self.entries[place].at, self.entries[entry].at);
        left(&entry) && !group.clone().filter(left).any(earlier)
    }

    fn after(&self, at: At, entry: usize) -> At {
        let group = &self.groups[at.group];
        let done = at.done | (1 << (entry - group.start));
        if done.count_ones() as usize == group.len() { At { group: at.group + 1, done: 0 } } else { At { done, ..at } }
    }
}

/// What an entry for `step` can mean where the report stands at `state`, each with its cost. None: it contradicts.
fn options(state: &ReportState, step: &Step, evidence: Evidence) -> Vec<(u32, Vec<Step>)> {
    if step.state == *state {
        return vec![(NOTHING_NEW, Vec::new())];
    }
    let mut options = Vec::new();
    options.extend(way_to(state, step, evidence));
    let undecided = matches!(state, ReportState::Open | ReportState::Submitted);
    if step.event_type == EventType::ReportApproved && undecided {
        options.push((INTERMEDIATE, Vec::new()));
    }
    options
}

/// The way from `state` that ends with `step`, and what its inferred steps cost.
fn way_to(state: &ReportState, step: &Step, evidence: Evidence) -> Option<(u32, Vec<Step>)> {
    use ReportState::{Approved, Archived, Open, Other, Reimbursed};
    let retreats = match step.event_type {
        EventType::ReportUnapproved => Some(Approved),
        EventType::ReportReimbursementReverted => Some(Reimbursed),
        EventType::ReportReopened => Some(ReportState::Submitted),
        _ => None,
    };
    let cost = |each: u32, way: &[Step]| each * (way.len() as u32 - 1);
    match (state, retreats) {
        (Other(_), _) => Some((0, vec![step.clone()])),
        (Archived, _) => (step.state == Open).then(|| (0, vec![step.clone()])),
        (_, None) if step.state == Archived || place(state) < place(&step.state) => {
            let way = steps(state, &step.state, evidence);
            Some((cost(INFERRED, &way), way))
        }
        (_, None) => None,
        (_, Some(_)) if place(state) > place(&step.state) => {
            let way = along(state, &step.state);
            Some((cost(RETREAT, &way), way))
        }
        (_, Some(stood_at)) => {
            let mut way = along(state, &stood_at);
            way.push(step.clone());
            Some((cost(INFERRED, &way), way))
        }
    }
}

/// The forward steps from `from` to `to`; `None` when it takes a step back.
fn onward(from: &ReportState, to: &ReportState, evidence: Evidence) -> Option<Vec<Step>> {
    use ReportState::{Archived, Other};
    let forward = match (from, to) {
        _ if from == to => true,
        (_, Other(_)) | (Archived, _) => false,
        (Other(_), _) | (_, Archived) => true,
        _ => place(from) < place(to),
    };
    forward.then(|| steps(from, to, evidence))
}

/// The reading as steps to tell.
fn told(entries: &[Entry<'_>], taken: &[Taken], rest: Vec<Step>, now: &Life) -> Vec<Told> {
    let mut told = Vec::new();
    let mut so_far: Vec<HistoryEntry> = Vec::new();
    let inferred = |step: &Step, so_far: &[HistoryEntry]| Told {
        step: step.clone(),
        entry: None,
        inferred: true,
        so_far: so_far.to_vec(),
    };
    for (place, this) in taken.iter().enumerate() {
        let Some((last, before)) = this.way.split_last() else {
            so_far.push(entries[this.entry].told.clone());
            continue;
        };
        told.extend(before.iter().map(|step| inferred(step, &so_far)));
        let entry = chosen(&run(entries, taken, place), now).told.clone();
        so_far.push(entries[this.entry].told.clone());
        let mut with_it = so_far.clone();
        with_it.extend(passed_after(entries, taken, place).map(|entry| entry.told.clone()));
        told.push(Told { step: last.clone(), entry: Some(entry), inferred: false, so_far: with_it });
    }
    let last = rest.len().saturating_sub(1);
    let of_rest = |(place, step)| Told { inferred: place < last, ..inferred(step, &so_far) };
    told.extend(rest.iter().enumerate().map(of_rest));
    told
}

/// The entries next to the one taken at `place` that tell of the same step, and itself, in order.
fn run<'a>(entries: &'a [Entry<'a>], taken: &'a [Taken], place: usize) -> Vec<&'a Entry<'a>> {
    let kind = entries[taken[place].entry].step.event_type;
    let same = |taken: &&Taken| taken.way.is_empty() && entries[taken.entry].step.event_type == kind;
    let before: Vec<_> = taken[..place].iter().rev().take_while(same).map(|taken| &entries[taken.entry]).collect();
    let mut run: Vec<_> = before.into_iter().rev().collect();
    run.push(&entries[taken[place].entry]);
    run.extend(passed_after(entries, taken, place));
    run
}

fn passed_after<'a>(entries: &'a [Entry<'a>], taken: &'a [Taken], place: usize) -> impl Iterator<Item = &'a Entry<'a>> {
    let kind = entries[taken[place].entry].step.event_type;
    let same = move |taken: &&Taken| taken.way.is_empty() && entries[taken.entry].step.event_type == kind;
    taken[place + 1..].iter().take_while(same).map(|taken| &entries[taken.entry])
}

/// Of several entries for one step, the one that tells when it was taken and by whom.
fn chosen<'a>(run: &[&'a Entry<'a>], now: &Life) -> &'a Entry<'a> {
    let first = run[0];
    let kind = first.step.event_type;
    let own = now.dates.of(kind);
    let exactly = run.iter().find(|entry| own == Some(entry.at));
    let by_date = exactly.or_else(|| run.iter().find(|entry| own.is_some_and(|own| agrees(own, entry.at))));
    match by_date {
        Some(entry) => entry,
        None if kind == EventType::ReportApproved => run[run.len() - 1],
        None => first,
    }
}
