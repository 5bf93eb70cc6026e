//! Rounds of the writer: admitting requests, committing them, answering. See the head of [`super`].

use std::{
    collections::HashMap,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use event_model::{Event, EventDraft, Revision, Sequence};
use tokio::sync::watch;

use super::{ROUND_BYTES, ROUND_EVENTS, Reply, Request, TableWrite};
use crate::{
    Durability, StoreError, StoredEvent, TableName,
    engine::Engine,
    fold::Fold,
    layout,
    log::{Head, Log, LogBatch},
    tables::{Applied, Tables},
    trees::Trees,
};

/// Whether writes are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Open,
    Closed,
    Poisoned,
}

/// The state of the writer's thread.
pub struct Committer {
    log: Log,
    fold: Fold,
    tables: Arc<Tables>,
    engine: Arc<dyn Engine>,
    relaxed_flush: Option<Duration>,
    tail: watch::Sender<Sequence>,
    poisoned: watch::Sender<bool>,
    head: Head,
    status: Status,
    /// Since when something that nobody waits for is not durable.
    relaxed_since: Option<Instant>,
    round: Round,
}

/// What was admitted since the last commit.
#[derive(Default)]
struct Round {
    records: LogBatch,
    events: Vec<Event>,
    /// Revisions by entity key after `events`; an entity that is not here stands as the fold says.
    revisions: HashMap<Vec<u8>, Revision>,
    /// Tables with changes that somebody waits for.
    changed: Vec<TableName>,
    waiting: Vec<Waiting>,
    /// Why the round cannot be committed any more.
    failed: Option<StoreError>,
}

/// Who is answered when the round is durable, and with what.
enum Waiting {
    Append(Reply<Vec<StoredEvent>>, Vec<StoredEvent>),
    Table(Reply<Applied>, Applied),
    Sync(Reply<()>),
}

impl Waiting {
    /// Answers. Whoever stopped waiting misses nothing, so a failed send is no error.
    fn answer(self, outcome: Result<(), StoreError>) {
        match self {
            Self::Append(reply, events) => drop(reply.send(outcome.map(|()| events))),
            Self::Table(reply, applied) => drop(reply.send(outcome.map(|()| applied))),
            Self::Sync(reply) => drop(reply.send(outcome)),
        }
    }
}

/// The events of one append, placed but not yet part of a round.
struct Placed {
    events: Vec<Event>,
    stored: Vec<StoredEvent>,
    revisions: HashMap<Vec<u8>, Revision>,
}

impl Committer {
    /// A writer on `engine` and its trees, which are folded up to the end of the log. Relaxed writes are made durable after
    /// `relaxed_flush`; without it, only with what comes next or at the end.
    pub fn new(
        engine: Arc<dyn Engine>,
        trees: &Trees,
        tail: watch::Sender<Sequence>,
        relaxed_flush: Option<Duration>,
    ) -> Self {
        let Trees { log, fold, tables, head } = trees.clone();
        let (status, poisoned) = (Status::Open, watch::Sender::new(false));
        let (relaxed_since, round) = (None, Round::default());
        Self { log, fold, tables, engine, relaxed_flush, tail, poisoned, head, status, relaxed_since, round }
    }

    /// Turns true when every later write is refused, and ends with the thread.
    pub fn poisoned(&self) -> watch::Receiver<bool> {
        self.poisoned.subscribe()
    }

    /// Takes `request` into the round, or answers it at once when it is refused or need not wait.
    pub fn admit(&mut self, request: Request) {
        let refused = match self.status {
            Status::Open => return self.admit_open(request),
            Status::Closed => StoreError::Closed,
            Status::Poisoned => StoreError::Poisoned,
        };
        match request {
            Request::Append(_, reply) => drop(reply.send(Err(refused))),
            Request::Table(_, reply) => drop(reply.send(Err(refused))),
            Request::Close(reply) if self.status == Status::Closed => self.round.waiting.push(Waiting::Sync(reply)),
            Request::Sync(reply) | Request::Close(reply) => drop(reply.send(Err(refused))),
        }
    }

    fn admit_open(&mut self, request: Request) {
        match request {
            Request::Append(drafts, reply) => self.admit_append(drafts, reply),
            Request::Table(write, reply) => self.admit_table(write, reply),
            Request::Sync(reply) => self.round.waiting.push(Waiting::Sync(reply)),
            Request::Close(reply) => {
                self.round.waiting.push(Waiting::Sync(reply));
                self.status = Status::Closed;
            }
        }
    }

    fn admit_append(&mut self, drafts: Vec<EventDraft>, reply: Reply<Vec<StoredEvent>>) {
        match self.place(drafts) {
            Ok(placed) => {
                for (event, stored) in placed.events.into_iter().zip(&placed.stored) {
                    self.round.records.push(event.sequence, &stored.body);
                    self.round.events.push(event);
                }
                self.round.revisions.extend(placed.revisions);
                self.round.waiting.push(Waiting::Append(reply, placed.stored));
            }
            Err(refused) => drop(reply.send(Err(refused))),
        }
    }

