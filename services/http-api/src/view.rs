//! What the API shows, apart from events, which are shown as they are stored.

use std::collections::BTreeMap;

use event_model::{
    AccountName, EntityKind, Revision, Sequence, Subject, Subscription, SubscriptionId, TypeGlob,
    delivery::{Attempt, PendingDelivery, PendingState, Progress},
    status::{AccountStatus, BudgetStatus, ErrorStatus, WatchStatus},
    subscription::{Format, Ordering, Status},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use crate::headers::HIDDEN;

/// A subscription, and how far it has come.
#[derive(Serialize)]
pub(crate) struct SubscriptionView {
    pub id: SubscriptionId,
    url: Url,
    events: Vec<TypeGlob>,
    accounts: Vec<AccountName>,
    policies: Vec<String>,
    format: Format,
    ordering: Ordering,
    rate_per_s: Option<u32>,
    /// Names with the values hidden: values may be secrets.
    headers: BTreeMap<String, &'static str>,
    description: Option<String>,
    status: Status,
    /// Everything up to here is delivered, not wanted, or counted below.
    cursor: Sequence,
    /// Events of the log after the cursor, wanted or not.
    lag_events: u64,
    /// Deliveries that wait for their next attempt, or behind one.
    pending: usize,
    /// Deliveries given up.
    dead_letters: usize,
    delivered: u64,
    last_success_at: Option<Timestamp>,
    last_failure: Option<Attempt>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl SubscriptionView {
    /// The view at the end `last` of the log.
    pub fn of(
        subscription: Subscription,
        progress: Option<Progress>,
        pending: &[(String, PendingDelivery)],
        last: Sequence,
    ) -> Self {
        let progress = progress.unwrap_or_else(|| Progress::starting_after(subscription.start_after));
        let dead_letters = pending.iter().filter(|(_, one)| matches!(one.state, PendingState::Dead { .. })).count();
        Self {
            id: subscription.id,
            url: subscription.url,
            events: subscription.filter.events,
            accounts: subscription.filter.accounts,
            policies: subscription.filter.policies,
            format: subscription.format,
            ordering: subscription.ordering,
            rate_per_s: subscription.rate_per_s,
            headers: subscription.sealed_headers.into_keys().map(|name| (name, HIDDEN)).collect(),
            description: subscription.description,
            status: subscription.status,
            cursor: progress.cursor,
            lag_events: last.0.saturating_sub(progress.cursor.0),
            pending: pending.len() - dead_letters,
            dead_letters,
            delivered: progress.delivered,
            last_success_at: progress.last_success_at,
            last_failure: progress.last_failure,
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
        }
    }
}

/// The answer to a creation: the only one that shows the secret.
#[derive(Serialize)]
pub(crate) struct CreatedView<'a> {
    #[serde(flatten)]
    pub subscription: SubscriptionView,
    pub secret: &'a str,
}

/// An account, with the age of what is known of it.
#[derive(Serialize)]
pub(crate) struct AccountView {
    pub name: AccountName,
    budget: BudgetStatus,
    watches: Vec<WatchView>,
    last_error: Option<ErrorStatus>,
    /// Age of the oldest watch; `null` until each was read whole once.
    freshness_s: Option<u64>,
}

#[derive(Serialize)]
struct WatchView {
    #[serde(flatten)]
    watch: WatchStatus,
    /// Seconds since the start of the last complete read: what happened before is in the log.
    age_s: Option<u64>,
}

impl AccountView {
    pub fn of(status: AccountStatus, now: Timestamp) -> Self {
        let age = |watch: &WatchStatus| {
            let age = now.duration_since(watch.fresh_as_of?);
            // A clock that was set back makes nothing fresher than now.
            Some(u64::try_from(age.as_secs()).unwrap_or(0))
        };
        let watches: Vec<_> = status.watches.into_iter().map(|watch| WatchView { age_s: age(&watch), watch }).collect();
        let ages: Option<Vec<u64>> = watches.iter().map(|watch| watch.age_s).collect();
        Self {
            name: status.name,
            budget: status.budget,
            watches,
            last_error: status.last_error,
            freshness_s: ages.and_then(|ages| ages.into_iter().max()),
        }
    }
}

/// What the log says of an entity now.
#[derive(Serialize)]
pub(crate) struct EntityView<'a> {
    pub account: &'a AccountName,
    pub kind: EntityKind,
    pub id: &'a str,
    pub subject: &'a Subject,
    pub revision: Revision,
    pub removed: bool,
    /// The last event about it.
    pub sequence: Sequence,
    /// The entity as that event shows it; for a removed one as last known.
    pub object: &'a RawValue,
    /// Where its events are.
    pub events: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(fresh: &[Option<&str>]) -> AccountStatus {
        let watch = |fresh_as_of: &Option<&str>| WatchStatus {
            name: "reports".to_owned(),
            cost_requests: 2,
            changes_per_hour: 1.0,
            baselined: true,
            entities: Some(3),
            fresh_as_of: fresh_as_of.map(|at| at.parse().expect("a time")),
            failures: 0,
        };
        AccountStatus {
            name: "acme".parse().expect("a name"),
            budget: BudgetStatus { windows: Vec::new(), share: 1.0, next_start_at: None },
            watches: fresh.iter().map(watch).collect(),
            last_error: None,
        }
    }

    #[test]
    fn an_account_is_as_fresh_as_its_oldest_watch_and_unknown_until_all_were_read() {
        let now = "2026-04-02T09:15:00Z".parse().expect("a time");
        let freshness = |fresh: &[Option<&str>]| AccountView::of(status(fresh), now).freshness_s;
        assert_eq!(freshness(&[Some("2026-04-02T09:14:50Z"), Some("2026-04-02T09:14:00Z")]), Some(60));
        assert_eq!(freshness(&[Some("2026-04-02T09:14:50Z"), None]), None);
        assert_eq!(freshness(&[Some("2026-04-02T09:16:00Z")]), Some(0));
        assert_eq!(freshness(&[]), None);
    }
}
