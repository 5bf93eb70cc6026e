//! Rounds of the writer: admitting requests, committing them, answering. See the head of [`super`].

use std::{
    mem,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use event_model::{Revision, Sequence};
use tokio::sync::watch;

use super::{ROUND_BYTES, ROUND_EVENTS, Reply, Request, TableWrite, Urgent, pace::Pace, positions::Positions};
use crate::{
    Cause, Durability, StoreError, StoredEvent, TableName,
    block::{BLOCK_EVENTS, Block},
    engine::{Engine, Mark},
    fold::{EntityKey, Fold, Unfolded},
    layout,
    lease::Lease,
    log::{Log, Tail},
    poison::Poison,
    prepare::Prepared,
    restore::KeptRun,
    tables::{Applied, Tables},
    trees::Trees,
};

/// How old the mark may be while there are commits: what the store loses of its end unnoticed.
const MARK_EVERY: Duration = Duration::from_millis(100);

/// Events that are placed between two looks for what is urgent: as many as a block has, a fifth of a millisecond.
const LOOK_EVERY: usize = BLOCK_EVENTS;

/// A block that took more memory than this leaves none for the next.
const KEPT_BYTES: usize = 1 << 20;

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
    lease: Arc<Lease>,
    engine: Arc<dyn Engine>,
    relaxed_flush: Option<Duration>,
    publish: watch::Sender<Sequence>,
    poison: Poison,
    closed: bool,
    /// Where the durable log ends.
    tail: Tail,
    /// Since when something that nobody waits for is not durable.
    relaxed_since: Option<Instant>,
    /// Rounds of changes to tables, and whether there was one since the last.
    changes: u64,
    tables_changed: bool,
    /// When it was marked last how far the store is durable.
    marked: Option<Instant>,
    /// What is to be done at once.
    urgent: Option<Receiver<Urgent>>,
    positions: Positions,
    pace: Arc<Pace>,
    /// What the last block was written from, for the next.
    memory: Vec<u8>,
    round: Round,
}

/// What was admitted since the last commit.
#[derive(Default)]
struct Round {
    /// What the log gets: all but the last are full.
    blocks: Vec<Block>,
    bytes: usize,
    /// The events of the blocks, with the keys of their entities.
    events: Vec<(EntityKey, Unfolded)>,
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
    events: Vec<(EntityKey, Unfolded)>,
    /// For each, the sequence of its entity's event before it, and when it was observed.
    links: Vec<(Sequence, i64)>,
    stored: Vec<StoredEvent>,
}

impl Committer {
    /// A writer on `engine` and its trees, which are folded up to the end of the log. Relaxed writes are made durable after
    /// `relaxed_flush`; without it, only with what comes next or at the end.
    pub fn new(
        engine: Arc<dyn Engine>,
        trees: &Trees,
        publish: watch::Sender<Sequence>,
        poison: Poison,
        relaxed_flush: Option<Duration>,
    ) -> Result<Self, StoreError> {
        let Trees { log, fold, tables, tail, lease, changes, .. } = trees.clone();
        Ok(Self {
            log,
            fold,
            tables,
            lease,
            engine,
            relaxed_flush,
            publish,
            poison,
            closed: false,
            tail,
            relaxed_since: None,
            changes,
            tables_changed: false,
            marked: None,
            urgent: None,
            positions: Positions::default(),
            pace: Arc::default(),
            memory: Vec::new(),
            round: Round::default(),
        })
    }

    /// Itself, which does at once what comes through `urgent`.
    pub fn hearing(self, urgent: Receiver<Urgent>) -> Self {
        Self { urgent: Some(urgent), ..self }
    }

    /// How long it takes to make appends durable.
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// Whether what is committed now waits for nobody who folds.
    pub fn has_room(&self) -> bool {
        self.fold.has_room()
    }

    /// Lets go of what is urgent; nothing more is taken.
    pub fn hang_up(&mut self) {
        self.urgent = None;
    }

