//! The engine that runs: sled 0.34 in a directory. The only code that knows sled.
//!
//! # Durability
//!
//! [`make_durable`] is the only place where anything in sled becomes durable, in two steps, each against its own crash:
//!
//! 1. `flush`: sled writes its buffers to the file and calls `sync_file_range`. Without it, **kill -9** loses what is
//!    still in our memory. It does not survive a power cut: `sync_file_range` neither writes the file's metadata (its
//!    size, above all) nor empties the cache of the disk.
//! 2. `fdatasync` of `db`, sled's only data file: metadata that is needed to read it, and the disk's cache. Without it,
//!    a **power cut** loses what was acknowledged. [`DurabilityLevel::ProcessCrash`] leaves this step out, and nothing else.
//!
//! The log is not in sled: its end is in [files of its own](super::tail), the rest in [packs](super::packs), which have an `fdatasync` of theirs;
//! sled keeps where each block is. Packs are synced before sled is. So a commit of
//! events alone ([`Engine::make_appends_durable`]) waits for nothing that others have written to sled.
//!
//! sled's periodic flusher runs too, but only because it is the one thread that cleans segments; nobody waits for it.
//!
//! # Opening
//!
//! sled reads the snapshot whose name sorts last, an unfinished one (`snap.*.generating`) included, and fails for good
//! when it is cut short; and it does not replace a settings file (`conf`) that is cut short. Both are left by a kill at
//! the wrong moment. Neither holds anything that `db` does not, so both are removed before sled looks.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{
    Engine, Item, Mark, Marked, Owned, Scan, Tree, Values,
    chunks::{Batch, Chunked, Pieces},
    mark::MarkFile,
    packs::Packs,
    syncing::Syncing,
    tail::Tail,
};
use event_model::Sequence;

use crate::{Cause, DurabilityLevel, StoreConfig, StoreError, layout, lock::Lock};

/// sled's data file.
const DATA_FILE: &str = "db";
/// sled's settings file.
const SETTINGS_FILE: &str = "conf";
/// How the names of snapshots that were not finished begin and end.
const UNFINISHED_SNAPSHOT: (&str, &str) = ("snap.", ".generating");
/// How often sled cleans segments. Not a durability setting.
const CLEAN_EVERY_MS: u64 = 500;

/// The open directory. Fields are dropped in this order: sled closes, then the directory is let go.
pub struct SledEngine {
    path: PathBuf,
    db: sled::Db,
    /// Those that are open, by name: who writes to one of them knows of all others who do.
    large: Mutex<HashMap<String, Arc<Chunked>>>,
    data: Arc<Data>,
    /// The tree of the log, once it was opened.
    log: OnceLock<(Arc<Tail>, Arc<Packs>)>,
    mark: Mutex<MarkFile>,
    durability: DurabilityLevel,
    _lock: Lock,
}

impl SledEngine {
    /// Locks `config.path`, which is made if need be, and opens or makes sled's files in it.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let path = &config.path;
        make_directory(path).map_err(failed(path, "make the directory"))?;
        let lock = Lock::acquire(path)?;
        lock.await_release(path, &path.join(DATA_FILE))?;
        remove_unfinished(path).map_err(failed(path, "remove what an interrupted start left"))?;
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(config.cache_mib << 20)
            .segment_size(layout::SEGMENT_BYTES)
            .flush_every_ms(Some(CLEAN_EVERY_MS))
            .open()
            .map_err(|error| match error {
                // It tells no place. Damage is told as such: what helps against it is a backup, not another try.
                sled::Error::Corruption { .. } => {
                    StoreError::CorruptValue { place: DATA_FILE, key: "what is read at the start".to_owned() }
                }
                other => failed(path, "open sled")(other),
            })?;
        let data = File::options().write(true).open(path.join(DATA_FILE)).map_err(failed(path, "open sled's data"))?;
        sync_names(path).map_err(failed(path, "sync the directory"))?;
        let mark = Mutex::new(MarkFile::at(path));
        let (data, log) = (Arc::new(Data { file: data, syncing: Syncing::default() }), OnceLock::new());
        Ok(Self {
            path: path.clone(),
            db,
            large: Mutex::default(),
            data,
            log,
            mark,
            durability: config.durability,
            _lock: lock,
        })
    }

    /// The log: its end beside sled, the rest in it.
    fn log(&self, tree: sled::Tree) -> Result<Arc<Tail>, Cause> {
        if let Some((log, _)) = self.log.get() {
            return Ok(Arc::clone(log));
        }
        let (db, data, durability) = (self.db.clone(), Arc::clone(&self.data), self.durability);
        let firm = durability == DurabilityLevel::PowerLoss;
        let below = Arc::new(Packs::open(&self.path, Arc::new(Chunked::new(Box::new(tree))), firm)?);
        let packs = Arc::clone(&below);
        let settle = Box::new(move |needed: bool| match needed || !packs.unused().is_empty() {
            true => make_durable(&db, &data, Some(&packs), durability),
            false => Ok(()),
        });
        let marked = Some(self.marked()?.firmly_up_to()).filter(|last| *last > Sequence::START);
        let marked = marked.map(layout::block_key);
        let log = Arc::new(Tail::open(&self.path, Arc::new(Arc::clone(&below)), marked, settle)?);
        if below.has_strays() {
            // They go when the store is open: then it has reached its mark, too.
            match log.is_gapless()? {
                true => below.let_go(),
                false => tracing::warn!("the log has a gap; packs that nothing points to stay"),
            }
        }
        Ok(Arc::clone(&self.log.get_or_init(|| (log, below)).0))
    }

    fn sync_tail(&self) -> Result<(), Cause> {
        self.log.get().map_or(Ok(()), |(log, _)| log.sync(self.durability == DurabilityLevel::PowerLoss))
    }
}

