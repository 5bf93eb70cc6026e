//! A log that was damaged on the disk: every form says so, and at which sequence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use event_model::{Data, Detection, EntityKind, EventDraft, EventType, Revision, Subject, TimestampSource};
use event_store::{EventStore, StoreConfig};
use jiff::Timestamp;

use crate::world::{World, check};

/// Large ones, so that the log is longer than what opening it reads.
const EVENTS: u64 = 60;

/// Text that hardly compresses.
fn noise(seed: u64) -> String {
    let mut bytes = vec![0; 20_000];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn draft(n: u64) -> EventDraft {
    let at: Timestamp = "2026-04-02T00:00:00Z".parse().unwrap();
    EventDraft {
        event_type: EventType::ReportUpdated,
        timestamp: at,
        account: "acme".parse().unwrap(),
        subject: Subject::new(EntityKind::Report, format!("R{n}")),
        revision: Revision(1),
        actor: None,
        data: Data { object: serde_json::json!({ "reportID": n, "note": noise(n) }), ..Data::default() },
        detection: Detection {
            observed_at: at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

async fn fill(directory: &Path) {
    let store = EventStore::open(&StoreConfig::at(directory)).unwrap();
    for n in 0..EVENTS {
        store.append(vec![draft(n)]).await.unwrap();
    }
    store.close().await.unwrap();
    tokio::task::spawn_blocking(|| drop(store)).await.unwrap();
}

/// The longest file of the log, with one byte in its first half turned round.
fn damage(directory: &Path) {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let of_log = |path: &PathBuf| matches!(path.file_stem().and_then(|stem| stem.to_str()), Some("tail" | "pack"));
    let log = files.filter(of_log).max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[written / 3] ^= 0xff;
    fs::write(&log, bytes).unwrap();
}

/// What a doctor prints in `form`, and how it ends.
fn told(world: &World, form: &str) -> (i32, String) {
    let mut command = world.command(&["-o", form, "--skip", "upstream,subscribers"]);
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Each form names the same sequence, with the exit code that is documented. Gives it.
async fn assert_located(world: &World) -> u64 {
    let (code, checks) = world.doctor(&["--skip", "upstream,subscribers"]).await;
    let log = check(&checks, "log");
    assert_eq!((code, log["status"].as_str()), (6, Some("fail")), "{checks:?}");
    assert!(log["next"].as_str().unwrap().contains("restore a backup"), "{log}");
    assert_eq!(log["measure"]["name"], "log_damaged_sequence", "{log}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sequence")]
    let sequence = log["measure"]["value"].as_f64().unwrap() as u64;
    let words = format!("at sequence {sequence}");
    assert!(log["what"].as_str().unwrap().contains(&words), "{log}");
    let (code, text) = told(world, "text");
    assert!(
        code == 6 && text.contains("\nfail     log: ") && text.contains(&words) && text.contains(" 1 failed"),
        "{text}"
    );
    let (code, nagios) = told(world, "nagios");
    let perfdata = format!("'log_damaged_sequence'={sequence}");
    assert!(code == 2 && nagios.starts_with("EXPENSEWIRE CRITICAL - "), "{nagios}");
    assert!(nagios.lines().next().unwrap().contains(&perfdata) && nagios.contains(&words), "{nagios}");
    let (code, metrics) = told(world, "prometheus");
    assert!(
        code == 6 && metrics.contains("expensewire_doctor_check_state{check=\"log\",about=\"\",state=\"fail\"} 1\n")
    );
    let series = format!("expensewire_doctor_log_damaged_sequence{{check=\"log\",about=\"\"}} {sequence}\n");
    assert!(metrics.contains(&series), "{metrics}");
    crate::forms::promtool(&metrics);
    sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_told_with_its_sequence_where_no_service_runs_and_where_one_does() {
    let world = World::new().await.started().await.stopped().await;
    fill(&world.data()).await;
    let (code, checks) = world.doctor(&["--skip", "upstream,subscribers"]).await;
    assert_eq!((code, check(&checks, "log")["status"].as_str()), (0, Some("ok")), "{checks:?}");
    let copy = world.directory.path().join("whole");
    copied(&world.data(), &copy);
    damage(&world.data());
    let in_place = assert_located(&world).await;
    assert!((1..=EVENTS * 2).contains(&in_place), "{in_place}");

    // The same beside a service that had the log open when it was damaged.
    fs::remove_dir_all(world.data()).unwrap();
    fs::rename(&copy, world.data()).unwrap();
    let world = world.started().await;
    damage(&world.data());
    let online = assert_located(&world).await;
    assert_eq!(online, in_place, "the byte is the same");
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
