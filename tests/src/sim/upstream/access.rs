//! What happens to policies, cards and the credential's sight of things.

use super::{BANKS, DOMAINS, Hidden, World, card, policy::Role, render::DateForm};
use crate::sim::{
    chance::Chance,
    clock::{Moment, SECOND},
    trace::Trace,
};

/// Somebody that joins a policy or holds a card.
const NEWCOMERS: [&str; 3] = ["max@acme.example", "eva@acme.example", "tom@acme.example"];

/// A passing trouble with what the credential sees, or with how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    RoleLost,
    RoleBack,
    DomainRefused,
    DomainBack,
    MassHidden,
    MassShown,
    MassDeleted,
    OtherDates,
    TickingTitles,
    TickingCards,
    NewPolicyField,
    NewCardField,
}

const TROUBLES: [(u32, Trouble); 12] = [
    (6, Trouble::RoleLost),
    (14, Trouble::RoleBack),
    (3, Trouble::DomainRefused),
    (8, Trouble::DomainBack),
    (4, Trouble::MassHidden),
    (10, Trouble::MassShown),
    (1, Trouble::MassDeleted),
    (3, Trouble::OtherDates),
    (1, Trouble::TickingTitles),
    (1, Trouble::TickingCards),
    (2, Trouble::NewPolicyField),
    (2, Trouble::NewCardField),
];

impl World {
    /// Something happens to some policy.
    pub fn mutate_policies(&mut self, chance: &mut Chance, trace: &mut Trace, now: Moment) {
        let ids: Vec<String> = self.policies.keys().cloned().collect();
        let what = if ids.is_empty() || (ids.len() < 6 && chance.percent(8)) {
            self.add_policy(now.div_ceil(SECOND) * SECOND);
            Some("policy created")
        } else {
            let id = ids[chance.below(ids.len())].clone();
            self.edit_policy(chance, &id, now)
        };
        if let Some(what) = what {
            trace.count(what);
            trace.note(now, what);
        }
    }

