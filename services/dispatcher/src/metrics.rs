//! What the dispatcher counts. Names are those of the interface; the help text is the field's documentation.

mod standing;

use event_model::{AccountName, EventType, delivery::Attempt, subscription::Status};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

pub(crate) use self::standing::{Boards, Standing};

const NAMESPACE: &str = "expensewire";
/// From a fast receiver to the deadline.
const DURATION_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
/// From a delivery at once to one of the last retries.
const LATENCY_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 21_600.0, 86_400.0];

/// The dispatcher's metrics; clones share them.
#[derive(Clone)]
pub struct Metrics {
    attempts: IntCounterVec,
    duration: Histogram,
    latency: Histogram,
    pub(crate) lag_events: IntGaugeVec,
    pub(crate) lag_seconds: GaugeVec,
    pub(crate) oldest_undelivered_seconds: GaugeVec,
    subscriptions: IntGaugeVec,
    pub(crate) dead_letters: IntGauge,
    pub(crate) full: IntGauge,
    pub(crate) suspended: IntGauge,
    events_appended: IntCounterVec,
}

impl Metrics {
    /// Makes the metrics and registers them. `events_appended` counts whoever appends to the log, by `account` and
    /// `type` in this order; what the dispatcher appends is counted there. It is another's, and registered by it.
    ///
    /// # Errors
    /// When the registry has metrics of these names.
    pub fn register(registry: &Registry, events_appended: IntCounterVec) -> Result<Self, prometheus::Error> {
        let opts = |name, help| Opts::new(name, help).namespace(NAMESPACE);
        let histogram = |name, help, buckets: &[f64]| {
            Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec()))
        };
        let of = &["subscription"];
        Ok(Self {
            attempts: registered(
                registry,
                IntCounterVec::new(
                    opts("delivery_attempts_total", "Delivery attempts by how they ended"),
                    &["outcome"],
                )?,
            )?,
            duration: registered(
                registry,
                histogram("delivery_duration_seconds", "How long an attempt took", &DURATION_BUCKETS)?,
            )?,
            latency: registered(
                registry,
                histogram("delivery_latency_seconds", "From the log to a 2xx answer", &LATENCY_BUCKETS)?,
            )?,
            lag_events: registered(
                registry,
                IntGaugeVec::new(opts("subscription_lag_events", "Events between cursor and end of the log"), of)?,
            )?,
            lag_seconds: registered(
                registry,
                GaugeVec::new(opts("subscription_lag_seconds", "Age of the first event above the cursor"), of)?,
            )?,
            oldest_undelivered_seconds: registered(
                registry,
                GaugeVec::new(
                    opts("subscription_oldest_undelivered_seconds", "Age of the oldest delivery not done"),
                    of,
                )?,
            )?,
            subscriptions: registered(
                registry,
                IntGaugeVec::new(opts("subscriptions", "Subscriptions by status"), &["status"])?,
            )?,
            dead_letters: registered(
                registry,
                IntGauge::with_opts(opts("dead_letters", "Deliveries given up and kept"))?,
            )?,
            full: registered(
                registry,
                IntGauge::with_opts(opts(
                    "subscriptions_full",
                    "Subscriptions whose cursor stands because as many deliveries as may be are pending",
                ))?,
            )?,
            suspended: registered(
                registry,
                IntGauge::with_opts(opts(
                    "subscriptions_suspended",
                    "Subscriptions whose receiver keeps failing and is only probed now and then",
                ))?,
            )?,
            events_appended,
        })
    }

    /// An event was appended to the log.
    pub(crate) fn appended(&self, account: &AccountName, event_type: EventType) {
        self.events_appended.with_label_values(&[account.as_str(), event_type.as_str()]).inc();
    }

    /// An attempt ended.
    pub(crate) fn attempted(&self, attempt: &Attempt) {
        self.attempts.with_label_values(&[attempt.outcome.as_str()]).inc();
        self.duration.observe(std::time::Duration::from_millis(attempt.duration_ms).as_secs_f64());
    }

    /// An event arrived, so many seconds after it was in the log.
    pub(crate) fn delivered_after(&self, seconds: f64) {
        self.latency.observe(seconds.max(0.0));
    }

    /// These are the statuses of all subscriptions.
    pub(crate) fn count_statuses<'a>(&self, statuses: impl Iterator<Item = &'a Status> + Clone) {
        for word in ["active", "paused", "disabled"] {
            let count = statuses.clone().filter(|status| status.as_str() == word).count();
            self.subscriptions.with_label_values(&[word]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// A counter as another part of the program would give it.
#[cfg(test)]
pub(crate) fn some_counter() -> IntCounterVec {
    let opts = Opts::new("expensewire_events_appended_total", "Events appended to the log.");
    IntCounterVec::new(opts, &["account", "type"]).expect("a counter")
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
