//! Reports that a read ought to have shown: read by id, twice, before anything is said.
//!
//! What a complete read of an export did not show although it had to ([`must_show`]) has moved or is gone, or we cannot see
//! it any more. Nobody can tell from the export. So it is read by its id, with up to [`MAX_REPORT_IDS`] others in one
//! request: what is shown there is told as it stands; what two such reads do not show either is removed.
//!
//! A role that is lost looks exactly like that, for the reports of one policy. So each read by id counts against a report only
//! when a list of policies that began **after** it still shows its policy: then it was gone while we could see it. Until
//! there is such a list, one is asked for ahead of the queue. Reports of policies that are out of sight are not missing at
//! all. And while a policy is out of sight nobody knows whether the report has moved there: then it is
//! removed only when it was missing for a day ([`PERSISTS_AFTER`]).
//!
//! When too much is missing at once nothing is removed ([`Absences`](change_engine::Absences)). Too much of what: of one export
//! that has thinned out, or of all reports in reach; many small exports must not lose a few each and all together. Of these
//! exports some are read rarely, so no read by id counts before the others have been read since, and not long ago: what shows
//! everything that moves shows first when much is gone.
//!
//! Reports that can still move and that no export reaches any more are read by their ids in turn, some at a time
//! ([`Watch::Aged`]).

use std::collections::{BTreeMap, BTreeSet};

use change_engine::{
    absence::{Confirmation, MAX_TRACKED, PERSISTS_AFTER, too_many},
    diff::{lines_of, report_removed},
    paths::Paths,
    plan::MAX_AGE,
    plan::shape::{ReportScope, must_show},
};
use event_model::{EntityKind, EventDraft, ReportState, Whereabouts};
use event_store::{Durability, StoreError};
use expensify_client::MAX_REPORT_IDS;
use jiff::{Timestamp, civil::Date};

use super::{
    Reading, Scribe,
    batch::{BATCH_EVENTS, Circumstances},
    record::{Missing, Unshown, WatchRecord, note_missing},
    watch::{POLICIES, REPORTS, Watch, is_of_reports, is_sweep},
};

/// What can still move by itself.
const MOVING: [ReportState; 3] = [ReportState::Open, ReportState::Submitted, ReportState::Approved];

/// Up to so many may go from a window without suspicion: the reports of one day are few, and their deletion is no lost role.
/// What goes from many windows shows in all of them together.
const MANY: u64 = 10;
/// ... and from an export that shows what moves, or everything.
const TWO: u64 = 2;

/// The reports that no export reaches any more, in turn.
#[derive(Debug, Default)]
pub(super) struct Aged {
    /// Still to be read in this round, the next last.
    queue: Vec<String>,
    /// Of this round.
    total: u64,
    /// The day on which it was last looked who they are; none when there may be others since.
    looked_on: Option<Date>,
    /// The first day that an export reaches.
    reach: Option<Date>,
}

impl Scribe {
    /// The reports that a complete read of `scope` had to show and did not.
    pub(super) fn unseen(&self, reading: &Reading, scope: &ReportScope) -> Vec<String> {
        let (states, today) = (scope.states(), reading.asked.today);
        let days = scope.sure_days(today);
        // What the file shows twice and differently was seen, too.
        self.index.unseen(&reading.walk, |view| {
            // Cheap first: of a million reports, most are not of this scope.
            view.day().is_some_and(|day| days.start <= day && day <= days.end)
                && view.state().is_some_and(|state| states.contains(&state))
                && must_show(scope, &view.whereabouts(), |policy| self.shows(policy), today)
        })
    }

    /// Takes in what a complete read of an export did not show.
    pub(super) fn note_absences(&mut self, scope: &ReportScope, reading: &Reading, missed: Vec<String>) {
        for id in &missed {
            let last_shown = self.before(id, &Whereabouts::default(), reading.asked.today).not_before;
            note_missing(&mut self.reports.missing, id, reading.started_at, last_shown, false);
        }
        let of_scope = reading.rows.saturating_add(missed.len() as u64);
        let few = if matches!(scope, ReportScope::Window { .. }) { MANY } else { TWO };
        self.note_thinned(&scope.name(), missed.len() as u64, of_scope, few);
        let of = self.in_reach(scope, reading.rows);
        self.miss(reading.started_at, missed, of);
    }

