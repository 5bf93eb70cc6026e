//! File systems in files, mounted for a while; needs Linux and root.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

const MIB: u64 = 1 << 20;

/// A file system in a file, mounted. The loop device goes with the mount.
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// A new one of `mib` MiB in the file `image`, mounted at `at`.
    pub fn new(image: &Path, mib: u64, at: &Path) -> Result<Self> {
        File::create(image)?.set_len(mib * MIB)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image))?;
        Self::existing(image, at)
    }

    /// The one in the file `image`, mounted at `at`.
    pub fn existing(image: &Path, at: &Path) -> Result<Self> {
        fs::create_dir_all(at)?;
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(image).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// Its root.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts it.
    pub fn unmount(self) -> Result<()> {
        run(Command::new("umount").arg(self.at))
    }
}

/// What to put before a program so that its mounts are its own: they end with it, however it ends. It takes root; with `EXPENSEWIRE_SUDO=1`,
/// as a machine for integration may set it, `sudo` is asked for that. None where it cannot be had.
pub fn own_mounts() -> Option<Command> {
    let sudo = env::var_os("EXPENSEWIRE_SUDO").is_some_and(|sudo| sudo == "1");
    let as_root = || {
        let mut command = Command::new(if sudo { "sudo" } else { "unshare" });
        if sudo {
            command.args(["--non-interactive", "--preserve-env=STRICT", "unshare"]);
        }
        command.args(["--mount", "--propagation", "private"]);
        command
    };
    let tried = as_root().arg("true").output();
    tried.is_ok_and(|tried| tried.status.success()).then(as_root)
}

/// Runs `command`; what it says on standard error is told when it fails.
pub fn run(mut command: impl std::borrow::BorrowMut<Command>) -> Result<()> {
    let command = command.borrow_mut();
    let output = command.output().with_context(|| format!("{command:?} cannot be run"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}
