//! What comes back from the upstream, request by request.

use std::collections::BTreeMap;

use change_engine::plan::Ended;
use event_model::{Card, Policy};
use expensify_client::{PolicyOutcome, PolicySummary, ReportExport};
use jiff::SignedDuration;
use poller::{Asked, CardsSeen, PoliciesConfirmed, PoliciesSeen, Watch};

use super::{Halt, Run, Task, faults::kind_of};
use crate::sim::{
    clock::Moment,
    reference::sights::{ReportSight, Sight},
    service::flight::{Fate, Job, Sent},
    upstream::{policy, policy::Role, query::Query},
};

impl Run {
    /// The answer to what the read `id` asked is there, or will never be.
    pub(super) async fn answered(&mut self, id: u64) -> Result<(), Halt> {
        let now = self.local_now();
        let Some(service) = &mut self.service else { return Ok(()) };
        let Some(flight) = service.flights.get_mut(&id) else { return Ok(()) };
        let Some(sent) = flight.sent.take() else { return Ok(()) };
        let watch = flight.watch.clone();
        service.gate.ended(sent.slot, sent.fate.ending(), now).await?;
        if sent.fate == Fate::Fine {
            if matches!(sent.job, Job::Export | Job::List | Job::Cards) {
                self.count_read(&watch);
            }
            match sent.job {
                Job::Export => self.exported(id, sent)?,
                Job::Download => return self.begin_file(id).await,
                Job::List => self.listed(id, sent),
                Job::Details => return self.detailed(id, sent).await,
                Job::Cards => return self.carded(id, sent).await,
            }
            if let Some(service) = &mut self.service {
                service.gate.waiting.push_back(id);
            }
            return self.pump_gate().await;
        }
        if sent.fate == Fate::NoAnswer && sent.job == Job::Export && self.dice.percent(30) {
            self.trace.count("export times out");
            if let Some(service) = &mut self.service {
                service.scribe.timed_out(&watch, now).await?;
            }
        }
        self.end(id, failed()).await
    }

    /// The export is rendered: its rows are what they are from here on.
    fn exported(&mut self, id: u64, sent: Sent) -> Result<(), Halt> {
        let stamp = self.clock.stamp(self.now);
        let Some(flight) = self.service.as_mut().and_then(|service| service.flights.get_mut(&id)) else {
            return Ok(());
        };
        let Some(Asked::Reports(asked)) = &flight.asked else { return Ok(()) };
        let query = query_of(&asked.export);
        let rows = self.world.rows(&query, sent.arrived, self.now);
        let (_, began) = flight.began();
        let mut sight = Sight { began, ended: self.now, ..Sight::default() };
        for row in &rows {
            let seen = ReportSight { version: row.version, moment: row.moment, shown: row.shown.clone() };
            sight.reports.entry(row.id.clone()).or_default().push(seen);
        }
        self.reference.sights.add(stamp, sight);
        flight.rendered_by = Some(stamp);
        flight.rendered = rows;
        flight.window = (sent.arrived, self.now);
        Ok(())
    }

    fn listed(&mut self, id: u64, sent: Sent) {
        let all = self.asks_by_id(id).is_some();
        let mut listed = self.list(sent.arrived, all);
        if !all && listed.len() > 1 && self.leaves_out("policies") {
            listed.remove(self.dice.below(listed.len()));
            self.trace.count("read leaves something out");
        }
        if let Some(flight) = self.service.as_mut().and_then(|service| service.flights.get_mut(&id)) {
            flight.listed = listed;
        }
    }

    fn asks_by_id(&self, id: u64) -> Option<Vec<String>> {
        match &self.service.as_ref()?.flights.get(&id)?.asked {
            Some(Asked::PoliciesById(ids)) => Some(ids.clone()),
            _ => None,
        }
    }

    fn leaves_out(&mut self, kind: &str) -> bool {
        self.calm.is_none() && self.dice.percent(self.temper.file_faults / 4) && self.may_leave_out(kind)
    }

    /// The policies that the credential sees at `moment`: those that it administers, or in any role.
    fn list(&self, moment: Moment, any_role: bool) -> Vec<PolicySummary> {
        let listed = self.world.policies.values().filter_map(|policy| {
            let body = policy.body_at(moment)?;
            let role = match policy.role.at(moment)? {
                Role::Admin => "admin",
                Role::Auditor if any_role => "auditor",
                Role::Auditor | Role::Stranger => return None,
            };
            Some(PolicySummary {
                policy_id: policy.id.clone(),
                name: Some(body.name.clone()),
                owner: Some("cfo@acme.example".to_owned()),
                role: Some(role.to_owned()),
                policy_type: Some("corporate".to_owned()),
                output_currency: Some("USD".to_owned()),
                other: BTreeMap::new(),
            })
        });
        listed.collect()
    }

    /// The details of one policy at `moment`, under what the list said of it.
    fn details(&self, summary: &PolicySummary, moment: Moment) -> PolicyOutcome {
        let Some(policy) = self.world.policies.get(&summary.policy_id) else { return PolicyOutcome::Absent };
        match policy.body_at(moment) {
            None => PolicyOutcome::Absent,
            Some(_) if !policy.is_administered_at(moment) => PolicyOutcome::Denied,
            Some(body) => {
                let mut shown = policy::show(&self.world, policy, body, moment);
                shown.name.clone_from(&summary.name);
                PolicyOutcome::Details(Box::new(shown))
            }
        }
    }

