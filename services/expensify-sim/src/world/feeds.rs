//! Bank feeds that fail and recover, of one card or of most cards of a bank.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;

use super::{Entity, Moment, World};
use crate::error::ControlError;
use crate::journal::{Change, Record};
use crate::tenant::card::Failing;

/// What the runs of a broken feed answer.
const BROKEN_RESULTS: [u16; 3] = [401, 500, 531];

impl World {
    /// The feed of one card fails or recovers; nothing when it does already.
    pub(crate) fn turn_card_feed(
        &mut self,
        rng: &mut StdRng,
        id: u64,
        change: Change,
        moment: Moment,
    ) -> Option<Record> {
        let failing = failing(rng, change, moment);
        let card = self.tenant.cards.get_mut(&id).filter(|card| card.failing.is_some() != failing.is_some())?;
        card.failing = failing;
        let detail = json!({ "bank": card.bank, "result": failing.map_or(200, |failing| failing.result) });
        Some(self.record(Entity::Card(id), change, "", detail, moment))
    }

    /// The feed of this share of a bank's cards fails, more than half of them and two at least; or that of all its
    /// cards recovers.
    ///
    /// # Errors
    /// For a bank without cards, a share that is not most of them, or when nothing would change.
    pub(crate) fn turn_bank_feed(
        &mut self,
        rng: &mut StdRng,
        (bank, share): (&str, f64),
        change: Change,
        moment: Moment,
    ) -> Result<Record, ControlError> {
        let impossible = |why: &str| Err(ControlError::Impossible(why.to_owned()));
        let ids: Vec<u64> = self.tenant.cards.values().filter(|card| card.bank == bank).map(|card| card.id).collect();
        if ids.is_empty() {
            return Err(ControlError::Missing(format!("card of the bank {bank}")));
        }
        let failing = failing(rng, change, moment);
        let turned: Vec<u64> = if failing.is_some() {
            let most = part(ids.len(), share);
            if most < 2 || most * 2 <= ids.len() {
                return impossible("a feed fails when most cards of the bank do, and two at least");
            }
            let mut drawn: Vec<u64> = ids.sample(rng, most).copied().collect();
            drawn.sort_unstable();
            drawn
        } else {
            ids.iter().copied().filter(|id| self.tenant.cards.get(id).is_some_and(|c| c.failing.is_some())).collect()
        };
        let mut changed = false;
        for card in self.tenant.cards.values_mut().filter(|card| turned.contains(&card.id)) {
            changed |= card.failing.is_some() != failing.is_some();
            card.failing = failing;
        }
        if !changed {
            return impossible("nothing changed");
        }
        let result = failing.map_or(200, |failing| failing.result);
        let detail = json!({ "bank": bank, "cards": turned, "of": ids.len(), "result": result });
        let entity = Entity::Feed { domain: self.tenant.domain.clone(), bank: bank.to_owned() };
        Ok(self.record(entity, change, "", detail, moment))
    }
}

fn failing(rng: &mut StdRng, change: Change, moment: Moment) -> Option<Failing> {
    let result = BROKEN_RESULTS[rng.random_range(0..BROKEN_RESULTS.len())];
    (change == Change::FeedFailed).then_some(Failing { since: moment.server, result })
}

/// The share of so many, rounded to the nearest; shares beyond 0 and 1 are all or none.
pub(super) fn part(of: usize, share: f64) -> usize {
    (of as f64 * share.clamp(0.0, 1.0)).round() as usize
}
