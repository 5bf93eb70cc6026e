//! The end of a run: the upstream is left alone with everything in sight, nothing fails, and after a while the log has said
//! everything and the subscriber has received it.

use std::collections::BTreeMap;

use change_engine::plan::MAX_AGE;
use event_model::{Event, LossReason};
use poller::scribe::ReleaseError;

use super::{Halt, Run, Task};
use crate::sim::{
    clock::{DAY, MINUTE, Moment, SECOND},
    reference::{
        TICKING,
        broken::{Broken, hold},
        rest,
    },
    upstream::{
        report::{HistoryKind, Report},
        stage::Stage,
    },
};

/// When it is first looked for rest, and how often after.
const LOOK_EVERY: Moment = 2 * MINUTE;
/// By then everything is said: twice the age cap, with a share of the budget that a 429 may have left us.
const LATEST: Moment = 75 * MINUTE;
/// How long a run at rest is watched for things that nothing calls for.
const STILL: Moment = 4 * MINUTE;
/// So long an event may be on its way when nothing fails; a first sight of thousands takes longer.
const ARRIVES_WITHIN: Moment = MINUTE;
/// Beside the age cap itself: a read under way, and the turns of others.
const AGE_SLACK: Moment = 90 * SECOND;

/// The calm, since when and how it goes.
pub(super) struct Calm {
    since: Moment,
    /// Everything is said since then, with so many events but those that end a first sight.
    at_rest: Option<(Moment, u64)>,
    /// When each watch was last known to be fresh, and the longest that it was not.
    fresh: BTreeMap<String, (Moment, Moment)>,
}

impl Run {
    pub(super) fn begin_calm(&mut self) {
        if self.service.is_none() {
            return self.agenda.put(self.now + SECOND, Task::Calm);
        }
        self.trace.note(self.now, "calm from here on");
        self.world.restore_roles(self.now);
        self.world.restore_domains(self.now);
        self.world.show_all(self.now);
        if *self.world.ticking_cards.last() {
            self.world.ticking_cards.set(self.now, false);
        }
        self.calm = Some(Calm { since: self.now, at_rest: None, fresh: BTreeMap::new() });
        self.agenda.put(self.now + LOOK_EVERY, Task::Rest);
    }

    /// A complete read of `key` began at `began`.
    pub(super) fn note_fresh(&mut self, key: &str, began: Moment) {
        let (now, Some(calm)) = (self.now, &mut self.calm) else { return };
        let (last, longest) = calm.fresh.get(key).copied().unwrap_or((began, 0));
        calm.fresh.insert(key.to_owned(), (began, longest.max(now - last)));
    }

    /// Whether the run has come to rest, and may end.
    pub(super) async fn look_for_rest(&mut self) -> Result<bool, Halt> {
        self.agenda.put(self.now + LOOK_EVERY, Task::Rest);
        let Some(calm) = &self.calm else { return Ok(false) };
        let waited = self.now - calm.since;
        self.release().await?;
        let said = rest::check(&self.reference, &mut self.world, self.now).and_then(|()| self.check_arrived());
        let calm = self.calm.as_mut().expect("looked at above");
        match (said, calm.at_rest) {
            (Err(missing), _) if waited > LATEST => {
                let standing = self.service.as_ref().map(|service| service.scribe.standing());
                self.trace.note(self.now, format_args!("{standing:?}"));
                Err(missing.into())
            }
            (Err(missing), Some(_)) => Err(missing.into()),
            (Err(_), None) => Ok(false),
            (Ok(()), None) => {
                let events = self.news();
                let calm = self.calm.as_mut().expect("looked at above");
                calm.at_rest = Some((self.now, events));
                self.trace.note(self.now, format_args!("everything is said after {} s", waited / SECOND));
                Ok(false)
            }
            (Ok(()), Some((since, events))) => {
                self.check_still(events)?;
                let least = if self.temper.long_calm { 40 * MINUTE } else { 0 };
                let over = self.now - since >= STILL && waited >= least;
                if over {
                    self.check_ages(waited)?;
                }
                Ok(over)
            }
        }
    }

