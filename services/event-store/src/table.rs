//! Tables: string keys, JSON values.
//!
//! A write is **visible** when its batch is applied, a moment before it is durable. Whoever reads a value in that
//! moment and writes something that follows from it is safe: the writer works in order, so what comes later is never on
//! disk without what came before.

use std::{marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{
    StoreError, intent, layout,
    store::{Inner, blocking},
    tables::{Applied, Change},
    writer::{Request, TableWrite},
};

/// How often an update tries because somebody else changed the key. Updates take turns, so that only other writes of
/// the same key can come between: this many of them, each just then, are a loop and no coincidence.
const UPDATE_ATTEMPTS: u32 = 64;
/// Longest key: that of sled less separator and chunk number.
const MAX_USER_KEY_BYTES: usize = layout::MAX_KEY_BYTES - 1 - layout::CHUNK_NUMBER_BYTES;
/// Characters of a refused key that its error repeats.
const SHOWN_KEY_CHARS: usize = 80;

/// The tables that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableName {
    /// Subscriptions by id.
    Subscriptions,
    /// How far each subscription has come.
    Progress,
    /// Deliveries that are not done.
    Pending,
    /// Keys of the HTTP interface.
    Keys,
    /// The rate budget of each account.
    Budgets,
    /// What the poller knows of each watch.
    Watches,
    /// Answers kept for requests that come twice.
    Idempotency,
    /// What the service notes of itself.
    Service,
    /// Events sent once more to a subscription.
    Replays,
}

impl TableName {
    /// Every table, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Subscriptions,
        Self::Progress,
        Self::Pending,
        Self::Keys,
        Self::Budgets,
        Self::Watches,
        Self::Idempotency,
        Self::Service,
        Self::Replays,
    ];

    /// The name on disk; it never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscriptions => "subscriptions",
            Self::Progress => "progress",
            Self::Pending => "pending",
            Self::Keys => "keys",
            Self::Budgets => "budgets",
            Self::Watches => "watches",
            Self::Idempotency => "idempotency",
            Self::Service => "service",
            Self::Replays => "replays",
        }
    }
}

/// How much a table write promises when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk: it survives kill -9 and a power cut.
    Durable,
    /// It is visible; it is on disk with the next durable write of a table, or else after 100 ms.
    Relaxed,
}

