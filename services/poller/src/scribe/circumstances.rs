//! What is known of the time before an observation of a report: see "Not before" and "First sights" at the head of
//! [`scribe`](super).
//!
//! Times come from a clock that may be set back, while the process runs or between two. Then what was noted before lies in the
//! future and says nothing: it is forgotten, and for one read of each scope nobody knows how old a change can be.

use std::collections::BTreeMap;

use change_engine::{
    paths::{Paths, columns::Shown},
    plan::shape::must_show,
};
use event_model::Whereabouts;
use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    Reading, Scribe,
    batch::Circumstances,
    record::{Before, Missing, WatchRecord},
    watch::Watch,
};

/// Reads that run side by side are taken in in any order: an answer that is older by so little is no clock set back.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(60);
/// So many doubtful reports are remembered, beside those that were missing; of the rest `not_before` may be too late.
const MAX_DOUBTED: usize = 4_096;

impl Scribe {
    pub(super) fn circumstances(&self, reading: &Reading, id: &str, whereabouts: &Whereabouts) -> Circumstances {
        let before = self.before(id, whereabouts, reading.asked.today);
        Circumstances {
            started_at: reading.started_at,
            observed_at: reading.rendered_by,
            not_before: before.not_before.filter(|at| *at < reading.rendered_by),
            told_until: before.not_before.map(|at| self.on_their_clock(at)),
            baselined: before.baselined,
            paths: std::sync::Arc::clone(&reading.paths),
            by_id: reading.is_by_id(),
        }
    }

    /// `at` on the upstream's clock.
    pub(super) fn on_their_clock(&self, at: Timestamp) -> Timestamp {
        at.checked_add(self.clock_offset).unwrap_or(at)
    }

    /// Takes in that it is `now`: when the clock has been set back, what lies in the future is forgotten.
    pub(super) fn notice_clock(&mut self, now: Timestamp) {
        let slack = if self.clock_is_known { CLOCK_SLACK } else { SignedDuration::ZERO };
        self.clock_is_known = true;
        if now >= self.newest.checked_sub(slack).unwrap_or(Timestamp::MIN) {
            self.newest = self.newest.max(now);
            return;
        }
        self.newest = now;
        self.index.forget_times();
        let past = |at: &Timestamp| *at <= now;
        let forget = |missing: &mut BTreeMap<String, Missing>| {
            for missing in missing.values_mut() {
                missing.last_shown = missing.last_shown.filter(past);
                missing.since = missing.since.min(now);
                missing.unshown = missing.unshown.filter(|unshown| unshown.answered_at <= now);
            }
        };
        forget(&mut self.reports.missing);
        for record in self.records.values_mut() {
            record.fresh_as_of = record.fresh_as_of.filter(past);
            record.refused_since = record.refused_since.filter(past);
            forget(&mut record.missing);
        }
        for gap in self.sight.gaps.values_mut() {
            gap.from = gap.from.filter(past);
            gap.reports_from = gap.reports_from.filter(past);
            gap.until = gap.until.map(|until| until.min(now));
        }
        self.sight.undetailed.values_mut().for_each(|last_shown| *last_shown = last_shown.filter(past));
        self.reports.doubted.clear();
    }

    /// Whether an answer of `at` came before the clock was set back: what it says is true, but nobody knows when it was.
    pub(super) fn is_of_another_clock(&self, at: Timestamp) -> bool {
        at > self.newest
    }

    /// `whereabouts` are those that a report that is not known has now.
    pub(super) fn before(&self, id: &str, whereabouts: &Whereabouts, today: Date) -> Before {
        if let Some(before) = self.reports.doubted.get(id) {
            return *before;
        }
        if let Some(missing) = self.reports.missing.get(id) {
            return Before { not_before: missing.last_shown, baselined: true };
        }
        if let Some(known) = self.index.get(id) {
            let not_before = known.as_of().or_else(|| self.had_to_be_shown(&known.whereabouts(), today));
            return Before { not_before, baselined: true };
        }
        let not_before = self.index.as_of(id).or_else(|| self.had_to_be_shown(whereabouts, today));
        let day = whereabouts.day.unwrap_or(today);
        Before { not_before, baselined: self.reports.has_seen(whereabouts.policy.as_ref(), day) }
    }

