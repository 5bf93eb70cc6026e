//! What the store must be told.

use std::path::{Path, PathBuf};

/// Memory for sled's page cache unless configured. sled's own default of 1 GiB makes a process hold most of a gigabyte
/// after a million events; with 64 MiB it stays under 100 MiB.
pub const DEFAULT_CACHE_MIB: u64 = 64;

/// Where the store is and how much memory it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The directory; made if it does not exist. One process at a time.
    pub path: PathBuf,
    /// Memory for the page cache, in MiB.
    pub cache_mib: u64,
}

impl StoreConfig {
    /// The store in the directory `path`, everything else by default.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_path_buf(), cache_mib: DEFAULT_CACHE_MIB }
    }
}
