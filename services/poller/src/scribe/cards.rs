//! What reads of a domain's cards mean for the log.
//!
//! A card belongs to the domain that showed it first, until it is gone there: one that two watched domains list is told once.
//! Cards cannot be read by id, so one is gone when a second complete list does not show it either.

use std::collections::{BTreeMap, BTreeSet};

use change_engine::{
    Known, Seen,
    absence::Confirmation,
    card_drafts,
    diff::{feed_drafts, feed_failed},
    paths::{Paths, columns::Shown, volatile::Tally},
};
use event_model::{Card, EntityKind, EventDraft, entity::fingerprint};
use event_store::StoreError;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Ingested, Scribe,
    compare::object_of,
    record::{WatchRecord, note_missing},
    watch::Watch,
};

/// So often a read is compared again when something else changed its entities meanwhile.
const MAX_ATTEMPTS: u32 = 3;
/// The upstream's code of a feed's run that went well (reference section 4.3).
const GOOD: i64 = 200;

/// A read of the cards of a domain.
#[derive(Clone, Debug)]
pub struct CardsSeen {
    /// The domain.
    pub domain: String,
    /// When the list was asked for.
    pub started_at: Timestamp,
    /// When the answer was there.
    pub observed_at: Timestamp,
    /// Its cards.
    pub cards: Vec<Card>,
}

impl Scribe {
    /// Takes in a read of the cards of a domain.
    pub async fn cards(&mut self, seen: CardsSeen) -> Result<Ingested, StoreError> {
        self.notice_clock(seen.observed_at);
        for _ in 1..MAX_ATTEMPTS {
            match self.take_cards(&seen).await {
                Err(StoreError::RevisionConflict { .. }) => {
                    self.reload_states(EntityKind::Card).await?;
                    self.reload_states(EntityKind::Feed).await?;
                }
                done => return done,
            }
        }
        self.take_cards(&seen).await
    }

    async fn take_cards(&mut self, read: &CardsSeen) -> Result<Ingested, StoreError> {
        let watch = Watch::Cards(read.domain.clone());
        let name = watch.name();
        let before = self.record(&name).clone();
        let mut cards: Vec<Card> =
            read.cards.iter().filter(|card| !self.belongs_elsewhere(card, &read.domain)).cloned().collect();
        let objects: Vec<Value> = cards.iter().map(object_of).collect();
        let unknown = Shown::beside_model(EntityKind::Card, &objects);
        let paths = Paths { set_aside: before.set_aside(), new: before.columns.new_in(&unknown) };

        let mut drafts = self.feed_drafts(read, &before, &paths, &mut cards).await?;
        let (mut tally, mut changes) = (Tally::default(), drafts.len() as u64);
        for card in &cards {
            let of_card = self.card_drafts(card, read, &before, &paths).await?;
            tally.count(&of_card);
            changes += u64::from(of_card.iter().any(|draft| !draft.event_type.is_snapshot()));
            drafts.extend(of_card);
        }
        self.note_unknown(&watch, &unknown, read.observed_at);
        self.tell(drafts).await?;
        let gone = self.note_absent_cards(&name, read);
        self.tell_removed(EntityKind::Card, &name, &gone, read.observed_at).await?;

        let record = self.record(&name);
        let mut set_aside = record.columns.take_in(unknown, read.started_at);
        set_aside.extend(record.volatility.after_read(tally, cards.len() as u64));
        (record.fresh_as_of, record.entities) = (Some(read.started_at), Some(cards.len() as u64));
        record.refused_since = None;
        let withheld = record.absences.withheld().is_some();
        self.note_set_aside(&watch, &set_aside, read.observed_at);
        self.end_list(&name, &before, read.observed_at, cards.len() as u64).await?;
        self.regain_refused(&name, read.observed_at).await?;
        self.note_withheld(&name, read.observed_at).await?;
        let (entities, changes) = (cards.len() as u64, changes + gone.len() as u64);
        Ok(Ingested { entities, changes, withheld, ..Ingested::default() })
    }

    async fn feed_drafts(
        &self,
        read: &CardsSeen,
        before: &WatchRecord,
        paths: &Paths,
        cards: &mut [Card],
    ) -> Result<Vec<EventDraft>, StoreError> {
        let prefix = format!("{}:", read.domain);
        let mut known_feeds = BTreeMap::new();
        for (id, state) in self.feeds.range(prefix.clone()..).take_while(|(id, _)| id.starts_with(&prefix)) {
            known_feeds.insert(id[prefix.len()..].to_owned(), self.load(state).await?);
        }
        let mut told_failed = BTreeSet::new();
        for card in cards.iter().filter(|card| card.last_import_result.is_some_and(|code| code != GOOD)) {
            let known: Option<Known> = self.known(self.cards.get(&card.card_id)).await?;
            if known.is_some_and(|known| feed_failed(&known)) {
                told_failed.insert(card.card_id.clone());
            }
        }
        let seen = self.seen_card("", read, before, paths);
        Ok(feed_drafts(&seen, &read.domain, &known_feeds, &told_failed, cards))
    }

    async fn card_drafts(
        &self,
        card: &Card,
        read: &CardsSeen,
        before: &WatchRecord,
        paths: &Paths,
    ) -> Result<Vec<EventDraft>, StoreError> {
        let state = self.cards.get(&card.card_id);
        if state.is_some_and(|state| !state.removed && state.fingerprint == fingerprint(&object_of(card))) {
            return Ok(Vec::new());
        }
        let known = self.known(state).await?;
        let last_shown = before.missing.get(&card.card_id).map(|missing| missing.last_shown);
        let paths = before.paths_for(last_shown, paths);
        Ok(card_drafts(&self.seen_card(&card.card_id, read, before, &paths), known.as_ref(), card))
    }

    fn seen_card<'a>(&'a self, id: &str, read: &CardsSeen, before: &WatchRecord, paths: &'a Paths) -> Seen<'a> {
        let last_shown = before.missing.get(id).map_or(before.fresh_as_of, |missing| missing.last_shown);
        Seen {
            account: &self.config.account,
            observed_at: read.observed_at,
            not_before: last_shown.filter(|at| *at < read.observed_at),
            told_until: None,
            baselined: self.is_baselined(&Watch::Cards(read.domain.clone()).name(), before),
            paths,
        }
    }

    /// Whether another watched domain answers for this card.
    fn belongs_elsewhere(&self, card: &Card, domain: &str) -> bool {
        let state = self.cards.get(&card.card_id).filter(|state| !state.removed);
        let held_by = state.and_then(|state| state.whereabouts.domain.as_ref());
        held_by.is_some_and(|other| other != domain && self.config.domains.contains(other))
    }

    /// The cards that are gone by this read.
    fn note_absent_cards(&mut self, name: &str, read: &CardsSeen) -> Vec<String> {
        let of_domain = |state: &event_model::EntityState| state.whereabouts.domain.as_ref() == Some(&read.domain);
        let live = self.cards.iter().filter(|(_, state)| !state.removed && of_domain(state)).map(|(id, _)| id);
        let live: BTreeSet<String> = live.cloned().collect();
        let listed: BTreeSet<String> = read.cards.iter().map(|card| card.card_id.clone()).collect();
        let missed: BTreeSet<String> = live.difference(&listed).cloned().collect();
        let record = self.record(name);
        record.missing.retain(|id, _| missed.contains(id));
        for id in &missed {
            note_missing(&mut record.missing, id, read.started_at, record.fresh_as_of, false);
        }
        let of = live.len() as u64;
        record.absences.after_scope_read(Confirmation::ByList, read.started_at, missed, of).removed
    }
}
