//! The trees under the tables: string keys, bodies of any size within the bound of a record.
//!
//! Only the writer changes them, so that comparing and then setting needs no more than its single thread. A change of
//! several keys is one batch: whole or not at all after a crash. While it is applied, readers wait (that is
//! memory speed, not disk speed), so that they see each change whole, too, and never half of a value in several chunks.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::watch;

use crate::{
    Cause, StoreError, TableName,
    engine::{Batch, Engine, Tree, Values, prefix_end},
    frame, layout,
};

/// A key and its new body; none removes it.
pub type Change = (String, Option<Vec<u8>>);

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was made; `existed` tells whether the last of its keys was there before.
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
}

impl Tables {
    /// Opens or makes all of them.
    pub fn open(engine: &dyn Engine) -> Result<Self, Cause> {
        let mut tables = Vec::new();
        for name in TableName::ALL {
            tables.push(RawTable::open(engine, name)?);
        }
        let tables = tables.try_into().unwrap_or_else(|_| unreachable!("one table was pushed per name"));
        Ok(Self { tables })
    }

    /// The table `name`.
    pub fn table(&self, name: TableName) -> &RawTable {
        &self.tables[name as usize]
    }
}

/// One table.
pub struct RawTable {
    name: &'static str,
    tree: Arc<dyn Tree>,
    /// Held for writing while a change is applied.
    whole: RwLock<()>,
    changes: watch::Sender<u64>,
}

impl RawTable {
    fn open(engine: &dyn Engine, name: TableName) -> Result<Self, Cause> {
        let tree = engine.tree(&format!("table.{}", name.as_str()), Values::Large)?;
        Ok(Self { name: name.as_str(), tree, whole: RwLock::new(()), changes: watch::Sender::new(0) })
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
        let _whole = self.whole.read().unwrap_or_else(PoisonError::into_inner);
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
        let _whole = self.whole.read().unwrap_or_else(PoisonError::into_inner);
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

    /// Makes all of `changes` or none. With `expected`, only if the first key holds that. Not durable yet.
    ///
    /// Only the writer calls this: between comparing and setting nobody else changes the table.
    pub fn apply(&self, changes: Vec<Change>, expected: Option<Option<Vec<u8>>>) -> Result<Applied, StoreError> {
        if let (Some(expected), Some((key, _))) = (expected, changes.first()) {
            let found = self.read(key)?;
            if found != expected {
                return Ok(Applied::Conflict { found });
            }
        }
        let mut batch = Batch::default();
        let mut existed = false;
        // The last change of a key stands.
        for (key, body) in BTreeMap::from_iter(changes) {
            let stored = layout::table_key(&key);
            existed = self.tree.get(&stored).map_err(|e| self.read_failed(e))?.is_some();
            match body {
                Some(body) => batch.insert(&stored[..], frame::seal(&stored, &body)),
                None => batch.remove(stored),
            }
        }
        let failed = |source| StoreError::Commit { step: "write to a table", source };
        let _whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        self.tree.apply(batch).map_err(failed)?;
        Ok(Applied::Done { existed })
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let stored = layout::table_key(key);
        let value = self.tree.get(&stored).map_err(|e| self.read_failed(e))?;
        let open = |value: Vec<u8>| frame::open(&stored, &value).map(<[u8]>::to_vec).ok_or_else(|| self.corrupt(key));
        value.map(open).transpose()
    }

    fn corrupt(&self, key: &str) -> StoreError {
        StoreError::CorruptValue { place: self.name, key: key.to_owned() }
    }

    fn read_failed(&self, source: Cause) -> StoreError {
        StoreError::Read { what: self.name, source }
    }

    /// The tree itself, to damage it.
    #[cfg(test)]
    pub fn tree(&self) -> &dyn Tree {
        &*self.tree
    }
}
