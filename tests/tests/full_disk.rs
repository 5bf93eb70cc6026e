//! A disk that is really full: the error is clear, the log is read on, and once there is room it is whole and goes on. While the disk is full, sled
//! gives no tables or states after its error, and does not open; a command says why and ends with 1.
//!
//! Takes Linux and root, for a small file system in memory; without them it says so in a line that begins with SKIP, and with
//! `STRICT=1` it fails.

use std::{
    env,
    io::{self, Write},
    path::Path,
    process::Command,
};

use event_model::Sequence;
use event_store::{EventStore, StoreConfig, StoreError};
use tests::log_proof::story::{Story, append_end};

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
/// Three of sled's segments, and what goes beside them.
const SMALL: &str = "size=16m";
const ROOMY: &str = "size=128m";
/// More events than fit.
const ENOUGH: u64 = 200_000;

/// A file system in memory; gone when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SMALL, "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder))
    }

    fn make_room(&self) {
        let options = format!("remount,{ROOMY}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.0.path()).status().expect("mount runs");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever still has a file open there: it goes with its last user.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// Every event up to the last is there, as it was told.
async fn whole(store: &EventStore, story: &Story) -> u64 {
    let mut at = 0;
    loop {
        let events = store.read_after(Sequence(at), 1_000).await.expect("readable");
        if events.is_empty() {
            return at;
        }
        for event in events {
            assert!(event.body == story.body(at, event.head.sequence), "{at}");
            at += 1;
        }
    }
}

/// The exit code of `log verify`, and what it says of it.
fn verify(path: &Path) -> (Option<i32>, String) {
    let verify = Command::new(PROGRAM).args(["log", "verify", "--directory"]).arg(path).output();
    let output = verify.expect("the program runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_clearly_and_once_there_is_room_the_log_is_whole_and_goes_on() {
    let Some(disk) = Disk::mount() else {
        assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and no disk to fill");
        writeln!(io::stderr(), "SKIP a full disk: mounting one takes root, on Linux").expect("standard error is open");
        return;
    };
    let path = disk.0.path().join("data");
    let story = Story::new(0, 500);
    let store = EventStore::open(&StoreConfig::at(&path)).expect("the store opens");
    let mut told = 0;
    let failed = loop {
        let end = append_end(told).expect("an append begins where one ends");
        match store.append((told..end).map(|n| story.draft(n)).collect()).await {
            Ok(_) => told = end,
            Err(failed) => break failed,
        }
        assert!(told < ENOUGH, "the disk is larger than that");
    };
    assert!(matches!(failed, StoreError::Commit { .. } | StoreError::Poisoned), "{failed:?}");
    assert!(told > 0 && matches!(store.append(vec![story.draft(told)]).await, Err(StoreError::Poisoned)));
    assert_eq!(whole(&store, &story).await, told, "everything that was acknowledged is read on");
    assert_eq!(store.verify(|_| ()).await.expect("whole").last.0, told);
    tokio::task::spawn_blocking(move || drop(store)).await.expect("dropped");

    let (code, why) = verify(&path);
    assert!(code == Some(0) || (code == Some(1) && why.to_lowercase().contains("space")), "{code:?} {why}");
    disk.make_room();
    assert_eq!(verify(&path).0, Some(0));
    let store = EventStore::open(&StoreConfig::at(&path)).expect("it opens again");
    let found = whole(&store, &story).await;
    assert!(found >= told && append_end(found).is_some(), "{found} of {told}, and only whole appends");
    store.append(vec![story.draft(found)]).await.expect("it goes on");
}
