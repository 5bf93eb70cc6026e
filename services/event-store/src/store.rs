//! The store as others see it: opening, appending, reading.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::Arc,
    time::Duration,
};

use event_model::{AccountName, EntityKind, EntityState, Sequence, Subject};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::{
    MemoryDisk, RELAXED_FLUSH, StoreConfig, StoreError, StoredEvent, Table, TableName,
    arrange::Arranger,
    beside::Beside,
    engine::{Engine, SledEngine},
    history,
    keeper::Keeper,
    log::Log,
    poison::Poison,
    tables::Tables,
    trees::Trees,
    writer::{Committer, Request, Writer},
};

mod append;
mod care;

/// Most events that one append takes. Until it is durable an append is in memory whole, several times over: about 20 kB
/// an event of 600 bytes, so this bound is a gigabyte already.
pub const MAX_APPEND_EVENTS: usize = 1 << 16;
/// Most events that one read gives.
pub const MAX_READ_EVENTS: usize = 10_000;
/// Bytes of bodies after which a read ends: a long replay is many short reads, and memory stays bounded.
pub const MAX_READ_BYTES: usize = 8 << 20;
/// Events from which on a read is done in two parts: 1,000 take a millisecond, waking a thread a twentieth.
pub(crate) const MANY_EVENTS: usize = 1000;
/// Bytes of bodies that a read copies as one: so much stays in memory for as long as anybody holds one event of them.
const TOGETHER_BYTES: usize = 8 << 10;
/// Most entities that one page gives.
pub const MAX_PAGE_ENTITIES: usize = 10_000;
/// Queues in which updates of tables wait, by hash of their key: enough that different keys seldom meet.
const UPDATE_TURNS: usize = 64;

/// A handle to the open store; clones share it. The directory is let go when the last handle, tables included, is
/// dropped; that waits until what is queued is on disk.
#[derive(Clone)]
pub struct EventStore {
    inner: Arc<Inner>,
}

/// Fields are dropped in this order: the writer ends, the trees are closed, then the engine lets go of its place.
pub(crate) struct Inner {
    writer: Writer,
    update_turns: [Mutex<()>; UPDATE_TURNS],
    tail: watch::Receiver<Sequence>,
    poison: Poison,
    trees: Trees,
    engine: Arc<dyn Engine>,
}

impl Inner {
    /// The writer's queue.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The tables, to read.
    pub(crate) fn tables(&self) -> &Tables {
        &self.trees.tables
    }

    /// Waits for the turn to update `key` of `table`, first come, first served.
    pub(crate) async fn update_turn(&self, table: TableName, key: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (table, key).hash(&mut hasher);
        self.update_turns[hasher.finish() as usize % UPDATE_TURNS].lock().await
    }
}

