//! Where the bench runs.
//!
//! What an append costs beside a plain file depends on what a sync costs, so there are four places:
//!
//! - **disk**: a folder beside this program, or the one given;
//! - **slow disk**: the same, with every sync made 4 ms longer, as on a disk that turns, for the store and for the plain file alike:
//!   `strace` holds each `fdatasync`, `fsync` and `sync_file_range` up. It is shown, and does not count, because the plain file is quicker there
//!   than a disk lets it be: a file that grows waits for the disk twice, for its data and for the journal, where a call is one; and several
//!   threads wait side by side;
//! - **memory**: a file system of its own in a file in memory, where a sync is real, and cheap. It takes root;
//! - **tmpfs**: the folder in memory itself, where a sync does nothing at all.

use std::{
    env, fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use tempfile::TempDir;
use tests::mounted::{Mounted, own_mounts};

/// What a sync of the slow disk takes longer, in microseconds.
const SLOWER_US: u32 = 4_000;
/// The calls that do.
const SYNCS: &str = "fdatasync,fsync,sync_file_range";
/// Room in the file system in memory, in MiB; what is not written takes none.
const MEMORY_MIB: u64 = 4096;

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A folder on a disk.
    Disk,
    /// The same with slow syncs.
    SlowDisk,
    /// A file system in memory.
    Memory,
    /// A folder in memory, where syncs do nothing.
    Tmpfs,
}

impl Kind {
    /// What puts a program there, if it can be had here: the beginning of a command. None: nothing is needed.
    fn wrapper(self) -> Result<Option<Command>, &'static str> {
        match self {
            Self::Disk => Ok(None),
            Self::SlowDisk => slow_syncs().map(Some).ok_or("strace, which makes syncs slow, is not here"),
            Self::Memory => own_mounts().map(Some).ok_or("a file system in memory takes root, on Linux"),
            Self::Tmpfs => Ok(None),
        }
    }

    /// Runs this program there, with the arguments that it has itself; says whether it succeeded. Where there is no such place it says so
    /// on standard error, and that is no failure.
    pub fn run(self) -> Result<bool> {
        let program = env::current_exe()?;
        let mut command = match self.wrapper() {
            Ok(Some(mut wrapper)) => {
                wrapper.arg(program);
                wrapper
            }
            Ok(None) => Command::new(program),
            Err(why) => {
                writeln!(io::stderr(), "SKIP the log on {self}: {why}")?;
                return Ok(true);
            }
        };
        command.args(env::args_os().skip(1)).args(["--here", &self.argument()]);
        Ok(command.status()?.success())
    }

    /// Whether what is measured there is held to the bounds.
    pub fn counts(self) -> bool {
        self != Self::SlowDisk
    }

    /// Whether the long log is read there, too: replay and size do not depend on what a sync costs.
    pub fn has_long_log(self) -> bool {
        matches!(self, Self::Disk | Self::Memory)
    }

    fn argument(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.argument().replace('-', " "))
    }
}

fn slow_syncs() -> Option<Command> {
    let mut command = Command::new("strace");
    let inject = format!("inject={SYNCS}:delay_exit={SLOWER_US}");
    command.args(["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", &format!("trace={SYNCS}"), "-e", &inject]);
    let mut trial = Command::new(command.get_program());
    let tried = trial.args(command.get_args()).arg("true").output();
    tried.is_ok_and(|tried| tried.status.success()).then_some(command)
}

/// A folder for stores and files; it goes with this.
pub struct Place {
    /// Which kind.
    pub kind: Kind,
    mounted: Option<Mounted>,
    folder: TempDir,
}

impl Place {
    /// One of `kind`: on a disk it is in `disk`, or beside this program; in memory in `memory`.
    pub fn new(kind: Kind, disk: Option<&Path>, memory: &Path) -> Result<Self> {
        let me = env::current_exe()?;
        let below = match kind {
            Kind::Disk | Kind::SlowDisk => disk.or(me.parent()).context("a folder")?,
            Kind::Memory | Kind::Tmpfs => memory,
        };
        let folder = tempfile::Builder::new().prefix("bench-log-").tempdir_in(below);
        let folder = folder.with_context(|| format!("a folder in {}", below.display()))?;
        let new = || Mounted::new(&folder.path().join("image"), MEMORY_MIB, &folder.path().join("mounted"));
        let mounted = (kind == Kind::Memory).then(new).transpose()?;
        Ok(Self { kind, mounted, folder })
    }

    /// A folder for one measurement.
    pub fn folder(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir_in(self.path())?)
    }

    fn path(&self) -> PathBuf {
        self.mounted.as_ref().map_or(self.folder.path(), Mounted::path).to_owned()
    }

    /// Puts it away.
    pub fn close(self) -> Result<()> {
        self.mounted.map_or(Ok(()), Mounted::unmount)?;
        Ok(self.folder.close()?)
    }
}