    /// Takes in what is missing now, beside `shown` that are there: what the read just missed, and what others have.
    fn miss(&mut self, started_at: Timestamp, missed: Vec<String>, shown: u64) {
        let mut missing: BTreeSet<String> = missed.into_iter().collect();
        let in_sight = |id: &str| self.index.get(id).is_some_and(|view| self.shows(view.policy()));
        let still = self.reports.missing.iter().filter(|(id, missing)| !missing.back && in_sight(id));
        missing.extend(still.map(|(id, _)| id.clone()));
        // What was missing and is on a policy that went out of sight since did not come back: it went with the others.
        let hidden = self.reports.missing.iter().filter(|(id, missing)| !missing.back && !in_sight(id)).count() as u64;
        let total = missing.len() as u64 + hidden;
        let too_much = !self.reports.thinned.is_empty() || too_many(total, shown.saturating_add(total));
        // "All of it" is always too much.
        let of = if too_much { 1 } else { shown.saturating_add(total) };
        // Nothing is removed by this alone; what is withheld is told with the access.
        let _ = self.reports.absences.after_scope_read(Confirmation::ById, started_at, missing, of);
    }

    /// Notes whether an export has thinned out; never when it missed no more than `few`.
    fn note_thinned(&mut self, name: &str, missed: u64, of: u64, few: u64) {
        if missed > few && too_many(missed, of) {
            self.reports.thinned.insert(name.to_owned());
        } else {
            self.reports.thinned.remove(name);
        }
    }

    /// Reports that the last reads of all exports showed, `rows` of them that of `scope`. Before the sweep has been through it
    /// is what the largest export shows.
    fn in_reach(&self, scope: &ReportScope, rows: u64) -> u64 {
        let others = || self.records.iter().filter(|(name, _)| **name != scope.name() && is_of_reports(name));
        let swept: u64 = others().filter(|(name, _)| is_sweep(name)).filter_map(|(_, record)| record.entities).sum();
        let own = if is_sweep(&scope.name()) { rows } else { 0 };
        let largest = others().filter_map(|(_, record)| record.entities).max().unwrap_or(0);
        swept.saturating_add(own).max(largest).max(rows)
    }

    /// Forgets what is missing no more: gone, or moved to where no export has to show it. What is out of sight stays: it was
    /// missing before, and may be when it is in sight again.
    pub(super) fn forget_missing(&mut self, today: Date) {
        let scopes = self.reports.shape.scopes(today);
        let mut missing = std::mem::take(&mut self.reports.missing);
        missing.retain(|id, of| {
            let Some(view) = self.index.get(id) else { return false };
            let at = view.whereabouts();
            let shown_by = |scope: &ReportScope| must_show(scope, &at, |policy| self.is_watched(policy), today);
            of.aged || scopes.iter().any(shown_by)
        });
        self.reports.missing = missing;
    }

    /// The policies are in sight again: that a report was asked for in vain meanwhile says nothing, for it may have been there.
    pub(super) fn ask_anew(&mut self, policies: &BTreeSet<String>) {
        if policies.is_empty() {
            return;
        }
        for (id, missing) in &mut self.reports.missing {
            missing.unshown = None;
            let policy = self.index.get(id).and_then(|view| view.policy().map(str::to_owned));
            if policy.is_some_and(|policy| policies.contains(&policy)) {
                self.reports.absences.shown(id);
            }
        }
    }

    /// The reports to read by id at `now`, as many as one request takes.
    pub(super) fn to_follow_up(&self, now: Timestamp) -> Vec<String> {
        let mut ids = self.reports.absences.to_confirm(now, MAX_TRACKED);
        let is_held_up = |id: &str| self.reports.missing.get(id).is_some_and(|missing| missing.unshown.is_some());
        ids.retain(|id| self.index.get(id).is_some() && !is_held_up(id));
        ids.truncate(MAX_REPORT_IDS);
        ids
    }

    /// When the next of them is due.
    pub(super) fn next_follow_up(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.reports.absences.next_confirmation()?;
        (due > now || !self.to_follow_up(now).is_empty()).then_some(due)
    }

    /// The records of everything that reads reports.
    pub(super) fn report_records(&self) -> impl Iterator<Item = &WatchRecord> {
        self.records.iter().filter(|(name, _)| is_of_reports(name)).map(|(_, record)| record)
    }

    /// Whether it is known by `now` that a read by id in vain says that the report is gone.
    fn counts(
        &self,
        id: &str,
        missing: &Missing,
        unshown: Unshown,
        now: Timestamp,
        surveyed: Option<Timestamp>,
    ) -> bool {
        let Some(view) = self.index.get(id) else { return false };
        let long_ago = unshown.started_at.checked_sub(MAX_AGE).unwrap_or(Timestamp::MIN);
        let surveyed_since = missing.since.max(long_ago);
        if self.may_be_out_of_sight(missing, now) || surveyed.is_none_or(|at| at < surveyed_since) {
            return false;
        }
        let listed_since = self.listed_at().is_some_and(|at| at >= unshown.started_at);
        view.policy().is_none_or(|policy| listed_since && self.shows(Some(policy)))
    }

