//! Stores that are opened in place, when no service has them open.

use std::path::{Path, PathBuf};

use clap::Args;
use event_store::{EventStore, StoreConfig, StoreError};

use super::config::ConfigArg;
use crate::{
    config::Config,
    exit::{Exit, Failure},
};

/// Which store, if not that of the running service.
#[derive(Args, Clone, Debug)]
pub struct PlaceArgs {
    /// Open the store of this configuration itself instead of asking the service, which must not run
    #[arg(long, value_name = "FILE", conflicts_with = "directory")]
    pub config: Option<PathBuf>,
    /// Open the store in this directory
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

impl PlaceArgs {
    /// The store's directory; `None` when the service is to be asked.
    pub(super) fn directory(&self) -> Result<Option<PathBuf>, Failure> {
        match (&self.directory, &self.config) {
            (Some(directory), _) => Ok(Some(directory.clone())),
            (None, Some(_)) => Ok(Some(configured(self.config.clone())?.store.path)),
            (None, None) => Ok(None),
        }
    }

    /// The store's directory, for what no service can do: that of the configuration which `serve` would use, unless
    /// another is named.
    pub(super) fn needed(&self) -> Result<PathBuf, Failure> {
        match self.directory()? {
            Some(directory) => Ok(directory),
            None => Ok(configured(None)?.store.path),
        }
    }
}

fn configured(config: Option<PathBuf>) -> Result<Config, Failure> {
    Ok(ConfigArg { config }.load()?.config)
}

/// Opens the store that is in `directory`; makes none.
pub(super) fn open_existing(directory: &Path) -> Result<EventStore, Failure> {
    let is_empty = directory.read_dir().map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return Err(Failure::new(Exit::NotFound, format!("there is no store in {}", directory.display())));
    }
    open(directory)
}

/// Opens the store in `directory`, or makes one there.
pub(super) fn open(directory: &Path) -> Result<EventStore, Failure> {
    EventStore::open(&StoreConfig::at(directory)).map_err(store_failure)
}

/// What a failure of the store means to the person at the command line.
pub(super) fn store_failure(error: StoreError) -> Failure {
    let (exit, hint) = match &error {
        StoreError::InUse { .. } => {
            (Exit::Conflict, Some("leave --config and --directory out to ask the running service, or stop it"))
        }
        StoreError::Corrupt { .. } | StoreError::Unchained { .. } | StoreError::CorruptValue { .. } => {
            (Exit::CheckFailed, Some("restore a backup; what was before the damage can still be exported"))
        }
        StoreError::OutOfPlace { .. } => (Exit::Conflict, None),
        _ => (Exit::Unexpected, None),
    };
    let failure = Failure::new(exit, format!("{:#}", anyhow::Error::new(error)));
    hint.into_iter().fold(failure, Failure::hint)
}
