//! Changes to the domain's cards.

use serde_json::{Value, json};

use super::{Entity, Moment, World};
use crate::journal::{Change, Record};
use crate::tenant::card::Card;

impl World {
    /// Adds a card whose number is free.
    pub(crate) fn add_card(&mut self, card: Card, moment: Moment) -> Option<Record> {
        let id = card.id;
        if self.tenant.cards.contains_key(&id) {
            return None;
        }
        let detail = json!({ "cardName": card.name, "email": card.email });
        self.tenant.cards.insert(id, card);
        Some(self.record(Entity::Card(id), Change::Added, detail, moment))
    }

    /// Edits a card in place. A record is made when a read can tell the difference.
    pub(crate) fn edit_card(
        &mut self,
        id: u64,
        detail: Value,
        moment: Moment,
        edit: impl FnOnce(&mut Card),
    ) -> Option<Record> {
        let card = self.tenant.cards.get_mut(&id)?;
        let before = card.line(moment.at);
        edit(card);
        if card.line(moment.at) == before {
            return None;
        }
        Some(self.record(Entity::Card(id), Change::Changed, detail, moment))
    }

    /// Takes a card away.
    pub(crate) fn remove_card(&mut self, id: u64, moment: Moment) -> Option<Record> {
        let card = self.tenant.cards.remove(&id)?;
        Some(self.record(Entity::Card(id), Change::Removed, json!({ "cardName": card.name }), moment))
    }
}
