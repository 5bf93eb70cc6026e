//! What a start reads: the states of the log in pages, and the records.

use std::collections::{BTreeMap, VecDeque};

use change_engine::{
    access::access_of,
    fingerprints::{Fingerprints, from_hex},
};
use event_model::{Access, AccountName, EntityKind, EntityState};
use event_store::{EventStore, MAX_PAGE_ENTITIES, StoreError, TableName};
use jiff::{SignedDuration, Timestamp};

use super::{
    Scribe, ScribeConfig, Tables,
    absent::Aged,
    batch::Batch,
    record::{PoliciesRecord, ReportsRecord, WatchRecord},
};

impl Scribe {
    /// Loads what the log and the records say of the account. A million reports take seconds, and the memory of their index.
    pub async fn open(store: &EventStore, config: ScribeConfig) -> Result<Self, StoreError> {
        let account = &config.account;
        let tables = Tables {
            watches: store.table(TableName::Watches),
            reports: store.table(TableName::Watches),
            policies: store.table(TableName::Watches),
        };
        let stored = tables.reports.get(&format!("{account}/reports/all")).await?;
        let mut reports = stored.unwrap_or_else(|| ReportsRecord::start(config.history_days, &config.policies));
        reports.resume(config.history_days, &config.policies);
        let sight: PoliciesRecord = tables.policies.get(&format!("{account}/policies/all")).await?.unwrap_or_default();
        let records = load_records(&tables, account).await?;
        let index = load_index(store, account).await?;
        let baselined = states_of(store, account, EntityKind::Scope).await?.into_keys().collect();
        let mut scribe = Self {
            policies: states_of(store, account, EntityKind::Policy).await?,
            cards: states_of(store, account, EntityKind::Card).await?,
            feeds: states_of(store, account, EntityKind::Feed).await?,
            access: Access { account: account.clone(), lost: Vec::new() },
            store: store.clone(),
            config,
            listener: Box::new(|_| {}),
            tables,
            clock_offset: SignedDuration::ZERO,
            index,
            batch: Batch::default(),
            reports,
            sight,
            records,
            baselined,
            told_access: None,
            aged: Aged::default(),
            notices: VecDeque::new(),
            policies_hurried: false,
            newest: Timestamp::MIN,
            clock_is_known: false,
        };
        scribe.load_access().await?;
        scribe.newest = scribe.latest_time();
        Ok(scribe)
    }

    /// The latest time in the records: a clock that is behind it was set back since.
    fn latest_time(&self) -> Timestamp {
        let of_records = self.records.values().filter_map(|record| record.fresh_as_of.max(record.refused_since));
        let missing =
            self.records.values().flat_map(|record| record.missing.values()).chain(self.reports.missing.values());
        let of_missing = missing.map(|missing| missing.since);
        let of_gaps = self.sight.gaps.values().filter_map(|gap| gap.from.max(gap.until));
        of_records.chain(of_missing).chain(of_gaps).max().unwrap_or(Timestamp::MIN)
    }

    async fn load_access(&mut self) -> Result<(), StoreError> {
        let account = self.config.account.clone();
        let state = self.state(EntityKind::Account, account.as_str()).await?;
        self.told_access = self.known(state.as_ref()).await?;
        self.access = access_of(&account, self.told_access.as_ref());
        Ok(())
    }

    /// Reads the states of `kind` again: something else has appended about them.
    pub(super) async fn reload_states(&mut self, kind: EntityKind) -> Result<(), StoreError> {
        let states = states_of(&self.store, &self.config.account, kind).await?;
        match kind {
            EntityKind::Policy => self.policies = states,
            EntityKind::Card => self.cards = states,
            EntityKind::Feed => self.feeds = states,
            _ => {}
        }
        Ok(())
    }
}

/// The records of the watches. Those of a whole family have a `/` in their names and another form.
async fn load_records(tables: &Tables, account: &AccountName) -> Result<BTreeMap<String, WatchRecord>, StoreError> {
    let prefix = format!("{account}/");
    let listed = tables.watches.list(&prefix).await?.into_iter();
    let named = listed.map(|(key, record)| (key[prefix.len()..].to_owned(), record));
    Ok(named.filter(|(name, _)| !name.contains('/')).collect())
}

async fn load_index(store: &EventStore, account: &AccountName) -> Result<Fingerprints, StoreError> {
    let mut index = Fingerprints::default();
    let mut after: Option<String> = None;
    loop {
        let page = store.entities_page(account, EntityKind::Report, after.as_deref(), MAX_PAGE_ENTITIES).await?;
        let Some((last, _)) = page.last() else { return Ok(index) };
        after = Some(last.clone());
        for (id, state) in page.iter().filter(|(_, state)| !state.removed) {
            // A fingerprint that is none equals no object: the report is compared once more.
            index.load(id, &from_hex(&state.fingerprint).unwrap_or_default(), &state.whereabouts);
        }
    }
}

async fn states_of(
    store: &EventStore,
    account: &AccountName,
    kind: EntityKind,
) -> Result<BTreeMap<String, EntityState>, StoreError> {
    let mut states = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.entities_page(account, kind, after.as_deref(), MAX_PAGE_ENTITIES).await?;
        let Some((last, _)) = page.last() else { return Ok(states) };
        after = Some(last.clone());
        states.extend(page);
    }
}