impl EventStore {
    /// Opens the store in `config.path`, or makes an empty one there; folds what a crash left unfolded.
    ///
    /// It blocks on the disk. Errors: [`StoreError::InUse`] when another process has the directory,
    /// [`StoreError::NewerFormat`] when a later version wrote it, [`StoreError::Corrupt`] and
    /// [`StoreError::CorruptValue`] when the end of the log or its head is damaged, else [`StoreError::Open`].
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let engine = Arc::new(SledEngine::open(config)?);
        Self::on(&config.path, engine, Some(RELAXED_FLUSH))
    }

    /// The same on a disk in memory, for tests and simulations. It knows no clock: a relaxed write is made durable with the
    /// next durable one, or when the store is closed or dropped, so that the same calls leave the same disk.
    pub fn open_memory(disk: &MemoryDisk) -> Result<Self, StoreError> {
        Self::on(Path::new(MemoryDisk::PLACE), Arc::new(disk.attach()?), None)
    }

    /// Opens the store that `engine` keeps. `path` is what errors call its place.
    pub(crate) fn on(
        path: &Path,
        engine: Arc<dyn Engine>,
        relaxed_flush: Option<Duration>,
    ) -> Result<Self, StoreError> {
        let trees = Trees::open(path, &*engine)?;
        let (publish, tail) = watch::channel(trees.tail.last);
        let poison = Poison::new();
        let failed = |source| {
            let step = "start the writer";
            StoreError::Open { path: path.to_path_buf(), step, source: Arc::new(source) }
        };
        let arranger = Arranger::new(trees.log.clone(), trees.turn.clone())?;
        let clock = relaxed_flush.is_some();
        let keeper = Keeper::start(trees.fold.clone(), arranger, poison.clone(), clock).map_err(failed)?;
        let committer = Committer::new(Arc::clone(&engine), &trees, publish, poison.clone(), relaxed_flush)?;
        let writer = Writer::start(committer, keeper).map_err(failed)?;
        let update_turns = std::array::from_fn(|_| Mutex::default());
        Ok(Self { inner: Arc::new(Inner { writer, update_turns, tail, poison, trees, engine }) })
    }

    /// The events after `after` (exclusive; [`Sequence::START`] is before the first), ascending, at most `limit` and at
    /// most 10,000 of them, and no more once their bodies pass 8 MiB. **Only an empty answer says that nothing
    /// follows.** Up to the [horizon](Self::horizon) they are what retention kept; after it they are dense.
    ///
    /// Errors: [`StoreError::Corrupt`] with the first bad sequence, once the events before it have been read.
    pub async fn read_after(&self, after: Sequence, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.read_page(after, limit, MAX_READ_BYTES).await
    }

    /// The same for who keeps less: no more events once their bodies have reached `max_bytes`, but one if there is one.
    pub async fn read_page(
        &self,
        after: Sequence,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (last, limit) = (self.last_sequence(), limit.min(MAX_READ_EVENTS));
        if after >= last || limit == 0 {
            return Ok(Vec::new());
        }
        let inner = Arc::clone(&self.inner);
        let max_bytes = max_bytes.min(MAX_READ_BYTES);
        blocking("the log", move || read_events(inner, after, last, limit, max_bytes)).await
    }

    /// The event at `sequence`; none before the first, after the last, or where retention cut it.
    pub async fn event(&self, sequence: Sequence) -> Result<Option<StoredEvent>, StoreError> {
        if sequence == Sequence::START || sequence > self.last_sequence() {
            return Ok(None);
        }
        let inner = Arc::clone(&self.inner);
        blocking("the log", move || history::event(&inner.trees.log, sequence)).await
    }

    /// The last sequence that is on disk; [`Sequence::START`] in an empty log. No read looks beyond it.
    pub fn last_sequence(&self) -> Sequence {
        *self.inner.tail.borrow()
    }

    /// [`Self::last_sequence`] as it grows.
    pub fn tail(&self) -> watch::Receiver<Sequence> {
        self.inner.tail.clone()
    }

    /// What the log says of `subject` in `account`; none if it says nothing. At least as new as [`Self::last_sequence`]
    /// was.
    pub async fn entity(&self, account: &AccountName, subject: &Subject) -> Result<Option<EntityState>, StoreError> {
        let (inner, account, subject) = (Arc::clone(&self.inner), account.clone(), subject.clone());
        blocking("the states of entities", move || inner.trees.fold.state(&account, &subject)).await
    }

    /// Ids and states of all entities of `kind` in `account`, removed ones included, ascending by id. Not a snapshot:
    /// what is appended meanwhile may show in part.
    pub async fn entities(
        &self,
        account: &AccountName,
        kind: EntityKind,
    ) -> Result<Vec<(String, EntityState)>, StoreError> {
        let (inner, account) = (Arc::clone(&self.inner), account.clone());
        blocking("the states of entities", move || inner.trees.fold.states(&account, kind, None, usize::MAX)).await
    }

    /// Ids and states of at most `limit` and at most 10,000 entities of `kind` in `account`, removed ones included, ascending
    /// by id, from the first that follows `after` (exclusive; it need not exist). **Only an empty answer says that nothing
    /// follows.** Pages are no snapshot: what is appended between them shows in later ones.
    pub async fn entities_page(
        &self,
        account: &AccountName,
        kind: EntityKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, EntityState)>, StoreError> {
        let (inner, account, after) = (Arc::clone(&self.inner), account.clone(), after.map(str::to_owned));
        let limit = limit.min(MAX_PAGE_ENTITIES);
        let page = move || inner.trees.fold.states(&account, kind, after.as_deref(), limit);
        blocking("the states of entities", page).await
    }

    /// The table `name`, read and written as values of type `T`.
    pub fn table<T: Serialize + DeserializeOwned + Send + Sync + 'static>(&self, name: TableName) -> Table<T> {
        Table::new(Arc::clone(&self.inner), name)
    }

    /// Bytes that the store takes where it is kept: of a directory, all files.
    pub fn disk_bytes(&self) -> u64 {
        self.inner.engine.disk_bytes()
    }

    /// Completes when the store takes no more writes because one failed ([`StoreError::Poisoned`]), or because its writer
    /// is gone. Only opening it anew helps: whoever runs a service on it should end.
    pub async fn poisoned(&self) {
        let mut poisoned = self.inner.poison.watch();
        // An error says that the writer's thread is gone.
        let _ = poisoned.wait_for(|poisoned| *poisoned).await;
    }

    /// Makes everything durable and refuses all writes after it with [`StoreError::Closed`]. Reads go on; the directory
    /// is let go with the last handle.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.inner.writer.ask(Request::Close).await
    }

    /// The trees, to damage them.
    #[cfg(test)]
    pub(crate) fn trees(&self) -> &Trees {
        &self.inner.trees
    }

    /// The engine, to look below the seam.
    #[cfg(test)]
    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.inner.engine
    }

    /// How many requests wait for the writer.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.inner.writer.waiting()
    }

    /// Its writer.
    #[cfg(test)]
    pub(crate) fn writer(&self) -> &Writer {
        &self.inner.writer
    }
}

