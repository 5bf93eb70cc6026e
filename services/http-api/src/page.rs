//! Reading the log with a filter, a bounded piece at a time. The list and the stream share it.
//!
//! What is asked of one entity, of one account or of whichever accounts have it, is found by walking its history back from its
//! state; everything else by looking at the events one by one. Both give the same page.

use std::collections::VecDeque;

use event_model::{AccountName, EventHead, Sequence, Subject, TypeGlob};
use event_store::{EventStore, StoreError, StoredEvent};
use jiff::Timestamp;

use crate::{
    caller::Sight,
    config::{MAX_ACCOUNTS_ASKED, MAX_ACCOUNTS_WALKED, MAX_SCAN, READ_BATCH},
    params::{Params, cut},
};

/// Which events a reader wants. Unlike a subscription's, a reader's pattern finds snapshots too: who reads a log wants to
/// see what is in it.
#[derive(Clone)]
pub(crate) struct EventQuery {
    types: Vec<TypeGlob>,
    account: Option<AccountName>,
    subject: Option<Subject>,
    /// Only what was observed then or later.
    pub since: Option<Timestamp>,
    /// What the reader may see.
    sight: Sight,
}

impl EventQuery {
    /// The parameters that make up a query.
    pub const NAMES: [&str; 4] = ["type", "account", "subject", "since"];

    pub fn read(params: &mut Params, sight: Sight) -> Self {
        let since = |text: &str| {
            let wrong = |_| format!("{:?} is not a time like 2026-04-02T09:14:00Z", cut(text));
            text.parse::<Timestamp>().map_err(wrong)
        };
        Self {
            types: params.many("type", |text| text.parse()),
            account: params.one("account", |text| text.parse::<AccountName>()),
            subject: params.one("subject", |text| text.parse::<Subject>()),
            since: params.one("since", since),
            sight,
        }
    }

    fn is_everything(&self) -> bool {
        self.sight.is_everything()
            && self.types.is_empty()
            && self.account.is_none()
            && self.subject.is_none()
            && self.since.is_none()
    }

    /// Whether it is asked for, and may be seen.
    async fn finds(&self, head: &EventHead) -> Result<bool, StoreError> {
        Ok(self.asks_for(head) && self.sight.shows(head).await?)
    }

    fn asks_for(&self, head: &EventHead) -> bool {
        (self.types.is_empty() || self.types.iter().any(|glob| glob.matches(head.event_type)))
            && self.account.as_ref().is_none_or(|account| *account == head.account)
            && self.subject.as_ref().is_none_or(|subject| *subject == head.subject)
            && self.since.is_none_or(|since| head.observed_at() >= since)
    }
}

/// Where a page ends, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Events on it.
    pub events: usize,
    /// Their bytes; the event that passes the bound is the last.
    pub bytes: usize,
    /// Events looked at.
    pub scanned: usize,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Page {
    pub events: Vec<StoredEvent>,
    /// Everything up to here was looked at: the cursor to go on from.
    pub next: Sequence,
}

/// Reads what `query` wants after `after`, up to `bounds` or the end of the log.
pub(crate) async fn read(
    store: &EventStore,
    query: &EventQuery,
    after: Sequence,
    bounds: Bounds,
) -> Result<Page, StoreError> {
    let last = store.last_sequence();
    // Of a few events each is looked at as fast as the history is found.
    if let Some(subject) = query.subject.as_ref().filter(|_| last.0.saturating_sub(after.0) > READ_BATCH as u64)
        && let Some(page) = walk_all(store, query, subject, (after, last), bounds).await?
    {
        return Ok(page);
    }
    scan(store, query, after, bounds).await
}

/// What `walk` finds in each account that has `subject`, as one page. `None` where there are too many, or one has too much.
async fn walk_all(
    store: &EventStore,
    query: &EventQuery,
    subject: &Subject,
    (after, last): (Sequence, Sequence),
    bounds: Bounds,
) -> Result<Option<Page>, StoreError> {
    let accounts = match &query.account {
        Some(account) => Some(vec![account.clone()]),
        None => store.accounts_of(subject, MAX_ACCOUNTS_ASKED).await?,
    };
    let Some(accounts) = accounts.filter(|accounts| accounts.len() <= MAX_ACCOUNTS_WALKED) else { return Ok(None) };
    let mut found = Page { events: Vec::new(), next: last };
    for account in &accounts {
        let Some(page) = walk(store, query, (account, subject), (after, last), bounds).await? else { return Ok(None) };
        found.next = found.next.min(page.next);
        found.events.extend(page.events);
    }
    // Beyond the end of any of the pages something may be missing.
    found.events.retain(|event| event.head.sequence <= found.next);
    found.events.sort_by_key(|event| event.head.sequence);
    let mut bytes = 0;
    let fits = found.events.iter().take(bounds.events).take_while(|event| {
        let begins = bytes < bounds.bytes;
        bytes += event.body.len();
        begins
    });
    let fits = fits.count();
    if fits < found.events.len() {
        found.events.truncate(fits);
        found.next = found.events.last().map_or(after, |event| event.head.sequence);
    }
    Ok(Some(found))
}

async fn scan(store: &EventStore, query: &EventQuery, after: Sequence, bounds: Bounds) -> Result<Page, StoreError> {
    let mut page = Page { events: Vec::new(), next: after };
    let (mut scanned, mut bytes) = (0, 0);
    // Without a filter no event is parsed, and each one that is read is one of the page; with one, few may be.
    let everything = query.is_everything();
    loop {
        let wanted = if everything { bounds.events - page.events.len() } else { READ_BATCH };
        let batch = store.read_page(page.next, wanted, bounds.bytes - bytes).await?;
        if batch.is_empty() {
            return Ok(page);
        }
        for event in batch {
            scanned += 1;
            page.next = event.head.sequence;
            if everything || query.finds(&event.head).await? {
                bytes += event.body.len();
                page.events.push(event);
            }
            if page.events.len() >= bounds.events || bytes >= bounds.bytes || scanned >= bounds.scanned {
                return Ok(page);
            }
        }
    }
}

/// The same by the history of `entity`, which goes back: of what follows `after` up to `last` the oldest are kept, as many
/// as fit. `None` for a history too long to walk back for one page.
async fn walk(
    store: &EventStore,
    query: &EventQuery,
    (account, subject): (&AccountName, &Subject),
    (after, last): (Sequence, Sequence),
    bounds: Bounds,
) -> Result<Option<Page>, StoreError> {
    let mut oldest: VecDeque<StoredEvent> = VecDeque::new();
    let (mut before, mut bytes, mut walked, mut next) = (last.next(), 0, 0, last);
    while walked < MAX_SCAN {
        let older = store.history(account, subject, Some(before), READ_BATCH).await?;
        let done = older.last().is_none_or(|event| event.head.sequence <= after);
        walked += older.len();
        before = older.last().map_or(before, |event| event.head.sequence);
        for event in older.into_iter().filter(|event| event.head.sequence > after) {
            if !query.finds(&event.head).await? {
                continue;
            }
            bytes += event.body.len();
            oldest.push_front(event);
            // As a page read forwards: the event that passes the bound is its last.
            while oldest.len() > bounds.events || oldest.back().is_some_and(|e| bytes - e.body.len() >= bounds.bytes) {
                let newest = oldest.pop_back();
                bytes -= newest.map_or(0, |event| event.body.len());
                next = oldest.back().map_or(after, |event| event.head.sequence);
            }
        }
        if done {
            return Ok(Some(Page { events: oldest.into(), next }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