    /// Start of the last complete read that had to show a report that stands there.
    fn had_to_be_shown(&self, whereabouts: &Whereabouts, today: Date) -> Option<Timestamp> {
        let scopes = self.reports.shape.scopes(today);
        let showing =
            scopes.iter().filter(|scope| must_show(scope, whereabouts, |policy| self.is_watched(policy), today));
        // Not what they show now counts, but what they showed then.
        let covered = |record: &&WatchRecord| {
            record.covered.zip(whereabouts.day).is_some_and(|((start, end), day)| start <= day && day <= end)
        };
        let fresh = showing.filter_map(|scope| self.records.get(&scope.name()).filter(covered)?.fresh_as_of).max();
        let gap = whereabouts.policy.as_ref().and_then(|policy| self.sight.gaps.get(policy));
        match gap {
            Some(gap) if gap.until.is_none_or(|until| fresh.is_none_or(|fresh| fresh < until)) => gap.reports_from,
            _ => fresh,
        }
    }

    /// Whether exports ask for the reports of `policy`.
    pub(super) fn is_watched(&self, policy: Option<&str>) -> bool {
        let wanted = &self.config.policies;
        wanted.is_empty() || policy.is_some_and(|policy| wanted.iter().any(|id| id == policy))
    }

    /// Whether a read shows the reports of `policy`, as far as is known: it is watched and in sight.
    pub(super) fn shows(&self, policy: Option<&str>) -> bool {
        self.is_watched(policy) && policy.is_none_or(|policy| self.sight.visible.contains(policy))
    }

    /// A read has shown something of the report that it could not say. When it is judged at last, the change may lie before
    /// that read. `waiting` is what was to be said of it by an earlier row of the same file.
    pub(super) fn remember_doubt(&mut self, reading: &Reading, id: &str, waiting: Option<&Circumstances>) {
        if self.reports.doubted.len() < MAX_DOUBTED && !self.reports.doubted.contains_key(id) {
            let unjudged = || self.before(id, &Whereabouts::default(), reading.asked.today);
            let before = waiting.map(|seen| Before { not_before: seen.not_before, baselined: seen.baselined });
            let before = before.unwrap_or_else(unjudged);
            self.reports.doubted.insert(id.to_owned(), before);
        }
    }

    /// The report was judged by a read that began at `started_at`: nothing of the time before has to be remembered, unless a
    /// younger read has missed it. But when it was missing or in doubt and a read by its id has shown it, the last reads of the
    /// exports did not: their starts say nothing about it.
    pub(super) fn is_judged(&mut self, id: &str, started_at: Timestamp, by_id: bool) {
        if self.reports.missing.is_empty() && self.reports.doubted.is_empty() {
            return;
        }
        let was_missing = match self.reports.missing.get_mut(id) {
            Some(missing) if started_at < missing.since => {
                missing.last_shown = missing.last_shown.max(Some(started_at));
                false
            }
            Some(_) => self.reports.missing.remove(id).is_some(),
            None => false,
        };
        let odd = self.reports.doubted.remove(id).is_some() | was_missing;
        if odd && by_id {
            self.reports.doubted.insert(id.to_owned(), Before { not_before: Some(started_at), baselined: true });
        }
    }

    /// The paths that are set aside in any export are so in all: one field moves wherever it is read. The new ones are those
    /// that this export has not told yet.
    pub(super) fn report_paths(&self, watch: &Watch) -> Paths {
        let of_exports = self.report_records().flat_map(|record| record.volatility.set_aside());
        let set_aside = of_exports.chain(&self.reports.set_aside).cloned().collect();
        let export = self.records.get(&watch.name()).filter(|_| matches!(watch, Watch::Reports(_)));
        let new = export.map(|record| record.columns.new_in(&Shown::of_reports())).unwrap_or_default();
        Paths { set_aside, new }
    }
}