    fn status(&self) -> Status {
        match (self.poison.is_spread(), self.closed) {
            (true, _) => Status::Poisoned,
            (false, true) => Status::Closed,
            (false, false) => Status::Open,
        }
    }

    /// Takes `request` into the round, or answers it at once when it is refused or need not wait. False when there was nothing to
    /// do any more.
    pub fn admit(&mut self, request: Request) -> bool {
        match request {
            Request::Urgent => self.admit_urgent() > 0,
            request => {
                self.admit_one(request);
                true
            }
        }
    }

    fn admit_one(&mut self, request: Request) {
        let status = self.status();
        let refused = match status {
            Status::Open => return self.admit_open(request),
            Status::Closed => StoreError::Closed,
            Status::Poisoned => StoreError::Poisoned,
        };
        match request {
            Request::Urgent => {}
            Request::Append(_, reply) => drop(reply.send(Err(refused))),
            Request::Table(_, reply) => drop(reply.send(Err(refused))),
            Request::Close(reply) if status == Status::Closed => self.round.waiting.push(Waiting::Sync(reply)),
            Request::Sync(reply) | Request::Close(reply) | Request::Kept(_, reply) => drop(reply.send(Err(refused))),
        }
    }

    fn admit_open(&mut self, request: Request) {
        match request {
            Request::Append(events, reply) => self.admit_append(events, reply),
            Request::Table(write, reply) => self.admit_table(write, reply),
            Request::Urgent => {}
            Request::Kept(run, reply) => self.admit_kept(run, reply),
            Request::Sync(reply) => self.round.waiting.push(Waiting::Sync(reply)),
            Request::Close(reply) => {
                self.round.waiting.push(Waiting::Sync(reply));
                self.closed = true;
            }
        }
    }

    fn admit_append(&mut self, events: Vec<Prepared>, reply: Reply<Vec<StoredEvent>>) {
        match self.place(events) {
            Ok(placed) => {
                self.positions.keep();
                for ((_, event), (previous, observed_at)) in placed.events.iter().zip(&placed.links) {
                    self.open_block().push(*previous, *observed_at, &event.body);
                    self.round.bytes += event.body.len();
                }
                self.round.events.extend(placed.events);
                self.round.waiting.push(Waiting::Append(reply, placed.stored));
            }
            Err(refused) => {
                self.positions.take_back();
                drop(reply.send(Err(refused)));
            }
        }
    }

    /// The block that takes the next event.
    fn open_block(&mut self) -> &mut Block {
        let blocks = &mut self.round.blocks;
        match blocks.last() {
            None => blocks.push(self.tail.block()),
            Some(last) if last.is_full() => blocks.push(Tail::of(&last.header).block()),
            Some(_) => {}
        }
        blocks.last_mut().expect("one was pushed if there was none")
    }

    /// Where the log ends once the round is committed.
    fn end(&self) -> Sequence {
        self.round.blocks.last().map_or(self.tail.last, |block| block.header.last)
    }

    /// Takes all that is urgent into the round; how many.
    fn admit_urgent(&mut self) -> usize {
        let mut count = 0;
        while let Some((write, reply)) = self.urgent.as_ref().and_then(|urgent| urgent.try_recv().ok()) {
            self.admit_one(Request::Table(write, reply));
            count += 1;
        }
        count
    }

    /// Does what is urgent before the round goes on; see the head of [`super`]. When that fails, so does the round.
    fn serve_urgent(&mut self) -> Result<(), StoreError> {
        let interrupted = mem::take(&mut self.round);
        self.admit_urgent();
        let urgent = mem::replace(&mut self.round, interrupted);
        let outcome = match (urgent.failed.clone(), urgent.changed.is_empty()) {
            (Some(failed), _) => Err(failed),
            (None, true) => return Ok(()),
            (None, false) => self.sync(),
        };
        self.answer(urgent, &outcome);
        if let Err(failed) = &outcome {
            self.round.failed = Some(failed.clone());
        }
        outcome
    }

