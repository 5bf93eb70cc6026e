//! The file of the sealing key: 32 bytes in base64, readable by its owner alone.
//!
//! The key seals subscribers' signing secrets in the store. Losing it loses those secrets, so it is made once, never
//! overwritten, and durable before anything is sealed with it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;

/// Largest file read: a key has 45 bytes with its newline.
const MAX_FILE_BYTES: u64 = 1024;

/// The key itself, wiped when it is dropped.
pub type SealingKey = Zeroizing<[u8; KEY_BYTES]>;

/// Why there is no sealing key.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// The file is there and cannot be read.
    #[error("the sealing key {} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the file: what it sealed is no longer secret.
    #[error("the sealing key {} is readable by others (mode {mode:o}); make it yours alone with chmod 600", path.display())]
    TooOpen {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds something else.
    #[error("the sealing key {} is not 32 bytes in base64", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
    },
    /// A new one cannot be written.
    #[error("a new sealing key cannot be written to {}", path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes for a sealing key")]
    NoRandomness {
        /// Why.
        source: rand::rngs::SysError,
    },
}

/// The key in the file at `path`, made first when there is no such file (directories around it too). Two processes
/// that do so at once end with one key.
///
/// # Errors
///
/// A file that is not a key, or that others may read, is refused and left as it is.
pub fn load_or_create(path: &Path) -> Result<SealingKey, SealingKeyError> {
    match load(path) {
        Err(SealingKeyError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            load(path)
        }
        done => done,
    }
}

/// Whether the file at `path` can be the sealing key, or will be: a missing one is made at the first start. Changes
/// nothing.
///
/// # Errors
///
/// What [`load_or_create`] would refuse in a file that is there.
pub fn check(path: &Path) -> Result<(), SealingKeyError> {
    match load(path) {
        Err(SealingKeyError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map(drop),
    }
}

/// The key in the file at `path`.
///
/// # Errors
///
/// A file that is missing, is not a key, or that others may read.
pub fn load(path: &Path) -> Result<SealingKey, SealingKeyError> {
    let unreadable = |source| SealingKeyError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    refuse_wider_readable(path, &file.metadata().map_err(unreadable)?)?;
    let text = Zeroizing::new(io::read_to_string(io::Read::take(file, MAX_FILE_BYTES)).map_err(unreadable)?);
    let bytes = STANDARD.decode(text.trim()).ok().map(Zeroizing::new);
    let key = bytes.and_then(|bytes| bytes.as_slice().try_into().ok()).map(Zeroizing::new);
    key.ok_or_else(|| SealingKeyError::Malformed { path: path.to_owned() })
}

#[cfg(unix)]
fn refuse_wider_readable(path: &Path, metadata: &fs::Metadata) -> Result<(), SealingKeyError> {
    use std::os::unix::fs::PermissionsExt;
    match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(SealingKeyError::TooOpen { path: path.to_owned(), mode }),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn refuse_wider_readable(_: &Path, _: &fs::Metadata) -> Result<(), SealingKeyError> {
    Ok(())
}

/// Writes a new key beside `path`, makes it durable, then gives it its name: the name never stands for half a key, and
/// a key that another process put there meanwhile stays.
fn create(path: &Path) -> Result<(), SealingKeyError> {
    let mut key = SealingKey::default();
    SysRng.try_fill_bytes(&mut *key).map_err(|source| SealingKeyError::NoRandomness { source })?;
    write_new(path, &Zeroizing::new(format!("{}\n", STANDARD.encode(*key))))
        .map_err(|source| SealingKeyError::Unwritable { path: path.to_owned(), source })
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    // Mode 0600 from its first moment.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
        Ok(_) => {}
    }
    // The name too survives a power cut, before anything is sealed with the key.
    File::open(directory)?.sync_all()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/sealing.key");
        let key = load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_create(&path).unwrap(), key);
        assert_ne!(key, load_or_create(&directory.path().join("other.key")).unwrap());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_key_that_is_there_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing.key");
        let key = load_or_create(&path).unwrap();
        write_new(&path, "another\n").unwrap();
        assert_eq!(load(&path).unwrap(), key);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing.key");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load_or_create(&path), Err(SealingKeyError::TooOpen { mode: 0o640, .. })));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing.key");
        for text in ["", "c2hvcnQ=", "not base64 at all!"] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(load_or_create(&path), Err(SealingKeyError::Malformed { .. })), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
