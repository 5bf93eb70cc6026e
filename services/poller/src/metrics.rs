//! What the poller tells of itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use event_model::{
    AccountName,
    status::{BudgetStatus, WatchStatus},
};
use event_store::StoredEvent;
use jiff::Timestamp;
use prometheus::{
    Counter, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::Collector,
};

/// Seconds: from a policy list answered at once to an export that takes the ten minutes that it may.
const REQUEST_BUCKETS_S: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// Seconds: from the next poll of a small account to a change noticed days late after an outage.
const DELAY_BUCKETS_S: &[f64] = &[1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 900.0, 3_600.0, 86_400.0];

/// The poller's metrics. Labels are bounded: accounts, watches and domains come from the configuration, the rest are fixed
/// sets of words.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    budget_used: IntGaugeVec,
    throttled: Counter,
    rate_limited: IntCounterVec,
    poll_age: GaugeVec,
    reads: IntCounterVec,
    delay: Histogram,
    appended: IntCounterVec,
    quarantined: IntGaugeVec,
    unreadable: IntGaugeVec,
    restarts: IntCounterVec,
    rows_judged: IntCounterVec,
    rows_parsed: IntCounterVec,
    notices: IntGaugeVec,
    budget_share: GaugeVec,
    /// Whose ages are shown, so that those of watches that are gone are taken back.
    aged: Arc<Mutex<BTreeMap<AccountName, BTreeSet<String>>>>,
}

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When `registry` has a metric of one of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name, help, labels: &[&str]| add(registry, IntCounterVec::new(Opts::new(name, help), labels)?);
        let gauges = |name, help, labels: &[&str]| add(registry, IntGaugeVec::new(Opts::new(name, help), labels)?);
        Ok(Self {
            requests: counters(
                "expensewire_expensify_requests_total",
                "Requests sent to Expensify, by how they ended.",
                &["account", "job", "outcome"],
            )?,
            durations: add(registry, HistogramVec::new(duration_opts(), &["job"])?)?,
            budget_used: gauges(
                "expensewire_budget_used",
                "Slots of the request budget that are held now.",
                &["account", "window"],
            )?,
            throttled: add(registry, Counter::with_opts(throttled_opts())?)?,
            rate_limited: counters(
                "expensewire_expensify_rate_limited_total",
                "Answers that said too many requests (429).",
                &["account"],
            )?,
            poll_age: add(registry, GaugeVec::new(poll_age_opts(), &["account", "watch"])?)?,
            reads: counters(
                "expensewire_reads_total",
                "Reads of a watch: complete, incomplete or failed.",
                &["account", "watch", "outcome"],
            )?,
            delay: add(registry, Histogram::with_opts(delay_opts())?)?,
            appended: counters(
                "expensewire_events_appended_total",
                "Events appended to the log.",
                &["account", "type"],
            )?,
            quarantined: gauges(
                "expensewire_quarantined_scopes",
                "Scopes that are out of sight, or lost so much at once that nothing is removed from them.",
                &["account"],
            )?,
            unreadable: gauges(
                "expensewire_unreadable_policies",
                "Policies that are listed but cannot be read.",
                &["account"],
            )?,
            restarts: counters(
                "expensewire_account_restarts_total",
                "Times that the watching of an account failed and was started again.",
                &["account"],
            )?,
            rows_judged: counters(
                "expensewire_rows_judged_total",
                "Rows of exports that were looked at.",
                &["account"],
            )?,
            rows_parsed: counters(
                "expensewire_rows_parsed_total",
                "Rows of exports that were parsed: the others said what was known.",
                &["account"],
            )?,
            notices: gauges(
                "expensewire_upstream_notices",
                "Things about the upstream's answers that a person should know; the account's status says which.",
                &["account"],
            )?,
            budget_share: add(registry, GaugeVec::new(share_opts(), &["account"])?)?,
            aged: Arc::default(),
        })
    }

    /// `expensewire_events_appended_total{account,type}`, for whoever else appends to the log.
    pub fn events_appended(&self) -> &IntCounterVec {
        &self.appended
    }

    /// An account is watched from now on. What rarely happens is shown as 0 before it first does: `increase()` and an alert
    /// see no step in a series that was not there.
    pub(crate) fn begin(&self, account: &AccountName) {
        self.quarantined(account, 0);
        self.unreadable(account, 0);
        self.notices(account, 0);
        self.rows(account, 0, 0);
        for rare in [&self.restarts, &self.rate_limited] {
            rare.with_label_values(&[account.as_str()]).inc_by(0);
        }
    }

    pub(crate) fn request_ended(&self, account: &AccountName, job: &str, outcome: &str, took: Duration) {
        self.requests.with_label_values(&[account.as_str(), job, outcome]).inc();
        self.durations.with_label_values(&[job]).observe(took.as_secs_f64());
    }

    pub(crate) fn throttled(&self, waited: Duration) {
        self.throttled.inc_by(waited.as_secs_f64());
    }

    pub(crate) fn rate_limited(&self, account: &AccountName) {
        self.rate_limited.with_label_values(&[account.as_str()]).inc();
    }

    pub(crate) fn budget(&self, account: &AccountName, budget: &BudgetStatus) {
        for window in &budget.windows {
            let name = format!("{}s", window.window_s);
            self.budget_used.with_label_values(&[account.as_str(), name.as_str()]).set(window.used.into());
        }
        self.share(account, budget.share);
    }

    /// The ages of the watches that stand; those of others are taken back. Windows are one, the oldest of them.
    pub(crate) fn poll_ages(&self, account: &AccountName, watches: &[WatchStatus], now: Timestamp) {
        let mut ages: BTreeMap<&str, f64> = BTreeMap::new();
        for watch in watches {
            let Some(fresh) = watch.fresh_as_of else { continue };
            let age = now.duration_since(fresh).as_secs_f64().max(0.0);
            ages.entry(label(&watch.name)).and_modify(|oldest| *oldest = oldest.max(age)).or_insert(age);
        }
        let mut shown = self.aged.lock().unwrap_or_else(PoisonError::into_inner);
        let labels: BTreeSet<String> = ages.keys().map(|label| (*label).to_owned()).collect();
        let before = shown.insert(account.clone(), labels.clone()).unwrap_or_default();
        for gone in before.difference(&labels) {
            // It is there: this put it in. Were it not, there would be nothing to take back.
            let _ = self.poll_age.remove_label_values(&[account.as_str(), gone]);
        }
        for (watch, age) in ages {
            self.poll_age.with_label_values(&[account.as_str(), watch]).set(age);
        }
    }

    pub(crate) fn read_ended(&self, account: &AccountName, watch: &str, outcome: &str) {
        self.reads.with_label_values(&[account.as_str(), watch, outcome]).inc();
    }

    /// These events were appended just now. A time that is that of the observation is none of the upstream's, and a snapshot
    /// is no news: neither says anything about delay.
    pub(crate) fn appended(&self, account: &AccountName, events: &[StoredEvent]) {
        let now = Timestamp::now();
        for head in events.iter().map(|event| &event.head) {
            self.appended.with_label_values(&[account.as_str(), head.event_type.as_str()]).inc();
            if !head.event_type.is_snapshot() && head.timestamp < head.observed_at() {
                self.delay.observe(now.duration_since(head.timestamp).as_secs_f64().max(0.0));
            }
        }
    }

    pub(crate) fn rows(&self, account: &AccountName, judged: u64, parsed: u64) {
        self.rows_judged.with_label_values(&[account.as_str()]).inc_by(judged);
        self.rows_parsed.with_label_values(&[account.as_str()]).inc_by(parsed);
    }

    pub(crate) fn notices(&self, account: &AccountName, notices: usize) {
        self.notices.with_label_values(&[account.as_str()]).set(i64::try_from(notices).unwrap_or(i64::MAX));
    }

    pub(crate) fn share(&self, account: &AccountName, share: f64) {
        self.budget_share.with_label_values(&[account.as_str()]).set(share);
    }

    pub(crate) fn quarantined(&self, account: &AccountName, scopes: usize) {
        self.quarantined.with_label_values(&[account.as_str()]).set(i64::try_from(scopes).unwrap_or(i64::MAX));
    }

    pub(crate) fn unreadable(&self, account: &AccountName, policies: usize) {
        self.unreadable.with_label_values(&[account.as_str()]).set(i64::try_from(policies).unwrap_or(i64::MAX));
    }

    pub(crate) fn restarted(&self, account: &AccountName) {
        self.restarts.with_label_values(&[account.as_str()]).inc();
    }
}

/// The label of a watch: the windows of the sweep share one.
fn label(watch: &str) -> &str {
    let window = watch.strip_prefix("reports:").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if window { "reports:window" } else { watch }
}

fn duration_opts() -> HistogramOpts {
    let help = "From the slot of a request to its answer.";
    HistogramOpts::new("expensewire_expensify_request_duration_seconds", help).buckets(REQUEST_BUCKETS_S.to_vec())
}

fn delay_opts() -> HistogramOpts {
    let help = "From when it happened, where the upstream tells, to the log.";
    HistogramOpts::new("expensewire_detection_delay_seconds", help).buckets(DELAY_BUCKETS_S.to_vec())
}

fn throttled_opts() -> Opts {
    Opts::new("expensewire_budget_throttled_seconds_total", "Time that requests waited for the budget.")
}

fn share_opts() -> Opts {
    Opts::new(
        "expensewire_budget_share",
        "Part of the upstream's limits that is used now: less for a while after a 429.",
    )
}

fn poll_age_opts() -> Opts {
    Opts::new("expensewire_poll_age_seconds", "Time since the start of the last complete read.")
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
