//! The keeper of the log: cuts what is old enough, and checks each night that what is there is what was written.
//!
//! Each turn is a reconciliation: it looks where the subscriptions stand, asks the store to cut what nobody needs, and tells
//! those that lost something all the same. How far it has told is noted in the store, so that a kill between the cut and
//! the telling loses nothing. What fails is logged, counted, and tried again in the next turn: a log that cannot be cut still
//! serves, and so does one that is damaged, up to the damage.

mod metrics;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context, Result};
use dispatcher::cursors::{self, Place};
use event_model::{AccountName, Sequence};
use event_store::{Durability, EventStore, Retained, Retention, Table, TableName};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use tokio::time::{Instant, sleep_until};

pub use self::metrics::Metrics;
use crate::config::{Check, RetentionConfig};

/// From the start to the first cut: a service that starts has more urgent things to do.
const FIRST_CUT_AFTER: Duration = Duration::from_secs(60);
/// Pause between two cuts: days are not counted to the minute.
const CUT_EVERY: Duration = Duration::from_secs(60 * 60);
/// When the nightly check begins, UTC: at night in Europe, in the evening in America.
const CHECK_HOUR: i8 = 2;
/// Longest single sleep: the machine's clock may be set meanwhile, and nights go by the clock.
const LONGEST_SLEEP: Duration = Duration::from_secs(10 * 60);
/// Where in the table of the service it is noted how far cuts were told.
const TOLD_KEY: &str = "retention-told";

/// The keeper of one log.
pub struct Keeper {
    store: EventStore,
    config: RetentionConfig,
    /// Who may be told of a cut, for a subscription that names no account of its own.
    accounts: Vec<AccountName>,
    told: Table<String>,
    metrics: Metrics,
}

impl Keeper {
    /// The keeper of the log of `store`.
    pub fn new(store: EventStore, config: RetentionConfig, accounts: Vec<AccountName>, metrics: Metrics) -> Self {
        metrics.horizon(store.horizon());
        let told = store.table(TableName::Service);
        Self { store, config, accounts, told, metrics }
    }

    /// Works until dropped.
    pub async fn run(self) {
        let mut cut_at = Instant::now() + FIRST_CUT_AFTER;
        let mut check_at = next_check(Timestamp::now());
        loop {
            sleep_until(cut_at.min(Instant::now() + LONGEST_SLEEP)).await;
            if Instant::now() >= cut_at {
                cut_at = Instant::now() + CUT_EVERY;
                if let Err(error) = self.cut(Timestamp::now()).await {
                    self.metrics.retention_failed();
                    tracing::error!("cannot cut the log: {error:#}");
                }
            }
            if self.config.check == Check::Nightly && check_at <= Timestamp::now() {
                check_at = next_check(Timestamp::now());
                self.check().await;
            }
        }
    }

    /// Cuts what is older than configured at `now` and what is too much, and tells who lost something.
    async fn cut(&self, now: Timestamp) -> Result<Retained> {
        let places = cursors::places(&self.store).await.context("where the subscriptions stand")?;
        let floor = cursors::slowest_live(&places).unwrap_or_else(|| self.store.last_sequence());
        let kept_for = SignedDuration::from_hours(i64::from(self.config.days) * 24);
        let policy = Retention {
            // A clock near the beginning of time has nothing before it.
            before: Some(now.checked_sub(kept_for).unwrap_or(Timestamp::MIN)),
            max_bytes: self.config.max_bytes,
            floor,
            force: self.config.force,
        };
        let retained = self.store.retain(&policy).await.context("retention")?;
        self.metrics.retained(&retained);
        if let Some(held_at) = retained.held_at {
            let slowest = places.iter().filter(|place| place.is_live()).min_by_key(|place| place.needs_after);
            let subscription = slowest.map(|place| place.subscription.id.as_str()).unwrap_or_default();
            tracing::warn!(%held_at, subscription, "retention is held back by a subscription that is behind");
        }
        if retained.removed > 0 {
            let Retained { horizon, removed, kept, .. } = retained;
            tracing::info!(%horizon, removed, kept, "events were removed by retention");
        }
        self.tell(&places, retained.horizon).await.context("telling of a cut")?;
        Ok(retained)
    }

    /// Tells of each subscription that needed something between what was told before and `horizon`. One that reads what
    /// is left of the beginning stands below both: it lost nothing.
    async fn tell(&self, places: &[Place], horizon: Sequence) -> Result<()> {
        let noted = self.told.get(TOLD_KEY).await?;
        let before = noted.and_then(|text| text.parse().ok()).map_or(Sequence::START, Sequence);
        if horizon <= before {
            return Ok(());
        }
        let lost = |place: &&Place| {
            let begun = place.needs_after > Sequence::START || place.subscription.start_after > Sequence::START;
            begun && (before..horizon).contains(&place.needs_after)
        };
        for place in places.iter().filter(lost) {
            let (subscription, needed_after) = (&place.subscription.id, place.needs_after);
            tracing::warn!(%subscription, %needed_after, %horizon, "retention removed events a subscription had not read");
            self.metrics.history_cut();
            let account = place.subscription.filter.accounts.first().or(self.accounts.first());
            if let Some(account) = account {
                cursors::tell_history_cut(&self.store, place, account, horizon).await?;
            }
        }
        Ok(self.told.put(TOLD_KEY, &horizon.to_string(), Durability::Durable).await?)
    }

    /// Verifies the log and compares the states with it. What does not hold is logged and counted.
    async fn check(&self) {
        let begun = Instant::now();
        match self.store.verify(|_| {}).await {
            Ok(verified) => {
                self.metrics.verified(&verified, Timestamp::now());
                let (events, last, link) = (verified.events, verified.last, verified.link);
                tracing::info!(events, %last, %link, took_s = begun.elapsed().as_secs(), "the log is whole");
            }
            Err(error) => {
                self.metrics.verify_failed();
                tracing::error!("the log is not whole: {:#}", anyhow::Error::new(error));
            }
        }
        match self.store.check_states().await {
            Ok(checked) => {
                self.metrics.states_checked(&checked);
                if checked.differ > 0 {
                    let first = checked.differing.first().map(|(account, subject)| format!("{account} {subject}"));
                    let (differ, first) = (checked.differ, first.unwrap_or_default());
                    tracing::error!(
                        differ,
                        first,
                        "states differ from the log; `expensewire state rebuild` mends them"
                    );
                }
            }
            Err(error) => {
                self.metrics.verify_failed();
                tracing::error!("the states cannot be compared with the log: {:#}", anyhow::Error::new(error));
            }
        }
    }
}

/// The next time after `now` at which the night's check begins.
fn next_check(now: Timestamp) -> Timestamp {
    let now = now.to_zoned(TimeZone::UTC);
    let today = now.date().at(CHECK_HOUR, 0, 0, 0);
    let next = if now.datetime() < today { Ok(today) } else { today.checked_add(1.day()) };
    let next = next.and_then(|next| next.to_zoned(TimeZone::UTC)).map(|next| next.timestamp());
    // At the end of time there is no next night.
    next.unwrap_or(Timestamp::MAX)
}