    /// Gives each draft its sequence, id and body, or refuses them all; changes nothing.
    fn place(&self, drafts: Vec<EventDraft>) -> Result<Placed, StoreError> {
        let mut sequence = self.round.events.last().map_or(self.head.last, |event| event.sequence);
        let (mut events, mut stored) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()));
        let mut revisions = HashMap::new();
        for draft in drafts {
            let key = layout::entity_key(&draft.account, &draft.subject);
            let last = match revisions.get(&key).or_else(|| self.round.revisions.get(&key)) {
                Some(revision) => *revision,
                None => self.fold.state(&draft.account, &draft.subject)?.map_or(Revision(0), |s| s.revision),
            };
            check(&draft, &key, last.next())?;
            revisions.insert(key, draft.revision);
            sequence = sequence.next();
            let event = draft.at(sequence);
            stored.push(body_of(&event)?);
            events.push(event);
        }
        Ok(Placed { events, stored, revisions })
    }

    fn admit_table(&mut self, write: TableWrite, reply: Reply<Applied>) {
        let table = self.tables.table(write.table);
        match table.apply(write.changes, write.expected) {
            Ok(conflict @ Applied::Conflict { .. }) => drop(reply.send(Ok(conflict))),
            Ok(done) if write.durability == Durability::Relaxed => {
                table.notify();
                self.relaxed_since.get_or_insert_with(Instant::now);
                drop(reply.send(Ok(done)));
            }
            Ok(done) => {
                self.round.changed.push(write.table);
                self.round.waiting.push(Waiting::Table(reply, done));
            }
            Err(failed @ StoreError::Commit { .. }) => {
                self.poison(&failed);
                self.round.failed = Some(failed.clone());
                drop(reply.send(Err(failed)));
            }
            Err(unreadable) => drop(reply.send(Err(unreadable))),
        }
    }

    /// Whether the round should be committed before it takes more.
    pub fn round_is_full(&self) -> bool {
        self.round.events.len() >= ROUND_EVENTS || self.round.records.bytes() >= ROUND_BYTES
    }

    /// Commits the round and answers everybody who waits for it.
    pub fn commit(&mut self) {
        let round = mem::take(&mut self.round);
        if round.waiting.is_empty() {
            return;
        }
        let nothing_to_sync = round.events.is_empty() && round.changed.is_empty() && self.relaxed_since.is_none();
        let outcome = match round.failed {
            Some(failed) => Err(failed),
            None if nothing_to_sync => Ok(()),
            None => self.write(round.records, &round.events),
        };
        match &outcome {
            Ok(()) => round.changed.iter().for_each(|name| self.tables.table(*name).notify()),
            Err(failed) => self.poison(failed),
        }
        round.waiting.into_iter().for_each(|waiting| waiting.answer(outcome.clone()));
    }

    /// Steps 1 to 4 of a round; see the head of [`super`].
    fn write(&mut self, records: LogBatch, events: &[Event]) -> Result<(), StoreError> {
        let mut head = self.head;
        if let Some(last) = events.last() {
            head.last = last.sequence;
            self.log.write(records, head)?;
        }
        self.sync()?;
        if head != self.head {
            self.fold.fold(events)?;
            self.head = head;
            // The fold need not be durable, but so there is little to fold after a crash.
            self.relaxed_since = Some(Instant::now());
            self.tail.send_replace(head.last);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.engine.make_durable().map_err(|source| StoreError::Commit { step: "make the writes durable", source })?;
        self.relaxed_since = None;
        Ok(())
    }

    /// How long relaxed writes may still wait; none when there are none, or no bound.
    pub fn relaxed_due_in(&self) -> Option<Duration> {
        self.relaxed_since.zip(self.relaxed_flush).map(|(since, bound)| bound.saturating_sub(since.elapsed()))
    }

    /// Makes relaxed writes durable, if there are any.
    pub fn flush_relaxed(&mut self) {
        if self.relaxed_since.is_some()
            && let Err(failed) = self.sync()
        {
            self.poison(&failed);
        }
    }

    /// From here on every write is refused.
    fn poison(&mut self, failed: &StoreError) {
        if self.status != Status::Poisoned {
            let cause = std::error::Error::source(failed).map(ToString::to_string);
            tracing::error!(error = %failed, cause, "the event store takes no more writes until it is opened again");
        }
        self.status = Status::Poisoned;
        self.relaxed_since = None;
        self.poisoned.send_replace(true);
    }
}

fn check(draft: &EventDraft, key: &[u8], expected: Revision) -> Result<(), StoreError> {
    if key.len() > layout::MAX_KEY_BYTES {
        let what = "bytes of account, kind and id of an entity";
        return Err(StoreError::TooLarge { what, size: key.len(), limit: layout::MAX_KEY_BYTES });
    }
    if draft.revision != expected {
        let (subject, found) = (draft.subject.clone(), draft.revision);
        return Err(StoreError::RevisionConflict { subject, expected, found });
    }
    Ok(())
}

/// The body of `event`, built here and never again, and read back once, so that nothing enters the log that does not
/// come out of it.
fn body_of(event: &Event) -> Result<StoredEvent, StoreError> {
    let unfit = |error| StoreError::Json { table: layout::LOG_TREE, source: Arc::new(error) };
    let body = serde_json::to_vec(event).map_err(unfit)?;
    if body.len() > layout::MAX_RECORD_BYTES {
        let (what, limit) = ("bytes of an event", layout::MAX_RECORD_BYTES);
        return Err(StoreError::TooLarge { what, size: body.len(), limit });
    }
    let head = serde_json::from_slice(&body).map_err(unfit)?;
    Ok(StoredEvent { head, body: body.into() })
}
