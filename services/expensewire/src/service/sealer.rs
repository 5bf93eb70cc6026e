//! The sealing keys and the store that they belong to.
//!
//! A store notes a known text sealed with its key. So a key that is not the store's, or a missing one that would silently be
//! made anew, stops the start with a word about it, instead of a service that runs and can open no subscriber's secret.
//!
//! The key is changed by giving the old one as an older key and a new one, or the name of a file that is not there yet, as
//! the key. The start then moves every subscription's secrets to the new key, and the known text last: as long as that is
//! under an older key, a start that was cut short is done again. A secret that no key opens does not stop the start; it is
//! logged, and its subscription does not deliver.

use anyhow::{Context, Result, ensure};
use event_model::Subscription;
use event_store::{Durability, EventStore, Sealer, Table, TableName};

use crate::config::{Security, sealing};

const CHECK: &str = "sealing-check";
const KNOWN_TEXT: &[u8] = b"expensewire";

/// The sealer with the keys that are configured, the newest made first for a store that never had one, or that has an
/// older one. What lies in the store is under the newest key afterwards.
///
/// # Errors
/// A key that is missing or unreadable, or none that is this store's.
pub async fn open(security: &Security, store: &EventStore) -> Result<Sealer> {
    let (path, older) = (&security.sealing_key_path, &security.older_sealing_key_paths);
    let table: Table<String> = store.table(TableName::Service);
    let noted = table.get(CHECK).await.context("reading the check of the sealing key")?;
    ensure!(
        noted.is_none() || path.exists() || !older.is_empty(),
        "the sealing key {} is missing, and the store holds secrets that no other key opens: put it back from a backup",
        path.display()
    );
    let older = older.iter().map(|path| sealing::load(path)).collect::<Result<Vec<_>, _>>()?;
    // Before a new key is made: keys that do not belong here leave nothing behind.
    if let Some(sealed) = &noted
        && !path.exists()
    {
        ensure_ours(&Sealer::with_older(older[0].clone(), older.clone()), sealed, path)?;
    }
    let sealer = Sealer::with_older(sealing::load_or_create(path)?, older);
    let stale = match &noted {
        Some(sealed) => {
            ensure_ours(&sealer, sealed, path)?;
            sealer.resealed(CHECK, sealed)?
        }
        None => Some(sealer.seal(CHECK, KNOWN_TEXT)?),
    };
    if let Some(check) = stale {
        reseal(store, &sealer).await?;
        table.put(CHECK, &check, Durability::Durable).await.context("noting the check of the sealing key")?;
    }
    Ok(sealer)
}

fn ensure_ours(sealer: &Sealer, sealed: &str, path: &std::path::Path) -> Result<()> {
    let opened = sealer.open(CHECK, sealed).is_ok_and(|text| text.as_slice() == KNOWN_TEXT);
    ensure!(opened, "the sealing key {} is not the one that this store was made with", path.display());
    Ok(())
}

/// Puts the secrets of every subscription under the newest key.
async fn reseal(store: &EventStore, sealer: &Sealer) -> Result<()> {
    let table: Table<Subscription> = store.table(TableName::Subscriptions);
    let all = table.list("").await.context("reading the subscriptions to reseal")?;
    let mut moved = 0_usize;
    for (id, _) in all {
        let sealer = sealer.clone();
        let update = move |known: Option<Subscription>| known.map(|known| resealed(known, &sealer));
        table.update(&id, Durability::Relaxed, update).await.with_context(|| format!("resealing {id}"))?;
        moved += 1;
    }
    tracing::info!(subscriptions = moved, "secrets are under the newest sealing key");
    Ok(())
}

fn resealed(mut subscription: Subscription, sealer: &Sealer) -> Subscription {
    let id = subscription.id.clone();
    let moved = subscription.each_sealed(|place, sealed| {
        match sealer.resealed(place, sealed) {
            Ok(Some(anew)) => *sealed = anew,
            Ok(None) => {}
            Err(error) => {
                tracing::error!(subscription = %id, %error, "a secret opens under no sealing key; it stays as it is")
            }
        }
        Ok::<_, std::convert::Infallible>(())
    });
    match moved {
        Ok(()) => subscription,
        Err(never) => match never {},
    }
}
