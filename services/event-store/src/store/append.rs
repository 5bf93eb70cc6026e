//! How drafts get to the writer.
//!
//! What takes no order is done by whoever appends ([`crate::prepare`]). Few drafts are made ready within the caller's task. Many would hold
//! up the tasks beside it: they go to a thread that may be held up. Who is alone shares them with a second one; and commits them there,
//! too, where that is quicker than going back and handing them over ([`Writer::append_at_once`](crate::writer::Writer::append_at_once)).

use std::sync::Arc;

use event_model::EventDraft;

use super::{EventStore, blocking, check_count, stopped};
use crate::{StoreError, StoredEvent, beside::Beside, prepare::Prepared, writer::AT_ONCE_EVENTS};

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
    pub async fn append(&self, mut drafts: Vec<EventDraft>) -> Result<Vec<StoredEvent>, StoreError> {
        check_count("events in one append", drafts.len())?;
        // Who commits himself may never wait for anything: let others in.
        tokio::task::consume_budget().await;
        match drafts.len() {
            0 => Ok(Vec::new()),
            SHARED_DRAFTS..=AT_ONCE_EVENTS if self.inner.writer.is_idle() => {
                let second = prepare_beside(drafts.split_off(drafts.len() / 2));
                let first = prepare(drafts)?;
                self.inner.writer.append(together(first, second.outcome().await)?).await
            }
            1..=AT_ONCE_EVENTS => self.inner.writer.append(prepare(drafts)?).await,
            _ => self.append_many(drafts).await,
        }
    }

    async fn append_many(&self, mut drafts: Vec<EventDraft>) -> Result<Vec<StoredEvent>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let work = move || match inner.writer.is_idle() {
            true => {
                let second = prepare_beside(drafts.split_off(drafts.len() / 2));
                let first = prepare(drafts)?;
                together(first, second.blocking_outcome()).map(|prepared| inner.writer.append_at_once(prepared))
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

fn prepare_beside(drafts: Vec<EventDraft>) -> Beside<impl FnOnce() -> Outcome, Outcome> {
    Beside::offer(move || prepare(drafts))
}

/// All of them, in their order.
fn together(first: Vec<Prepared>, second: Option<Outcome>) -> Outcome {
    let mut all = first;
    all.append(&mut second.unwrap_or_else(|| Err(stopped("the drafts")))?);
    Ok(all)
}
