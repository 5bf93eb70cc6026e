//! One named change on request.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

use super::edit::{Edit, unchanged};
use super::life::{CardAct, ReportAct};
use super::{Entity, Moment, World};
use crate::error::ControlError;
use crate::journal::{Change, Record};
use crate::tenant::report::{Payment, Report, State, Step};
use crate::tenant::{ids, seed};

/// A change to make. Without an id a suitable entity is picked, one that is not quiet if there is any. `created` and `added`
/// with the id of something that was removed bring it back as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// What is to happen.
    pub change: Change,
    /// To this report (either spelling of its id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// To this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// To this card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<u64>,
    /// Without an id: the kind of entity, where the change does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<EntityKind>,
    /// What exactly, where the change leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
}

impl Trigger {
    /// This change to any suitable entity.
    pub fn any(change: Change) -> Self {
        Self { change, report: None, policy: None, card: None, entity: None, edit: None }
    }

    /// This change to one report.
    pub fn report(change: Change, id: impl Into<String>) -> Self {
        Self { report: Some(id.into()), ..Self::any(change) }
    }

    /// This change to one policy.
    pub fn policy(change: Change, id: impl Into<String>) -> Self {
        Self { policy: Some(id.into()), ..Self::any(change) }
    }

    /// This change to one card.
    pub fn card(change: Change, id: u64) -> Self {
        Self { card: Some(id), ..Self::any(change) }
    }

    /// The same, and what exactly.
    #[must_use]
    pub fn with(self, edit: Edit) -> Self {
        Self { edit: Some(edit), ..self }
    }

    fn kind(&self) -> EntityKind {
        let named = [
            (self.report.is_some(), EntityKind::Report),
            (self.policy.is_some(), EntityKind::Policy),
            (self.card.is_some(), EntityKind::Card),
        ];
        let named = named.into_iter().find_map(|(given, kind)| given.then_some(kind));
        named.or(self.entity).unwrap_or(match self.change {
            Change::Changed => EntityKind::Policy,
            Change::Added | Change::FeedFailed | Change::FeedRecovered => EntityKind::Card,
            _ => EntityKind::Report,
        })
    }
}

/// Kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// A report.
    Report,
    /// A policy.
    Policy,
    /// A card.
    Card,
}

impl World {
    /// Makes one named change.
    pub(crate) fn trigger(&mut self, trigger: &Trigger, moment: Moment) -> Result<Record, ControlError> {
        let mut rng = StdRng::from_rng(&mut self.rng);
        match trigger.kind() {
            EntityKind::Report => self.trigger_report(&mut rng, trigger, moment),
            EntityKind::Policy => self.trigger_policy(&mut rng, trigger, moment),
            EntityKind::Card => self.trigger_card(&mut rng, trigger, moment),
        }
    }

    fn trigger_report(&mut self, rng: &mut StdRng, trigger: &Trigger, moment: Moment) -> Result<Record, ControlError> {
        let act = match trigger.change {
            Change::Created => return self.trigger_created(rng, trigger, moment),
            Change::Removed => None,
            Change::Submitted => Some(ReportAct::Submit),
            Change::Approved => Some(ReportAct::Approve),
            Change::Reimbursed => Some(ReportAct::Reimburse),
            Change::Archived => Some(ReportAct::Archive),
            Change::Reopened => Some(ReportAct::Reopen),
            Change::Unapproved => Some(ReportAct::Unapprove),
            Change::Updated => Some(ReportAct::Edit),
            Change::Changed
            | Change::Added
            | Change::FeedFailed
            | Change::FeedRecovered
            | Change::AccessLost
            | Change::AccessRegained => {
                return Err(impossible("this does not happen to a report: say updated or created"));
            }
        };
        if let Some(edit) = &trigger.edit {
            return self.trigger_edit(rng, trigger, edit, moment);
        }
        let number = match &trigger.report {
            Some(id) => self.named_report(id, act)?,
            None => self.suitable_report(rng, act, moment.since_start)?,
        };
        let made = match act {
            None => self.remove_report(number, moment).ok(),
            // A draw that happens to change nothing is drawn again; amounts have 60,000 values.
            Some(act) => (0..8).find_map(|_| self.do_to_report(rng, act, number, moment)),
        };
        made.ok_or_else(|| impossible("nothing changed"))
    }

