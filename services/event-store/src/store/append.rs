//! How drafts get to the writer.
//!
//! What takes no order is done by whoever appends ([`crate::prepare`]). Few drafts are made ready within the caller's task. Many would hold
//! up the tasks beside it: they go to a thread that may be held up. Who is alone shares them with a second one; and commits them there,
//! too, where that is quicker than going back and handing them over ([`Writer::append_at_once`](crate::writer::Writer::append_at_once)).

use std::sync::{Arc, Mutex, PoisonError};

use event_model::EventDraft;
use tokio::{runtime::Handle, sync::oneshot};

use super::{EventStore, blocking, check_count};
use crate::{StoreError, StoredEvent, prepare::Prepared, writer::AT_ONCE_EVENTS};

/// Drafts from which on they are shared: 32 take what it takes to wake a thread, several times over.
const SHARED_DRAFTS: usize = 32;

type Outcome = Result<Vec<Prepared>, StoreError>;

impl EventStore {
    /// Appends `drafts` in order, all or none, and gives the events that they became, with the next sequences. It
    /// returns when they are on disk: they survive kill -9 and a power cut, and [`Self::entity`] knows of them.
    ///
    /// Errors that leave the log as it was: [`StoreError::RevisionConflict`] for a draft whose revision is not one more
    /// than its entity's (earlier drafts and appends counted), [`StoreError::TooLarge`], [`StoreError::Json`],
    /// [`StoreError::Closed`], [`StoreError::Poisoned`]. After [`StoreError::Commit`] they may stand or not.
    pub async fn append(&self, drafts: Vec<EventDraft>) -> Result<Vec<StoredEvent>, StoreError> {
        check_count("events in one append", drafts.len())?;
        // Who commits himself may never wait for anything: let others in.
        tokio::task::consume_budget().await;
        match drafts.len() {
            0 => Ok(Vec::new()),
            SHARED_DRAFTS..=AT_ONCE_EVENTS if self.inner.writer.is_idle() => {
                let shared = Shared::new(drafts);
                self.inner.writer.append(shared.prepared().await?).await
            }
            1..=AT_ONCE_EVENTS => self.inner.writer.append(prepare(drafts)?).await,
            _ => self.append_many(drafts).await,
        }
    }

    async fn append_many(&self, drafts: Vec<EventDraft>) -> Result<Vec<StoredEvent>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let work = move || match inner.writer.is_idle() {
            true => {
                let prepared = Handle::current().block_on(Shared::new(drafts).prepared());
                prepared.map(|prepared| inner.writer.append_at_once(prepared))
            }
            // Several callers are side by side anyhow.
            false => prepare(drafts).map(Err),
        };
        match blocking("the drafts", work).await? {
            Ok(outcome) => outcome,
            Err(prepared) => self.inner.writer.append(prepared).await,
        }
    }
}

fn prepare(drafts: Vec<EventDraft>) -> Outcome {
    drafts.into_iter().map(Prepared::draft).collect()
}

/// Drafts that two threads make ready. Whoever comes first to the second half takes it: so nobody waits for a thread that waits for
/// its turn.
struct Shared {
    first: Vec<EventDraft>,
    second: Arc<Mutex<Option<Vec<EventDraft>>>>,
    /// The second half, from the thread that took it.
    outcome: oneshot::Receiver<Outcome>,
}

impl Shared {
    /// Begins, with the second half.
    fn new(mut drafts: Vec<EventDraft>) -> Self {
        let second = Arc::new(Mutex::new(Some(drafts.split_off(drafts.len() / 2))));
        let (done, outcome) = oneshot::channel();
        let its = Arc::clone(&second);
        Handle::current().spawn_blocking(move || take(&its).map(|drafts| done.send(prepare(drafts))));
        Self { first: drafts, second, outcome }
    }

    /// All of them, in their order.
    async fn prepared(self) -> Outcome {
        let mut prepared = prepare(self.first)?;
        let rest = match take(&self.second) {
            Some(drafts) => prepare(drafts),
            None => {
                let stopped = |error| Err(StoreError::Read { what: "the drafts", source: Arc::new(error) });
                self.outcome.await.unwrap_or_else(stopped)
            }
        };
        prepared.append(&mut rest?);
        Ok(prepared)
    }
}

fn take(half: &Mutex<Option<Vec<EventDraft>>>) -> Option<Vec<EventDraft>> {
    half.lock().unwrap_or_else(PoisonError::into_inner).take()
}
