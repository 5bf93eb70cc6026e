//! What there is to read now, and what a read is to ask for.

use change_engine::plan::{RateRecord, Spec, shape::ReportScope};
use event_store::{Durability, StoreError};
use expensify_client::{ReportExport, ReportFilter};
use jiff::{Timestamp, civil::Date};

use super::{
    Asked, ReportsAsked, Scribe, Wanted,
    watch::{POLICIES, Watch},
};

impl Scribe {
    /// The watches that should stand in the plan at `now`, those that are read once included. Ask again after every end of
    /// a read.
    pub fn wanted(&mut self, now: Timestamp) -> Vec<Wanted> {
        if !self.clock_is_known {
            self.notice_clock(now);
        }
        let today = self.today(now);
        let mut wanted: Vec<Wanted> = Vec::new();
        for scope in self.reports.shape.scopes(today) {
            let baselined = self.reports.shape.is_seen(&scope, today);
            wanted.push(self.standing_watch(Watch::Reports(scope), baselined));
        }
        if self.has_aged(today) {
            wanted.push(self.standing_watch(Watch::Aged, true));
        }
        let baselined = self.baselined.contains(POLICIES);
        wanted.push(Wanted { once: self.hurries_policies(now), ..self.standing_watch(Watch::Policies, baselined) });
        for domain in self.config.domains.clone() {
            let watch = Watch::Cards(domain);
            let baselined = self.baselined.contains(&watch.name());
            wanted.push(self.standing_watch(watch, baselined));
        }
        let follow_up = self.next_follow_up(now).map(|due| once(Watch::FollowUp, due));
        let confirmation = self.next_policy_confirmation(now).map(|due| once(Watch::PolicyConfirmation, due));
        wanted.extend(follow_up.into_iter().chain(confirmation));
        wanted
    }

    fn standing_watch(&self, watch: Watch, baselined: bool) -> Wanted {
        let record = self.records.get(&watch.name());
        let spec = Spec {
            baselined,
            fresh_as_of: record.and_then(|record| record.fresh_as_of),
            rate: record.map(|record| record.rate.clone()).unwrap_or_default(),
            ..watch.spec()
        };
        Wanted { watch, spec, once: None }
    }

    /// Whether reports wait for a list of policies before anything can be concluded about them.
    fn hurries_policies(&mut self, now: Timestamp) -> Option<Timestamp> {
        let hurries = self.needs_policies() && !self.policies_hurried;
        self.policies_hurried |= hurries;
        hurries.then_some(now)
    }

    fn next_policy_confirmation(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.records.get(POLICIES)?.absences.next_confirmation()?;
        (due > now || !self.to_confirm(now).is_empty()).then_some(due)
    }

    /// What a read of `watch` at `now` is to ask for; `None` when there is nothing left to ask.
    pub fn ask(&mut self, watch: &Watch, now: Timestamp) -> Option<Asked> {
        let today = self.today(now);
        let ids = match watch {
            Watch::Reports(scope) => return Some(self.ask_export(watch, scope, today)),
            Watch::Policies => return Some(Asked::Policies),
            Watch::Cards(domain) => return Some(Asked::Cards(domain.clone())),
            Watch::PolicyConfirmation => {
                let ids = self.to_confirm(now);
                return (!ids.is_empty()).then_some(Asked::PoliciesById(ids));
            }
            Watch::FollowUp => self.to_follow_up(now),
            Watch::Aged => self.next_aged(today),
            Watch::Report(id) => vec![id.clone()],
        };
        let export = ReportExport::by_ids(&ids);
        (!ids.is_empty()).then(|| Asked::Reports(ReportsAsked { watch: watch.clone(), export, today }))
    }

    fn ask_export(&self, watch: &Watch, scope: &ReportScope, today: Date) -> Asked {
        let dates = scope.dates(today);
        let filter = ReportFilter {
            policy_ids: self.config.policies.clone(),
            start_date: Some(dates.start),
            end_date: Some(dates.end),
            ..ReportFilter::default()
        };
        let export = ReportExport { filter, states: scope.states(), limit: None };
        Asked::Reports(ReportsAsked { watch: watch.clone(), export, today })
    }

    /// What the plan has learned of a watch's rate; it is written with the watch's next record.
    pub fn learned(&mut self, watch: &Watch, rate: RateRecord) {
        if !watch.is_once() {
            self.record(&watch.name()).rate = rate;
        }
    }

    /// An export was given up for taking too long. Whether there are other watches now.
    pub async fn timed_out(&mut self, watch: &Watch, now: Timestamp) -> Result<bool, StoreError> {
        let Watch::Reports(scope) = watch else { return Ok(false) };
        let today = self.today(now);
        let reshaped = self.reports.shape.timed_out(scope, today);
        self.save_reports(Durability::Relaxed).await?;
        Ok(reshaped)
    }

    /// Whether reports of the account were ever read whole.
    pub fn has_read_reports(&self) -> bool {
        self.baselined.contains(super::watch::REPORTS)
    }
}

fn once(watch: Watch, due: Timestamp) -> Wanted {
    Wanted { spec: watch.spec(), watch, once: Some(due) }
}