    /// Start of the oldest of the last complete reads of what shows everything that moves.
    fn surveyed_at(&self, now: Timestamp) -> Option<Timestamp> {
        let scopes = self.reports.shape.scopes(self.today(now));
        let often = scopes.iter().filter(|scope| !matches!(scope, ReportScope::Window { .. }));
        often.map(|scope| self.records.get(&scope.name()).and_then(|record| record.fresh_as_of)).min().flatten()
    }

    /// Whether it may have moved to a policy that is out of sight.
    fn may_be_out_of_sight(&self, missing: &Missing, at: Timestamp) -> bool {
        // One that was removed, or that nobody knew, is not out of sight.
        let known = |id: &str| self.policies.get(id).is_some_and(|state| !state.removed);
        let something_is = self.sight.gaps.iter().any(|(id, gap)| gap.until.is_none() && known(id));
        something_is && at.duration_since(missing.since) < PERSISTS_AFTER
    }

    /// Whether a list of policies is needed before a read by id can count.
    pub(super) fn needs_policies(&self) -> bool {
        let awaits_list = |(id, missing): (&String, &Missing)| {
            let on_policy = self.index.get(id).is_some_and(|view| view.policy().is_some());
            let unclear = |unshown: Unshown| self.listed_at().is_none_or(|at| at < unshown.started_at);
            on_policy && missing.unshown.is_some_and(unclear)
        };
        self.reports.missing.iter().any(awaits_list)
    }

    /// Start of the last complete list of policies.
    fn listed_at(&self) -> Option<Timestamp> {
        self.records.get(POLICIES)?.fresh_as_of
    }

    /// Takes in a complete read by ids.
    pub(super) async fn end_by_ids(&mut self, reading: &Reading) -> Result<(), StoreError> {
        let asked: BTreeSet<String> = reading.asked.export.filter.report_ids.iter().cloned().collect();
        let unshown = asked.difference(&reading.shown).filter(|id| !reading.doubtful.contains(*id));
        let unshown: Vec<String> = unshown.cloned().collect();
        match reading.asked.watch {
            Watch::FollowUp => self.end_follow_up(reading, unshown).await,
            Watch::Aged => self.end_aged(reading, unshown).await,
            // What is not shown to somebody who asked for it is noticed by the read that has to show it.
            _ => Ok(()),
        }
    }

    async fn end_follow_up(&mut self, reading: &Reading, unshown: Vec<String>) -> Result<(), StoreError> {
        let this = Unshown { started_at: reading.started_at, answered_at: reading.rendered_by };
        for id in unshown {
            if let Some(missing) = self.reports.missing.get_mut(&id) {
                missing.unshown.get_or_insert(this);
            }
        }
        let _none = self.reports.absences.after_id_read(&reading.shown, &reading.shown, reading.started_at);
        self.count_unshown(reading.rendered_by).await
    }

    /// Counts the reads by id in vain of which it is known by `now` that they count, and tells what is gone by them.
    pub(super) async fn count_unshown(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let surveyed = self.surveyed_at(now);
        let mut counted: BTreeMap<Unshown, BTreeSet<String>> = BTreeMap::new();
        for (id, missing) in &self.reports.missing {
            let unshown = missing.unshown.filter(|unshown| self.counts(id, missing, *unshown, now, surveyed));
            if let Some(unshown) = unshown {
                counted.entry(unshown).or_default().insert(id.clone());
            }
        }
        for (unshown, ids) in counted {
            for id in &ids {
                self.reports.missing.entry(id.clone()).and_modify(|missing| missing.unshown = None);
            }
            if now.duration_since(unshown.answered_at) > MAX_AGE {
                // Much may have happened since: it is asked for again.
                continue;
            }
            let gone = self.reports.absences.after_id_read(&ids, &BTreeSet::new(), unshown.started_at);
            self.tell_gone(gone, unshown).await?;
        }
        self.save_reports(Durability::Relaxed).await?;
        self.note_withheld(REPORTS, now).await
    }