    fn trigger_created(&mut self, rng: &mut StdRng, trigger: &Trigger, moment: Moment) -> Result<Record, ControlError> {
        let no_policy = || impossible("there is no policy to create a report on");
        let report = match (&trigger.edit, &trigger.report) {
            (None, Some(id)) => {
                let number = ids::report_number(id).filter(|number| !self.tenant.reports.contains_key(number));
                let number = number.ok_or_else(|| impossible("it is there already"))?;
                let back = self.resurrect_report(number, moment);
                return back.ok_or_else(|| ControlError::Missing(format!("removed report {id}")));
            }
            (None, None) => seed::draft(rng, &self.tenant, moment.server),
            (Some(Edit::Aged { days, state }), _) => {
                let state = State::from_word(state);
                let state = state.ok_or_else(|| ControlError::Invalid("edit.aged.state is no state".to_owned()))?;
                seed::aged(rng, &self.tenant, moment.server, (*days, state))
            }
            (Some(Edit::TwinOf(id)), _) => {
                let number = ids::report_number(id).and_then(ids::case_twin);
                let number = number.ok_or_else(|| impossible("no letter in the id to change the case of"))?;
                seed::draft(rng, &self.tenant, moment.server).map(|report| Report { number, ..report })
            }
            (Some(_), _) => return Err(impossible("this edit does not go with created")),
        };
        self.add_report(report.ok_or_else(no_policy)?, json!({}), moment).map_err(unchanged)
    }

    /// An edit told exactly is made in any state.
    fn trigger_edit(
        &mut self,
        rng: &mut StdRng,
        trigger: &Trigger,
        edit: &Edit,
        moment: Moment,
    ) -> Result<Record, ControlError> {
        if trigger.change != Change::Updated {
            return Err(impossible("this change leaves nothing open to edit"));
        }
        let number = match &trigger.report {
            Some(id) => ids::report_number(id).filter(|number| self.tenant.reports.contains_key(number)),
            None => Some(self.suitable_report(rng, Some(ReportAct::Edit), moment.since_start)?),
        };
        let missing = || ControlError::Missing(format!("report {}", trigger.report.as_deref().unwrap_or_default()));
        self.edit_as_told(rng, number.ok_or_else(missing)?, edit, moment)
    }

    fn named_report(&self, id: &str, act: Option<ReportAct>) -> Result<u64, ControlError> {
        let report = ids::report_number(id).and_then(|number| self.tenant.reports.get(&number));
        let report = report.ok_or_else(|| ControlError::Missing(format!("report {id}")))?;
        if fits(act, report) {
            return Ok(report.number);
        }
        Err(impossible(&format!("Report is in status '{}'", report.state.status())))
    }

    fn suitable_report(
        &self,
        rng: &mut impl Rng,
        act: Option<ReportAct>,
        since_start: Duration,
    ) -> Result<u64, ControlError> {
        let all = self.tenant.reports.values().filter(|report| fits(act, report));
        let (quiet, calm): (Vec<u64>, Vec<u64>) =
            all.map(|report| report.number).partition(|number| self.is_quiet(&Entity::Report(*number), since_start));
        let found = calm.choose(rng).or_else(|| quiet.choose(rng)).copied();
        found.ok_or_else(|| impossible("no report is in a state that allows this"))
    }