    fn edit_policy(&mut self, chance: &mut Chance, id: &str, now: Moment) -> Option<&'static str> {
        let used = self.reports.values().any(|report| {
            report.life.spans().any(|(_, _, body)| body.as_ref().is_some_and(|body| body.policy.as_deref() == Some(id)))
        });
        let someone = NEWCOMERS[chance.below(NEWCOMERS.len())];
        let number = chance.between(1, 5);
        let policy = self.policies.get_mut(id)?;
        policy.life.last().as_ref()?;
        let at = now.max(policy.life.last_change() + 1);
        let kind = chance.below(6);
        match kind {
            0 => policy.edit(at, |body| body.name = format!("Acme {number}")),
            1 => policy.edit(at, |body| {
                let category = body.categories.entry(format!("Category {number}")).or_insert((true, None));
                category.0 = !category.0;
            }),
            2 => policy.edit(at, |body| {
                if body.members.remove(someone).is_none() {
                    body.members.insert(someone.to_owned(), "user".to_owned());
                }
            }),
            3 => policy
                .edit(at, |body| drop(body.members.insert("sam@acme.example".to_owned(), format!("role{number}")))),
            4 => policy.edit(at, |body| {
                body.tags.insert(format!("Tag {number}"), number.is_multiple_of(2));
            }),
            _ if !used && chance.percent(40) => {
                policy.life.set(at, None);
                return Some("policy deleted");
            }
            _ => policy.edit(at, |body| body.tax = Some(format!("VAT {number}"))),
        }
        Some("policy edited")
    }

    /// Something happens to some card.
    pub fn mutate_cards(&mut self, chance: &mut Chance, trace: &mut Trace, now: Moment) {
        let ids: Vec<String> = self.cards.keys().cloned().collect();
        let bank = BANKS[chance.below(BANKS.len())];
        let domain = DOMAINS[chance.below(DOMAINS.len())];
        let what = match chance.below(10) {
            0 | 1 => {
                self.add_card(domain, bank, now);
                "card added"
            }
            2 => self.set_feed(domain, bank, now, 403),
            3 => self.set_feed(domain, bank, now, card::GOOD),
            kind => {
                let Some(id) = chance.pick(&ids) else { return };
                let someone = NEWCOMERS[chance.below(NEWCOMERS.len())].to_owned();
                self.edit_card(id, kind, someone, now)
            }
        };
        trace.count(what);
        trace.note(now, what);
    }

    fn edit_card(&mut self, id: &str, kind: usize, someone: String, now: Moment) -> &'static str {
        let Some(card) = self.cards.get_mut(id) else { return "no card" };
        let at = now.max(card.life.last_change() + 1);
        match kind {
            4 => card.edit(at, |body| body.email = someone),
            5 => card.edit(at, |body| body.reimbursable = !body.reimbursable),
            6 | 7 => {
                card.edit(at, |body| body.result = if body.result == card::GOOD { 500 } else { card::GOOD });
                return "feed of one card";
            }
            8 if card.life.last().is_some() => {
                card.life.set(at, None);
                return "card removed";
            }
            _ => card.edit(at, |body| body.name.push('*')),
        }
        "card edited"
    }

    fn set_feed(&mut self, domain: &str, bank: &str, now: Moment, result: i64) -> &'static str {
        for card in self.cards.values_mut().filter(|card| card.domain == domain && card.bank == bank) {
            let at = now.max(card.life.last_change() + 1);
            card.edit(at, |body| body.result = result);
        }
        if result == card::GOOD { "feed of a bank recovers" } else { "feed of a bank fails" }
    }

    /// Some trouble comes or goes.
    ///
    /// While reports are read (`reading`) nothing is hidden: a read that saw the half of it could take it for a few deletions.
    pub fn trouble(&mut self, chance: &mut Chance, trace: &mut Trace, now: Moment, reading: bool) {
        let trouble = chance.weighted(&TROUBLES);
        if reading && trouble == Trouble::MassHidden {
            return;
        }
        if let Some(what) = self.suffer(chance, trouble, now) {
            trace.count(what);
            trace.note(now, what);
        }
    }

    fn suffer(&mut self, chance: &mut Chance, trouble: Trouble, now: Moment) -> Option<&'static str> {
        match trouble {
            Trouble::RoleLost => {
                let ids: Vec<String> = self.policies.keys().cloned().collect();
                let role = if chance.percent(50) { Role::Auditor } else { Role::Stranger };
                let policy = self.policies.get_mut(chance.pick(&ids)?)?;
                (*policy.role.last() == Role::Admin).then(|| policy.role.set(now, role))?;
                Some("role lost")
            }
            Trouble::RoleBack => self.restore_roles(now).then_some("role back"),
            Trouble::DomainRefused => self.refuse_domain(DOMAINS[chance.below(2)], now).then_some("domain refused"),
            Trouble::DomainBack => self.restore_domains(now).then_some("domain back"),
            Trouble::MassHidden => self.hide_many(chance, now),
            Trouble::MassShown => self.show_all(now).then_some("hidden reports back"),
            Trouble::MassDeleted => self.delete_many(chance, now),
            Trouble::OtherDates => {
                let form = if *self.dates.last() == DateForm::Day { DateForm::Second } else { DateForm::Day };
                self.dates.set(now, form);
                Some("other form of dates")
            }
            Trouble::TickingTitles => switch(&mut self.ticking_titles, now).then_some("titles tick"),
            Trouble::TickingCards => switch(&mut self.ticking_cards, now).then_some("cards tick"),
            Trouble::NewPolicyField => switch(&mut self.new_policy_field, now).then_some("new field of policies"),
            Trouble::NewCardField => switch(&mut self.new_card_field, now).then_some("new field of cards"),
        }
    }

    /// Every role is as it was at first; whether one was not.
    pub fn restore_roles(&mut self, now: Moment) -> bool {
        let lost = self.policies.values_mut().filter(|policy| *policy.role.last() != Role::Admin);
        lost.map(|policy| policy.role.set(now, Role::Admin)).count() > 0
    }

    fn refuse_domain(&mut self, domain: &'static str, now: Moment) -> bool {
        let refused = self.refused.get_mut(domain).filter(|refused| !refused.last());
        refused.map(|refused| refused.set(now, true)).is_some()
    }

    /// No domain is refused any more; whether one was.
    pub fn restore_domains(&mut self, now: Moment) -> bool {
        self.refused.values_mut().filter(|refused| *refused.last()).map(|refused| refused.set(now, false)).count() > 0
    }

    fn visible_now(&self, now: Moment) -> Vec<String> {
        self.reports.values().filter(|report| self.sees(report, now)).map(|report| report.id.clone()).collect()
    }

    fn hide_many(&mut self, chance: &mut Chance, now: Moment) -> Option<&'static str> {
        let mut ids = self.visible_now(now);
        (*self.hidden.last() == Hidden::Nothing && ids.len() >= 4).then_some(())?;
        chance.shuffle(&mut ids);
        let all = ids.len();
        ids.truncate(too_many(all));
        let these = Hidden::These(ids.into_iter().collect());
        self.hidden.set(now, if too_many(all) == all { Hidden::All } else { these });
        Some("many reports hidden")
    }

    /// Nothing is hidden any more; whether something was.
    pub fn show_all(&mut self, now: Moment) -> bool {
        let hidden = *self.hidden.last() != Hidden::Nothing;
        if hidden {
            self.hidden.set(now, Hidden::Nothing);
        }
        hidden
    }

    fn delete_many(&mut self, chance: &mut Chance, now: Moment) -> Option<&'static str> {
        let mut ids = self.visible_now(now);
        (*self.hidden.last() == Hidden::Nothing && ids.len() >= 4).then_some(())?;
        chance.shuffle(&mut ids);
        ids.truncate(too_many(ids.len()));
        for id in ids {
            let at = self.free_second(&id, now);
            if let Some(report) = self.reports.get_mut(&id).filter(|report| report.body().is_some()) {
                report.life.set(at, None);
            }
        }
        Some("many reports deleted")
    }
}

/// Switches something on for good; whether it was off.
fn switch(timeline: &mut crate::sim::clock::Timeline<bool>, now: Moment) -> bool {
    let off = !timeline.last();
    if off {
        timeline.set(now, true);
    }
    off
}

/// So many of `all` that nobody may take it for a few deletions: more than ten and than a tenth, whatever else becomes of some
/// of them meanwhile, or all of it.
fn too_many(all: usize) -> usize {
    if all < 24 { all } else { all * 3 / 4 + 1 }
}
