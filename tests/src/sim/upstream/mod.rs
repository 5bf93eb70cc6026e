//! A model of the upstream: what is true of an account at every moment, and what a read shows of it.
//!
//! It is written from the wire reference and the design alone. Of the product it uses nothing but the types in which a
//! parsed answer comes (`event_model::{Report, Policy, Card}`); how reports live, what filters see and what a history tells
//! is modelled here anew, so that one misreading cannot hide in both.
//!
//! Everything is a timeline: a change is entered with the moment from which it holds, never before a moment that was already
//! shown. A read has a beginning and an end; each of its rows shows its report at a moment of its own in between, as a
//! server that renders for a while would.

pub mod access;
pub mod card;
pub mod mutate;
pub mod people;
pub mod policy;
pub mod query;
pub mod render;
pub mod report;
pub mod stage;
pub mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use self::{card::Card, policy::Policy, query::Shelf, render::DateForm, report::Report};
use super::{
    chance::Chance,
    clock::{DAY, HOUR, MINUTE, Moment, SECOND, START, Timeline},
};

/// The domains whose cards are watched.
pub const DOMAINS: [&str; 2] = ["acme.example", "acme.test"];
/// Banks whose feeds fill cards.
pub const BANKS: [&str; 2] = ["vcf", "stripe"];

/// What nobody sees for a reason that nobody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hidden {
    Nothing,
    These(BTreeSet<String>),
    All,
}

/// The account as it truly is.
pub struct World {
    /// Where the run begins.
    pub began: Moment,
    /// How far the clock on the upstream's wall is ahead of UTC.
    pub zone_h: i64,
    pub dates: Timeline<DateForm>,
    pub reports: BTreeMap<String, Report>,
    pub policies: BTreeMap<String, Policy>,
    pub cards: BTreeMap<String, Card>,
    /// Whether the cards of a domain are refused.
    pub refused: BTreeMap<&'static str, Timeline<bool>>,
    /// Reports that are out of sight.
    pub hidden: Timeline<Hidden>,
    pub ticking_titles: Timeline<bool>,
    pub ticking_cards: Timeline<bool>,
    pub new_policy_field: Timeline<bool>,
    pub new_card_field: Timeline<bool>,
    shelf: Shelf,
    next_id: u64,
}

impl World {
    /// An account with a past, or one with nothing in it.
    pub fn new(chance: &mut Chance) -> Self {
        let began = START;
        let form = if chance.percent(30) { DateForm::Day } else { DateForm::Second };
        let off = || Timeline::starting(0, false);
        let mut world = Self {
            began,
            zone_h: if chance.percent(70) { 0 } else { chance.between(0, 20) as i64 - 10 },
            dates: Timeline::starting(0, form),
            reports: BTreeMap::new(),
            policies: BTreeMap::new(),
            cards: BTreeMap::new(),
            refused: DOMAINS.map(|domain| (domain, off())).into(),
            hidden: Timeline::starting(0, Hidden::Nothing),
            ticking_titles: off(),
            ticking_cards: off(),
            new_policy_field: off(),
            new_card_field: off(),
            shelf: Shelf::default(),
            next_id: 1,
        };
        if !chance.percent(8) {
            world.populate(chance);
        }
        world
    }

    fn populate(&mut self, chance: &mut Chance) {
        for _ in 0..chance.between(1, 4) {
            self.add_policy(self.began - 400 * DAY);
        }
        for n in 0..chance.between(0, 12) {
            let bank = BANKS[n as usize % 2];
            let domain = DOMAINS[usize::from(chance.percent(30))];
            self.add_card(domain, bank, self.began - 300 * DAY);
        }
        for _ in 0..chance.between(2, 30) {
            let age = chance.weighted(&[(60, 30 * DAY), (25, 364 * DAY), (15, 600 * DAY)]);
            let at = self.began - chance.between(HOUR, age) / SECOND * SECOND;
            let id = self.add_report(chance, at);
            for _ in 0..chance.between(0, 4) {
                let at = self.free_second(&id, at + chance.between(MINUTE, 3 * DAY)).min(self.began - MINUTE);
                if at > self.reports[&id].life.last_change() {
                    self.do_something(chance, &id, at);
                }
            }
        }
    }

    /// A new id: reports and lines share the count.
    pub(super) fn fresh_number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn add_policy(&mut self, at: Moment) -> String {
        let id = format!("{:016X}", 0xA1B2_0000_0000_0000_u64 + self.fresh_number());
        self.policies.insert(id.clone(), Policy::new(id.clone(), at));
        id
    }

    fn add_card(&mut self, domain: &str, bank: &str, at: Moment) -> String {
        let id = (5_190_000 + self.fresh_number()).to_string();
        self.cards.insert(id.clone(), Card::new(id.clone(), domain, bank, at));
        id
    }

    /// The policies that there are now.
    pub(super) fn living_policies(&self) -> Vec<String> {
        let living = self.policies.values().filter(|policy| policy.life.last().is_some());
        living.map(|policy| policy.id.clone()).collect()
    }

    /// The body of the report `id` now; `None` when there is none.
    pub fn body(&self, id: &str) -> Option<Rc<report::Body>> {
        self.reports.get(id)?.body().cloned()
    }

    /// Whether the credential can see `report` at `moment`, by whatever filter.
    pub fn sees(&self, report: &Report, moment: Moment) -> bool {
        let Some(body) = report.body_at(moment) else { return false };
        let hidden = match self.hidden.at(moment) {
            None | Some(Hidden::Nothing) => false,
            Some(Hidden::All) => true,
            Some(Hidden::These(ids)) => ids.contains(&report.id),
        };
        !hidden && self.shows_policy(body.policy.as_deref(), moment)
    }

    /// Whether reports of `policy` are shown at `moment`; personal ones always are.
    pub fn shows_policy(&self, policy: Option<&str>, moment: Moment) -> bool {
        policy.is_none_or(|id| self.policies.get(id).is_some_and(|policy| policy.is_administered_at(moment)))
    }

    /// The first whole second from `at` on at which the report `id` may change.
    pub fn free_second(&self, id: &str, at: Moment) -> Moment {
        let last = self.reports.get(id).map_or(0, |report| {
            let lied = report.lies.last().map_or(0, |lie| lie.at);
            report.life.last_change().max(lied) + 1
        });
        at.max(last).div_ceil(SECOND) * SECOND
    }
}
