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
        let mut detail = json!({ "cardName": card.name, "email": card.email });
        if self.graves.cards.remove(&id).is_some() {
            detail["resurrected"] = json!(true);
        }
        self.tenant.cards.insert(id, card);
        Some(self.record_card(id, Change::Added, detail, moment))
    }

    /// Brings a removed card back as it was.
    pub(crate) fn resurrect_card(&mut self, id: u64, moment: Moment) -> Option<Record> {
        let card = self.graves.cards.get(&id)?.clone();
        self.add_card(card, moment)
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
        let before = card.line(moment.server);
        edit(card);
        if card.line(moment.server) == before {
            return None;
        }
        Some(self.record_card(id, Change::Changed, detail, moment))
    }

    /// Takes a card away.
    pub(crate) fn remove_card(&mut self, id: u64, moment: Moment) -> Option<Record> {
        let card = self.tenant.cards.remove(&id)?;
        let detail = json!({ "cardName": card.name });
        self.graves.card(card);
        Some(self.record_card(id, Change::Removed, detail, moment))
    }

    /// Cards are the domain admin's affair.
    fn record_card(&mut self, id: u64, change: Change, detail: Value, moment: Moment) -> Record {
        let actor = self.tenant.caller.email.clone();
        self.record(Entity::Card(id), change, &actor, detail, moment)
    }
}
