//! Where the bench runs.

use std::{
    env,
    io::{self, Write},
    path::Path,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A folder for stores and files; it goes with this.
pub struct Place {
    pub name: &'static str,
    folder: TempDir,
}

impl Place {
    /// One on a disk and, where there is such a thing, one in memory.
    pub fn all(disk: Option<&Path>, memory: &Path) -> Result<Vec<Self>> {
        let me = env::current_exe()?;
        let disk = disk.or(me.parent()).context("a folder")?;
        let on = |name, folder: &Path| -> Result<Self> {
            let folder = tempfile::Builder::new().prefix("bench-log-").tempdir_in(folder);
            Ok(Self { name, folder: folder.with_context(|| format!("a folder for {name}"))? })
        };
        let mut places = vec![on("disk", disk)?];
        if memory.is_dir() {
            places.push(on("memory", memory)?);
        } else {
            writeln!(io::stderr(), "SKIP the log in memory: there is no {}", memory.display())?;
        }
        Ok(places)
    }

    /// A folder for one measurement.
    pub fn folder(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir_in(self.folder.path())?)
    }
}
