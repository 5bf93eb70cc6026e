//! Real second processes: this test binary, started again as [`child`].

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use event_model::Sequence;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{assert_whole, config, directory, draft};
use crate::{Durability, DurabilityLevel, EventStore, StoreConfig, StoreError, StoredEvent, TableName};

/// Tells a child the directory; without it, [`child`] is no child and does nothing.
const DIRECTORY: &str = "EVENT_STORE_TEST_DIRECTORY";
/// What the child does there: `hold` or `append`.
const ROLE: &str = "EVENT_STORE_TEST_ROLE";
/// The level of durability there: `process-crash`, or else that of power loss.
const LEVEL: &str = "EVENT_STORE_TEST_LEVEL";
/// How often the process that appends is killed.
const KILLS: usize = 24;
/// After so many a new directory is begun: the whole log is read after each.
const KILLS_PER_DIRECTORY: usize = 6;
/// Tasks of the child that append at once.
const APPENDERS: usize = 4;

fn start(directory: &Path, role: &str, level: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "tests::crashing::child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(ROLE, role)
        .env(LEVEL, level)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    (child, output)
}

fn open(directory: &TempDir) -> EventStore {
    EventStore::open(&config(directory)).expect("the store opens")
}

/// Lines of the child's output that it wrote itself; the harness writes some, too.
fn told(line: &str) -> Option<&str> {
    line.split_once("CHILD ").map(|(_, told)| told.trim_end())
}

/// One line in one write, so that a kill leaves no half line that could be taken for a whole one.
fn tell(what: &str) {
    std::io::stdout().write_all(format!("CHILD {what}\n").as_bytes()).expect("the parent reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let durability = match std::env::var(LEVEL).as_deref() {
        Ok("process-crash") => DurabilityLevel::ProcessCrash,
        _ => DurabilityLevel::PowerLoss,
    };
    let config = StoreConfig { durability, ..StoreConfig::at(path) };
    let store = EventStore::open(&config).expect("the child opens the store");
    tell("open");
    if std::env::var(ROLE).is_ok_and(|role| role == "hold") {
        std::io::stdin().read_to_end(&mut Vec::new()).expect("ends when the parent says so");
        return;
    }
    let run = std::process::id();
    let tasks: Vec<_> = (0..APPENDERS).map(|task| tokio::spawn(append_for_ever(store.clone(), run, task))).collect();
    for task in tasks {
        task.await.expect("the task");
    }
}

/// Appends batches that name themselves, and tells of each once it is acknowledged.
async fn append_for_ever(store: EventStore, run: u32, task: usize) {
    let table = store.table::<u64>(TableName::Progress);
    for number in 0_u64.. {
        let batch = format!("{run}-{task}-{number}");
        let of = 1 + (number as usize * 7 + task) % 40;
        let text = "x".repeat(if number % 10 == 3 { 40_000 } else { 300 });
        let drafts = (0..of).map(|i| {
            let object = json!({"batch": batch, "i": i, "of": of, "text": text});
            draft(&format!("{batch}-{}", i / 2), 1 + i as u64 % 2, object)
        });
        let events = store.append(drafts.collect()).await.expect("appended");
        tell(&format!("{batch} {}", events[0].head.sequence));
        table.put(&format!("{run}-{task}"), &number, Durability::Durable).await.expect("written");
        tell(&format!("progress {run}-{task} {number}"));
    }
}

fn object(event: &StoredEvent) -> Value {
    let event: Value = serde_json::from_slice(&event.body).expect("json");
    event["data"]["object"].clone()
}

/// Each batch lies together and whole.
fn assert_batches_whole(events: &[StoredEvent]) {
    let mut rest = events;
    while let Some(first) = rest.first() {
        let first = object(first);
        let of = first["of"].as_u64().expect("of") as usize;
        assert!(rest.len() >= of, "half a batch at the end");
        for (i, event) in rest[..of].iter().enumerate() {
            let object = object(event);
            assert_eq!((&object["batch"], &object["i"]), (&first["batch"], &json!(i)), "half a batch");
        }
        rest = &rest[of..];
    }
}

