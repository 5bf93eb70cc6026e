//! What the poller tells of itself.

use std::time::Duration;

use event_model::{AccountName, EventType, status::BudgetStatus};
use jiff::{SignedDuration, Timestamp};
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
                "Watches whose last read lost so much that nothing is said of it.",
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
        })
    }

    /// `expensewire_events_appended_total{account,type}`, for whoever else appends to the log.
    pub fn events_appended(&self) -> &IntCounterVec {
        &self.appended
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
    }

    pub(crate) fn poll_age(&self, account: &AccountName, watch: &str, age: SignedDuration) {
        self.poll_age.with_label_values(&[account.as_str(), watch]).set(age.as_secs_f64().max(0.0));
    }

    pub(crate) fn read_ended(&self, account: &AccountName, watch: &str, outcome: &str) {
        self.reads.with_label_values(&[account.as_str(), watch, outcome]).inc();
    }

    /// An event whose draft had this type, time and time of observation went into the log at `now`. A time that is that
    /// of the observation is none of the upstream's, and a snapshot is no news: neither says anything about delay.
    pub(crate) fn appended(
        &self,
        account: &AccountName,
        event: EventType,
        happened: Timestamp,
        observed: Timestamp,
        now: Timestamp,
    ) {
        self.appended.with_label_values(&[account.as_str(), event.as_str()]).inc();
        if !event.is_snapshot() && happened < observed {
            self.delay.observe(now.duration_since(happened).as_secs_f64().max(0.0));
        }
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

fn poll_age_opts() -> Opts {
    Opts::new("expensewire_poll_age_seconds", "Time since the start of the last complete read.")
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