    async fn detailed(&mut self, id: u64, sent: Sent) -> Result<(), Halt> {
        let by_id = self.asks_by_id(id);
        let observed_at = self.clock.stamp(self.now);
        let Some(flight) = self.service.as_mut().and_then(|service| service.flights.get_mut(&id)) else {
            return Ok(());
        };
        let listed = std::mem::take(&mut flight.listed);
        let (requests, (started_at, began)) = (flight.requests, flight.began());
        let summary = |id: &String| PolicySummary { policy_id: id.clone(), ..PolicySummary::default() };
        let asked: Vec<PolicySummary> = by_id.as_ref().map_or(listed.clone(), |ids| ids.iter().map(summary).collect());
        let silent = self.calm.is_none() && self.dice.percent(self.temper.file_faults / 6);
        let outcomes: BTreeMap<String, PolicyOutcome> = asked
            .iter()
            .map(|summary| (summary.policy_id.clone(), hush(self.details(summary, sent.arrived), silent)))
            .collect();
        let shown = |outcome: &PolicyOutcome| match outcome {
            PolicyOutcome::Details(policy) => Some((policy.policy_id.clone(), Policy::clone(policy))),
            _ => None,
        };
        let policies = outcomes.values().filter_map(shown).collect();
        self.reference.sights.add(observed_at, Sight { began, ended: self.now, policies, ..Sight::default() });
        if silent {
            self.trace.count("sections not told");
        }
        let Some(service) = &mut self.service else { return Ok(()) };
        let ingested = match by_id {
            Some(asked) => {
                let confirmed = PoliciesConfirmed { started_at, observed_at, asked, listed, outcomes };
                service.scribe.confirm_policies(confirmed).await?
            }
            None => service.scribe.policies(PoliciesSeen { started_at, observed_at, listed, outcomes }).await?,
        };
        self.end(id, complete(requests, ingested.changes, self.now - began, 4_000)).await
    }

    async fn carded(&mut self, id: u64, sent: Sent) -> Result<(), Halt> {
        let observed_at = self.clock.stamp(self.now);
        let Some(flight) = self.service.as_ref().and_then(|service| service.flights.get(&id)) else { return Ok(()) };
        let (watch, requests, (started_at, began)) = (flight.watch.clone(), flight.requests, flight.began());
        let Watch::Cards(domain) = watch.clone() else { return Ok(()) };
        let refused = self.world.refused.get(domain.as_str()).and_then(|refused| refused.at(sent.arrived));
        if refused == Some(&true) {
            self.trace.note(self.now, format_args!("the cards of {domain} are refused"));
            let now = self.local_now();
            if let Some(service) = &mut self.service {
                service.scribe.refused(&watch, started_at, now).await?;
            }
            return self.end(id, failed()).await;
        }
        let mut cards: Vec<Card> = self.world.cards_at(&domain, sent.arrived);
        if cards.len() > 1 && self.leaves_out(&kind_of(&watch)) {
            cards.remove(self.dice.below(cards.len()));
            self.trace.count("read leaves something out");
        }
        let shown = cards.iter().map(|card| (card.card_id.clone(), card.clone())).collect();
        self.reference.sights.add(observed_at, Sight { began, ended: self.now, cards: shown, ..Sight::default() });
        let Some(service) = &mut self.service else { return Ok(()) };
        let ingested = service.scribe.cards(CardsSeen { domain, started_at, observed_at, cards }).await?;
        self.end(id, complete(requests, ingested.changes, self.now - began, 2_000)).await
    }

    /// Has the read `id` go on at `at`.
    pub(super) fn rows_at(&mut self, id: u64, at: Moment) {
        self.agenda.put(at, Task::Rows(self.process, id));
    }
}

/// What an export asks for.
pub(super) fn query_of(export: &ReportExport) -> Query {
    let filter = &export.filter;
    Query {
        days: filter.start_date.zip(filter.end_date),
        states: export.states.iter().map(|state| state.as_str().to_owned()).collect(),
        policies: filter.policy_ids.clone(),
        ids: filter.report_ids.clone(),
    }
}

/// Leaves some sections out: the upstream does not tell everything every time.
fn hush(outcome: PolicyOutcome, silent: bool) -> PolicyOutcome {
    match outcome {
        PolicyOutcome::Details(mut policy) if silent => {
            (policy.employees, policy.tax) = (None, None);
            PolicyOutcome::Details(policy)
        }
        other => other,
    }
}

pub(super) fn failed() -> Ended {
    Ended::Failed { at_least: SignedDuration::ZERO }
}

pub(super) fn complete(requests: u32, changes: u64, took: Moment, bytes: u64) -> Ended {
    let changes = u32::try_from(changes).unwrap_or(u32::MAX);
    Ended::Complete { requests, changes, took: SignedDuration::from_millis(took as i64), bytes }
}
