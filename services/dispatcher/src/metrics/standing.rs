//! How far each subscription has come, as gauges. Couriers write where they stand on a board; the supervisor turns the
//! boards into numbers now and then, so that ages grow also while a courier sleeps or its subscription is paused.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use event_model::{Sequence, SubscriptionId};
use jiff::Timestamp;

use super::Metrics;

/// Subscriptions that have gauges of their own; a label per subscription without a bound would swamp a time series
/// database. Those beyond it are counted by `expensewire_subscriptions` alone.
const MAX_LABELLED: usize = 200;

/// Where a courier stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) cursor: Sequence,
    /// When the first event above the cursor came into the log, as far as it is known.
    pub(crate) behind_since: Option<Timestamp>,
    /// Since when the oldest delivery that is not done waits.
    pub(crate) undelivered_since: Option<Timestamp>,
}

/// Where all couriers stand.
#[derive(Clone, Default)]
pub(crate) struct Boards(Arc<Mutex<BTreeMap<SubscriptionId, Standing>>>);

impl Boards {
    pub(crate) fn write(&self, subscription: &SubscriptionId, standing: Standing) {
        let mut boards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(board) = boards.get_mut(subscription) {
            *board = standing;
        } else if boards.len() < MAX_LABELLED {
            boards.insert(subscription.clone(), standing);
        }
    }

    /// The subscription is gone: so are its gauges.
    pub(crate) fn remove(&self, subscription: &SubscriptionId, metrics: &Metrics) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(subscription).is_some() {
            let label = [subscription.as_str()];
            // An error says that there is no such gauge: then there is nothing to remove.
            let _ = metrics.lag_events.remove_label_values(&label);
            let _ = metrics.lag_seconds.remove_label_values(&label);
            let _ = metrics.oldest_undelivered_seconds.remove_label_values(&label);
        }
    }

    /// Sets the gauges, with the log at `last`.
    pub(crate) fn publish(&self, metrics: &Metrics, last: Sequence, now: Timestamp) {
        let age_s = |since: Option<Timestamp>| since.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
        for (subscription, standing) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let label = [subscription.as_str()];
            let lag = last.0.saturating_sub(standing.cursor.0);
            let behind_since = standing.behind_since.filter(|_| lag > 0);
            metrics.lag_events.with_label_values(&label).set(i64::try_from(lag).unwrap_or(i64::MAX));
            metrics.lag_seconds.with_label_values(&label).set(age_s(behind_since));
            metrics.oldest_undelivered_seconds.with_label_values(&label).set(age_s(standing.undelivered_since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_bounded_grow_with_time_and_go_with_their_subscription() {
        let metrics = Metrics::register(&prometheus::Registry::new(), crate::metrics::some_counter()).expect("metrics");
        let boards = Boards::default();
        let id = |n: usize| SubscriptionId::from_unique(&n.to_string()).expect("id");
        let at = |second| Timestamp::from_second(second).expect("in range");
        for n in 0..=MAX_LABELLED {
            boards.write(&id(n), Standing { cursor: Sequence(3), behind_since: Some(at(1)), undelivered_since: None });
        }
        boards.publish(&metrics, Sequence(5), at(11));
        assert_eq!(boards.0.lock().expect("lock").len(), MAX_LABELLED);
        assert_eq!(metrics.lag_events.with_label_values(&[id(0).as_str()]).get(), 2);
        assert!((metrics.lag_seconds.with_label_values(&[id(0).as_str()]).get() - 10.0).abs() < 1e-9);
        boards.remove(&id(0), &metrics);
        assert!(metrics.lag_events.remove_label_values(&[id(0).as_str()]).is_err(), "it is gone");
    }
}
