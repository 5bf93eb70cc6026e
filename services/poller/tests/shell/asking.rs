//! What others ask of the poller while it runs.

use poller::{BudgetConfig, HandleError, What};
use tempfile::TempDir;

use crate::{
    harness::{account, baselined, start},
    upstream::{BASELINE, FIRST, Upstream, World},
};

const NEW: &str = "R00NewReport";

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_of_one_report_goes_ahead_of_the_queue_and_the_queue_is_bounded() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    // Enough for the first sights, and then seconds between two reads.
    let slow = BudgetConfig { per_10s: 12, per_60s: 12, share: 1.0 };
    let mut running = start(&directory, vec![poller::AccountConfig { budget: slow, ..account(&upstream) }]);
    running.until(baselined).await;
    running.events(BASELINE).await;
    upstream.world().reports[0].1 = "SUBMITTED";
    upstream.world().reports.push((NEW, "OPEN", 5));
    let acme = "acme".parse().unwrap();
    running.handle.refresh(&acme, What::Report(FIRST.to_owned())).await.unwrap();
    let events = running.events(BASELINE + 1).await.split_off(BASELINE);
    assert_eq!(events, [format!("report.submitted report/{FIRST}")]);
    assert_eq!(running.reads("reports", "complete"), 1.0, "no other read has shown it, nor the new one");

    let unknown = "other".parse().unwrap();
    assert_eq!(running.handle.refresh(&unknown, What::All).await, Err(HandleError::UnknownAccount));
    running.handle.refresh(&acme, What::Report("2080715894610667".to_owned())).await.unwrap();
    running.until(|status| status.watches.iter().any(|watch| watch.name == "report/R009WqAY45L1")).await;
    let reports: Vec<String> = (0..20).map(|n| format!("R{n:02}")).collect();
    let mut answers = Vec::new();
    for id in reports {
        answers.push(running.handle.refresh(&acme, What::Report(id)).await);
    }
    assert!(answers[..10].iter().all(Result::is_ok) && answers[19] == Err(HandleError::Busy), "{answers:?}");
    let handle = running.handle.clone();
    running.stop().await;
    assert_eq!(handle.refresh(&acme, What::All).await, Err(HandleError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refreshed_report_is_told() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    let acme = "acme".parse().unwrap();
    running.handle.refresh(&acme, What::Report(FIRST.to_owned())).await.unwrap();
    running.until_metric(|running| running.reads("report", "complete") >= 1.0).await;
    running.handle.refresh(&acme, What::All).await.unwrap();
    running.another_round().await;
    assert_eq!(running.store.last_sequence().0, BASELINE as u64, "nothing had changed");
    assert!(
        running.metric("expensewire_rows_judged_total", &[]) > running.metric("expensewire_rows_parsed_total", &[])
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_releases_the_cards_that_vanished_at_once() {
    let cards = (0..4).map(|n| (100 + n, "Visa")).collect();
    let (upstream, directory) = (Upstream::start(World { cards, ..World::small() }).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    let (acme, scope) = ("acme".parse().unwrap(), "cards:acme.example");
    let nothing = running.handle.release(&acme, scope, 9).await;
    assert_eq!(nothing, Err(HandleError::NotWithheld { scope: scope.to_owned() }));
    upstream.world().cards.clear();
    let lost = running.until(|status| !status.lost.is_empty()).await.lost;
    assert_eq!((lost[0].scope.as_str(), lost[0].missing), (scope, Some(4)));
    let over = running.handle.release(&acme, scope, 3).await;
    assert_eq!(over, Err(HandleError::OverCeiling { missing: 4, ceiling: 3 }));
    let released = running.handle.release(&acme, scope, 4).await.unwrap();
    assert_eq!(released.confirming, 4);
    running.until(|status| status.lost.is_empty()).await;
    let events = running.events(BASELINE + 3 + 2 + 4).await;
    assert_eq!(events.iter().filter(|event| event.starts_with("card.removed ")).count(), 4);
    running.stop().await;
}
