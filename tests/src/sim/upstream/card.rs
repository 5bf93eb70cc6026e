//! A card as it truly is, with its past.

use std::{collections::BTreeMap, rc::Rc};

use event_model::Card as Shown;
use serde_json::Value;

use super::{World, render};
use crate::sim::clock::{DAY, Moment, SECOND, Timeline};

/// The result of a feed that works.
pub const GOOD: i64 = 200;

/// What a card is at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub name: String,
    pub email: String,
    pub reimbursable: bool,
    /// Code of the feed's last run.
    pub result: i64,
}

/// A card and its past.
#[derive(Clone, Debug)]
pub struct Card {
    pub id: String,
    pub domain: String,
    pub bank: String,
    /// `None` when it is gone.
    pub life: Timeline<Option<Rc<Body>>>,
}

impl Card {
    /// A card whose feed works.
    pub fn new(id: String, domain: &str, bank: &str, at: Moment) -> Self {
        let body = Body {
            name: format!("Visa - {id}"),
            email: "sam@acme.example".to_owned(),
            reimbursable: false,
            result: GOOD,
        };
        let life = Timeline::starting(at, Some(Rc::new(body)));
        Self { id, domain: domain.to_owned(), bank: bank.to_owned(), life }
    }

    /// What it was at `moment`.
    pub fn body_at(&self, moment: Moment) -> Option<&Rc<Body>> {
        self.life.at(moment)?.as_ref()
    }

    /// Changes it at `at`. Without effect when it is gone.
    pub fn edit(&mut self, at: Moment, change: impl FnOnce(&mut Body)) {
        let Some(body) = self.life.last() else { return };
        let mut next = (**body).clone();
        change(&mut next);
        if next != **body {
            self.life.set(at, Some(Rc::new(next)));
        }
    }
}

/// `card` as the domain's list shows it at `moment`.
pub fn show(world: &World, card: &Card, body: &Body, moment: Moment) -> Shown {
    let mut other = BTreeMap::new();
    if world.new_card_field.at(moment) == Some(&true) {
        other.insert("limitType".to_owned(), Value::from("monthly"));
    }
    if world.ticking_cards.at(moment) == Some(&true) {
        other.insert("lastSync".to_owned(), Value::from(moment / SECOND));
    }
    Shown {
        card_id: card.id.clone(),
        domain: card.domain.clone(),
        bank: Some(card.bank.clone()),
        card_name: Some(body.name.clone()),
        card_number: Some(format!("XXXXXXXXXXXX{}", card.id)),
        email: Some(body.email.clone()),
        external_employee_id: None,
        created: Some(render::date(world.began - DAY, render::DateForm::Second, world.zone_h)),
        reimbursable: Some(body.reimbursable),
        last_import_result: Some(body.result),
        feed_failed: false,
        scrape_min_date: None,
        other,
    }
}
