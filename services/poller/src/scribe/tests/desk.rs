//! A scribe, and an upstream of three lines.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use event_model::{Event, Expense, Policy, Report, ReportState, Sequence, UpstreamDate};
use event_store::{EventStore, MemoryDisk};
use expensify_client::{PolicyOutcome, PolicySummary};
use jiff::{SignedDuration, Timestamp};

use crate::scribe::{
    Asked, Ingested, PoliciesConfirmed, PoliciesSeen, Reading, ReportsAsked, ReportsEnded, Scribe, ScribeConfig, Watch,
};

pub const POLICY: &str = "A1B2C3D4E5F60718";

/// 2027-01-15, 08:00 and so many seconds.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub fn date(text: &str) -> Option<UpstreamDate> {
    UpstreamDate::parse_blank(text).unwrap()
}

pub fn report(id: &str, state: &str) -> Report {
    let report = serde_json::json!({ "reportID": id, "state": state, "approvers": [], "expenses": [] });
    Report {
        state: ReportState::from_upstream(state),
        policy_id: Some(POLICY.to_owned()),
        total: Some(1_000),
        created: date("2027-01-10"),
        ..serde_json::from_value(report).unwrap()
    }
}

/// One that was made today.
pub fn fresh(id: &str) -> Report {
    Report { created: date("2027-01-15"), ..report(id, "OPEN") }
}

pub fn expense(id: &str, amount: i64) -> Expense {
    Expense { transaction_id: id.to_owned(), amount: Some(amount), ..Expense::default() }
}

/// So many open reports, `R00`, `R01`, ...
pub fn reports(count: usize) -> Vec<Report> {
    (0..count).map(|n| report(&format!("R{n:02}"), "OPEN")).collect()
}

pub fn policy(id: &str, name: &str) -> Policy {
    Policy { policy_id: id.to_owned(), name: Some(name.to_owned()), ..Policy::default() }
}

pub fn summary(id: &str, role: &str) -> PolicySummary {
    PolicySummary { policy_id: id.to_owned(), role: Some(role.to_owned()), ..PolicySummary::default() }
}

pub fn digest(report: &Report) -> [u8; 16] {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(report).unwrap().hash(&mut hasher);
    u128::from(hasher.finish()).to_be_bytes()
}

pub struct Desk {
    pub disk: MemoryDisk,
    pub store: EventStore,
    pub scribe: Scribe,
    pub config: ScribeConfig,
    /// Rows that were parsed so far.
    pub parsed: usize,
}

impl Desk {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub async fn open_with(configure: impl FnOnce(&mut ScribeConfig)) -> Self {
        let mut config = ScribeConfig {
            account: "acme".parse().unwrap(),
            domains: vec!["acme.example".into()],
            policies: vec![],
            history_days: 100,
        };
        configure(&mut config);
        let disk = MemoryDisk::default();
        let store = EventStore::open_memory(&disk).unwrap();
        let scribe = Scribe::open(&store, config.clone()).await.unwrap();
        Self { disk, store, scribe, config, parsed: 0 }
    }

    /// With the policy listed at 0 s and `reports` shown by an export at 1 s.
    pub async fn with(reports: &[Report]) -> Self {
        let mut desk = Self::open().await;
        desk.list(0, &[POLICY]).await;
        desk.export(1, reports).await;
        desk
    }

    /// The process ends, with what was written, and starts again.
    pub async fn restart(&mut self) {
        self.store.close().await.unwrap();
        self.start_again().await;
    }

    /// The power fails: what was not made durable is gone.
    pub async fn power_cut(&mut self) {
        self.disk.power_cut();
        self.start_again().await;
    }

    async fn start_again(&mut self) {
        let empty = EventStore::open_memory(&MemoryDisk::default()).unwrap();
        self.scribe = Scribe::open(&empty, self.config.clone()).await.unwrap();
        self.store = empty;
        self.store = EventStore::open_memory(&self.disk).unwrap();
        self.scribe = Scribe::open(&self.store, self.config.clone()).await.unwrap();
    }

    pub fn watch(&mut self, name: &str, seconds: i64) -> Watch {
        let wanted = self.scribe.wanted(at(seconds)).into_iter().find(|wanted| wanted.watch.name() == name);
        wanted.unwrap_or_else(|| panic!("{name} is not wanted")).watch
    }

    pub fn wants(&mut self, name: &str, seconds: i64) -> bool {
        let due = |once: Option<Timestamp>| once.is_some_and(|due| due <= at(seconds));
        self.scribe.wanted(at(seconds)).iter().any(|wanted| wanted.watch.name() == name && due(wanted.once))
    }