/// A table of JSON values of type `T` under string keys; a cheap handle.
///
/// A key has 1 to 1,019 bytes and no NUL ([`StoreError::InvalidKey`]); a value at most 64 MiB of JSON
/// ([`StoreError::TooLarge`]). A write that fails with [`StoreError::Commit`] may stand or not.
pub struct Table<T> {
    inner: Arc<Inner>,
    name: TableName,
    values: PhantomData<fn(T) -> T>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), name: self.name, values: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Table<T> {
    pub(crate) fn new(inner: Arc<Inner>, name: TableName) -> Self {
        Self { inner, name, values: PhantomData }
    }

    /// The value under `key`.
    pub async fn get(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.decode(self.body(key).await?)
    }

    /// Every key that begins with `prefix` and its value, ascending by the bytes of the key. It shows each change
    /// whole; changes wait while it copies, so do not list large tables often.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, T)>, StoreError> {
        let (inner, name, prefix) = (Arc::clone(&self.inner), self.name, prefix.to_owned());
        blocking(name.as_str(), move || {
            let bodies = inner.tables().table(name).list(&prefix)?;
            bodies.into_iter().map(|(key, body)| Ok((key, parse(name, &body)?))).collect()
        })
        .await
    }

    /// Sets the value under `key`.
    pub async fn put(&self, key: &str, value: &T, durability: Durability) -> Result<(), StoreError> {
        let change = self.change(key.to_owned(), Some(value))?;
        self.write(vec![change], None, durability).await.map(drop)
    }

    /// Removes `key`; says whether it was there.
    pub async fn delete(&self, key: &str, durability: Durability) -> Result<bool, StoreError> {
        let change = self.change(key.to_owned(), None)?;
        let applied = self.write(vec![change], None, durability).await?;
        Ok(applied == Applied::Done { existed: true })
    }

    /// Makes all `changes` or none; `None` removes the key. Of several changes to one key the last stands. Together they have
    /// at most 64 MiB of JSON ([`StoreError::TooLarge`]), since they are written down as one before they are made.
    pub async fn apply(&self, changes: Vec<(String, Option<T>)>, durability: Durability) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let changes: Result<Vec<_>, _> = changes.into_iter().map(|(k, v)| self.change(k, v.as_ref())).collect();
        let changes = changes?;
        check_together(&changes)?;
        self.write(changes, None, durability).await.map(drop)
    }

    /// Replaces the value under `key` by what `f` makes of it (`None`: no value) and gives what stands now. If somebody
    /// else changed it meanwhile, `f` is called again on the new value; what it does beside its answer is done each
    /// time.
    ///
    /// Errors: [`StoreError::Contended`] after 64 attempts.
    pub async fn update<F>(&self, key: &str, durability: Durability, mut f: F) -> Result<Option<T>, StoreError>
    where
        F: FnMut(Option<T>) -> Option<T> + Send + 'static,
    {
        let _turn = self.inner.update_turn(self.name, key).await;
        let mut found = self.body(key).await?;
        for _ in 0..UPDATE_ATTEMPTS {
            let wanted = f(self.decode(found.clone())?);
            let change = self.change(key.to_owned(), wanted.as_ref())?;
            if change.1 == found {
                self.stands(durability).await?;
                return Ok(wanted);
            }
            match self.write(vec![change], Some(found), durability).await? {
                Applied::Done { .. } => return Ok(wanted),
                Applied::Conflict { found: other } => found = other,
            }
        }
        let table = self.name.as_str();
        Err(StoreError::Contended { table, key: key.to_owned(), attempts: UPDATE_ATTEMPTS })
    }

    /// The number of changes of the table since the store was opened, as it grows; a durable change counts once it is
    /// on disk.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.tables().table(self.name).changes()
    }

    async fn body(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(self.name, key)?;
        let (inner, name, key) = (Arc::clone(&self.inner), self.name, key.to_owned());
        blocking(name.as_str(), move || inner.tables().table(name).get(&key)).await
    }

    async fn write(
        &self,
        changes: Vec<Change>,
        expected: Option<Option<Vec<u8>>>,
        durability: Durability,
    ) -> Result<Applied, StoreError> {
        let write = TableWrite { table: self.name, changes, expected, durability };
        self.inner.writer().ask(|reply| Request::Table(write, reply)).await
    }

    /// What was read is as durable as asked: a relaxed write of somebody else may still be on its way to the disk.
    async fn stands(&self, durability: Durability) -> Result<(), StoreError> {
        match durability {
            Durability::Durable => self.inner.writer().ask(Request::Sync).await,
            Durability::Relaxed => Ok(()),
        }
    }

    fn change(&self, key: String, value: Option<&T>) -> Result<Change, StoreError> {
        check_key(self.name, &key)?;
        let table = self.name.as_str();
        let unfit = |error| StoreError::Json { table, source: Arc::new(error) };
        let body = value.map(serde_json::to_vec).transpose().map_err(unfit)?;
        check_size(body.as_ref().map_or(0, Vec::len))?;
        Ok((key, body))
    }

    fn decode(&self, body: Option<Vec<u8>>) -> Result<Option<T>, StoreError> {
        body.map(|body| parse(self.name, &body)).transpose()
    }
}

fn parse<T: DeserializeOwned>(name: TableName, body: &[u8]) -> Result<T, StoreError> {
    let table = name.as_str();
    serde_json::from_slice(body).map_err(|error| StoreError::Json { table, source: Arc::new(error) })
}

/// The change that sets the JSON `value` under `key`.
pub(crate) fn checked(name: TableName, key: String, value: Vec<u8>) -> Result<Change, StoreError> {
    check_key(name, &key)?;
    parse::<serde::de::IgnoredAny>(name, &value)?;
    check_size(value.len())?;
    Ok((key, Some(value)))
}

/// Several changes are one value for a moment; see [`crate::intent`].
pub(crate) fn check_together(changes: &[Change]) -> Result<(), StoreError> {
    check_size(changes.iter().map(|(key, body)| intent::size(key, body.as_deref())).sum())
}

fn check_size(size: usize) -> Result<(), StoreError> {
    let (what, limit) = ("bytes of a table's value", layout::MAX_RECORD_BYTES);
    if size > limit { Err(StoreError::TooLarge { what, size, limit }) } else { Ok(()) }
}

fn check_key(name: TableName, key: &str) -> Result<(), StoreError> {
    let why = match key.len() {
        0 => "it is empty",
        length if length > MAX_USER_KEY_BYTES => "it is longer than 1,019 bytes",
        _ if key.contains('\0') => "it contains a NUL",
        _ => return Ok(()),
    };
    let shown = key.chars().take(SHOWN_KEY_CHARS).collect();
    Err(StoreError::InvalidKey { table: name.as_str(), key: shown, why })
}
