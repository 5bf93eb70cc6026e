//! sled's directory: opening it and making it durable. With `format`, `log`, `fold` and
//! `tables`, the only code that knows sled.
//!
//! # Durability
//!
//! [`Disk::make_durable`] is the only place where anything becomes durable, in two steps, each against its own crash:
//!
//! 1. `flush`: sled writes its buffers to the file and calls `sync_file_range`. Without it, **kill -9** loses what is
//!    still in our memory. It does not survive a power cut: `sync_file_range` neither writes the file's metadata (its
//!    size, above all) nor empties the cache of the disk.
//! 2. `fdatasync` of `db`, sled's only data file: metadata that is needed to read it, and the disk's cache. Without it,
//!    a **power cut** loses what was acknowledged.
//!
//! sled's periodic flusher runs too, but only because it is the one thread that cleans segments; nobody waits for it.
//!
//! # Opening
//!
//! sled reads the snapshot whose name sorts last, an unfinished one (`snap.*.generating`) included, and fails for good
//! when it is cut short; and it does not replace a settings file (`conf`) that is cut short. Both are left by a kill at
//! the wrong moment. Neither holds anything that `db` does not, so both are removed before sled looks.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Cause, StoreConfig, StoreError, layout, lock::Lock};

/// sled's data file.
const DATA_FILE: &str = "db";
/// sled's settings file.
const SETTINGS_FILE: &str = "conf";
/// How the names of snapshots that were not finished begin and end.
const UNFINISHED_SNAPSHOT: (&str, &str) = ("snap.", ".generating");
/// How often sled cleans segments. Not a durability setting.
const CLEAN_EVERY_MS: u64 = 500;

/// The open directory.
pub struct Disk {
    path: PathBuf,
    db: sled::Db,
    data: File,
}

impl Disk {
    /// Opens or makes sled's files in `config.path`, which `lock` holds.
    pub fn open(config: &StoreConfig, lock: &Lock) -> Result<Self, StoreError> {
        let path = &config.path;
        lock.await_release(path, &path.join(DATA_FILE))?;
        remove_unfinished(path).map_err(failed(path, "remove what an interrupted start left"))?;
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(config.cache_mib << 20)
            .segment_size(layout::SEGMENT_BYTES)
            .flush_every_ms(Some(CLEAN_EVERY_MS))
            .open()
            .map_err(failed(path, "open sled"))?;
        let data = File::options().write(true).open(path.join(DATA_FILE)).map_err(failed(path, "open sled's data"))?;
        sync_names(path).map_err(failed(path, "sync the directory"))?;
        Ok(Self { path: path.clone(), db, data })
    }

    /// Opens or makes the tree `name`.
    pub fn tree(&self, name: &str) -> Result<sled::Tree, StoreError> {
        self.db.open_tree(name).map_err(failed(&self.path, "open a tree"))
    }

    /// Everything written so far survives kill -9 and a power cut when this returns. See the head of this file.
    pub fn make_durable(&self) -> Result<(), Cause> {
        // Prevents the loss by kill -9: out of our memory.
        self.db.flush().map_err(cause)?;
        // Prevents the loss by a power cut: out of the memories of the kernel and the disk.
        self.data.sync_data().map_err(cause)
    }

    /// The length of all files of the directory, in bytes. A file that is removed meanwhile counts nothing.
    pub fn bytes(&self) -> u64 {
        let files = fs::read_dir(&self.path).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
    }
}

/// Shares an error of the operating system or of sled.
pub fn cause(error: impl Into<EngineError>) -> Cause {
    Arc::new(error.into())
}

/// What failed below the store.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// In sled.
    #[error(transparent)]
    Sled(#[from] sled::Error),
    /// In the operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn failed<E: Into<EngineError>>(path: &Path, step: &'static str) -> impl Fn(E) -> StoreError {
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