    /// Gives `events` the next sequences, if each of them continues its entity.
    fn place(&mut self, events: Vec<Prepared>) -> Result<Placed, StoreError> {
        let (mut next, count) = (self.end(), events.len());
        let (mut placed, mut links) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut stored = Vec::with_capacity(count);
        for event in events {
            if !links.is_empty() && links.len() % LOOK_EVERY == 0 {
                self.serve_urgent()?;
            }
            next = next.next();
            let before = match self.positions.get(&event.key) {
                Some(position) => Some(position),
                None => self.fold.position(&event.key)?,
            };
            let (known, previous) = before.unwrap_or_default();
            check(&event, known, next)?;
            links.push((previous, event.observed_at));
            let revision = event.revision;
            let (key, body) = event.at(next);
            self.positions.set(&key, (revision, next));
            stored.push(StoredEvent::new(next, body.clone()));
            placed.push((key, Unfolded { revision, sequence: next, body }));
        }
        Ok(Placed { events: placed, links, stored })
    }

    /// What retention had left in another log goes in as a round of its own.
    fn admit_kept(&mut self, run: KeptRun, reply: Reply<()>) {
        self.commit();
        self.positions.forget_all();
        let up_to = run.up_to;
        match run.blocks(self.tail, self.log.horizon()) {
            Ok((blocks, events)) => {
                // The horizon first: a sparse block beyond it would be damage.
                self.round.failed = self.log.set_horizon(up_to).err();
                (self.round.blocks, self.round.events) = (blocks, events);
                self.round.waiting.push(Waiting::Sync(reply));
                self.commit();
            }
            Err(refused) => drop(reply.send(Err(refused))),
        }
    }

    fn admit_table(&mut self, write: TableWrite, reply: Reply<Applied>) {
        let table = self.tables.table(write.table);
        match self.lease.check().and_then(|()| table.apply(write.changes, write.expected)) {
            Ok(conflict @ Applied::Conflict { .. }) => return drop(reply.send(Ok(conflict))),
            Ok(done) if write.durability == Durability::Relaxed => {
                table.notify();
                self.relaxed_since.get_or_insert_with(Instant::now);
                drop(reply.send(Ok(done)));
            }
            Ok(done) => {
                self.round.changed.push(write.table);
                self.round.waiting.push(Waiting::Table(reply, done));
            }
            Err(failed @ (StoreError::Commit { .. } | StoreError::Superseded { .. })) => {
                self.spread(&failed);
                self.round.failed = Some(failed.clone());
                drop(reply.send(Err(failed)));
            }
            Err(unreadable) => return drop(reply.send(Err(unreadable))),
        }
        self.tables_changed = true;
    }

    /// Whether the round should be committed before it takes more.
    pub fn round_is_full(&self) -> bool {
        self.round.events.len() >= ROUND_EVENTS || self.round.bytes >= ROUND_BYTES
    }

    /// Commits the round and answers everybody who waits for it.
    pub fn commit(&mut self) {
        let mut round = mem::take(&mut self.round);
        if round.waiting.is_empty() {
            return;
        }
        let nothing_to_sync = round.blocks.is_empty() && round.changed.is_empty() && self.relaxed_since.is_none();
        let outcome = match round.failed.take() {
            Some(failed) => Err(failed),
            None if nothing_to_sync => Ok(()),
            None => {
                let waits_for_tables = round.waiting.iter().any(|waiting| !matches!(waiting, Waiting::Append(..)));
                self.write(&mut round.blocks, mem::take(&mut round.events), waits_for_tables)
            }
        };
        self.answer(round, &outcome);
        if self.marked.is_none_or(|marked| marked.elapsed() >= MARK_EVERY) {
            self.mark(false);
        }
    }