    fn trigger_policy(&mut self, rng: &mut StdRng, trigger: &Trigger, moment: Moment) -> Result<Record, ControlError> {
        if let (Change::Created, Some(id)) = (trigger.change, &trigger.policy) {
            if self.tenant.policies.contains_key(id) {
                return Err(impossible("it is there already"));
            }
            let back = self.resurrect_policy(id, moment);
            return back.ok_or_else(|| ControlError::Missing(format!("removed policy {id}")));
        }
        if trigger.change == Change::Created {
            let policy = seed::policy(rng, &self.tenant, self.tenant.policies.len());
            return Ok(self.add_policy(policy, moment));
        }
        let ids: Vec<String> = match &trigger.policy {
            Some(id) => vec![id.clone()],
            None if trigger.change == Change::Removed => {
                self.tenant.policies.keys().filter(|id| !self.policy_in_use(id)).cloned().collect()
            }
            None => self.tenant.policies.keys().cloned().collect(),
        };
        let id = ids.choose(rng).cloned().ok_or_else(|| impossible("no policy suits"))?;
        if !self.tenant.policies.contains_key(&id) {
            return Err(ControlError::Missing(format!("policy {id}")));
        }
        match trigger.change {
            Change::Removed => self.remove_policy(&id, moment).ok_or_else(|| impossible("reports are on this policy")),
            Change::Changed => (0..8)
                .find_map(|_| self.change_policy_by_chance(rng, &id, moment))
                .ok_or_else(|| impossible("nothing changed")),
            _ => Err(impossible("policies are created, changed or removed")),
        }
    }

    fn trigger_card(&mut self, rng: &mut StdRng, trigger: &Trigger, moment: Moment) -> Result<Record, ControlError> {
        let act = match trigger.change {
            Change::Added => CardAct::Add,
            Change::Changed => CardAct::Change,
            Change::Removed => CardAct::Remove,
            Change::FeedFailed | Change::FeedRecovered => return self.trigger_feed(rng, trigger, moment),
            _ => return Err(impossible("cards are added, changed or removed")),
        };
        if let (CardAct::Add, Some(id)) = (act, trigger.card) {
            if self.tenant.cards.contains_key(&id) {
                return Err(impossible("it is there already"));
            }
            let back = self.resurrect_card(id, moment);
            return back.ok_or_else(|| ControlError::Missing(format!("removed card {id}")));
        }
        let ids: Vec<u64> = match trigger.card {
            Some(id) => vec![id],
            None => self.tenant.cards.keys().copied().collect(),
        };
        let id = match (act, ids.choose(rng).copied()) {
            (CardAct::Add, _) => 0,
            (_, Some(id)) if self.tenant.cards.contains_key(&id) => id,
            (_, Some(id)) => return Err(ControlError::Missing(format!("card {id}"))),
            (_, None) => return Err(impossible("there are no cards")),
        };
        let made = (0..8).find_map(|_| self.do_to_card(rng, act, id, moment));
        made.ok_or_else(|| impossible("nothing changed"))
    }

    fn trigger_feed(&mut self, rng: &mut StdRng, trigger: &Trigger, moment: Moment) -> Result<Record, ControlError> {
        if let Some(Edit::Bank { bank, share }) = &trigger.edit {
            return self.turn_bank_feed(rng, (bank, *share), trigger.change, moment);
        }
        let recovers = trigger.change == Change::FeedRecovered;
        let suits = |id: &u64| self.tenant.cards.get(id).is_some_and(|card| card.failing.is_some() == recovers);
        let id = match trigger.card {
            Some(id) if self.tenant.cards.contains_key(&id) => id,
            Some(id) => return Err(ControlError::Missing(format!("card {id}"))),
            None => {
                let suitable: Vec<u64> = self.tenant.cards.keys().copied().filter(suits).collect();
                suitable.choose(rng).copied().ok_or_else(|| impossible("no card suits"))?
            }
        };
        self.turn_card_feed(rng, id, trigger.change, moment).ok_or_else(|| impossible("nothing changed"))
    }
}

/// Whether the act can be done to the report; no act is removal.
fn fits(act: Option<ReportAct>, report: &Report) -> bool {
    let step = match act {
        None => return report.state == State::Open,
        Some(ReportAct::Create) => return false,
        Some(ReportAct::Edit) => return matches!(report.state, State::Open | State::Submitted | State::Approved),
        Some(ReportAct::Submit) => Step::Submit,
        Some(ReportAct::Approve) => Step::Approve,
        Some(ReportAct::Reimburse) => Step::Reimburse(Payment::Manual { source: None }),
        Some(ReportAct::Archive) => Step::Archive,
        Some(ReportAct::Reopen) => Step::Reopen,
        Some(ReportAct::Unapprove) => Step::Unapprove,
    };
    step.fits(report.state)
}

fn impossible(why: &str) -> ControlError {
    ControlError::Impossible(why.to_owned())
}
