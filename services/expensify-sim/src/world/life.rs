//! The living tenant: which change happens next.
//!
//! The choice is a function of the generator, the tenant and the planned time only. The settings say which share of
//! the changes is to reports, policies and cards. An entity that changed within its quiet time is not touched, nor one that is hidden. When the kind or
//! the act that was drawn has no suitable entity the next one is tried, so a change happens whenever any can.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use serde_json::json;
use std::sync::Arc;

use super::trigger::EntityKind;
use super::{Entity, Moment, World};
use crate::journal::Record;
use crate::settings::Mix;
use crate::tenant::ids;
use crate::tenant::policy::Tags;
use crate::tenant::report::{Payment, Report, State, Step};
use crate::tenant::seed;

/// Life makes no new reports beyond this: a full export of so many is some 60 MB.
const MOST_REPORTS: usize = 20_000;
/// Life adds no cards beyond this.
const MOST_CARDS: usize = 1_000;

/// What life can do to a report, with its weight.
const REPORT_ACTS: [(ReportAct, u32); 8] = [
    (ReportAct::Submit, 25),
    (ReportAct::Approve, 20),
    (ReportAct::Edit, 18),
    (ReportAct::Reimburse, 14),
    (ReportAct::Create, 12),
    (ReportAct::Reopen, 6),
    (ReportAct::Unapprove, 3),
    (ReportAct::Archive, 2),
];

/// Something that can be done to a report by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportAct {
    Create,
    Submit,
    Approve,
    Reimburse,
    Archive,
    Reopen,
    Unapprove,
    Edit,
}

/// Something that can be done to a card by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CardAct {
    Add,
    Change,
    Remove,
}

impl World {
    /// Makes one change by chance, if any can be made now.
    pub(crate) fn live(&mut self, rng: &mut StdRng, mix: Mix, moment: Moment) -> Option<Record> {
        let (reports, policies) = (i32::from(mix.reports), i32::from(mix.policies));
        let drawn = rng.random_range(0..(reports + policies + i32::from(mix.cards)).max(1));
        let in_turn = if drawn < reports {
            [EntityKind::Report, EntityKind::Policy, EntityKind::Card]
        } else if drawn < reports + policies {
            [EntityKind::Policy, EntityKind::Report, EntityKind::Card]
        } else {
            [EntityKind::Card, EntityKind::Report, EntityKind::Policy]
        };
        in_turn.into_iter().find_map(|kind| match kind {
            EntityKind::Report if mix.reports > 0 => self.live_report(rng, moment),
            EntityKind::Policy if mix.policies > 0 => self.live_policy(rng, moment),
            EntityKind::Card if mix.cards > 0 => self.live_card(rng, moment),
            EntityKind::Report | EntityKind::Policy | EntityKind::Card => None,
        })
    }

    fn live_report(&mut self, rng: &mut StdRng, moment: Moment) -> Option<Record> {
        let drawn = REPORT_ACTS.choose_weighted(rng, |(_, weight)| *weight).ok()?.0;
        let start = REPORT_ACTS.iter().position(|(act, _)| *act == drawn)?;
        let in_turn = REPORT_ACTS.iter().cycle().skip(start).take(REPORT_ACTS.len());
        in_turn.map(|(act, _)| *act).find_map(|act| self.chance_for_report(rng, act, moment))
    }

    fn chance_for_report(&mut self, rng: &mut StdRng, act: ReportAct, moment: Moment) -> Option<Record> {
        if act == ReportAct::Create && self.tenant.reports.len() >= MOST_REPORTS {
            return None;
        }
        let fits = |report: &&Report| {
            act.chance_fits(report.state)
                && !self.is_quiet(&Entity::Report(report.number), moment.since_start)
                && !self.hidden.reports.contains(&report.number)
        };
        let all = self.tenant.reports.values().map(Arc::as_ref);
        let suitable: Vec<u64> = all.filter(fits).map(|report| report.number).collect();
        match (act, suitable.choose(rng)) {
            (ReportAct::Create, _) => self.do_to_report(rng, act, 0, moment),
            (_, Some(number)) => self.do_to_report(rng, act, *number, moment),
            (_, None) => None,
        }
    }

    /// Does it. `Create` looks at no report.
    pub(crate) fn do_to_report(
        &mut self,
        rng: &mut impl Rng,
        act: ReportAct,
        number: u64,
        moment: Moment,
    ) -> Option<Record> {
        let step = match act {
            ReportAct::Create => {
                let report = seed::draft(rng, &self.tenant, moment.server)?;
                return self.add_report(report, json!({}), moment).ok();
            }
            ReportAct::Edit => return self.edit_by_chance(rng, number, moment),
            ReportAct::Submit => Step::Submit,
            ReportAct::Approve => Step::Approve,
            ReportAct::Archive => Step::Archive,
            ReportAct::Reopen => Step::Reopen,
            ReportAct::Unapprove => Step::Unapprove,
            ReportAct::Reimburse if rng.random_bool(0.5) => Step::Reimburse(Payment::Manual { source: None }),
            ReportAct::Reimburse => {
                Step::Reimburse(Payment::Ach { entry_id: ids::new_short_id(rng), withdrawing: false })
            }
        };
        self.step_report(number, step, moment).ok()
    }

