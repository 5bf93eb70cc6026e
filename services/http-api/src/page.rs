//! Reading the log with a filter, a bounded piece at a time. The list and the stream share it.

use event_model::{AccountName, EventHead, Sequence, Subject, TypeGlob};
use event_store::{EventStore, StoreError, StoredEvent};
use jiff::Timestamp;

use crate::{
    config::{READ_BATCH, SINCE_SLACK},
    params::{Params, cut},
};

/// Which events a reader wants. Unlike a subscription's, a reader's pattern finds snapshots too: who reads a log wants to
/// see what is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventQuery {
    types: Vec<TypeGlob>,
    account: Option<AccountName>,
    subject: Option<Subject>,
    /// Only what was observed then or later.
    pub since: Option<Timestamp>,
}

impl EventQuery {
    /// The parameters that make up a query.
    pub const NAMES: [&str; 4] = ["type", "account", "subject", "since"];

    pub fn read(params: &mut Params) -> Self {
        let since = |text: &str| {
            let wrong = |_| format!("{:?} is not a time like 2026-04-02T09:14:00Z", cut(text));
            text.parse::<Timestamp>().map_err(wrong)
        };
        Self {
            types: params.many("type", |text| text.parse()),
            account: params.one("account", |text| text.parse::<AccountName>()),
            subject: params.one("subject", |text| text.parse::<Subject>()),
            since: params.one("since", since),
        }
    }

    fn is_everything(&self) -> bool {
        self.types.is_empty() && self.account.is_none() && self.subject.is_none() && self.since.is_none()
    }

    fn wants(&self, head: &EventHead) -> bool {
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
    let mut page = Page { events: Vec::new(), next: after };
    let (mut scanned, mut bytes) = (0, 0);
    loop {
        // Without a filter each event read is one of the page; with one, few may be.
        let wanted = if query.is_everything() { bounds.events - page.events.len() } else { READ_BATCH };
        let batch = store.read_page(page.next, wanted.min(READ_BATCH), bounds.bytes - bytes).await?;
        if batch.is_empty() {
            return Ok(page);
        }
        for event in batch {
            scanned += 1;
            page.next = event.head.sequence;
            if query.wants(&event.head) {
                bytes += event.body.len();
                page.events.push(event);
            }
            if page.events.len() >= bounds.events || bytes >= bounds.bytes || scanned >= bounds.scanned {
                return Ok(page);
            }
        }
    }
}

/// A position before everything that was observed at `since` or later, found by bisection over [`Sequence`]s.
///
/// The log is in the order of appends, and observation times grow with it but for the overlap of reads; so the search is
/// for an earlier time, and the filter on `since` does the rest.
pub(crate) async fn position_before(store: &EventStore, since: Timestamp) -> Result<Sequence, StoreError> {
    let slack = jiff::SignedDuration::try_from(SINCE_SLACK).unwrap_or_default();
    let floor = since.checked_sub(slack).unwrap_or(Timestamp::MIN);
    let (mut low, mut high) = (0, store.last_sequence().0);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match store.event(Sequence(middle)).await? {
            Some(event) if event.head.observed_at() >= floor => high = middle - 1,
            // A position without an event is below the horizon: older than all that is left.
            Some(_) | None => low = middle,
        }
    }
    Ok(Sequence(low))
}
