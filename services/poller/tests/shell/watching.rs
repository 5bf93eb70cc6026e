//! What is told, and what is not.

use change_engine::{Paths, Seen, policy_drafts};
use event_model::{Policy, Sequence};
use jiff::Timestamp;
use poller::{Handle, Metrics, PollerError};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{DEADLINE, account, baselined, start},
    upstream::{BASELINE, FIRST, OTHER_POLICY, POLICY, SECOND, Upstream, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sight_is_snapshots_and_later_changes_are_exactly_their_events() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    let events = running.events(BASELINE).await;
    assert!(events.iter().all(|event| event.contains(".snapshot ")), "{events:?}");
    let place = |wanted: &str| events.iter().position(|event| event == wanted).expect(wanted);
    assert!(place("scope.snapshot scope/reports") > place(&format!("report.snapshot report/{SECOND}")));
    assert!(place("scope.snapshot scope/cards:acme.example") > place("card.snapshot card/5190011"));
    let status = running.until(baselined).await;
    assert!(status.clock_offset_s.is_some());
    for watch in &status.watches {
        assert!(watch.period_s.is_some() && watch.expected_delay_s.is_some() && watch.entities.is_some(), "{watch:?}");
    }

    let before = Timestamp::now();
    upstream.world().reports[0].1 = "SUBMITTED";
    upstream.world().policies[1].1 = "France SA";
    upstream.world().cards.push((5_190_012, "Visa - 4012"));
    let mut events = running.events(BASELINE + 3).await.split_off(BASELINE);
    events.sort();
    let submitted = format!("report.submitted report/{FIRST}");
    let changed = format!("policy.changed policy/{OTHER_POLICY}");
    assert_eq!(events, ["card.added card/5190012", &changed, &submitted]);
    running.another_round().await;
    assert_eq!(running.store.last_sequence(), Sequence(BASELINE as u64 + 3), "nothing is said twice");
    for event in running.all_events().await.split_off(BASELINE) {
        assert!(event.detection.observed_at > before && event.detection.not_before < Some(event.detection.observed_at));
        assert!(event.detection.not_before.is_some());
    }
    assert_eq!(running.metric("expensewire_events_appended_total", &[("type", "report.submitted")]), 1.0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_an_incomplete_export_are_told_and_what_it_does_not_show_is_not_concluded() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    let fresh = running.status.borrow()[0].watches.iter().find(|watch| watch.name == "reports").unwrap().fresh_as_of;
    upstream.world().broken_off = true;
    upstream.world().reports = vec![(FIRST, "SUBMITTED", 1_000)];
    let events = running.events(BASELINE + 1).await.split_off(BASELINE);
    assert_eq!(events, [format!("report.submitted report/{FIRST}")]);
    let failed = running.until(|status| status.last_error.is_some()).await;
    let reports = failed.watches.iter().find(|watch| watch.name == "reports").unwrap();
    assert!(reports.failures >= 1 && reports.fresh_as_of == fresh && failed.confirming == 0, "{reports:?}");
    assert!(running.reads("reports", "incomplete") >= 1.0);

    upstream.world().reports.push((SECOND, "APPROVED", 2_000));
    upstream.world().broken_off = false;
    running.until(|status| status.last_error.is_none() && status.watches.iter().all(|w| w.failures == 0)).await;
    running.another_round().await;
    assert_eq!(running.store.last_sequence().0, BASELINE as u64 + 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_repeats_nothing_and_forgets_nothing() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    running.stop().await;

    upstream.world().reports[1].1 = "REIMBURSED";
    upstream.world().policies.push(("C0FFEE0000000001", "New"));
    let mut running = start(&directory, vec![account(&upstream)]);
    let mut events = running.events(BASELINE + 2).await.split_off(BASELINE);
    events.sort();
    let reimbursed = format!("report.reimbursed report/{SECOND}");
    assert_eq!(events, ["policy.created policy/C0FFEE0000000001", &reimbursed]);
    running.another_round().await;
    assert_eq!(running.store.last_sequence(), Sequence(BASELINE as u64 + 2));
    assert!(running.all_events().await[BASELINE..].iter().all(|event| event.detection.not_before.is_some()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sight_that_was_cut_short_goes_on_as_one() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let account = account(&upstream);
    let running = start(&directory, vec![]);
    let (now, paths) = (Timestamp::now(), Paths::default());
    let seen = Seen {
        account: &account.name,
        observed_at: now,
        not_before: None,
        told_until: None,
        baselined: false,
        paths: &paths,
    };
    let policy = Policy { policy_id: POLICY.into(), name: Some("Old name".into()), ..Policy::default() };
    running.store.append(policy_drafts(&seen, None, &policy)).await.unwrap();
    running.stop().await;

    let mut running = start(&directory, vec![account]);
    running.until(baselined).await;
    let events = running.events(BASELINE + 1).await;
    let of_policies: Vec<_> = events.iter().filter(|event| event.starts_with("policy.")).collect();
    let changed = format!("policy.changed policy/{POLICY}");
    let snapshot = |id: &str| format!("policy.snapshot policy/{id}");
    assert_eq!(of_policies, [&snapshot(POLICY), &snapshot(OTHER_POLICY), &changed]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reach_that_was_widened_shows_snapshots_not_news() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let mut narrow = account(&upstream);
    narrow.policies = vec![POLICY.into()];
    let mut running = start(&directory, vec![narrow]);
    running.until(baselined).await;
    running.stop().await;

    let mut running = start(&directory, vec![account(&upstream)]);
    let events = running.events(BASELINE).await;
    assert_eq!(events[BASELINE - 1], format!("policy.snapshot policy/{OTHER_POLICY}"));
    running.another_round().await;
    assert_eq!(running.store.last_sequence().0, BASELINE as u64);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_would_share_a_budget_or_a_name_are_refused() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let running = start(&directory, vec![]);
    let run = |second: poller::AccountConfig| {
        let accounts = vec![account(&upstream), second];
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let (sender, _) = tokio::sync::watch::channel(Vec::new());
        let (_, inbox) = Handle::pair(&[]);
        let run = poller::run(accounts, running.store.clone(), metrics, sender, inbox, CancellationToken::new());
        async { timeout(DEADLINE, run).await.expect("it does not start") }
    };
    let renamed = poller::AccountConfig { name: "other".parse().unwrap(), ..account(&upstream) };
    assert!(matches!(run(renamed).await, Err(PollerError::SamePair { .. })));
    let mut same_name = account(&upstream);
    same_name.credentials.partner_user_id = "aa_other".into();
    assert!(matches!(run(same_name).await, Err(PollerError::SameName { .. })));
    assert!(upstream.world().arrived.is_empty(), "nothing was sent");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_engine_is_asked_about_itself_at_first_contact_and_its_silence_stops_nothing() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    for _ in 0..2 {
        let mut running = start(&directory, vec![account(&upstream)]);
        running.until(baselined).await;
        running.another_round().await;
        running.stop().await;
        assert_eq!(upstream.world().probes, 1);
    }
}
