use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use event_model::{
    Data, Detection, EntityKind, EventDraft, EventFilter, EventType, Revision, Subject, Subscription, SubscriptionId,
    TimestampSource, catalogue,
    delivery::{Payload, PendingDelivery, PendingState, Progress},
    subscription::{Format, Ordering, Status},
};
use event_store::StoreConfig;
use prometheus::{Registry, TextEncoder};
use tempfile::TempDir;

use super::*;

fn day(n: i64) -> Timestamp {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    begin + SignedDuration::from_hours(24 * n)
}

fn draft(revision: u64, at: Timestamp) -> EventDraft {
    EventDraft {
        event_type: EventType::ReportUpdated,
        timestamp: at,
        account: "acme".parse().unwrap(),
        subject: Subject::new(EntityKind::Report, "R1"),
        revision: Revision(revision),
        actor: None,
        data: Data { object: serde_json::json!({"reportID": "R1"}), ..Data::default() },
        detection: Detection {
            observed_at: at,
            not_before: None,
            inferred: false,
            timestamp_source: TimestampSource::Observation,
        },
    }
}

fn subscription(unique: &str, status: Status) -> Subscription {
    Subscription {
        id: SubscriptionId::from_unique(unique).unwrap(),
        url: "https://a.example/hook".parse().unwrap(),
        filter: EventFilter { events: Vec::new(), accounts: Vec::new(), policies: Vec::new() },
        format: Format::Standard,
        ordering: Ordering::Entity,
        rate_per_s: None,
        sealed_headers: BTreeMap::new(),
        description: None,
        status,
        start_after: Sequence::START,
        sealed_secrets: Vec::new(),
        retiring_secrets: Vec::new(),
        ed25519_keys: Vec::new(),
        challenge: false,
        owner: None,
        created_at: day(0),
        updated_at: day(0),
    }
}

struct World {
    keeper: Keeper,
    registry: Registry,
    _directory: TempDir,
}

impl World {
    /// A log of 100 days, one event a day, of which 30 days are kept.
    async fn new(force: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = EventStore::open(&StoreConfig::at(directory.path())).unwrap();
        for n in 0..100 {
            store.append(vec![draft(n + 1, day(i64::try_from(n).unwrap()))]).await.unwrap();
        }
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let config = RetentionConfig { days: 30, force, ..RetentionConfig::default() };
        let keeper = Keeper::new(store, config, vec!["acme".parse().unwrap()], metrics);
        Self { keeper, registry, _directory: directory }
    }

    async fn subscribed(&self, unique: &str, status: Status, cursor: u64) {
        let subscription = subscription(unique, status);
        let id = subscription.id.to_string();
        let store = &self.keeper.store;
        store.table(TableName::Progress).put(&id, &Progress::starting_after(Sequence(cursor)), DURABLE).await.unwrap();
        store.table(TableName::Subscriptions).put(&id, &subscription, DURABLE).await.unwrap();
    }

    async fn cut(&self) -> Retained {
        self.keeper.cut(day(100)).await.unwrap()
    }

    /// What was told, as pairs of subscription and cursor.
    async fn told(&self) -> Vec<(String, u64)> {
        let events = self.keeper.store.read_after(Sequence(100), 100).await.unwrap();
        let told = events.iter().map(|event| serde_json::from_slice::<serde_json::Value>(&event.body).unwrap());
        let schema = jsonschema::validator_for(&catalogue::schema(EventType::SubscriptionHistoryCut)).unwrap();
        told.map(|event| {
            schema.validate(&event).unwrap_or_else(|error| panic!("{error} of {event}"));
            let object = &event["data"]["object"];
            (object["subscriptionID"].as_str().unwrap().to_owned(), object["cursor"].as_u64().unwrap())
        })
        .collect()
    }

    fn metric(&self, name: &str) -> String {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {text}")).to_owned()
    }
}

const DURABLE: Durability = Durability::Durable;

fn disabled() -> Status {
    Status::Disabled { reason: "gone".to_owned(), at: day(1) }
}

#[tokio::test]
async fn what_is_old_is_cut_and_counted_and_the_log_stays_whole() {
    let world = World::new(false).await;
    let retained = world.cut().await;
    assert!((60..=70).contains(&retained.horizon.0), "{retained:?}");
    assert_eq!(world.metric("expensewire_log_horizon_sequence"), retained.horizon.to_string());
    assert_eq!(world.metric("expensewire_retention_held_back"), "0");
    world.keeper.check().await;
    assert_eq!(world.metric("expensewire_log_verified_sequence"), "100");
    assert_eq!(world.metric("expensewire_log_verify_failures_total"), "0");
    assert!(world.told().await.is_empty());
}

