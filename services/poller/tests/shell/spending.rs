//! How requests are spent, and what happens when the upstream or the store says no.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use poller::BudgetConfig;
use tempfile::TempDir;

use crate::{
    harness::{account, start},
    upstream::{Upstream, World, slots},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_in_the_stored_budget_before_it_is_sent() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    upstream.watch_budget(&running.store);
    running.another_round().await;
    let open = upstream.world().open_slots.clone();
    assert!(open.len() > 5 && open.iter().all(|slots| *slots >= 1), "{open:?}");
    upstream.forget_store();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_drops_what_is_under_way_and_the_next_start_still_holds_its_slots() {
    let (upstream, directory) =
        (Upstream::start(World { silent: true, ..World::small() }).await, TempDir::new().unwrap());
    let narrow = BudgetConfig { per_10s: 3, per_60s: 3, share: 1.0 };
    let account = poller::AccountConfig { budget: narrow, ..account(&upstream) };
    let mut running = start(&directory, vec![account.clone()]);
    running.until(|status| status.budget.windows[1].used == 3).await;
    running.until_metric(|_| upstream.world().arrived.len() == 3).await;
    running.stop().await;
    let stopped = start(&directory, vec![]);
    assert_eq!(slots(&stopped.store).await, (0, 3), "their connections are closed");
    stopped.stop().await;

    // Under another name it is the same pair still.
    let renamed = poller::AccountConfig { name: "renamed".parse().unwrap(), ..account };
    let mut running = start(&directory, vec![renamed]);
    let status = running.until(|status| status.budget.next_start_at.is_some()).await;
    let next = status.budget.next_start_at.unwrap().duration_since(Timestamp::now());
    assert!(next > SignedDuration::from_secs(55), "{next}");
    running.stop().await;
    assert_eq!(upstream.world().arrived.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_pauses_the_account_and_a_restart_does_not_end_the_pause() {
    let (upstream, directory) =
        (Upstream::start(World { rate_limited: true, ..World::small() }).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    let paused = |status: &event_model::status::AccountStatus| {
        let pause = status.budget.next_start_at.map(|at| at.duration_since(Timestamp::now()));
        pause.is_some_and(|pause| pause > SignedDuration::from_secs(25) && pause < SignedDuration::from_secs(31))
    };
    let status = running.until(paused).await;
    assert!(status.budget.share <= 0.5 && status.budget.configured_share == 1.0, "{:?}", status.budget);
    assert!(status.budget.last_limited_at.is_some());
    assert!(running.metric("expensewire_expensify_rate_limited_total", &[("account", "acme")]) >= 1.0);
    assert!(running.metric("expensewire_budget_share", &[("account", "acme")]) <= 0.5);
    // What was already let through may still arrive; the watches are three, so that is at most three.
    running.stop().await;
    let arrived = upstream.world().arrived.len();
    assert!(arrived <= 3, "{:?}", upstream.world().arrived);

    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(paused).await;
    running.stop().await;
    assert_eq!(upstream.world().arrived.len(), arrived);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_is_told_and_not_hammered_and_other_accounts_go_on() {
    let (good, bad) =
        (Upstream::start(World::small()).await, Upstream::start(World { locked_out: true, ..World::small() }).await);
    let mut locked_out = account(&bad);
    locked_out.name = "locked".parse().unwrap();
    let directory = TempDir::new().unwrap();
    let mut running = start(&directory, vec![locked_out, account(&good)]);
    let failed = |status: &event_model::status::AccountStatus| {
        status.last_error.is_some() && status.watches.iter().all(|watch| watch.failures == 1)
    };
    let status = running.until(failed).await;
    let message = status.last_error.unwrap().message;
    assert!(message.contains("Authentication error") && !message.contains("s3cr3t"), "{message}");
    running.another_round().await;
    assert_eq!(bad.world().arrived.len(), 3, "each watch once, then not for five minutes");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_stops_requests_and_is_counted() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let running = start(&directory, vec![account(&upstream)]);
    running.until_metric(|running| running.reads("reports", "complete") >= 1.0).await;
    running.store.close().await.unwrap();
    running.until_metric(|running| running.metric("expensewire_account_restarts_total", &[]) >= 2.0).await;
    let arrived = upstream.world().arrived.len();
    running.until_metric(|running| running.metric("expensewire_account_restarts_total", &[]) >= 3.0).await;
    assert_eq!(upstream.world().arrived.len(), arrived, "no request without a budget on disk");
    tokio::time::timeout(Duration::from_secs(3), running.stop()).await.expect("it still stops");
}