/// Runs `work`, which waits for the disk, where it holds up no task.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let stopped = |error| Err(StoreError::Read { what, source: Arc::new(error) });
    tokio::task::spawn_blocking(work).await.unwrap_or_else(stopped)
}

/// A thread that was to read `what` panicked.
fn stopped(what: &'static str) -> StoreError {
    StoreError::Read { what, source: Arc::new(std::io::Error::other("a thread panicked")) }
}

fn check_count(what: &'static str, size: usize) -> Result<(), StoreError> {
    let limit = MAX_APPEND_EVENTS;
    if size > limit { Err(StoreError::TooLarge { what, size, limit }) } else { Ok(()) }
}

/// The events of a page. A long one is read in two parts side by side: most of what reading costs is unpacking.
fn read_events(
    inner: Arc<Inner>,
    after: Sequence,
    last: Sequence,
    limit: usize,
    max_bytes: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let log = &inner.trees.log;
    let Some(middle) = middle(log, after, last, limit, max_bytes)? else {
        return Ok(read_part(log, after, last, limit, max_bytes)?.events);
    };
    let rest = limit - (middle.0 - after.0) as usize;
    let its = Arc::clone(&inner);
    let second = Beside::offer(move || read_part(&its.trees.log, middle, last, rest, max_bytes / 2));
    let first = read_part(log, after, middle, limit, max_bytes);
    let second = second.blocking_outcome().unwrap_or_else(|| Err(stopped("the log")));
    let Part { mut events, whole } = first?;
    match second {
        Ok(second) if whole => events.extend(second.events),
        Err(error) if whole && events.is_empty() => return Err(error),
        Ok(_) | Err(_) => {}
    }
    Ok(events)
}

/// Where the second half of a page begins, if it is worth reading it beside the first.
fn middle(
    log: &Log,
    after: Sequence,
    last: Sequence,
    limit: usize,
    max_bytes: usize,
) -> Result<Option<Sequence>, StoreError> {
    let most = limit.min((last.0 - after.0) as usize);
    if most < MANY_EVENTS {
        return Ok(None);
    }
    let first = log.look_at(after.next())?;
    let usual_bytes = (first.plain_bytes / first.header.count.max(1)).max(1);
    let half = most.min(max_bytes / usual_bytes) / 2;
    Ok((half >= MANY_EVENTS / 2).then_some(Sequence(after.0 + half as u64)))
}

/// Some events of a page.
struct Part {
    events: Vec<StoredEvent>,
    /// Nothing up to where the part was to end is missing.
    whole: bool,
}

fn read_part(log: &Log, after: Sequence, up_to: Sequence, limit: usize, max_bytes: usize) -> Result<Part, StoreError> {
    let most = limit.min((up_to.0 - after.0) as usize);
    let (mut events, mut bytes): (Vec<StoredEvent>, usize) = (Vec::with_capacity(most), 0);
    for block in log.blocks(after, up_to)? {
        let block = match block {
            Ok(block) => block,
            // What is whole is given first; the next read begins at the damage and says so.
            Err(_) if !events.is_empty() => return Ok(Part { events, whole: false }),
            Err(error) => return Err(error),
        };
        let from = events.last().map_or(after, |event| event.head.sequence);
        let mut entries = block.entries_after(from).take_while(|entry| entry.sequence <= up_to).peekable();
        while entries.peek().is_some() {
            for event in history::stored_together(&mut entries, TOGETHER_BYTES) {
                let event = match event {
                    Ok(event) => event,
                    Err(_) if !events.is_empty() => return Ok(Part { events, whole: false }),
                    Err(error) => return Err(error),
                };
                bytes += event.body.len();
                let at_end = event.head.sequence == up_to;
                events.push(event);
                if events.len() >= limit || bytes >= max_bytes {
                    return Ok(Part { events, whole: at_end });
                }
            }
        }
    }
    Ok(Part { events, whole: true })
}
