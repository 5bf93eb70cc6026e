//! The sealing key and the store that it belongs to.
//!
//! A store notes a known text sealed with its key. So a key that is not the store's, or a missing one that would silently be
//! made anew, stops the start with a word about it, instead of a service that runs and can open no subscriber's secret.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use event_store::{Durability, EventStore, Sealer, Table, TableName};

use crate::config::sealing;

const CHECK: &str = "sealing-check";
const KNOWN_TEXT: &[u8] = b"expensewire";

/// The sealer with the key at `path`, which is made first for a store that never had one.
///
/// # Errors
/// A key that is missing, unreadable or not this store's.
pub async fn open(path: &Path, store: &EventStore) -> Result<Sealer> {
    let table: Table<String> = store.table(TableName::Service);
    let noted = table.get(CHECK).await.context("reading the check of the sealing key")?;
    ensure!(
        noted.is_none() || path.exists(),
        "the sealing key {} is missing, and the store holds secrets that no other key opens: put it back from a backup",
        path.display()
    );
    let sealer = Sealer::new(sealing::load_or_create(path)?);
    match noted {
        Some(sealed) => {
            let opened = sealer.open(CHECK, &sealed).ok().filter(|text| text.as_slice() == KNOWN_TEXT);
            opened.ok_or_else(|| {
                anyhow!("the sealing key {} is not the one that this store was made with", path.display())
            })?;
        }
        None => {
            let sealed = sealer.seal(CHECK, KNOWN_TEXT)?;
            table.put(CHECK, &sealed, Durability::Durable).await.context("noting the check of the sealing key")?;
        }
    }
    Ok(sealer)
}