    fn edit_by_chance(&mut self, rng: &mut impl Rng, number: u64, moment: Moment) -> Option<Record> {
        let report = self.tenant.reports.get(&number)?;
        let expense = report.expenses.choose(rng).filter(|_| rng.random_bool(0.7));
        let Some(expense) = expense else {
            let title = format!("{} {}", seed::pick(rng, &seed::TITLES), rng.random_range(1_000..10_000));
            let detail = json!({ "field": "reportName", "from": report.title, "to": title });
            return self.edit_report(number, detail, "CHANGEFIELD", moment, |report| report.title = title).ok();
        };
        let was = expense.modified_amount.unwrap_or(expense.amount);
        let amount = Some(rng.random_range(350..60_000_i64)).filter(|amount| *amount != was)?;
        let id = expense.id.clone();
        let detail = json!({ "field": "modifiedAmount", "transactionID": id, "from": was, "to": amount });
        let edit = |report: &mut Report| {
            report
                .expenses
                .iter_mut()
                .filter(|expense| expense.id == id)
                .for_each(|e| e.modified_amount = Some(amount));
        };
        self.edit_report(number, detail, "MODIFIEDEXPENSE", moment, edit).ok()
    }

    fn live_policy(&mut self, rng: &mut StdRng, moment: Moment) -> Option<Record> {
        let fits = |id: &&String| {
            !self.is_quiet(&Entity::Policy((*id).clone()), moment.since_start) && !self.hidden.policies.contains(*id)
        };
        let suitable: Vec<String> = self.tenant.policies.keys().filter(fits).cloned().collect();
        let id = suitable.choose(rng)?.clone();
        self.change_policy_by_chance(rng, &id, moment)
    }

    /// Renames a policy, or changes a category's code, a tag's code or somebody's role.
    pub(crate) fn change_policy_by_chance(&mut self, rng: &mut impl Rng, id: &str, moment: Moment) -> Option<Record> {
        let policy = self.tenant.policies.get(id)?;
        let code = rng.random_range(6_000..10_000).to_string();
        let act = rng.random_range(0..10);
        let category = policy.categories.choose(rng).map(|category| category.name.clone());
        let member = policy.employees.iter().filter(|employee| employee.email != policy.owner).collect::<Vec<_>>();
        let member = member.choose(rng).map(|employee| employee.email.clone());
        match (act, category, member) {
            (0..5, Some(name), _) => {
                let detail = json!({ "path": format!("categories[{name}].glCode"), "to": code });
                self.edit_policy(id, detail, moment, |policy| {
                    policy
                        .categories
                        .iter_mut()
                        .filter(|c| c.name == name)
                        .for_each(|c| c.gl_code = Some(code.clone()));
                })
            }
            (5..8, _, Some(email)) => {
                let detail = json!({ "path": format!("employees[{email}].role") });
                self.edit_policy(id, detail, moment, |policy| {
                    for employee in policy.employees.iter_mut().filter(|employee| employee.email == email) {
                        employee.role = if employee.role == "user" { "auditor" } else { "user" }.to_owned();
                    }
                })
            }
            (8, _, _) if matches!(&policy.tags, Tags::Flat(tags) if !tags.is_empty()) => {
                let detail = json!({ "path": "tags", "to": code });
                self.edit_policy(id, detail, moment, |policy| {
                    if let Tags::Flat(tags) = &mut policy.tags {
                        tags[0].gl_code = code;
                    }
                })
            }
            _ => {
                let name = format!("{} v{code}", policy.name.split(" v").next().unwrap_or_default());
                let detail = json!({ "path": "name", "to": name });
                self.edit_policy(id, detail, moment, |policy| policy.name = name)
            }
        }
    }

    fn live_card(&mut self, rng: &mut StdRng, moment: Moment) -> Option<Record> {
        let act = match rng.random_range(0..100) {
            0..25 => CardAct::Add,
            25..80 => CardAct::Change,
            _ => CardAct::Remove,
        };
        let fits =
            |id: &&u64| !self.is_quiet(&Entity::Card(**id), moment.since_start) && !self.hidden.cards.contains(*id);
        let suitable: Vec<u64> = self.tenant.cards.keys().filter(fits).copied().collect();
        let count = self.tenant.cards.len();
        match (act, suitable.choose(rng)) {
            (CardAct::Add, _) if count == 0 || count >= MOST_CARDS => None,
            (CardAct::Remove, _) if count < 2 => None,
            (CardAct::Add, _) => self.do_to_card(rng, act, 0, moment),
            (_, Some(id)) => self.do_to_card(rng, act, *id, moment),
            (_, None) => None,
        }
    }

    /// Does it. `Add` looks at no card.
    pub(crate) fn do_to_card(&mut self, rng: &mut impl Rng, act: CardAct, id: u64, moment: Moment) -> Option<Record> {
        match act {
            CardAct::Add => {
                let card = seed::card(rng, &self.tenant, moment.server);
                self.add_card(card, moment)
            }
            CardAct::Remove => self.remove_card(id, moment),
            CardAct::Change => {
                let to = format!("Visa - {}", rng.random_range(1_000..10_000));
                if rng.random_bool(0.5) {
                    let detail = json!({ "field": "cardName", "to": to });
                    return self.edit_card(id, detail, moment, |card| card.name = to);
                }
                let detail = json!({ "field": "reimbursable" });
                self.edit_card(id, detail, moment, |card| card.reimbursable = !card.reimbursable)
            }
        }
    }
}

impl ReportAct {
    /// The states in which life does it: a rejection comes before approval, nothing is edited once it is paid.
    fn chance_fits(self, state: State) -> bool {
        match self {
            Self::Create => false,
            Self::Submit => state == State::Open,
            Self::Approve | Self::Reopen => state == State::Submitted,
            Self::Reimburse | Self::Unapprove => state == State::Approved,
            Self::Archive => matches!(state, State::Submitted | State::Approved),
            Self::Edit => matches!(state, State::Open | State::Submitted),
        }
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
