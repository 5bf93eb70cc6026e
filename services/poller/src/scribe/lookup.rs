//! What the log says, and telling it more.

use std::collections::BTreeMap;

use change_engine::Known;
use event_model::{EntityKind, EntityState, Event, EventDraft, Subject};
use event_store::{StoreError, StoredEvent};
use jiff::Timestamp;

use super::{
    Scribe,
    batch::{BATCH_BYTES, BATCH_EVENTS},
};

impl Scribe {
    pub(super) async fn state(&self, kind: EntityKind, id: &str) -> Result<Option<EntityState>, StoreError> {
        self.store.entity(&self.config.account, &Subject::new(kind, id)).await
    }

    /// What the log says of an entity, object included.
    pub(super) async fn load(&self, state: &EntityState) -> Result<Known, StoreError> {
        Ok(self.load_told(state).await?.0)
    }

    /// The same with when it was told.
    pub(super) async fn load_told(&self, state: &EntityState) -> Result<(Known, Timestamp), StoreError> {
        let corrupt = || StoreError::Corrupt { sequence: state.sequence };
        let stored = self.store.event(state.sequence).await?.ok_or_else(corrupt)?;
        let event: Event = serde_json::from_slice(&stored.body).map_err(|_| corrupt())?;
        let known = Known { revision: state.revision, removed: state.removed, object: event.data.object };
        Ok((known, event.detection.observed_at))
    }

    /// The same of an entity that may have none.
    pub(super) async fn known(&self, state: Option<&EntityState>) -> Result<Option<Known>, StoreError> {
        match state {
            Some(state) => self.load(state).await.map(Some),
            None => Ok(None),
        }
    }

    /// The states of expenses, of those that have one.
    pub(super) async fn expenses(&self, ids: &[String]) -> Result<BTreeMap<String, EntityState>, StoreError> {
        let mut states = BTreeMap::new();
        for id in ids {
            if let Some(state) = self.state(EntityKind::Expense, id).await? {
                states.insert(id.clone(), state);
            }
        }
        Ok(states)
    }

    /// Appends `drafts`, cut into bounded appends, and remembers the states that they lead to. Only for entities of which
    /// each draft stands for itself: a report's go through the batch.
    pub(super) async fn tell(&mut self, drafts: Vec<EventDraft>) -> Result<(), StoreError> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        for draft in drafts {
            bytes += draft.data.object.to_string().len();
            part.push(draft);
            if part.len() >= BATCH_EVENTS || bytes >= BATCH_BYTES {
                self.append(std::mem::take(&mut part)).await?;
                bytes = 0;
            }
        }
        self.append(part).await
    }

    /// Appends all of `drafts` or none.
    pub(super) async fn append(&mut self, drafts: Vec<EventDraft>) -> Result<(), StoreError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let stored = self.store.append(drafts).await?;
        (self.listener)(&stored);
        stored.iter().try_for_each(|event| self.remember(event))
    }

    fn remember(&mut self, stored: &StoredEvent) -> Result<(), StoreError> {
        let corrupt = |_| StoreError::Corrupt { sequence: stored.head.sequence };
        let event: Event = serde_json::from_slice(&stored.body).map_err(corrupt)?;
        let (kind, id) = (event.subject.kind, event.subject.id.clone());
        let state = EntityState::after(&event);
        match kind {
            EntityKind::Policy => drop(self.policies.insert(id, state)),
            EntityKind::Card => drop(self.cards.insert(id, state)),
            EntityKind::Feed => drop(self.feeds.insert(id, state)),
            EntityKind::Scope => drop(self.baselined.insert(id)),
            EntityKind::Account => {
                let (revision, removed, object) = (event.revision, false, event.data.object);
                self.told_access = Some(Known { revision, removed, object });
            }
            EntityKind::Report | EntityKind::Expense | EntityKind::Subscription => {}
        }
        Ok(())
    }
}
