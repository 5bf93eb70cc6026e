//! Reports that a read ought to have shown: read by id, twice, before anything is said.
//!
//! What a complete read of an export did not show although it had to ([`must_show`]) has moved or is gone, or we cannot see
//! it any more. Nobody can tell from the export. So it is read by its id, with up to [`MAX_REPORT_IDS`] others in one
//! request: what is shown there is told as it stands; what two such reads do not show either is removed.
//!
//! A role that is lost looks exactly like that, for the reports of one policy. So a read by id counts against a report only
//! when a list of policies that began **after** the report was first missed still showed its policy: then it was gone while
//! we could see it. Until there is such a list, one is asked for ahead of the queue. Reports of policies that are out of
//! sight are not missing at all. And while a policy is out of sight nobody knows whether the report has moved there: then it is
//! removed only when it was missing for a day ([`PERSISTS_AFTER`]).
//!
//! When too much is missing at once nothing is removed ([`Absences`](change_engine::Absences)). Too much of what: of one export
//! that has thinned out, or of all reports in reach; many small exports must not lose a few each and all together.
//!
//! Reports that can still move and that no export reaches any more are read by their ids in turn, some at a time
//! ([`Watch::Aged`]).

use std::collections::BTreeSet;

use change_engine::{
    absence::{Confirmation, MAX_TRACKED, PERSISTS_AFTER, too_many},
    diff::{lines_of, report_removed},
    fingerprints::View,
    plan::shape::{ReportScope, must_show},
};
use event_model::{EntityKind, EventDraft, ReportState, Whereabouts};
use event_store::{Durability, StoreError};
use expensify_client::MAX_REPORT_IDS;
use jiff::{Timestamp, civil::Date};

use super::{
    Reading, Scribe,
    batch::BATCH_EVENTS,
    record::{Missing, WatchRecord, note_missing},
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
    /// The day on which it was last looked who they are.
    looked_on: Option<Date>,
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
        // "All of it" is always too much.
        let of = if self.reports.thinned.is_empty() { shown.saturating_add(missing.len() as u64) } else { 1 };
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
        self.held_up.retain(|id| missing.contains_key(id));
        self.reports.missing = missing;
    }

    /// The reports to read by id at `now`, as many as one request takes.
    pub(super) fn to_follow_up(&self, now: Timestamp) -> Vec<String> {
        let mut ids = self.reports.absences.to_confirm(now, MAX_TRACKED);
        ids.retain(|id| self.index.get(id).is_some() && !self.is_held_up(id, now));
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

    /// It was read by id in vain, and whether that counts is not known before the next list of policies.
    fn is_held_up(&self, id: &str, now: Timestamp) -> bool {
        self.held_up.contains(id) && !self.counts(id, now)
    }

    /// Whether a read by id at `at` that does not show the report says that it is gone.
    fn counts(&self, id: &str, at: Timestamp) -> bool {
        let Some(view) = self.index.get(id) else { return false };
        let Some(missing) = self.reports.missing.get(id) else { return false };
        if self.may_be_out_of_sight(missing, at) {
            return false;
        }
        match view.policy() {
            None => true,
            Some(policy) => self.shows(Some(policy)) && self.listed_at().is_some_and(|at| at >= missing.since),
        }
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
        let awaits_list = |id: &String| {
            let on_policy = self.index.get(id).is_some_and(|view| view.policy().is_some());
            let since = self.reports.missing.get(id).map(|missing| missing.since);
            on_policy && since.is_some_and(|since| self.listed_at().is_none_or(|at| at < since))
        };
        self.held_up.iter().any(awaits_list)
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
            Watch::FollowUp => self.end_follow_up(reading, &asked, unshown).await,
            Watch::Aged => self.end_aged(reading, unshown).await,
            // What is not shown to somebody who asked for it is noticed by the read that has to show it. What is shown may be
            // one that no export reaches.
            _ => {
                self.aged.looked_on = None;
                Ok(())
            }
        }
    }

    async fn end_follow_up(
        &mut self,
        reading: &Reading,
        asked: &BTreeSet<String>,
        unshown: Vec<String>,
    ) -> Result<(), StoreError> {
        let (counted, held_up): (Vec<_>, Vec<_>) =
            unshown.into_iter().partition(|id| self.counts(id, reading.started_at));
        self.held_up.retain(|id| !asked.contains(id) && self.reports.missing.contains_key(id));
        self.held_up.extend(held_up);
        let votes: BTreeSet<String> = counted.into_iter().chain(reading.shown.iter().cloned()).collect();
        let gone = self.reports.absences.after_id_read(&votes, &reading.shown, reading.started_at);
        self.tell_gone(gone, reading).await?;
        let reach = self.reach(reading.asked.today);
        if reading.shown.iter().any(|id| self.index.get(id).is_some_and(|view| has_aged(&view, reach))) {
            // It has just left what exports reach: whoever is read by id in turn is another now.
            self.aged.looked_on = None;
        }
        self.save_reports(Durability::Relaxed).await?;
        self.note_withheld(REPORTS, reading.rendered_by).await
    }

    /// Tells that the reports are gone, each with its expenses in one append.
    async fn tell_gone(&mut self, gone: Vec<String>, reading: &Reading) -> Result<(), StoreError> {
        let (mut ids, mut drafts) = (Vec::new(), Vec::new());
        for id in gone {
            let Some(state) = self.state(EntityKind::Report, &id).await? else { continue };
            let known = self.load(&state).await?;
            let lines = self.expenses(&lines_of(&known)).await?;
            let around = self.circumstances(reading, &id, &Whereabouts::default());
            let removal = report_removed(&self.seen(&around), &known, &id, &lines);
            if drafts.len() + removal.len() > BATCH_EVENTS {
                self.append_gone(std::mem::take(&mut ids), std::mem::take(&mut drafts), reading).await?;
            }
            drafts.extend(removal);
            ids.push(id);
        }
        self.append_gone(ids, drafts, reading).await
    }

    async fn append_gone(
        &mut self,
        ids: Vec<String>,
        drafts: Vec<EventDraft>,
        reading: &Reading,
    ) -> Result<(), StoreError> {
        self.append(drafts).await?;
        for id in ids {
            self.index.gone(&reading.walk, &id);
            self.reports.missing.remove(&id);
            self.held_up.remove(&id);
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

    /// Whether there are reports that no export reaches any more; looks once a day.
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

    /// The first day that exports reach.
    fn reach(&self, today: Date) -> Option<Date> {
        self.reports.shape.scopes(today).iter().map(|scope| scope.sure_days(today).start).min()
    }

    fn look_for_aged(&mut self, today: Date) {
        let reach = self.reach(today);
        let aged = self.index.iter().filter(|view| has_aged(view, reach) && self.shows(view.policy()));
        let queue: Vec<String> = aged.map(|view| view.id().to_owned()).collect();
        if queue.is_empty() {
            // Nothing is left that could have thinned out.
            self.reports.thinned.remove(&Watch::Aged.name());
        }
        self.aged = Aged { total: queue.len() as u64, queue, looked_on: Some(today) };
    }
}

/// Whether a report can still move and lies before what exports `reach`.
fn has_aged(view: &View<'_>, reach: Option<Date>) -> bool {
    view.state().is_some_and(|state| MOVING.contains(&state))
        && view.day().zip(reach).is_some_and(|(day, reach)| day < reach)
}
