//! The engine of tests and simulations: trees in memory, on a "disk" that outlives the store, with faults on demand.
//!
//! The disk knows what has been made durable and what has only been written: for each key that changed since the last
//! [`Engine::make_durable`] it keeps what the key held then. A power cut puts those values back. A process that merely ends
//! loses nothing, as with a file whose pages the kernel holds. What was appended can be durable before the rest is
//! ([`Engine::make_appends_durable`]): of all orders that the seam allows this is the one that is hardest on who stands above.
//!
//! Whoever had the disk open when the power was cut is dead: every later call of it fails, so that a forgotten handle can
//! neither write to nor read from the disk that the next store has open.

use std::{
    collections::BTreeMap,
    mem,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Engine, Item, Owned, Scan, Tree, Values};
use crate::{Cause, StoreError};

type Value = Arc<[u8]>;
type Contents = BTreeMap<Vec<u8>, Value>;

/// A disk in memory for [`EventStore::open_memory`](crate::EventStore::open_memory); clones are the same disk. It holds what
/// survives a crash, and fails when it is told to. It is for tests and simulations: it goes with the process.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    platter: Arc<Mutex<Platter>>,
}

/// What failed below a store in memory.
#[derive(Debug, thiserror::Error)]
enum MemoryError {
    #[error("the disk failed, as it was told to")]
    Injected,
    #[error("the power was cut")]
    PowerCut,
    #[error("no space left on the disk")]
    Full,
    #[error("another store holds a newer lease: number {newest}, and this one {held}")]
    Fenced { held: u64, newest: u64 },
}

#[derive(Default)]
struct Platter {
    trees: BTreeMap<String, Contents>,
    /// What the keys that changed since then held when everything was made durable last, by tree.
    before: BTreeMap<String, BTreeMap<Vec<u8>, Option<Value>>>,
    /// What was appended since appends were made durable last, in its tree.
    appended: Vec<(String, Vec<u8>, Value)>,
    /// Numbers those who have had the disk open; only the last may use it.
    session: u64,
    open: bool,
    /// The highest lease that anyone wrote under.
    lease: u64,
    fault: Option<Fault>,
    /// Appends that succeed before one fails.
    append_fails_after: Option<u64>,
    /// Writes that succeed before the disk is full.
    full_after: Option<u64>,
    /// How long each commit takes.
    delay: Duration,
    /// What is not durable goes when the disk is opened next.
    doomed: bool,
}

/// A commit that is to fail.
struct Fault {
    /// How many succeed before it.
    after: u64,
    /// Whether what it was to keep is kept nevertheless.
    stands: bool,
}

impl MemoryDisk {
    /// What errors call the place of a store that has none.
    pub(crate) const PLACE: &str = "memory";

    /// Lets the commit after the next `commits` fail: the store answers [`StoreError::Commit`] and takes no more writes. With
    /// `stands`, what it had written is there all the same when the disk is opened again; else everything since the commit
    /// before it is gone. Whatever is made durable counts: each append that does not share its commit with others, each
    /// durable write to a table, opening (once, of a new disk twice), and closing with relaxed writes outstanding.
    pub fn fail_commit_after(&self, commits: u64, stands: bool) {
        self.platter().fault = Some(Fault { after: commits, stands });
    }

    /// Lets the append of a block to the log after the next `appends` fail; nothing of that block is written. A commit of several
    /// blocks is torn by it.
    pub fn fail_append_after(&self, appends: u64) {
        self.platter().append_fails_after = Some(appends);
    }

    /// Lets every write after the next `writes` fail, as on a full disk, until [`Self::make_room`]. Removing is no write.
    pub fn fill_up_after(&self, writes: u64) {
        self.platter().full_after = Some(writes);
    }

    /// The disk is full no longer.
    pub fn make_room(&self) {
        self.platter().full_after = None;
    }

    /// Makes every commit take `delay` from now on.
    pub fn slow_down(&self, delay: Duration) {
        self.platter().delay = delay;
    }

    /// Cuts the power: what was written since the last commit that succeeded is gone, and whoever has the disk open can do
    /// nothing more with it. The disk can be opened anew at once.
    pub fn power_cut(&self) {
        let mut platter = self.platter();
        platter.roll_back();
        platter.session += 1;
        platter.open = false;
    }