/// What the child told before it was killed.
#[derive(Default)]
struct Told {
    /// First sequence by batch.
    batches: BTreeMap<String, u64>,
    /// Last value by key of the table.
    progress: BTreeMap<String, u64>,
}

impl Told {
    fn add(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["progress", key, number] => drop(self.progress.insert(key.to_owned(), number.parse().expect("a number"))),
            [batch, first] => drop(self.batches.insert(batch.to_owned(), first.parse().expect("a number"))),
            _ => {}
        }
    }
}

/// Runs a child and kills it after it told `lines` things and `more` has passed.
fn run_and_kill(directory: &Path, level: &str, lines: usize, more: Duration, all: &mut Told) {
    let (mut child, mut output) = start(directory, "append", level);
    let mut count = 0;
    let mut line = String::new();
    while count < lines {
        line.clear();
        assert!(output.read_line(&mut line).expect("readable") > 0, "the child ended by itself");
        if let Some(told) = told(&line) {
            all.add(told);
            count += 1;
        }
    }
    // Not a wait for anything: the moment of the kill is what is varied.
    std::thread::sleep(more);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("readable");
    rest.split_inclusive('\n').filter(|l| l.ends_with('\n')).filter_map(told).for_each(|told| all.add(told));
}

#[tokio::test]
async fn kill_9_at_random_moments_loses_nothing_acknowledged_and_leaves_no_half_batch() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut directory, mut told) = (directory(), Told::default());
    let mut batches = 0;
    for kill in 0..KILLS {
        if kill % KILLS_PER_DIRECTORY == 0 {
            batches += told.batches.len();
            (directory, told) = (self::directory(), Told::default());
        }
        // Some die while they start, some while they append.
        let lines = if rng.random_bool(0.3) { 0 } else { rng.random_range(1..30) };
        let more = Duration::from_micros(rng.random_range(0..20_000));
        let level = if (kill / KILLS_PER_DIRECTORY).is_multiple_of(2) { "power-loss" } else { "process-crash" };
        run_and_kill(directory.path(), level, lines, more, &mut told);
        let store = open(&directory);
        let events = assert_whole(&store).await;
        assert_batches_whole(&events);
        for (batch, first) in &told.batches {
            assert_eq!(object(&events[*first as usize - 1])["batch"], json!(batch), "an acknowledged batch is lost");
        }
        let progress = store.table::<u64>(TableName::Progress);
        for (key, number) in &told.progress {
            let kept = progress.get(key).await.expect("readable").expect("an acknowledged value is lost");
            assert!(kept >= *number, "an acknowledged value is lost");
        }
    }
    assert!(batches > KILLS, "hardly anything was appended");
}

#[tokio::test]
async fn a_second_process_is_refused_with_the_number_of_the_first_until_that_ends() {
    let directory = directory();
    let (mut first, mut output) = start(directory.path(), "hold", "power-loss");
    let mut line = String::new();
    while told(&line) != Some("open") {
        line.clear();
        assert!(output.read_line(&mut line).expect("readable") > 0, "the child ended by itself");
    }
    let error = EventStore::open(&config(&directory)).map(drop).expect_err("refused");
    assert!(matches!(&error, StoreError::InUse { pid, .. } if *pid == Some(first.id())), "{error:?}");
    let (path, pid) = (directory.path().display(), first.id());
    assert_eq!(error.to_string(), format!("the store at {path} is in use by process {pid}"));

    first.kill().expect("killed");
    first.wait().expect("ended");
    let store = open(&directory);
    assert_eq!(store.last_sequence(), Sequence::START);
    let second = EventStore::open(&config(&directory)).map(drop).expect_err("also in one process");
    assert!(matches!(second, StoreError::InUse { pid, .. } if pid == Some(std::process::id())), "{second:?}");
}

#[test]
fn a_directory_whose_data_an_older_program_holds_is_refused() {
    let directory = directory();
    drop(open(&directory));
    let held = std::fs::File::open(directory.path().join("db")).expect("the data");
    held.lock().expect("locked as sled locks");
    let error = EventStore::open(&config(&directory)).map(drop).expect_err("refused");
    assert!(matches!(error, StoreError::InUse { pid: None, .. }), "{error:?}");
    drop(held);
    open(&directory);
}
