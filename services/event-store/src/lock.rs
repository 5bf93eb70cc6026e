//! One process per directory.
//!
//! The lock is ours and not sled's, because it must be there before sled touches a file, and because its file tells the
//! second process whom to stop. It is an advisory lock of the operating system: it goes with the process, however that
//! ends, so there is no stale lock to remove. The file itself stays; removing it would let two processes lock two
//! files.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::StoreError;

const LOCK_FILE: &str = "LOCK";

/// How long sled's own lock may outlive our handles. Its threads let go of the file a moment after the last handle is
/// dropped, which on a busy machine has taken more than two seconds; since we hold our lock, hardly anybody else can be meant.
const RELEASE_WAIT: Duration = Duration::from_secs(10);
/// How often that is looked at.
const RELEASE_POLL: Duration = Duration::from_millis(5);

/// Holds the directory until dropped.
pub struct Lock {
    file: File,
}

/// Unlocks, and not only closes: a child that this process is starting at this moment has a copy of the open file, and
/// would hold the lock for as long as it takes to become another program.
impl Drop for Lock {
    fn drop(&mut self) {
        // Whatever goes wrong here, the lock goes with the process.
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Locks the existing directory `path`, or says who holds it.
    pub fn acquire(path: &Path) -> Result<Self, StoreError> {
        let failed = |source: io::Error| StoreError::Open {
            path: path.to_path_buf(),
            step: "lock the directory",
            source: Arc::new(source),
        };
        let name = path.join(LOCK_FILE);
        let mut file =
            File::options().create(true).read(true).write(true).truncate(false).open(&name).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&name).ok().and_then(|text| text.trim().parse().ok());
                return Err(StoreError::InUse { path: path.to_path_buf(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { file })
    }

    /// Waits until nobody locks `file`, which sled is about to open; an older program that does not know our lock may
    /// hold it.
    pub fn await_release(&self, path: &Path, file: &Path) -> Result<(), StoreError> {
        let failed = |source: io::Error| StoreError::Open {
            path: path.to_path_buf(),
            step: "look at the lock of sled",
            source: Arc::new(source),
        };
        let file = match File::open(file) {
            Ok(file) => file,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(failed(source)),
        };
        let deadline = Instant::now() + RELEASE_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return file.unlock().map_err(failed),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(StoreError::InUse { path: path.to_path_buf(), pid: None });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(RELEASE_POLL),
            }
        }
    }
}
