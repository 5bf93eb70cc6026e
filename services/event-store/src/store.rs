//! The store as others see it: opening, appending, reading.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::Arc,
};

use event_model::{AccountName, EntityKind, EntityState, EventDraft, Sequence, Subject};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::{
    StoreConfig, StoreError, StoredEvent, Table, TableName,
    disk::{Disk, cause},
    fold::Fold,
    format, layout,
    lock::Lock,
    log::{self, Head, Log},
    tables::Tables,
    writer::{Committer, MakeDurable, Request, Writer},
};

/// Most events that one append takes. Until it is durable an append is in memory whole, several times over: about 20 kB
/// an event of 600 bytes, so this bound is a gigabyte already.
pub const MAX_APPEND_EVENTS: usize = 1 << 16;
/// Most events that one read gives.
pub const MAX_READ_EVENTS: usize = 10_000;
/// Bytes of bodies after which a read ends: a long replay is many short reads, and memory stays bounded.
pub const MAX_READ_BYTES: usize = 8 << 20;
/// Queues in which updates of tables wait, by hash of their key: enough that different keys seldom meet.
const UPDATE_TURNS: usize = 64;

/// A handle to the open store; clones share it. The directory is let go when the last handle, tables included, is
/// dropped; that waits until what is queued is on disk.
#[derive(Clone)]
pub struct EventStore {
    inner: Arc<Inner>,
}

/// Fields are dropped in this order: the writer ends, sled closes, then the directory is let go.
pub(crate) struct Inner {
    pub(crate) writer: Writer,
    pub(crate) tables: Arc<Tables>,
    update_turns: [Mutex<()>; UPDATE_TURNS],
    log: Log,
    fold: Fold,
    head: Head,
    tail: watch::Receiver<Sequence>,
    poisoned: watch::Receiver<bool>,
    disk: Arc<Disk>,
    _lock: Lock,
}