#[tokio::test]
async fn a_live_subscription_that_is_behind_holds_retention_back_and_a_disabled_one_is_told() {
    let world = World::new(false).await;
    world.subscribed("paused", Status::Paused, 20).await;
    world.subscribed("active", Status::Active, 90).await;
    world.subscribed("disabled", disabled(), 10).await;
    let retained = world.cut().await;
    assert!(retained.horizon <= Sequence(20) && retained.held_at == Some(Sequence(20)), "{retained:?}");
    assert_eq!(world.metric("expensewire_retention_held_back"), "1");
    assert_eq!(world.told().await, [("sub_disabled".to_owned(), 10)]);
    world.cut().await;
    assert_eq!(world.told().await.len(), 1, "it is told once");
}

#[tokio::test]
async fn an_event_that_a_live_subscription_put_off_holds_retention_back_however_far_its_cursor_is() {
    let world = World::new(false).await;
    world.subscribed("ahead", Status::Active, 90).await;
    let record = PendingDelivery {
        subscription: SubscriptionId::from_unique("ahead").unwrap(),
        payload: Payload::Event {
            sequence: Sequence(20),
            id: "evt_test1".parse().unwrap(),
            event_type: EventType::ReportUpdated,
            subject: "report/R1".to_owned(),
            account: "acme".to_owned(),
        },
        state: PendingState::Due { at: day(200) },
        attempts: 1,
        history: Vec::new(),
        since: day(20),
    };
    let key = format!("{}/{:020}", record.subscription, 20);
    let pending = world.keeper.store.table(TableName::Pending);
    pending.put(&key, &record, DURABLE).await.unwrap();
    let retained = world.cut().await;
    assert!(retained.horizon < Sequence(20) && retained.held_at == Some(Sequence(19)), "{retained:?}");
    pending.delete(&key, DURABLE).await.unwrap();
    assert!(world.cut().await.horizon >= Sequence(60));
}

/// Text that hardly compresses, so that a log is larger than what opening it reads.
fn noise(seed: u64) -> String {
    let mut bytes = vec![0; 20_000];
    blake3::Hasher::new().update(&seed.to_be_bytes()).finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Zeroes the middle of what an open store has written of its log.
fn damage(directory: &Path) {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let of_log = |path: &PathBuf| matches!(path.file_stem().and_then(OsStr::to_str), Some("tail" | "pack"));
    let path = files.filter(of_log).max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(end / 10)).unwrap();
    file.write_all(&vec![0; usize::try_from(end / 2).unwrap()]).unwrap();
}

#[tokio::test]
async fn a_log_that_is_damaged_on_the_disk_is_counted_by_the_nightly_check() {
    let directory = tempfile::tempdir().unwrap();
    let open = || EventStore::open(&StoreConfig::at(directory.path())).unwrap();
    let store = open();
    for n in 0..60 {
        let mut draft = draft(n + 1, day(0));
        draft.data.object["note"] = noise(n).into();
        store.append(vec![draft]).await.unwrap();
    }
    store.close().await.unwrap();
    tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let keeper = Keeper::new(open(), RetentionConfig::default(), Vec::new(), metrics);
    damage(directory.path());
    let world = World { keeper, registry, _directory: directory };
    world.keeper.check().await;
    assert_ne!(world.metric("expensewire_log_verify_failures_total"), "0");
}

#[tokio::test]
async fn forced_retention_tells_whom_it_cut_off_and_not_who_reads_from_the_beginning() {
    let world = World::new(true).await;
    world.subscribed("behind", Status::Active, 20).await;
    world.subscribed("ahead", Status::Active, 90).await;
    world.subscribed("beginner", Status::Active, 0).await;
    let retained = world.cut().await;
    assert!((60..=70).contains(&retained.horizon.0), "{retained:?}");
    assert_eq!(world.told().await, [("sub_behind".to_owned(), 20)]);
    assert_eq!(world.metric("expensewire_subscription_history_cuts_total"), "1");
}

#[tokio::test]
async fn a_cut_that_a_kill_left_untold_is_told_by_the_next_turn() {
    let world = World::new(true).await;
    world.subscribed("behind", Status::Active, 20).await;
    let policy = Retention { before: Some(day(70)), max_bytes: None, floor: Sequence::START, force: true };
    world.keeper.store.retain(&policy).await.unwrap();
    world.cut().await;
    assert_eq!(world.told().await, [("sub_behind".to_owned(), 20)]);
}

#[test]
fn a_check_begins_at_two_each_night() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(next_check(at("2026-04-02T01:59:59Z")), at("2026-04-02T02:00:00Z"));
    assert_eq!(next_check(at("2026-04-02T02:00:00Z")), at("2026-04-03T02:00:00Z"));
    assert_eq!(next_check(at("2026-12-31T23:00:00Z")), at("2027-01-01T02:00:00Z"));
}
