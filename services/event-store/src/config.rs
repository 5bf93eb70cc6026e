//! What the store must be told.

use std::path::{Path, PathBuf};

/// Memory for sled's page cache unless configured. sled's own default of 1 GiB makes a process hold most of a gigabyte
/// after a million events; with 64 MiB it stays under 100 MiB.
pub const DEFAULT_CACHE_MIB: u64 = 64;

/// Which crash an acknowledged write survives. A weaker level is only faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DurabilityLevel {
    /// Each commit waits until the disk has it: it survives the end of the process (kill -9), of the operating system and
    /// of the power.
    #[default]
    PowerLoss,
    /// Each commit waits until the operating system has it: it survives the end of the process, but a crash of the system
    /// or a power cut loses what was acknowledged before it, and may leave a directory that does not open.
    ProcessCrash,
}

/// Where the store is, how much memory it may use, and what its commits survive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The directory; made if it does not exist. One process at a time.
    pub path: PathBuf,
    /// Memory for the page cache, in MiB.
    pub cache_mib: u64,
    /// What "durable" means.
    pub durability: DurabilityLevel,
}

impl StoreConfig {
    /// The store in the directory `path`, everything else by default.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_path_buf(), cache_mib: DEFAULT_CACHE_MIB, durability: DurabilityLevel::default() }
    }
}
