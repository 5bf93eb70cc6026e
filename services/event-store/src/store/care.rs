//! What else can be asked of a log: older events by time and entity, proofs, retention, moving it elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use event_model::{AccountName, Sequence, Subject};
use jiff::Timestamp;

use super::{EventStore, MAX_READ_EVENTS, blocking, check_count};
use crate::{
    Durability, KeptEvent, Link, Retained, Retention, StateCheck, StoreError, StoredEvent, TableName, Verified,
    history, layout,
    prepare::Prepared,
    restore::KeptRun,
    retain, table,
    verify::{self, Checked},
    writer::{Request, TableWrite},
};

impl EventStore {
    /// Up to here retention removed all but the last event of each entity; [`Sequence::START`] if it never ran. Every
    /// sequence after it has its event.
    pub fn horizon(&self) -> Sequence {
        self.inner.trees.log.horizon()
    }

    /// The cursor (exclusive) that everything follows which was observed at or after `at`; the last sequence if nothing was.
    pub async fn first_since(&self, at: Timestamp) -> Result<Sequence, StoreError> {
        let (inner, last) = (Arc::clone(&self.inner), self.last_sequence());
        blocking("the log", move || history::first_since(&inner.trees.log, at, last)).await
    }

    /// The events about `subject` in `account` before `before` (exclusive; without it, to the end), at most `limit` and at most
    /// 10,000 of them, the newest first. It reads the blocks that hold them and no others, and ends where retention cut.
    pub async fn history(
        &self,
        account: &AccountName,
        subject: &Subject,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (inner, account, subject) = (Arc::clone(&self.inner), account.clone(), subject.clone());
        let limit = limit.min(MAX_READ_EVENTS);
        blocking("the log", move || {
            history::history(&inner.trees.log, &inner.trees.fold, (&account, &subject), before, limit)
        })
        .await
    }

    /// The accounts that have an entity `subject`, ascending, without reading the log; none if the log knows of more than `most` accounts:
    /// each of them is asked.
    pub async fn accounts_of(&self, subject: &Subject, most: usize) -> Result<Option<Vec<AccountName>>, StoreError> {
        let (inner, subject) = (Arc::clone(&self.inner), subject.clone());
        blocking("the states of entities", move || {
            let fold = &inner.trees.fold;
            let (mut found, mut at, mut asked) = (Vec::new(), None, 0);
            while let Some(account) = fold.next_account(at.as_ref())? {
                if asked == most {
                    return Ok(None);
                }
                asked += 1;
                if fold.position(&layout::entity_key(&account, &subject))?.is_some() {
                    found.push(account.clone());
                }
                at = Some(account);
            }
            Ok(Some(found))
        })
        .await
    }

    /// The link of the event at `sequence` (see [`Link`]); none beyond the end, or where retention removed too much to tell. It
    /// always tells that before an event that stands, and that at the horizon.
    pub async fn link_at(&self, sequence: Sequence) -> Result<Option<Link>, StoreError> {
        if sequence > self.last_sequence() {
            return Ok(None);
        }
        let inner = Arc::clone(&self.inner);
        blocking("the log", move || history::link_at(&inner.trees.log, sequence)).await
    }

    /// Reads the whole log as it ends now and follows its chain, beside traffic; tells `progress` how far it is.
    ///
    /// Errors: [`StoreError::Corrupt`] with the first sequence that does not read back, [`StoreError::Unchained`] with the first
    /// that does but is not what was written.
    pub async fn verify(&self, progress: impl FnMut(Sequence) + Send + 'static) -> Result<Verified, StoreError> {
        let (inner, last) = (Arc::clone(&self.inner), self.last_sequence());
        blocking("the log", move || verify::verify(&inner.trees.log, last, progress)).await
    }

    /// Compares the kept states with a fold of the whole log, beside traffic.
    pub async fn check_states(&self) -> Result<StateCheck, StoreError> {
        Ok(self.checked().await?.check)
    }

    /// The same, and puts right what differs. Meanwhile nothing is folded, so that appends wait once some thousand events
    /// are pending.
    pub async fn rebuild_states(&self) -> Result<StateCheck, StoreError> {
        let checked = self.checked().await?;
        let (inner, tail) = (Arc::clone(&self.inner), self.tail());
        let mended = blocking("the states of entities", move || {
            let fold = &inner.trees.fold;
            let _paused = fold.pause();
            let last = *tail.borrow();
            verify::mend(&inner.trees.log, fold, last, checked)
        });
        self.told(mended.await)
    }

