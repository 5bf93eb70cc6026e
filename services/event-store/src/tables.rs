//! The trees under the tables: string keys, bodies of any size within the bound of a record.
//!
//! Only the writer changes them. A change of one key is one compare-and-swap or one write of the engine; one of several keys is written down
//! first ([`crate::intent`]): whole or not at all after a crash. While it is applied, readers wait (that is
//! memory speed, not disk speed), so that they see each change whole, too, and never half of a value in several pieces. If it fails
//! half way, nobody reads that table until the store is opened again, which makes the change whole.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use crate::{
    Cause, StoreError, TableName,
    engine::{Engine, Tree, Values, prefix_end},
    frame,
    intent::{Changes, Intent},
    layout,
};

/// A key and its new body; none removes it.
pub type Change = (String, Option<Vec<u8>>);

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was made; `existed` tells whether the key was there before, if it was one alone.
    Done {
        /// See above.
        existed: bool,
    },
    /// It was not made: the key holds another body than was expected.
    Conflict {
        /// The body that it holds.
        found: Option<Vec<u8>>,
    },
}

/// One tree per table.
pub struct Tables {
    tables: [RawTable; TableName::ALL.len()],
    intent: Intent,
}

impl Tables {
    /// Opens or makes all of them.
    pub fn open(engine: &dyn Engine) -> Result<Self, Cause> {
        let intent = Intent::open(engine)?;
        let mut tables = Vec::new();
        for name in TableName::ALL {
            tables.push(RawTable::open(engine, name, intent.clone())?);
        }
        let tables = tables.try_into().unwrap_or_else(|_| unreachable!("one table was pushed per name"));
        Ok(Self { tables, intent })
    }

    /// Makes the change again that a crash may have cut short, if there is one. Not durable yet.
    pub fn finish(&self) -> Result<(), StoreError> {
        let Some((name, changes)) = self.intent.pending()? else { return Ok(()) };
        self.table(name).set_all(&changes)?;
        self.intent.done()?;
        tracing::info!(table = name.as_str(), keys = changes.len(), "finished a change that was cut short");
        Ok(())
    }

    /// The table `name`.
    pub fn table(&self, name: TableName) -> &RawTable {
        &self.tables[name as usize]
    }
}

/// One table.
pub struct RawTable {
    name: TableName,
    tree: Arc<dyn Tree>,
    intent: Intent,
    /// Held for writing while a change is applied; false once one of several keys failed half way.
    whole: RwLock<bool>,
    changes: watch::Sender<u64>,
}

impl RawTable {
    fn open(engine: &dyn Engine, name: TableName, intent: Intent) -> Result<Self, Cause> {
        let tree = engine.tree(&format!("table.{}", name.as_str()), Values::Large)?;
        Ok(Self { name, tree, intent, whole: RwLock::new(true), changes: watch::Sender::new(0) })
    }

    /// The number of changes so far, as it grows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Tells whoever watches that a change was made.
    pub fn notify(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// The body under `key`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let _whole = self.whole()?;
        self.read(key)
    }

    /// Keys and bodies, ascending by key, of all keys that begin with `prefix`.
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.range(prefix.as_bytes(), prefix_end(prefix.as_bytes()).as_deref(), usize::MAX)
    }

    /// The first `limit` keys after `after` (exclusive; it need not exist) and their bodies.
    pub fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        // Keys contain no NUL and records end their keys with one: what follows is not below the key and a 1.
        let from = after.map_or_else(Vec::new, |after| [after.as_bytes(), &[1]].concat());
        self.range(&from, None, limit)
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let _whole = self.whole()?;
        let mut found = Vec::new();
        let mut records = self.tree.scan(from, to);
        while found.len() < limit
            && let Some((stored, value)) = records.next().map_err(|e| self.read_failed(e))?
        {
            let key = layout::user_key(stored).ok_or_else(|| self.corrupt(&String::from_utf8_lossy(stored)))?;
            let body = frame::open(stored, value).ok_or_else(|| self.corrupt(key))?;
            found.push((key.to_owned(), body.to_vec()));
        }
        Ok(found)
    }

    /// Nothing is changed for as long as the answer is held.
    fn whole(&self) -> Result<RwLockReadGuard<'_, bool>, StoreError> {
        let whole = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        if *whole { Ok(whole) } else { Err(StoreError::Poisoned) }
    }

    /// Makes all of `changes` or none; the last change of a key stands. With `expected`, only if the key holds that; it is for one key
    /// alone. Not durable yet.
    ///
    /// Only the writer calls this: changes of several keys take turns.
    pub fn apply(&self, changes: Vec<Change>, expected: Option<Option<Vec<u8>>>) -> Result<Applied, StoreError> {
        let changes = Changes::from_iter(changes);
        let mut keys = changes.iter();
        match (keys.next(), keys.next(), expected) {
            (Some((key, body)), None, Some(expected)) => self.swap(key, expected, body.as_deref()),
            (Some((key, body)), None, None) => self.set_one(key, body.as_deref()),
            _ => self.change(&changes),
        }
    }

    /// One compare-and-swap of the engine.
    fn swap(&self, key: &str, expected: Option<Vec<u8>>, body: Option<&[u8]>) -> Result<Applied, StoreError> {
        let stored = layout::table_key(key);
        let value = |body: &[u8]| frame::seal(&stored, body);
        let (before, after) = (expected.as_deref().map(value), body.map(value));
        let whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let swapped = self.tree.compare_and_swap(&stored, before.as_deref(), after.as_deref());
        drop(whole);
        match swapped.map_err(write_failed)? {
            true => Ok(Applied::Done { existed: expected.is_some() }),
            false => Ok(Applied::Conflict { found: self.read(key)? }),
        }
    }

    fn set_one(&self, key: &str, body: Option<&[u8]>) -> Result<Applied, StoreError> {
        let stored = layout::table_key(key);
        let existed = self.tree.get(&stored).map_err(|e| self.read_failed(e))?.is_some();
        let _whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        self.set(key, body)?;
        Ok(Applied::Done { existed })
    }

    /// Several keys: written down, changed one by one, done.
    fn change(&self, changes: &Changes) -> Result<Applied, StoreError> {
        self.intent.begin(self.name, changes)?;
        self.set_all(changes)?;
        self.intent.done()?;
        Ok(Applied::Done { existed: false })
    }

    fn set_all(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        *whole = false;
        for (key, body) in changes {
            self.set(key, body.as_deref())?;
        }
        *whole = true;
        Ok(())
    }

    fn set(&self, key: &str, body: Option<&[u8]>) -> Result<(), StoreError> {
        let stored = layout::table_key(key);
        match body {
            Some(body) => self.tree.put(&stored, &frame::seal(&stored, body)),
            None => self.tree.remove(&stored),
        }
        .map_err(write_failed)
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let stored = layout::table_key(key);
        let value = self.tree.get(&stored).map_err(|e| self.read_failed(e))?;
        let open = |value: Vec<u8>| frame::open(&stored, &value).map(<[u8]>::to_vec).ok_or_else(|| self.corrupt(key));
        value.map(open).transpose()
    }

    fn corrupt(&self, key: &str) -> StoreError {
        StoreError::CorruptValue { place: self.name.as_str(), key: key.to_owned() }
    }

    fn read_failed(&self, source: Cause) -> StoreError {
        StoreError::Read { what: self.name.as_str(), source }
    }

    /// The tree itself, to damage it.
    #[cfg(test)]
    pub fn tree(&self) -> &dyn Tree {
        &*self.tree
    }
}

fn write_failed(source: Cause) -> StoreError {
    StoreError::Commit { step: "write to a table", source }
}