impl Inner {
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
        Self::open_with(config, |disk| Box::new(move || disk.make_durable()))
    }

    /// The same with another way to make things durable: for tests that let it fail.
    pub(crate) fn open_with(
        config: &StoreConfig,
        make_durable: impl FnOnce(Arc<Disk>) -> MakeDurable,
    ) -> Result<Self, StoreError> {
        let failed = |step| {
            move |error: std::io::Error| StoreError::Open { path: config.path.clone(), step, source: cause(error) }
        };
        make_directory(&config.path).map_err(failed("make the directory"))?;
        let lock = Lock::acquire(&config.path)?;
        let disk = Arc::new(Disk::open(config, &lock)?);
        format::check_or_begin(&config.path, &disk)?;
        let log = Log::open(&disk)?;
        let (fold, tables) = (Fold::open(&disk)?, Arc::new(Tables::open(&disk)?));
        let missing = || StoreError::CorruptValue { place: layout::LOG_TREE, key: "head".to_owned() };
        let head = log.head()?.ok_or_else(missing)?;
        fold.catch_up(&log, head)?;

        let make_durable = make_durable(Arc::clone(&disk));
        // What a killed process wrote may be in the kernel's memory alone. It is about to be shown, so it must stand.
        let unsynced = |source| StoreError::Open { path: config.path.clone(), step: "sync what was found", source };
        make_durable().map_err(unsynced)?;
        let (publish, tail) = watch::channel(head.last);
        let committer = Committer::new(log.clone(), fold.clone(), Arc::clone(&tables), head, publish, make_durable);
        let poisoned = committer.poisoned();
        let writer = Writer::start(committer).map_err(failed("start the writer"))?;
        let update_turns = std::array::from_fn(|_| Mutex::default());
        let inner = Inner { writer, tables, update_turns, log, fold, head, tail, poisoned, disk, _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Appends `drafts` in order, all or none, and gives the events that they became, with the next sequences. It
    /// returns when they are on disk and folded: they survive kill -9 and a power cut.
    ///
    /// Errors that leave the log as it was: [`StoreError::RevisionConflict`] for a draft whose revision is not one more
    /// than its entity's (earlier drafts and appends counted), [`StoreError::TooLarge`], [`StoreError::Json`],
    /// [`StoreError::Closed`], [`StoreError::Poisoned`]. After [`StoreError::Commit`] they may stand or not.
    pub async fn append(&self, drafts: Vec<EventDraft>) -> Result<Vec<StoredEvent>, StoreError> {
        if drafts.len() > MAX_APPEND_EVENTS {
            let (what, limit) = ("events in one append", MAX_APPEND_EVENTS);
            return Err(StoreError::TooLarge { what, size: drafts.len(), limit });
        }
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        self.inner.writer.ask(|reply| Request::Append(drafts, reply)).await
    }

    /// The events after `after` (exclusive; [`Sequence::START`] is before the first), ascending, at most `limit` and at
    /// most 10,000 of them, and no more once their bodies pass 8 MiB. **Only an empty answer says that nothing
    /// follows.**
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
        blocking("the log", move || {
            let records = inner.log.records(after.max(inner.head.horizon), last).take(limit);
            read_records(records, max_bytes)
        })
        .await
    }

    /// The event at `sequence`; none before the first, after the last, or where retention cut it.
    pub async fn event(&self, sequence: Sequence) -> Result<Option<StoredEvent>, StoreError> {
        if sequence <= self.inner.head.horizon || sequence > self.last_sequence() {
            return Ok(None);
        }
        let inner = Arc::clone(&self.inner);
        blocking("the log", move || {
            let body = inner.log.record(sequence)?.ok_or(StoreError::Corrupt { sequence })?;
            log::parse(sequence, body).map(Some)
        })
        .await
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
        blocking("the states of entities", move || inner.fold.state(&account, &subject)).await
    }

    /// Ids and states of all entities of `kind` in `account`, removed ones included, ascending by id. Not a snapshot:
    /// what is appended meanwhile may show in part.
    pub async fn entities(
        &self,
        account: &AccountName,
        kind: EntityKind,
    ) -> Result<Vec<(String, EntityState)>, StoreError> {
        let (inner, account) = (Arc::clone(&self.inner), account.clone());
        blocking("the states of entities", move || inner.fold.states(&account, kind)).await
    }

    /// The table `name`, read and written as values of type `T`.
    pub fn table<T: Serialize + DeserializeOwned + Send + Sync + 'static>(&self, name: TableName) -> Table<T> {
        Table::new(Arc::clone(&self.inner), name)
    }

    /// Bytes of all files of the store.
    pub fn disk_bytes(&self) -> u64 {
        self.inner.disk.bytes()
    }

    /// Completes when the store takes no more writes because one failed ([`StoreError::Poisoned`]), or because its writer
    /// is gone. Only opening it anew helps: whoever runs a service on it should end.
    pub async fn poisoned(&self) {
        let mut poisoned = self.inner.poisoned.clone();
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
    pub(crate) fn parts(&self) -> (&Log, &Fold, &Tables) {
        (&self.inner.log, &self.inner.fold, &self.inner.tables)
    }

    /// How many requests wait for the writer.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.inner.writer.waiting()
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

fn read_records(
    records: impl Iterator<Item = Result<(Sequence, Vec<u8>), StoreError>>,
    max_bytes: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut events: Vec<StoredEvent> = Vec::new();
    let mut bytes = 0;
    for record in records {
        match record.and_then(|(sequence, body)| log::parse(sequence, body)) {
            Ok(event) => {
                bytes += event.body.len();
                events.push(event);
            }
            // What is whole is given first; the next read begins at the damage and says so.
            Err(_) if !events.is_empty() => break,
            Err(error) => return Err(error),
        }
        if bytes >= max_bytes {
            break;
        }
    }
    Ok(events)
}

/// Makes the directory, for its owner alone: the log holds people's names, addresses and what they spent.
#[cfg(unix)]
fn make_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_directory(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}