/// sled's data file.
struct Data {
    file: File,
    syncing: Syncing,
}

/// See the head of this file.
fn make_durable(db: &sled::Db, data: &Data, packs: Option<&Packs>, durability: DurabilityLevel) -> Result<(), Cause> {
    // Before the pointers to it.
    packs.map_or(Ok(()), Packs::sync)?;
    let unused = packs.map(Packs::unused).unwrap_or_default();
    // Prevents the loss by kill -9: out of our memory.
    db.flush().map_err(cause)?;
    if durability == DurabilityLevel::PowerLoss {
        // Prevents the loss by a power cut: out of the memories of the kernel and the disk.
        data.syncing.turn(|| data.file.sync_data().map_err(cause))?;
    }
    packs.map_or(Ok(()), |packs| packs.free(&unused))
}

impl Engine for SledEngine {
    fn tree(&self, name: &str, values: Values) -> Result<Arc<dyn Tree>, Cause> {
        let tree = self.db.open_tree(name).map_err(cause)?;
        Ok(match values {
            Values::Small => Arc::new(tree),
            Values::Large if name == layout::LOG_TREE => Arc::new(self.log(tree)?),
            Values::Large => {
                let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
                let chunked = large.entry(name.to_owned()).or_insert_with(|| Arc::new(Chunked::new(Box::new(tree))));
                Arc::clone(chunked) as Arc<dyn Tree>
            }
        })
    }

    /// See the head of this file.
    fn make_durable(&self) -> Result<(), Cause> {
        self.sync_tail()?;
        make_durable(&self.db, &self.data, self.log.get().map(|(_, packs)| &**packs), self.durability)
    }

    fn make_appends_durable(&self) -> Result<(), Cause> {
        self.sync_tail()
    }

    fn mark(&self, mark: &Mark, firmly: bool) -> Result<(), Cause> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).write(mark, firmly).map_err(cause)
    }

    fn marked(&self) -> Result<Marked, Cause> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).read().map_err(cause)
    }

    fn is_firm(&self) -> bool {
        self.durability == DurabilityLevel::PowerLoss
    }

    /// The length of all files of the directory. A file that is removed meanwhile counts nothing.
    fn disk_bytes(&self) -> u64 {
        let files = fs::read_dir(&self.path).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
    }
}

impl Tree for sled::Tree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        Ok(Self::get(self, key).map_err(cause)?.map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        let items = match to {
            Some(to) => self.range(from..to),
            None => self.range(from..),
        };
        Box::new(SledScan { items, item: None })
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        let last = Self::last(self).map_err(cause)?;
        Ok(last.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    /// Only the one store that has the directory appends, from one thread: nobody comes between looking and inserting.
    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        let last = Self::last(self).map_err(cause)?;
        if last.as_ref().map(|(key, _)| &key[..]) != after {
            return Ok(false);
        }
        self.insert(key, value).map_err(cause)?;
        Ok(true)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        self.insert(key, value).map(drop).map_err(cause)
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        Self::remove(self, key).map(drop).map_err(cause)
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        Ok(Self::compare_and_swap(self, key, expected, new).map_err(cause)?.is_ok())
    }
}

impl Pieces for sled::Tree {
    /// One change alone does not lock out everybody else, as a batch of sled does.
    fn apply(&self, batch: Batch) -> Result<(), Cause> {
        let batch = match batch.into_one() {
            Ok((key, Some(value))) => return Tree::put(self, &key, &value),
            Ok((key, None)) => return Tree::remove(self, &key),
            Err(batch) => batch,
        };
        let mut changes = sled::Batch::default();
        for (key, value) in batch.into_changes() {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        self.apply_batch(changes).map_err(cause)
    }
}

struct SledScan {
    items: sled::Iter,
    /// What was given last.
    item: Option<(sled::IVec, sled::IVec)>,
}

impl Scan for SledScan {
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause> {
        self.item = self.items.next().transpose().map_err(cause)?;
        Ok(self.item.as_ref().map(|(key, value)| (&key[..], &value[..])))
    }
}

fn cause<E: std::error::Error + Send + Sync + 'static>(error: E) -> Cause {
    Arc::new(error)
}

fn failed<E: std::error::Error + Send + Sync + 'static>(path: &Path, step: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError::Open { path: path.to_path_buf(), step, source: cause(error) }
}

/// See "Opening" at the head of this file.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let (begin, end) = UNFINISHED_SNAPSHOT;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(begin) && name.ends_with(end)) {
            tracing::info!(file = %entry.path().display(), "removed a snapshot that was not finished");
            fs::remove_file(entry.path())?;
        }
    }
    let settings = path.join(SETTINGS_FILE);
    if settings.exists() && !path.join(DATA_FILE).exists() {
        fs::remove_file(settings)?;
    }
    Ok(())
}

/// Against a power cut soon after the first start: the names in the directory and sled's settings, which sled does not
/// sync itself.
fn sync_names(path: &Path) -> io::Result<()> {
    File::open(path.join(SETTINGS_FILE))?.sync_all()?;
    if cfg!(unix) {
        File::open(path)?.sync_all()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Makes the directory, for its owner alone: the log holds people's names, addresses and what they spent.
#[cfg(unix)]
fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
