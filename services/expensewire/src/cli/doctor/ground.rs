//! What the service stands on: its directory, the rights of it, the room in it, and the sealing key.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use event_store::{EventStore, StoreConfig, StoreError};

use super::check::{Check, Report};
use crate::{config::Config, service::RESTORING};

/// Below this the store may run full within a day of a busy account, compaction included.
const LITTLE_SPACE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Below this sled may fail at its next segment.
const NO_SPACE_BYTES: u64 = 256 * 1024 * 1024;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// Checks directory, space and key; `false` when the store is not to be opened by this user.
pub(super) fn check(config: &Config, report: &mut Report) -> bool {
    let path = &config.store.path;
    let usable = directory(path, report);
    space(path, report);
    sealing_key(config, report);
    usable
}

/// The store that is there, opened; `None` where there is none yet. It is not made.
pub(super) async fn store(config: &Config) -> Result<Option<EventStore>, StoreError> {
    let path = config.store.path.clone();
    let empty = path.read_dir().map_or(true, |mut entries| entries.next().is_none());
    if empty {
        return Ok(None);
    }
    let opened = tokio::task::spawn_blocking(move || EventStore::open(&StoreConfig::at(&path))).await;
    match opened {
        Ok(opened) => opened.map(Some),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn directory(path: &Path, report: &mut Report) -> bool {
    let shown = path.display();
    if path.join(RESTORING).exists() {
        report.add(
            Check::fail("directory", "a backup is half restored into it")
                .about(shown)
                .next("run `expensewire restore` again to its end"),
        );
        return false;
    }
    match fs::metadata(path) {
        Ok(told) if told.is_dir() => rights(path, &told, report),
        Ok(_) => {
            report.add(Check::fail("directory", "it is no directory").about(shown).next("correct store.path"));
            false
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => missing(path, report),
        Err(error) => {
            report.add(Check::fail("directory", format!("cannot be looked at: {error}")).about(shown));
            false
        }
    }
}

/// The first start makes it, if it may.
fn missing(path: &Path, report: &mut Report) -> bool {
    let nearest = existing(path);
    let check = if may_write(&nearest) {
        Check::ok("directory", "the first start makes it")
    } else {
        Check::fail("directory", format!("it is not there, and {} is not writable for this user", nearest.display()))
            .next("make it for the user that runs the service, or correct store.path")
    };
    report.add(check.about(path.display()));
    true
}

/// The nearest directory at or above `path` that is there.
fn existing(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|above| above.is_dir());
    there.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(unix)]
fn rights(path: &Path, told: &fs::Metadata, report: &mut Report) -> bool {
    use std::os::unix::fs::MetadataExt;
    let shown = path.display();
    let (owner, me) = (told.uid(), rustix::process::geteuid().as_raw());
    if owner != me {
        report.add(
            Check::fail("directory", format!("it belongs to user {owner}, and this runs as user {me}"))
                .about(shown)
                .why("opening the store as somebody else leaves files that the service cannot write")
                .next(format!("run the doctor as that user, like `sudo -u '#{owner}' expensewire doctor`")),
        );
        return false;
    }
    if !may_write(path) {
        report.add(Check::fail("directory", "it is not writable").about(shown).next("chmod u+rwx"));
        return false;
    }
    let mode = told.mode() & 0o777;
    let check = match mode {
        mode if mode & 0o002 != 0 => {
            Check::fail("directory", format!("everybody on this machine may write it (mode {mode:o})"))
                .why("the log could be replaced")
                .next(format!("chmod 700 {shown}"))
        }
        mode if mode & 0o005 != 0 => {
            Check::warn("directory", format!("everybody on this machine may look into it (mode {mode:o})"))
                .why("events are a company's finances")
                .next(format!("chmod 700 {shown}"))
        }
        mode => Check::ok("directory", format!("writable, closed to others (mode {mode:o})")),
    };
    report.add(check.about(shown));
    true
}

#[cfg(not(unix))]
fn rights(path: &Path, _: &fs::Metadata, report: &mut Report) -> bool {
    report.add(Check::ok("directory", "it is there").about(path.display()));
    true
}

#[cfg(unix)]
fn may_write(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn may_write(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|told| !told.permissions().readonly())
}

fn space(path: &Path, report: &mut Report) {
    let place = existing(path);
    let Some(free) = crate::service::free_bytes(&place) else {
        report.add(Check::skipped("space", "this system does not tell how much is left").about(place.display()));
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let bytes = free as f64;
    let what = format!("{:.1} GiB free", bytes / GIB);
    let check = match free {
        free if free < NO_SPACE_BYTES => Check::fail("space", what)
            .why("a store that runs full takes no more events until it is opened anew")
            .next("free some, or lower retention.days or retention.max_bytes"),
        free if free < LITTLE_SPACE_BYTES => Check::warn("space", what).next("free some, or set retention.max_bytes"),
        _ => Check::ok("space", what),
    };
    report.add(check.about(place.display()).measure("free_bytes", bytes));
}

fn sealing_key(config: &Config, report: &mut Report) {
    let path = &config.security.sealing_key_path;
    let has_store = config.store.path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    // What is wrong with a file that is there was told as a mistake of the configuration.
    let check = if path.exists() {
        Check::ok("sealing key", "there, and its owner's alone")
    } else if has_store && config.security.older_sealing_key_paths.is_empty() {
        Check::fail("sealing key", "it is missing, and the store may hold secrets that no other key opens")
            .next("put it back from where you keep its copy")
    } else {
        Check::ok("sealing key", "the first start makes it; keep a copy, it is not in backups")
    };
    report.add(check.about(path.display()));
}