    pub fn ask(&mut self, name: &str, seconds: i64) -> ReportsAsked {
        let watch = self.watch(name, seconds);
        self.ask_for(&watch, seconds)
    }

    pub fn ask_for(&mut self, watch: &Watch, seconds: i64) -> ReportsAsked {
        match self.scribe.ask(watch, at(seconds)) {
            Some(Asked::Reports(asked)) => asked,
            other => panic!("{watch:?} asks for {other:?}"),
        }
    }

    /// An export that is sent at `seconds` and answered a second later.
    pub fn begin(&mut self, asked: ReportsAsked, seconds: i64) -> Reading {
        self.scribe.begin(asked, at(seconds), at(seconds + 1))
    }

    pub async fn row(&mut self, reading: &mut Reading, report: &Report) {
        let mut parsed = 0;
        let mut parse = || {
            parsed += 1;
            Some(report.clone())
        };
        self.scribe.row(reading, &report.report_id, digest(report), &mut parse).await.unwrap();
        self.parsed += parsed;
    }

    pub async fn end(&mut self, reading: Reading, complete: bool) -> Ingested {
        let ended = ReportsEnded { complete, took: SignedDuration::from_secs(1), bytes: 1_000 };
        self.scribe.end_reports(reading, ended).await.unwrap()
    }

    /// A complete export of everything.
    pub async fn export(&mut self, seconds: i64, reports: &[Report]) -> Ingested {
        self.read("reports", seconds, reports, true).await
    }

    pub async fn read(&mut self, name: &str, seconds: i64, reports: &[Report], complete: bool) -> Ingested {
        let asked = self.ask(name, seconds);
        let mut reading = self.begin(asked, seconds);
        for report in reports {
            self.row(&mut reading, report).await;
        }
        self.end(reading, complete).await
    }

    /// A read by id of what is to be followed up: `shown` is what there is of it. The ids that were asked for.
    pub async fn follow_up(&mut self, seconds: i64, shown: &[Report]) -> Vec<String> {
        let asked = self.ask("reports:by-id", seconds);
        let ids = asked.export.filter.report_ids.clone();
        let mut reading = self.begin(asked, seconds);
        for report in shown.iter().filter(|report| ids.contains(&report.report_id)) {
            self.row(&mut reading, report).await;
        }
        self.end(reading, true).await;
        ids
    }

    /// A list of policies with their details.
    pub async fn list(&mut self, seconds: i64, ids: &[&str]) -> Ingested {
        self.list_named(seconds, &ids.iter().map(|id| (*id, "Field Ops")).collect::<Vec<_>>()).await
    }

    pub async fn list_named(&mut self, seconds: i64, policies: &[(&str, &str)]) -> Ingested {
        let outcome =
            |(id, name): &(&str, &str)| ((*id).to_owned(), PolicyOutcome::Details(Box::new(policy(id, name))));
        let seen = PoliciesSeen {
            started_at: at(seconds),
            observed_at: at(seconds + 1),
            listed: policies.iter().map(|(id, _)| summary(id, "admin")).collect(),
            outcomes: policies.iter().map(outcome).collect(),
        };
        self.scribe.policies(seen).await.unwrap()
    }

    /// A confirmation of the policies that wait for one.
    pub async fn confirm(&mut self, seconds: i64, listed: &[PolicySummary], outcome: PolicyOutcome) -> Vec<String> {
        let watch = self.watch("policies:by-id", seconds);
        let Some(Asked::PoliciesById(asked)) = self.scribe.ask(&watch, at(seconds)) else { panic!("nothing to ask") };
        let outcomes: BTreeMap<_, _> = asked.iter().map(|id| (id.clone(), outcome.clone())).collect();
        let (started_at, observed_at, listed) = (at(seconds), at(seconds + 1), listed.to_vec());
        let seen = PoliciesConfirmed { started_at, observed_at, asked: asked.clone(), listed, outcomes };
        self.scribe.confirm_policies(seen).await.unwrap();
        asked
    }

    pub async fn full_events(&self) -> Vec<Event> {
        let stored = self.store.read_after(Sequence::START, 10_000).await.unwrap();
        stored.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
    }

    /// What was told after the first `before` events, as `type subject`.
    pub async fn told(&self, before: usize) -> Vec<String> {
        let events = self.full_events().await.split_off(before);
        events.iter().map(|event| format!("{} {}", event.event_type, event.subject)).collect()
    }

    pub fn count(&self) -> usize {
        usize::try_from(self.store.last_sequence().0).unwrap()
    }
}
