//! How fast the log is. `cargo test --release -p event-store -- --ignored --nocapture speed`

use std::{
    io::Write,
    time::{Duration, Instant},
};

use event_model::{EventDraft, EventType, Sequence};
use serde_json::json;

use super::support::draft;
use crate::{EventStore, StoreConfig};

fn one(n: u64) -> EventDraft {
    let (report, step) = (n / 5_000 * 500 + n % 500, n % 5_000 / 500);
    let id = format!("R{:011X}", report.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20);
    let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let object = json!({
        "reportID": id, "reportName": "Client dinner", "policyID": "8A1B2C3D4E5F6071", "policyName": "Acme", "state": "APPROVED",
        "created": "2026-04-02", "submitted": "2026-04-02 09:14:00", "total": noise % 100_000, "currency": "EUR",
        "expenses": {format!("{}", noise >> 3): {"amount": noise % 5_000, "category": "Meals", "merchant": "Gare Hotel"}},
    });
    let mut draft = draft(&id, step + 1, object);
    draft.event_type = EventType::ReportUpdated;
    draft.data.changed = vec!["state".to_owned(), "total".to_owned()];
    draft.data.previous = [("state", json!("OPEN")), ("total", json!(noise % 77_777))]
        .map(|(k, v)| (k.to_owned(), v))
        .into_iter()
        .collect();
    draft
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed_of_appends_and_scans() {
    let place = std::env::var("SPEED_PLACE").unwrap_or_else(|_| "/dev/shm".to_owned());
    for (batch, total) in [(1_u64, 10_000_u64), (10, 50_000), (100, 200_000), (1_000, 400_000)] {
        let directory = tempfile::tempdir_in(&place).expect("a directory");
        let store = EventStore::open(&StoreConfig::at(directory.path().join("store"))).expect("opens");
        let mut file = std::fs::File::create(directory.path().join("plain")).expect("a file");
        let (mut ours, mut plain) = (Duration::ZERO, Duration::ZERO);
        let mut next = 0;
        while next < total {
            let round = (batch * 20).min(total - next);
            let batches = |from| -> Vec<Vec<EventDraft>> {
                (0..round / batch).map(|b| (0..batch).map(|i: u64| one(from + b * batch + i)).collect()).collect()
            };
            let (mine, theirs) = (batches(next), batches(next));
            let start = Instant::now();
            for batch in mine {
                store.append(batch).await.expect("appended");
            }
            ours += start.elapsed();
            let start = Instant::now();
            let mut lines = Vec::new();
            for batch in theirs {
                lines.clear();
                for (draft, n) in batch.into_iter().zip(1_u64..) {
                    serde_json::to_writer(&mut lines, &draft.at(Sequence(n))).expect("json");
                    lines.push(b'\n');
                }
                file.write_all(&lines).expect("written");
                file.sync_data().expect("synced");
            }
            plain += start.elapsed();
            next += round;
        }
        let per_s = total as f64 / ours.as_secs_f64();
        let vs = plain.as_secs_f64() / ours.as_secs_f64();
        let size = store.disk_bytes() as f64 / total as f64;
        println!("batch {batch}: {per_s:.0}/s, {vs:.2} of the file, {size:.0} bytes each");
        let (start, mut after) = (Instant::now(), Sequence::START);
        while let Some(last) = store.read_after(after, 10_000).await.expect("readable").last() {
            after = last.head.sequence;
        }
        println!("  scan {:.0}/s", total as f64 / start.elapsed().as_secs_f64());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: it appends a million events first"]
async fn speed_of_a_million() {
    let place = std::env::var("SPEED_PLACE").unwrap_or_else(|_| "/dev/shm".to_owned());
    let directory = tempfile::tempdir_in(&place).expect("a directory");
    let path = directory.path().join("store");
    let store = EventStore::open(&StoreConfig::at(&path)).expect("opens");
    let start = Instant::now();
    for from in (0..1_000_000).step_by(1000) {
        store.append((from..from + 1000).map(one).collect()).await.expect("appended");
    }
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    println!("appended in {:.1?}, {} bytes each, {peak}", start.elapsed(), store.disk_bytes() / 1_000_000);
    // The files as they are, without a word to who writes them: as after kill -9.
    let copy = directory.path().join("copy");
    std::fs::create_dir(&copy).expect("made");
    for name in ["db", "conf", "MARK"] {
        std::fs::copy(path.join(name), copy.join(name)).expect("copied");
    }
    let start = Instant::now();
    let copied = EventStore::open(&StoreConfig::at(&copy)).expect("opens");
    println!("opened in {:.2?} to {}", start.elapsed(), copied.last_sequence());
    let (start, mut after) = (Instant::now(), Sequence::START);
    while let Some(last) = copied.read_after(after, 10_000).await.expect("readable").last() {
        after = last.head.sequence;
    }
    println!("scanned {:.0}/s", 1e6 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    copied.verify(|_| ()).await.expect("whole");
    println!("verified in {:.2?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(copied.check_states().await.expect("checked").differ, 0);
    println!("states checked in {:.2?}", start.elapsed());
}