    /// Tells that the reports are gone, each with its expenses in one append. One that shares an expense with another waits
    /// for that one's append: its expense is told once.
    async fn tell_gone(&mut self, gone: Vec<String>, unshown: Unshown) -> Result<(), StoreError> {
        let (mut ids, mut drafts, mut told) = (Vec::new(), Vec::new(), BTreeSet::new());
        for id in gone {
            let Some(state) = self.state(EntityKind::Report, &id).await? else { continue };
            let known = self.load(&state).await?;
            let lines = lines_of(&known);
            if lines.iter().any(|line| told.contains(line)) {
                self.append_gone(std::mem::take(&mut ids), std::mem::take(&mut drafts), unshown).await?;
                told.clear();
            }
            told.extend(lines.iter().cloned());
            let lines = self.expenses(&lines).await?;
            let around = self.around_removal(&id, unshown);
            let removal = report_removed(&self.seen(&around), &known, &id, &lines);
            if drafts.len() + removal.len() > BATCH_EVENTS {
                self.append_gone(std::mem::take(&mut ids), std::mem::take(&mut drafts), unshown).await?;
            }
            drafts.extend(removal);
            ids.push(id);
        }
        self.append_gone(ids, drafts, unshown).await
    }

    fn around_removal(&self, id: &str, unshown: Unshown) -> Circumstances {
        let Unshown { started_at, answered_at } = unshown;
        let before = self.before(id, &Whereabouts::default(), self.today(answered_at));
        Circumstances {
            started_at,
            observed_at: answered_at,
            not_before: before.not_before.filter(|at| *at < answered_at),
            told_until: None,
            baselined: before.baselined,
            paths: Paths::default().into(),
            by_id: true,
        }
    }

    async fn append_gone(
        &mut self,
        ids: Vec<String>,
        drafts: Vec<EventDraft>,
        unshown: Unshown,
    ) -> Result<(), StoreError> {
        self.append(drafts).await?;
        let read = self.index.read(unshown.started_at, unshown.answered_at).mark();
        for id in ids {
            self.index.gone(read, &id);
            self.reports.missing.remove(&id);
        }
        Ok(())
    }

    async fn end_aged(&mut self, reading: &Reading, unshown: Vec<String>) -> Result<(), StoreError> {
        for id in unshown.into_iter().filter(|id| self.index.get(id).is_some()) {
            let last_shown = self.before(&id, &Whereabouts::default(), reading.asked.today).not_before;
            note_missing(&mut self.reports.missing, &id, reading.started_at, last_shown, true);
        }
        let name = reading.asked.watch.name();
        let missed = self.reports.missing.values().filter(|missing| missing.aged && !missing.back).count() as u64;
        self.note_thinned(&name, missed, self.aged.total, MANY);
        let of = self.records.iter().filter(|(name, _)| is_sweep(name)).filter_map(|(_, record)| record.entities).sum();
        self.miss(reading.started_at, Vec::new(), self.aged.total.saturating_add(of));
        self.record(&name).fresh_as_of = Some(reading.started_at);
        self.record(&name).entities = Some(self.aged.total);
        self.save_record(&name).await?;
        self.save_reports(Durability::Relaxed).await
    }

    /// A report was judged that stands at `day`: it may be one that no export reaches.
    pub(super) fn note_age(&mut self, day: Option<Date>) {
        if day.zip(self.aged.reach).is_some_and(|(day, reach)| day < reach) {
            self.look_for_aged_again();
        }
    }

    /// Others may be in reach, or in sight.
    pub(super) fn look_for_aged_again(&mut self) {
        self.aged.looked_on = None;
    }

    /// Whether there are reports that no export reaches any more; looks once a day, and when there may be others.
    pub(super) fn has_aged(&mut self, today: Date) -> bool {
        if self.aged.looked_on != Some(today) {
            self.look_for_aged(today);
        }
        self.aged.total > 0
    }

    /// The next of them.
    pub(super) fn next_aged(&mut self, today: Date) -> Vec<String> {
        if self.aged.queue.is_empty() {
            self.look_for_aged(today);
        }
        let rest = self.aged.queue.len().saturating_sub(MAX_REPORT_IDS);
        self.aged.queue.split_off(rest)
    }

    fn look_for_aged(&mut self, today: Date) {
        let reach = self.reports.shape.scopes(today).iter().map(|scope| scope.sure_days(today).start).min();
        let beyond = |day: Date| reach.is_some_and(|reach| day < reach);
        let moving = self.index.iter().filter(|view| view.state().is_some_and(|state| MOVING.contains(&state)));
        let aged = moving.filter(|view| view.day().is_some_and(beyond) && self.shows(view.policy()));
        let queue: Vec<String> = aged.map(|view| view.id().to_owned()).collect();
        if queue.is_empty() {
            // Nothing is left that could have thinned out.
            self.reports.thinned.remove(&Watch::Aged.name());
        }
        self.aged = Aged { total: queue.len() as u64, queue, looked_on: Some(today), reach };
    }
}
