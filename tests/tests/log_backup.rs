//! `expensewire backup` itself, killed (-9) again and again and resumed, while the log grows and retention thins it out between
//! its passes: what it ends with restores to the log.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use event_model::Sequence;
use event_store::{EventStore, Retention, StoreConfig, StoredEvent};
use tests::log_proof::{
    api::{KEY, Served},
    story::{Story, mix},
};
use tokio::{process::Command, time::timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
/// Events before the first pass, and between two.
const EVENTS: u64 = 4_000;
const MORE: u64 = 300;
/// Retention never takes the last of them.
const KEPT: u64 = 500;
/// How much longer the longest life of each pass is than that of the one before it. So passes die everywhere, and one ends at last.
const LONGER_MS: u64 = 25;
/// A pass that is not killed ends within this.
const LIMIT: Duration = Duration::from_secs(60);

fn program(served: &Served, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command.env("EXPENSEWIRE_SERVER", format!("http://{}", served.address)).env("EXPENSEWIRE_KEY", KEY);
    command.env("NO_PROXY", "*").env_remove("EXPENSEWIRE_CONFIG");
    command
}

async fn tell(store: &EventStore, story: &Story, from: u64, to: u64) {
    for begin in (from..to).step_by(100) {
        store.append((begin..(begin + 100).min(to)).map(|n| story.draft(n)).collect()).await.expect("appended");
    }
}

async fn retain(store: &EventStore) {
    let floor = Sequence(store.last_sequence().0 - KEPT);
    let policy = Retention { before: None, max_bytes: Some(0), floor, force: false };
    assert!(store.retain(&policy).await.expect("retained").kept > 0);
}

async fn all(store: &EventStore) -> Vec<StoredEvent> {
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let after = events.last().map_or(Sequence::START, |event| event.head.sequence);
        match store.read_after(after, 1_000).await.expect("readable") {
            next if next.is_empty() => return events,
            next => events.extend(next),
        }
    }
}

/// Runs passes until one ends; gives how many were killed before.
async fn passes(served: &Served, store: &EventStore, story: &Story, folder: &Path) -> u64 {
    let mut told = EVENTS;
    for pass in 0.. {
        let mut child = program(served, folder, &["backup", "all.ndjson"]).spawn().expect("it starts");
        let life = Duration::from_millis(mix(pass) % (LONGER_MS * (pass + 1)));
        // The moment is the point: nothing is waited for.
        if let Ok(ended) = timeout(life, child.wait()).await {
            assert!(ended.expect("waited").success(), "pass {pass}");
            return pass;
        }
        child.kill().await.expect("killed");
        // Killed with its name and before its exit: what is restored from it tells whether it was whole by then.
        if folder.join("all.ndjson").exists() {
            return pass;
        }
        tell(store, story, told, told + MORE).await;
        told += MORE;
        retain(store).await;
    }
    unreachable!("passes live longer and longer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_and_resumed_while_retention_goes_on_restores_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let store = EventStore::open(&StoreConfig::at(at("data"))).expect("the store opens");
    let story = Story::new(0, 60).with_large(400);
    tell(&store, &story, 0, EVENTS).await;
    retain(&store).await;
    let served = Served::start(store.clone()).await.expect("it serves");
    let killed = passes(&served, &store, &story, folder.path()).await;
    assert!(killed >= 3, "{killed} passes were killed");
    let mut restore = program(&served, folder.path(), &["restore", "all.ndjson", "--directory", "restored"]);
    let restored = timeout(LIMIT, restore.status()).await.expect("in time").expect("it runs");
    assert!(restored.success(), "after {killed} kills: {restored}");

    let copy = EventStore::open(&StoreConfig::at(at("restored"))).expect("the copy opens");
    let (verified, last) = (copy.verify(|_| ()).await.expect("whole"), store.last_sequence());
    assert_eq!((verified.last, Some(verified.link)), (last, store.link_at(last).await.expect("readable")));
    assert_eq!(copy.check_states().await.expect("checked").differ, 0);
    let (ours, theirs) = (all(&store).await, all(&copy).await);
    // The copy may have what retention took from the log after it was copied.
    assert!(ours.iter().all(|event| {
        theirs.binary_search_by_key(&event.head.sequence, |e| e.head.sequence).is_ok_and(|at| theirs[at] == *event)
    }));
    served.stop().await.expect("it stops");
}