    async fn checked(&self) -> Result<Checked, StoreError> {
        let (inner, last) = (Arc::clone(&self.inner), self.last_sequence());
        blocking("the states of entities", move || verify::check_states(&inner.trees.log, &inner.trees.fold, last))
            .await
    }

    /// Moves the horizon as far as `policy` allows, and removes what may go below it, beside traffic. It can be stopped and
    /// run again at any time.
    pub async fn retain(&self, policy: &Retention) -> Result<Retained, StoreError> {
        if self.inner.poison.is_spread() {
            return Err(StoreError::Poisoned);
        }
        let (inner, last, policy) = (Arc::clone(&self.inner), self.last_sequence(), policy.clone());
        let moved = blocking("the log", move || {
            inner.trees.lease.check()?;
            let log = &inner.trees.log;
            // It lies at the end of a block, and no block is merged across it afterwards.
            let _turn = inner.trees.turn.take();
            let (target, held_at) = retain::target(log, &policy, last)?;
            if target > log.horizon() {
                log.set_horizon(target)?;
                // Nothing below the horizon goes before it is durable.
                let failed = |source| StoreError::Commit { step: "make the horizon durable", source };
                inner.engine.make_durable().map_err(failed)?;
            }
            Ok(held_at)
        });
        let held_at = self.told(moved.await)?;
        let inner = Arc::clone(&self.inner);
        let thinned = blocking("the log", move || {
            let trees = &inner.trees;
            retain::thin(&trees.log, &trees.fold, &trees.turn, last)
        });
        Ok(Retained { held_at, ..self.told(thinned.await)? })
    }

    /// A write that failed outside the writer stops it as one of its own does.
    fn told<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(failed @ (StoreError::Commit { .. } | StoreError::Superseded { .. })) = &outcome {
            self.inner.poison.spread(failed);
        }
        outcome
    }

    /// Appends the events with exactly the bytes `bodies`, the first of which is of the sequence `first`: right after the last
    /// one, each of them dense after the one before.
    ///
    /// Errors that leave the log as it was: [`StoreError::OutOfPlace`], [`StoreError::RevisionConflict`] for a revision that its
    /// entity had already, [`StoreError::Json`], [`StoreError::TooLarge`].
    pub async fn import(&self, first: Sequence, bodies: Vec<Bytes>) -> Result<(), StoreError> {
        check_count("events in one import", bodies.len())?;
        let Some(next) = bodies.first().map(|_| first) else { return Ok(()) };
        let prepare = move || bodies.iter().map(Prepared::imported).collect::<Result<Vec<_>, _>>();
        let prepared = blocking("the events to import", prepare).await?;
        if let Some(found) = prepared.first().and_then(|event| event.sequence).filter(|found| *found != next) {
            return Err(StoreError::OutOfPlace { expected: next, found });
        }
        self.inner.writer.append(prepared).await.map(drop)
    }

    /// Takes over what retention left in another log of the sequences after the last one here, up to `up_to`, whose link is `link`;
    /// the horizon is at `up_to` then. It may be called again for more, but not once the log has an event above its horizon.
    ///
    /// Errors that leave the log as it was: [`StoreError::OutOfPlace`], [`StoreError::Unchained`], and those of
    /// [`Self::import`].
    pub async fn import_kept(&self, up_to: Sequence, link: Link, events: Vec<KeptEvent>) -> Result<(), StoreError> {
        check_count("events in one import", events.len())?;
        let run = blocking("the events to import", move || KeptRun::new(up_to, link, events)).await?;
        self.inner.writer.ask(|reply| Request::Kept(run, reply)).await
    }

    /// The first `limit` keys of `table` after `after` (exclusive) and their values, as JSON.
    pub async fn dump_table(
        &self,
        table: TableName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let (inner, after) = (Arc::clone(&self.inner), after.map(str::to_owned));
        blocking(table.as_str(), move || inner.tables().table(table).page(after.as_deref(), limit)).await
    }

    /// Sets the values of `rows`, JSON each, durably; all of them or none.
    pub async fn load_table(&self, table: TableName, rows: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let changes =
            rows.into_iter().map(|(key, value)| table::checked(table, key, value)).collect::<Result<Vec<_>, _>>()?;
        table::check_together(&changes)?;
        let write = TableWrite { table, changes, expected: None, durability: Durability::Durable };
        self.inner.writer.ask(|reply| Request::Table(write, reply)).await.map(drop)
    }
}