    /// Takes hold of the disk, as one process does of a directory.
    pub(crate) fn attach(&self) -> Result<MemoryEngine, StoreError> {
        let mut platter = self.platter();
        if platter.open {
            return Err(StoreError::InUse { path: Self::PLACE.into(), pid: Some(std::process::id()) });
        }
        if mem::take(&mut platter.doomed) {
            platter.roll_back();
        }
        platter.session += 1;
        platter.open = true;
        Ok(self.held(platter.session))
    }

    /// Takes hold of it beside whoever has it already, as a second node does of an engine that several share.
    #[cfg(test)]
    pub(crate) fn attach_beside(&self) -> MemoryEngine {
        let session = self.platter().session;
        self.held(session)
    }

    fn held(&self, session: u64) -> MemoryEngine {
        MemoryEngine { hold: Arc::new(Hold { disk: self.clone(), session, lease: AtomicU64::new(0) }) }
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    fn set(&mut self, tree: &str, key: Vec<u8>, value: Option<Value>) {
        let contents = self.trees.entry(tree.to_owned()).or_default();
        let old = match value {
            Some(value) => contents.insert(key.clone(), value),
            None => contents.remove(&key),
        };
        self.before.entry(tree.to_owned()).or_default().entry(key).or_insert(old);
    }

    /// Counts a write; fails when the disk is full.
    fn write(&mut self) -> Result<(), MemoryError> {
        match &mut self.full_after {
            Some(0) => Err(MemoryError::Full),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn append(&mut self) -> Result<(), MemoryError> {
        match &mut self.append_fails_after {
            Some(0) => {
                self.append_fails_after = None;
                return Err(MemoryError::Injected);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.write()
    }

    fn roll_back(&mut self) {
        for (tree, keys) in mem::take(&mut self.before) {
            for (key, value) in keys {
                self.set(&tree, key, value);
            }
        }
        self.before.clear();
        self.appended.clear();
    }

    /// Makes durable what `keep` does, or fails as it was told to.
    fn commit(&mut self, keep: impl FnOnce(&mut Self)) -> Result<(), MemoryError> {
        match &mut self.fault {
            Some(fault) if fault.after == 0 => {
                match fault.stands {
                    true => keep(self),
                    false => self.doomed = true,
                }
                self.fault = None;
                return Err(MemoryError::Injected);
            }
            Some(fault) => fault.after -= 1,
            None => {}
        }
        keep(self);
        Ok(())
    }

    fn keep_all(&mut self) {
        self.before.clear();
        self.appended.clear();
    }

    /// What was appended stands as it was appended, whatever became of it since.
    fn keep_appends(&mut self) {
        for (tree, key, value) in mem::take(&mut self.appended) {
            let stands = self.trees.get(&tree).and_then(|tree| tree.get(&key));
            let unchanged = stands.is_some_and(|stands| Arc::ptr_eq(stands, &value));
            let Some(before) = self.before.get_mut(&tree) else { continue };
            match unchanged {
                true => drop(before.remove(&key)),
                false => drop(before.insert(key, Some(value))),
            }
        }
    }
}

/// The disk in the hands of one store; lets it go when the last handle is dropped.
struct Hold {
    disk: MemoryDisk,
    session: u64,
    /// The lease it writes under; 0 before it has one.
    lease: AtomicU64,
}

impl Hold {
    /// The disk, if writing to it is allowed: not below a newer lease.
    fn to_write(&self) -> Result<MutexGuard<'_, Platter>, Cause> {
        let (platter, held) = (self.platter()?, self.lease.load(Ordering::SeqCst));
        match platter.lease {
            newest if 0 < held && held < newest => Err(cause(MemoryError::Fenced { held, newest })),
            _ => Ok(platter),
        }
    }

    /// As long as a commit takes. What is simulated is a disk that takes its time, in the writer's own thread.
    fn wait(&self) -> Result<(), Cause> {
        let delay = self.platter()?.delay;
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        Ok(())
    }

    fn platter(&self) -> Result<MutexGuard<'_, Platter>, Cause> {
        let platter = self.disk.platter();
        if platter.session == self.session { Ok(platter) } else { Err(Arc::new(MemoryError::PowerCut)) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Ok(mut platter) = self.platter() {
            platter.open = false;
        }
    }
}

/// An open [`MemoryDisk`].
pub struct MemoryEngine {
    hold: Arc<Hold>,
}

impl Engine for MemoryEngine {
    fn tree(&self, name: &str, _values: Values) -> Result<Arc<dyn Tree>, Cause> {
        self.hold.platter()?.trees.entry(name.to_owned()).or_default();
        Ok(Arc::new(MemoryTree { hold: Arc::clone(&self.hold), name: name.to_owned() }))
    }

    fn make_durable(&self) -> Result<(), Cause> {
        self.hold.wait()?;
        self.hold.platter()?.commit(Platter::keep_all).map_err(cause)
    }

    fn make_appends_durable(&self) -> Result<(), Cause> {
        self.hold.wait()?;
        self.hold.platter()?.commit(Platter::keep_appends).map_err(cause)
    }

    fn fence(&self, number: u64) -> Result<(), Cause> {
        let mut platter = self.hold.platter()?;
        platter.lease = platter.lease.max(number);
        self.hold.lease.store(number, Ordering::SeqCst);
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        let Ok(platter) = self.hold.platter() else { return 0 };
        platter.trees.values().flatten().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}

fn cause(error: MemoryError) -> Cause {
    Arc::new(error)
}

struct MemoryTree {
    hold: Arc<Hold>,
    name: String,
}

impl Tree for MemoryTree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        let platter = self.hold.platter()?;
        Ok(platter.trees.get(&self.name).and_then(|tree| tree.get(key)).map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>) -> Box<dyn Scan> {
        let next = Bound::Included(from.to_vec());
        let tree = Self { hold: Arc::clone(&self.hold), name: self.name.clone() };
        Box::new(MemoryScan { tree, next, to: to.map(<[u8]>::to_vec), item: None })
    }

    fn last(&self) -> Result<Option<Owned>, Cause> {
        let platter = self.hold.platter()?;
        let last = platter.trees.get(&self.name).and_then(BTreeMap::last_key_value);
        Ok(last.map(|(key, value)| (key.clone(), value.to_vec())))
    }

    fn append(&self, after: Option<&[u8]>, key: &[u8], value: &[u8]) -> Result<bool, Cause> {
        let mut platter = self.hold.to_write()?;
        let last = platter.trees.get(&self.name).and_then(BTreeMap::last_key_value);
        let expected = last.map(|(key, _)| &key[..]) == after;
        if expected {
            platter.append().map_err(cause)?;
            let value = Value::from(value);
            platter.appended.push((self.name.clone(), key.to_vec(), Arc::clone(&value)));
            platter.set(&self.name, key.to_vec(), Some(value));
        }
        Ok(expected)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let mut platter = self.hold.to_write()?;
        platter.write().map_err(cause)?;
        platter.set(&self.name, key.to_vec(), Some(Value::from(value)));
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<(), Cause> {
        self.hold.to_write()?.set(&self.name, key.to_vec(), None);
        Ok(())
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Cause> {
        let mut platter = self.hold.to_write()?;
        let found = platter.trees.get(&self.name).and_then(|tree| tree.get(key));
        if found.map(|value| &value[..]) != expected {
            return Ok(false);
        }
        if new.is_some() {
            platter.write().map_err(cause)?;
        }
        platter.set(&self.name, key.to_vec(), new.map(Value::from));
        Ok(true)
    }
}

struct MemoryScan {
    tree: MemoryTree,
    next: Bound<Vec<u8>>,
    to: Option<Vec<u8>>,
    /// What was given last.
    item: Option<(Vec<u8>, Value)>,
}

impl Scan for MemoryScan {
    fn next(&mut self) -> Result<Option<Item<'_>>, Cause> {
        let platter = self.tree.hold.platter()?;
        // Without an upper bound: one below the lower bound is no panic then.
        let from = (self.next.as_ref().map(Vec::as_slice), Bound::Unbounded);
        let first = platter.trees.get(&self.tree.name).and_then(|tree| tree.range::<[u8], _>(from).next());
        let item = first.filter(|(key, _)| self.to.as_ref().is_none_or(|to| *key < to));
        self.item = item.map(|(key, value)| (key.clone(), Arc::clone(value)));
        if let Some((key, _)) = &self.item {
            self.next = Bound::Excluded(key.clone());
        }
        Ok(self.item.as_ref().map(|(key, value)| (&key[..], &value[..])))
    }
}
