//! The commands that prove, copy and restore a store, against a service over real HTTP and against the directory itself.

#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

use std::{
    ffi::OsStr,
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use assert_cmd::Command;
use event_model::{
    Data, Detection, EntityKind, EventDraft, EventType, Revision, Sequence, Subject, TimestampSource,
    delivery::Progress,
};
use event_store::{Durability, EventStore, Retention, StoreConfig, TableName};
use expensewire::{config::Config, service::Service};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);
const KEY: &str = "a-key-that-is-long-enough-for-tests";
/// Events in the log of a world.
const EVENTS: u64 = 3000;

fn draft(n: u64) -> EventDraft {
    let at: Timestamp = "2026-04-02T00:00:00Z".parse().unwrap();
    let at = at + SignedDuration::from_mins(i64::try_from(n).unwrap());
    // A thousand that change twice, and in the midst some that never do.
    let (id, revision) =
        if n.is_multiple_of(10) { (format!("Q{n}"), 1) } else { (format!("R{}", n % 1500), n / 1500 + 1) };
    EventDraft {
        event_type: EventType::ReportUpdated,
        timestamp: at,
        account: "acme".parse().unwrap(),
        subject: Subject::new(EntityKind::Report, id),
        revision: Revision(revision),
        actor: None,
        data: Data { object: serde_json::json!({"reportID": n, "note": "é".repeat(50)}), ..Data::default() },
        detection: Detection {
            observed_at: at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

fn open(directory: &Path) -> EventStore {
    EventStore::open(&StoreConfig::at(directory)).unwrap()
}

/// A store, the service on it, and a place for files.
struct World {
    directory: TempDir,
    address: String,
    stop: CancellationToken,
    service: JoinHandle<anyhow::Result<()>>,
}

impl World {
    /// With a log of which retention has removed the first third, if it is `cut`.
    async fn start(cut: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let store = open(&data);
        for begin in (0..EVENTS).step_by(500) {
            store.append((begin..begin + 500).map(draft).collect()).await.unwrap();
        }
        if cut {
            let (before, floor) = (Some(draft(EVENTS * 2 / 3).timestamp), Sequence(EVENTS));
            let retained = store.retain(&Retention { before, max_bytes: None, floor, force: false }).await.unwrap();
            assert!(retained.removed > 0 && retained.kept > 0, "{retained:?}");
        }
        let progress = Progress::starting_after(Sequence(77));
        store.table(TableName::Progress).put("sub_1", &progress, Durability::Durable).await.unwrap();
        Self::serve(directory, store).await
    }

    /// With a log of sixty large events.
    async fn of_large_events() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("data"));
        for n in 0..60 {
            let mut draft = draft(n);
            draft.data.object["note"] = noise(n).into();
            store.append(vec![draft]).await.unwrap();
        }
        Self::serve(directory, store).await
    }

    /// A service on `store`, which is closed first.
    async fn serve(directory: TempDir, store: EventStore) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data = directory.path().join("data");
        store.close().await.unwrap();
        tokio::task::spawn_blocking(|| drop(store)).await.unwrap();
        let file = directory.path().join("expensewire.toml");
        let text =
            format!("[server]\nlisten = '127.0.0.1:0'\n[store]\npath = {data:?}\n[security]\nadmin_key = '{KEY}'\n");
        fs::write(&file, text).unwrap();
        let service = Service::start(Config::load(Some(&file), std::iter::empty()).unwrap().config).await.unwrap();
        let address = format!("http://{}", service.address());
        let stop = CancellationToken::new();
        let service = tokio::spawn(service.run_until(stop.clone().cancelled_owned()));
        Self { directory, address, stop, service }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Exit code, standard output, standard error.
    async fn run(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("expensewire").unwrap();
        command.args(args).timeout(DEADLINE).current_dir(self.directory.path());
        command.env("EXPENSEWIRE_SERVER", &self.address).env("EXPENSEWIRE_KEY", KEY).env("NO_PROXY", "*");
        command.env_remove("EXPENSEWIRE_LOG").env_remove("EXPENSEWIRE_CONFIG");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    async fn done(&self, args: &[&str]) -> Value {
        let (code, out, told) = self.run(args).await;
        assert_eq!(code, 0, "{args:?}: {told}");
        if out.is_empty() { Value::Null } else { serde_json::from_str(&out).unwrap_or(Value::Null) }
    }

    async fn stopped(self) -> TempDir {
        self.stop.cancel();
        self.service.await.unwrap().unwrap();
        self.directory
    }
}

/// Everything that is in a store: its ends, its last link, its events, the rows of its tables.
async fn contents(directory: &Path) -> (Sequence, Sequence, String, Vec<Vec<u8>>, Vec<(String, Vec<u8>)>) {
    let store = open(directory);
    let (mut bodies, mut after) = (Vec::new(), Sequence::START);
    loop {
        let events = store.read_after(after, 1000).await.unwrap();
        let Some(last) = events.last() else { break };
        after = last.head.sequence;
        bodies.extend(events.iter().map(|event| event.body.to_vec()));
    }
    let mut rows = Vec::new();
    for table in TableName::ALL {
        rows.extend(store.dump_table(table, None, 1000).await.unwrap());
    }
    let verified = store.verify(|_| {}).await.unwrap();
    assert_eq!(store.check_states().await.unwrap().differ, 0);
    (store.horizon(), store.last_sequence(), verified.link.to_string(), bodies, rows)
}

/// What a person finds with nothing but a hash: the link of the last event, if every line follows.
fn by_hand(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let mut link = [0; 32];
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        match value["expensewire"].as_str() {
            None => link = *blake3::hash(&[&link[..], line.as_bytes()].concat()).as_bytes(),
            Some("link") => link = *blake3::Hash::from_hex(value["link"].as_str().unwrap()).unwrap().as_bytes(),
            Some(_) => {}
        }
    }
    blake3::Hash::from_bytes(link).to_hex().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_service_restores_to_the_same_store() {
    for cut in [false, true] {
        let world = World::start(cut).await;
        let told = world.done(&["backup", "all.ndjson"]).await;
        assert_eq!(told["last"], EVENTS);
        assert_eq!(told["link"], by_hand(&world.path("all.ndjson")));
        world.done(&["restore", "all.ndjson", "--directory", "restored"]).await;
        assert!(!world.path("restored/restoring").exists());
        let verified = world.done(&["log", "verify", "--directory", "restored"]).await;
        assert_eq!(verified["link"], told["link"]);
        let directory = world.stopped().await;
        let (before, after) =
            (contents(&directory.path().join("data")).await, contents(&directory.path().join("restored")).await);
        assert_eq!(before.0 > Sequence::START, cut);
        assert!(before == after, "cut: {cut}; {:?} {:?}", (before.0, before.1, before.3.len()), (after.0, after.1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_cut_short_goes_on_wherever_it_was() {
    let world = World::start(true).await;
    world.done(&["backup", "whole.ndjson"]).await;
    let whole = fs::read(world.path("whole.ndjson")).unwrap();
    // The first line has the time, the last a hash over it.
    let between = |name: &str| {
        let text = fs::read_to_string(world.path(name)).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[1..lines.len() - 1].to_vec()
    };
    for length in [0, 10, whole.len() / 2, whole.len() - 700, whole.len() - 1, whole.len()] {
        fs::write(world.path("again.ndjson.part"), &whole[..length]).unwrap();
        world.done(&["backup", "again.ndjson"]).await;
        assert!(between("again.ndjson") == between("whole.ndjson"), "{length}");
        assert!(!world.path("again.ndjson.part").exists());
        fs::remove_file(world.path("again.ndjson")).unwrap();
    }
    fs::write(world.path("again.ndjson.part"), b"something else\n").unwrap();
    assert_eq!(world.run(&["backup", "again.ndjson"]).await.0, 7);
    assert_eq!(world.run(&["backup", "whole.ndjson"]).await.0, 7, "what is there is not written over");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_goes_on_where_it_was_cut_short_and_no_service_starts_on_half_of_one() {
    let world = World::start(false).await;
    world.done(&["backup", "all.ndjson"]).await;
    let text = fs::read_to_string(world.path("all.ndjson")).unwrap();
    let end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let half = world.path("half");
    let store = open(&half);
    let bodies = text.lines().skip(1).take(1234).map(|line| line.to_owned().into()).collect();
    store.import(Sequence(1), bodies).await.unwrap();
    drop(store);
    assert_eq!(world.run(&["restore", "all.ndjson", "--directory", "half"]).await.0, 7, "it is not empty");
    fs::write(half.join("restoring"), end["hash"].as_str().unwrap()).unwrap();
    let file = world.path("half.toml");
    fs::write(&file, format!("[server]\nlisten = '127.0.0.1:0'\n[store]\npath = {half:?}\n")).unwrap();
    let (code, _, told) = world.run(&["serve", "--config", "half.toml"]).await;
    assert!(code == 1 && told.contains("restore"), "{code} {told}");
    world.done(&["restore", "all.ndjson", "--config", "half.toml"]).await;
    let directory = world.stopped().await;
    assert!(contents(&directory.path().join("data")).await == contents(&half).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_changed_or_cut_is_not_restored() {
    let world = World::start(true).await;
    world.done(&["backup", "all.ndjson"]).await;
    let whole = fs::read_to_string(world.path("all.ndjson")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let swapped = [&lines[..5], &[lines[6], lines[5]], &lines[7..]].concat().join("\n");
    let shorter = lines[..lines.len() - 1].join("\n");
    for (what, text) in [("altered", whole.replacen("é", "e", 1)), ("reordered", swapped), ("cut", shorter)] {
        fs::write(world.path("bad.ndjson"), text).unwrap();
        let (code, _, told) = world.run(&["restore", "bad.ndjson", "--directory", "bad"]).await;
        assert_eq!(code, 6, "{what}: {told}");
        assert!(!world.path("bad").exists(), "{what}: nothing is written");
    }
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_ranges_are_imported_one_after_the_other() {
    let world = World::start(false).await;
    world.done(&["events", "export", "first.ndjson", "--to", "2000"]).await;
    world.done(&["events", "export", "second.ndjson", "--from", "1500"]).await;
    let (code, out, _) = world.run(&["events", "export", "-", "--from", "2990"]).await;
    assert_eq!((code, out.lines().count()), (0, 12), "a header, ten events, an end");
    let (code, _, told) = world.run(&["events", "import", "second.ndjson", "--directory", "copy"]).await;
    assert_eq!(code, 3, "there is no store yet: {told}");
    world.done(&["events", "import", "first.ndjson", "--directory", "copy"]).await;
    world.done(&["events", "import", "second.ndjson", "--directory", "copy"]).await;
    world.done(&["events", "import", "second.ndjson", "--directory", "copy"]).await;
    let copy = world.path("copy");
    let directory = world.stopped().await;
    assert_eq!(contents(&directory.path().join("data")).await.3, contents(&copy).await.3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_states_are_checked_online_and_in_place() {
    let world = World::start(true).await;
    let online = world.done(&["log", "verify"]).await;
    assert_eq!(online["last"], EVENTS);
    assert_eq!(world.done(&["state", "rebuild", "--check"]).await["differ"], 0);
    assert_eq!(world.done(&["state", "rebuild"]).await["rebuilt"], true);
    let (code, _, told) = world.run(&["log", "verify", "--config", "expensewire.toml"]).await;
    assert!(code == 7 && told.contains("hint: "), "the service has it open: {code} {told}");
    assert_eq!(world.run(&["log", "verify", "--directory", "nowhere"]).await.0, 3);
    let stopped = world.stopped().await;
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("expensewire").unwrap();
        let output = command.args(args).timeout(DEADLINE).current_dir(stopped.path()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(run(&["log", "verify", "--config", "expensewire.toml"]), online);
    assert_eq!(run(&["state", "rebuild", "--check", "--directory", "data"])["differ"], 0);
}

/// Text that hardly compresses, so that the log is larger than what opening it reads.
fn noise(seed: u64) -> String {
    let mut bytes = vec![0; 20_000];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_on_the_disk_fails_the_check_online_where_it_is_located_and_in_place() {
    let world = World::of_large_events().await;
    let files = fs::read_dir(world.path("data")).unwrap().map(|entry| entry.unwrap().path());
    let of_log = |path: &PathBuf| matches!(path.file_stem().and_then(OsStr::to_str), Some("tail" | "pack"));
    let log = files.filter(of_log).max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let bytes = fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let mut file = fs::File::options().write(true).open(&log).unwrap();
    file.seek(SeekFrom::Start(end / 10)).unwrap();
    file.write_all(&vec![0; usize::try_from(end / 2).unwrap()]).unwrap();
    let located = |code: i32, told: &str| {
        let at = told.split("at sequence ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        let at: u64 = at.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{code}: {told}"));
        assert!(code == 6 && (1..=60).contains(&at), "{code} {at}: {told}");
    };
    let (code, _, told) = world.run(&["log", "verify"]).await;
    located(code, &told);
    world.stop.cancel();
    // The file is what it is: that closing it may fail is no matter here.
    let _ = world.service.await;
    let mut command = Command::cargo_bin("expensewire").unwrap();
    let offline = ["log", "verify", "--directory", "data"];
    let output = command.args(offline).timeout(DEADLINE).current_dir(world.directory.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    // So much damage the engine may meet before it knows of any sequence.
    assert!(output.status.code() == Some(6) && told.contains("corrupt") && told.contains("hint: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_0_gives_what_is_left_and_then_every_change() {
    let world = World::start(true).await;
    for args in [&["events", "list", "--limit", "5000"][..], &["events", "tail", "--from", "0", "--until-end"]] {
        let (code, out, told) = world.run(&[args, &["-o", "ndjson"]].concat()).await;
        let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        assert_eq!((code, &first["subject"], &last["sequence"]), (0, &"report/Q0".into(), &EVENTS.into()), "{told}");
        assert!(out.lines().count() < usize::try_from(EVENTS).unwrap());
    }
    let (code, _, told) = world.run(&["events", "tail", "--from", "2"]).await;
    assert!(code == 3 && told.contains("`--from "), "{code} {told}");
    world.stopped().await;
}