    /// Tells everybody who waits for `round`.
    fn answer(&mut self, round: Round, outcome: &Result<(), StoreError>) {
        match outcome {
            Ok(()) => round.changed.iter().for_each(|name| self.tables.table(*name).notify()),
            Err(failed) => self.spread(failed),
        }
        round.waiting.into_iter().for_each(|waiting| waiting.answer(outcome.clone()));
    }

    /// Marks how far the store is durable, now that it is. Nobody waits for it, and a mark that was not written is only old.
    pub fn mark(&mut self, firmly: bool) {
        if self.poison.is_spread() {
            return;
        }
        let (Tail { last, link, .. }, changes, firm) = (self.tail, self.changes, self.engine.is_firm());
        if let Err(cause) = self.engine.mark(&Mark { last, link, changes, firm }, firmly) {
            tracing::warn!(%cause, "could not mark how far the event store is durable");
        }
        self.marked = Some(Instant::now());
    }

    /// Steps 1 to 4 of a round; see the head of [`super`]. What nobody waits for need not become durable with it: `all` says
    /// whether somebody waits for more than the log.
    fn write(&mut self, blocks: &mut [Block], events: Vec<(EntityKey, Unfolded)>, all: bool) -> Result<(), StoreError> {
        self.lease.check()?;
        let mut tail = self.tail;
        let commit = blocks.last().map_or(tail.last, |block| block.header.last);
        blocks.iter_mut().for_each(|block| block.header.commit = commit);
        for block in blocks.iter() {
            self.log.append(tail.last, block, &mut self.memory)?;
            tail = Tail::of(&block.header);
            if block.header.last != commit {
                self.serve_urgent()?;
            }
        }
        if all {
            self.sync()?;
        } else {
            let start = Instant::now();
            self.engine.make_appends_durable().map_err(not_durable)?;
            self.pace.took(start.elapsed());
        }
        if tail != self.tail {
            self.tail = tail;
            self.fold.add(events);
            self.positions.forget_old();
            self.publish.send_replace(tail.last);
        }
        if self.memory.capacity() > KEPT_BYTES {
            self.memory = Vec::new();
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if mem::take(&mut self.tables_changed) {
            self.changes += 1;
            self.log.note(layout::CHANGES_KEY, Sequence(self.changes))?;
        }
        self.engine.make_durable().map_err(not_durable)?;
        self.relaxed_since = None;
        Ok(())
    }

    /// How long relaxed writes may still wait; none when there are none, or no bound.
    pub fn relaxed_due_in(&self) -> Option<Duration> {
        self.relaxed_since.zip(self.relaxed_flush).map(|(since, bound)| bound.saturating_sub(since.elapsed()))
    }

    /// Makes relaxed writes durable, if there are any.
    pub fn flush_relaxed(&mut self) {
        if self.relaxed_since.is_some() {
            match self.sync() {
                Ok(()) => self.mark(false),
                Err(failed) => self.spread(&failed),
            }
        }
    }

    /// From here on every write is refused.
    fn spread(&mut self, failed: &StoreError) {
        self.poison.spread(failed);
        self.relaxed_since = None;
    }
}

fn not_durable(source: Cause) -> StoreError {
    StoreError::Commit { step: "make the writes durable", source }
}

/// Whether `event` continues its entity, which is at `revision`, at the sequence `next`.
fn check(event: &Prepared, revision: Revision, next: Sequence) -> Result<(), StoreError> {
    let found = event.revision;
    let continues = match event.sequence {
        Some(found) if found != next => return Err(StoreError::OutOfPlace { expected: next, found }),
        // What retention left of another log may lack revisions; none comes twice.
        Some(_) => found > revision,
        None => found == revision.next(),
    };
    if continues {
        return Ok(());
    }
    Err(StoreError::RevisionConflict { subject: event.subject.clone(), expected: revision.next(), found })
}
