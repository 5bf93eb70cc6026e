//! What is measured of retention and of the nightly check.

use event_model::Sequence;
use event_store::{Retained, StateCheck, Verified};
use jiff::Timestamp;
use prometheus::{IntCounter, IntGauge, Registry, core::Collector};

/// The keeper's metrics.
pub struct Metrics {
    horizon: IntGauge,
    removed: IntCounter,
    held_back: IntGauge,
    failures: IntCounter,
    history_cuts: IntCounter,
    verified_sequence: IntGauge,
    verified_at: IntGauge,
    verify_failures: IntCounter,
    states_differing: IntGauge,
}

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When `registry` has a metric of one of these names already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| registered(registry, IntGauge::new(name, help)?);
        let counter = |name, help| registered(registry, IntCounter::new(name, help)?);
        Ok(Self {
            horizon: gauge(
                "expensewire_log_horizon_sequence",
                "Up to this sequence only the last event of each entity is left.",
            )?,
            removed: counter("expensewire_retention_removed_events_total", "Events removed by retention.")?,
            held_back: gauge(
                "expensewire_retention_held_back",
                "1 while a live subscription that is behind keeps retention from cutting all that is old enough.",
            )?,
            failures: counter("expensewire_retention_failures_total", "Runs of retention that failed.")?,
            history_cuts: counter(
                "expensewire_subscription_history_cuts_total",
                "Times that retention removed events that a subscription had not read.",
            )?,
            verified_sequence: gauge(
                "expensewire_log_verified_sequence",
                "The log was last found whole up to this sequence.",
            )?,
            verified_at: gauge("expensewire_log_verified_timestamp_seconds", "When the log was last found whole.")?,
            verify_failures: counter(
                "expensewire_log_verify_failures_total",
                "Checks of the log or of the states that failed or found damage.",
            )?,
            states_differing: gauge(
                "expensewire_log_states_differing",
                "Entities whose state differed from the log at the last check.",
            )?,
        })
    }

    pub(super) fn horizon(&self, horizon: Sequence) {
        self.horizon.set(whole(horizon.0));
    }

    pub(super) fn retained(&self, retained: &Retained) {
        self.horizon(retained.horizon);
        self.removed.inc_by(retained.removed);
        self.held_back.set(retained.held_at.is_some().into());
    }

    pub(super) fn retention_failed(&self) {
        self.failures.inc();
    }

    pub(super) fn history_cut(&self) {
        self.history_cuts.inc();
    }

    pub(super) fn verified(&self, verified: &Verified, at: Timestamp) {
        self.verified_sequence.set(whole(verified.last.0));
        self.verified_at.set(at.as_second());
    }

    pub(super) fn verify_failed(&self) {
        self.verify_failures.inc();
    }

    pub(super) fn states_checked(&self, checked: &StateCheck) {
        self.states_differing.set(whole(checked.differ));
        if checked.differ > 0 {
            self.verify_failed();
        }
    }
}

fn registered<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