    /// Nothing is said while nothing happens.
    fn check_still(&self, events: u64) -> Result<(), Broken> {
        let ticking = *self.world.ticking_cards.last() || *self.world.ticking_titles.last();
        let day_turned = self.now / DAY != (self.now - 2 * STILL) / DAY;
        let still = ticking || day_turned || self.news() == events;
        hold(still, "nothing is said while nothing happens", events, self.news())
    }

    /// Events but first sights and new fields, for exports are split and joined in the calm, too; but the last of what moved
    /// without meaning; and but those of reports whose history is told later, or
    /// whose state is none that a read has to show.
    fn news(&self) -> u64 {
        let lags = |subject: &str| {
            let report = subject.strip_prefix("report/").and_then(|id| self.world.reports.get(id));
            let odd = |report: &Report| report.body().is_some_and(|body| body.stage == Stage::Odd);
            report.is_some_and(|report| matches!(report.history, HistoryKind::Lagging(_)) || odd(report))
        };
        let news = self.log.iter().filter(|(subject, _)| !lags(subject)).flat_map(|(_, events)| events);
        let means = |path: &String| !TICKING.contains(&path.as_str());
        let ticks = |event: &&Event| !event.data.changed.is_empty() && !event.data.changed.iter().any(means);
        news.filter(|event| !event.event_type.is_snapshot() && !ticks(event)).count() as u64
    }

    /// Everything that is in the log for some time has arrived.
    fn check_arrived(&self) -> Result<(), Broken> {
        let old = |event: &&Event| {
            let logged_at = self.logged_at.get(event.sequence.0 as usize - 1);
            logged_at.is_some_and(|at| at + ARRIVES_WITHIN <= self.now)
        };
        self.subscriber.check_complete(self.log.values().flatten().filter(old))
    }

    /// Nothing grew older than it may while all was calm.
    fn check_ages(&self, waited: Moment) -> Result<(), Broken> {
        let Some(calm) = &self.calm else { return Ok(()) };
        let cap = u64::try_from(MAX_AGE.as_millis()).unwrap_or(u64::MAX) + AGE_SLACK + 4 * self.temper.render;
        for (key, (last, longest)) in &calm.fresh {
            let standing = self.service.as_ref().is_some_and(|service| service.plan.rate(key).is_some());
            let age = (*longest).max(self.now - last);
            let held = !standing || waited < cap || age <= cap;
            hold(held, "nothing grows older than the age cap", cap, (key, age))?;
        }
        Ok(())
    }

    /// A person looks at what is held back. Everything is in sight, so what is still missing is gone.
    async fn release(&mut self) -> Result<(), Halt> {
        let at = self.local_now();
        let Some(service) = &mut self.service else { return Ok(()) };
        let standing = service.scribe.standing();
        let mass = standing.lost.iter().filter(|lost| lost.reason == LossReason::MassDisappearance);
        let withheld = |scope: &str| {
            let of_scope = standing.scopes.iter().filter(|(name, _)| name.starts_with(scope));
            of_scope.filter_map(|(_, standing)| Some(standing.withheld.as_ref()?.missing)).sum()
        };
        let scopes: Vec<(String, u64)> = mass.map(|lost| (lost.scope.clone(), withheld(&lost.scope))).collect();
        for (scope, missing) in scopes {
            let Some(service) = &mut self.service else { return Ok(()) };
            let released = service.scribe.release(&scope, missing, at).await;
            self.trace.note(self.now, format_args!("release of {scope}, {missing}: {released:?}"));
            match released {
                Ok(_) => self.trace.count("release by a person"),
                Err(ReleaseError::Store(error)) => return Err(error.into()),
                Err(_) => self.trace.count("release refused"),
            }
        }
        self.tick(true).await
    }
}
