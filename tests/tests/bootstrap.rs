//! A consumer that begins at 0, in another language, while the log grows and retention thins it out, ends with the state
//! that the service has.
//!
//! Needs python3; without it it says so in a line that begins with SKIP, and with `STRICT=1` it fails.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use event_model::Sequence;
use event_store::{EventStore, Retention, StoreConfig};
use serde_json::Value;
use tests::log_proof::{
    api::{KEY, Served},
    story::{STEPS, Story},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// All of them in a release build (`make bootstrap`); a debug build takes minutes for as many.
const ENTITIES: u64 = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
const EVENTS: u64 = ENTITIES * STEPS;
/// Entities that live side by side.
const TOGETHER: u64 = ENTITIES / 10;
const APPEND_EVENTS: u64 = 500;
/// Half a minute, on a busy machine several.
const LIMIT: Duration = Duration::from_secs(600);

async fn tell(store: &EventStore, story: &Story, from: u64, to: u64) {
    for start in (from..to).step_by(APPEND_EVENTS as usize) {
        let drafts = (start..(start + APPEND_EVENTS).min(to)).map(|n| story.draft(n)).collect();
        store.append(drafts).await.expect("appended");
    }
}

async fn compact(store: &EventStore, up_to: u64) {
    let policy = Retention { before: None, max_bytes: Some(0), floor: Sequence(up_to), force: false };
    let retained = store.retain(&policy).await.expect("compacted");
    assert_eq!(retained.horizon, Sequence(up_to), "{retained:?}");
}

struct Consumer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Consumer {
    /// Starts it; `None` where there is no python3.
    fn start(served: &Served, account: &str) -> Option<Self> {
        let python = env::var("EXPENSEWIRE_INTEROP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(python)
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop/bootstrap.py"))
            .args([&format!("http://{}", served.address), KEY, account])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let out = child.stdout.take().expect("piped");
        Some(Self { child, lines: BufReader::new(out).lines() })
    }

    async fn line(&mut self) -> String {
        let line = timeout(LIMIT, self.lines.next_line()).await.expect("in time").expect("readable");
        line.expect("the consumer ended early; see its standard error")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_begins_at_0_ends_with_the_state_of_the_service() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = EventStore::open(&StoreConfig::at(directory.path())).expect("the store opens");
    let story = Story::new(0, TOGETHER);
    tell(&store, &story, 0, EVENTS / 2).await;
    compact(&store, EVENTS / 4).await;

    let served = Served::start(store.clone()).await.expect("it serves");
    let Some(mut consumer) = Consumer::start(&served, story.account().as_str()) else {
        return skip("a bootstrap by a consumer in Python: python3 cannot be run");
    };
    // It reads while this goes on; what it stands on may be gone before it has read on.
    tell(&store, &story, EVENTS / 2, EVENTS * 3 / 4).await;
    compact(&store, EVENTS / 2).await;
    assert_eq!(consumer.line().await, "caught up");
    // And now surely: it stands at the end of then.
    tell(&store, &story, EVENTS * 3 / 4, EVENTS).await;
    compact(&store, EVENTS - 1_500).await;
    let mut input = consumer.child.stdin.take().expect("piped");
    input.write_all(b"go on\n").await.expect("it listens");

    let found: Value = serde_json::from_str(&consumer.line().await).expect("what it found");
    assert_eq!(found["differ"], serde_json::json!([]), "{found}");
    assert_eq!((&found["entities"], &found["after"]), (&ENTITIES.into(), &EVENTS.into()), "{found}");
    assert!(found["restarts"].as_u64() >= Some(1), "it was sent back to 0: {found}");
    served.stop().await.expect("it stops");
}

/// Says loudly, past the capture of the test runner, what was not tested; fails where nothing may be skipped.
fn skip(what: &str) {
    assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    writeln!(io::stderr(), "SKIP {what}").expect("standard error is open");
}
