//! What the API shows, apart from events, which are shown as they are stored.

use std::collections::BTreeMap;

use event_model::{
    AccountName, EntityKind, KeyId, Revision, Sequence, Subject, Subscription, SubscriptionId, TypeGlob,
    delivery::{Attempt, PendingDelivery, PendingState, Progress, Trouble},
    status::{AccountStatus, WatchStatus},
    subscription::{Format, Ordering, Status},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use crate::headers::HIDDEN;

/// A subscription, and how far it has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Subscription")]
pub(crate) struct SubscriptionView {
    pub id: SubscriptionId,
    #[schemars(with = "String", extend("format" = "uri"))]
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
    /// Whether deliveries carry a signature `v1a` too.
    ed25519: bool,
    /// Whether a new URL is challenged first.
    challenge: bool,
    /// Until when a replaced secret signs beside the one that stands; `null` when none does.
    overlap_until: Option<Timestamp>,
    status: StatusView,
    /// The key that it belongs to; `null` for one of before keys had scopes.
    owner: Option<KeyId>,
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
    /// What is wrong with the receiver, and whether it is suspended; `null` while deliveries arrive.
    trouble: Option<Trouble>,
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
        let overlap_until = subscription.retiring_secrets.iter().map(|one| one.until).max();
        let overlap_until = overlap_until.filter(|until| *until > Timestamp::now());
        let status = StatusView::of(&subscription, Timestamp::now());
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
            ed25519: !subscription.ed25519_keys.is_empty(),
            challenge: subscription.challenge,
            overlap_until,
            status,
            owner: subscription.owner.map(|owner| owner.key),
            cursor: progress.cursor,
            lag_events: last.0.saturating_sub(progress.cursor.0),
            pending: pending.iter().filter(|(_, one)| one.state.is_open()).count(),
            dead_letters,
            delivered: progress.delivered,
            last_success_at: progress.last_success_at,
            last_failure: progress.last_failure,
            trouble: progress.trouble,
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
        }
    }
}

/// Whether a subscription delivers.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SubscriptionStatus")]
#[serde(untagged)]
enum StatusView {
    Stands(Status),
    /// It would, were the key of its owner not expired. Its cursor stands.
    Lapsed {
        #[schemars(extend("const" = "paused"))]
        state: &'static str,
        #[schemars(extend("const" = "owner_expired"))]
        reason: &'static str,
        at: Option<Timestamp>,
    },
}

impl StatusView {
    fn of(subscription: &Subscription, now: Timestamp) -> Self {
        if subscription.status == Status::Active && subscription.has_lapsed(now) {
            let at = subscription.owner.as_ref().and_then(|owner| owner.until);
            return Self::Lapsed { state: Status::Paused.as_str(), reason: "owner_expired", at };
        }
        Self::Stands(subscription.status.clone())
    }
}

/// The answer to a creation: the only one that shows the secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedSubscription")]
pub(crate) struct CreatedView<'a> {
    #[serde(flatten)]
    pub subscription: SubscriptionView,
    pub secret: &'a str,
    /// That of the signatures `v1a`, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<&'a str>,
}

/// An account as it was published, with ages as they are now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub(crate) struct AccountView {
    #[serde(flatten)]
    pub status: AccountStatus,
    /// Age of the oldest watch; `null` until each was read whole once.
    freshness_s: Option<f64>,
}

impl AccountView {
    pub fn of(mut status: AccountStatus, now: Timestamp) -> Self {
        for watch in &mut status.watches {
            watch.age_s = age_s(watch, now);
        }
        // What is read once, by ids, has no period and says nothing of the rest.
        let lasting = status.watches.iter().filter(|watch| watch.period_s.is_some());
        let ages: Option<Vec<f64>> = lasting.map(|watch| watch.age_s).collect();
        Self { freshness_s: ages.and_then(|ages| ages.into_iter().max_by(f64::total_cmp)), status }
    }
}

/// Seconds, to a tenth, since the start of the last complete read: what happened before is in the log.
fn age_s(watch: &WatchStatus, now: Timestamp) -> Option<f64> {
    let age = now.duration_since(watch.fresh_as_of?).as_secs_f64();
    // A clock that was set back makes nothing fresher than now.
    Some((age.max(0.0) * 10.0).round() / 10.0)
}

/// What the log says of an entity now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Entity")]
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
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub object: &'a RawValue,
    /// Where its events are.
    pub events: String,
}

#[cfg(test)]
mod tests {
    use event_model::status::BudgetStatus;

    use super::*;

    fn watch(fresh_as_of: Option<&str>) -> WatchStatus {
        WatchStatus {
            name: "reports".to_owned(),
            why: "waiting".to_owned(),
            cost_requests: 2,
            read_s: None,
            read_bytes: None,
            changes_per_hour: 1.0,
            period_s: Some(8.0),
            age_s: None,
            expected_delay_s: None,
            baselined: true,
            entities: Some(3),
            fresh_as_of: fresh_as_of.map(|at| at.parse().expect("a time")),
            failures: 0,
            withheld: None,
            set_aside: Vec::new(),
        }
    }

    fn account(watches: Vec<WatchStatus>) -> AccountStatus {
        AccountStatus {
            name: "acme".parse().expect("a name"),
            budget: BudgetStatus {
                windows: Vec::new(),
                share: 1.0,
                configured_share: 1.0,
                last_limited_at: None,
                next_start_at: None,
            },
            watches,
            confirming: 0,
            lost: Vec::new(),
            clock_offset_s: None,
            notices: Vec::new(),
            last_error: None,
        }
    }

    #[test]
    fn an_account_is_as_fresh_as_its_oldest_watch_and_unknown_until_all_were_read() {
        let now = "2026-04-02T09:15:00Z".parse().expect("a time");
        let freshness = |fresh: &[Option<&str>]| {
            AccountView::of(account(fresh.iter().copied().map(watch).collect()), now).freshness_s
        };
        assert_eq!(freshness(&[Some("2026-04-02T09:14:50Z"), Some("2026-04-02T09:14:00Z")]), Some(60.0));
        assert_eq!(freshness(&[Some("2026-04-02T09:14:50Z"), None]), None);
        assert_eq!(freshness(&[Some("2026-04-02T09:14:57.75Z")]), Some(2.3));
        assert_eq!(freshness(&[Some("2026-04-02T09:16:00Z")]), Some(0.0));
        assert_eq!(freshness(&[]), None);
    }

    #[test]
    fn what_is_read_once_by_its_id_makes_an_account_no_older() {
        let now = "2026-04-02T09:15:00Z".parse().expect("a time");
        let once = WatchStatus { period_s: None, baselined: false, ..watch(None) };
        let view = AccountView::of(account(vec![watch(Some("2026-04-02T09:14:50Z")), once]), now);
        assert_eq!(view.freshness_s, Some(10.0));
    }
}
