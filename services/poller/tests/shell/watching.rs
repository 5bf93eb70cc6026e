//! What is told, and what is not.

use change_engine::{Seen, policy_drafts};
use event_model::{EventType, Policy, Sequence, status::AccountStatus};
use jiff::Timestamp;
use poller::{Metrics, PollerError};
use tempfile::TempDir;

use crate::{
    harness::{account, start},
    upstream::{Upstream, World},
};

const FIRST: &str = "R00AbCdEf123";
const SECOND: &str = "R00AbCdEf456";
const POLICY: &str = "A1B2C3D4E5F60718";
const OTHER_POLICY: &str = "18F60E5D4C3B2A10";

fn world() -> World {
    World {
        reports: vec![(FIRST, "OPEN", 1_000), (SECOND, "APPROVED", 2_000)],
        policies: vec![(POLICY, "Field Ops"), (OTHER_POLICY, "France")],
        cards: vec![(5_190_011, "Visa - 4004")],
        ..World::default()
    }
}

/// Events of `world()` at first sight: two reports, two policies, a card, three scopes.
const BASELINE: usize = 8;

fn baselined(status: &AccountStatus) -> bool {
    !status.watches.is_empty() && status.watches.iter().all(|watch| watch.baselined)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sight_is_snapshots_and_later_changes_are_exactly_their_events() {
    let (upstream, directory) = (Upstream::start(world()).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    let events = running.events(BASELINE).await;
    assert!(events.iter().all(|event| event.contains(".snapshot ")), "{events:?}");
    let place = |wanted: &str| events.iter().position(|event| event == wanted).expect(wanted);
    assert!(place("scope.snapshot scope/reports") > place(&format!("report.snapshot report/{SECOND}")));
    assert!(place("scope.snapshot scope/cards:acme.example") > place("card.snapshot card/5190011"));
    running.until(baselined).await;

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
async fn an_incomplete_export_changes_nothing_and_is_read_again() {
    let (upstream, directory) = (Upstream::start(world()).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    upstream.world().broken_off = true;
    upstream.world().reports[0].1 = "SUBMITTED";
    let failed = running.until(|status| status.last_error.is_some()).await;
    assert_eq!(failed.watches[0].failures, 1);
    assert_eq!(running.reads("reports", "incomplete"), 1.0);
    assert_eq!(running.store.last_sequence(), Sequence(BASELINE as u64));
    upstream.world().broken_off = false;
    let events = running.events(BASELINE + 1).await.split_off(BASELINE);
    assert_eq!(events, [format!("report.submitted report/{FIRST}")]);
    running.until(|status| status.last_error.is_none() && status.watches[0].failures == 0).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_repeats_nothing_and_forgets_nothing() {
    let (upstream, directory) = (Upstream::start(world()).await, TempDir::new().unwrap());
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
    let (upstream, directory) = (Upstream::start(world()).await, TempDir::new().unwrap());
    let account = account(&upstream);
    let running = start(&directory, vec![]);
    let seen = Seen { account: &account.name, observed_at: Timestamp::now(), not_before: None, baselined: false };
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
async fn a_removal_takes_two_complete_reads_and_a_mass_disappearance_is_withheld() {
    let cards = (0..4).map(|n| (100 + n, "Visa")).collect();
    let (upstream, directory) = (Upstream::start(World { cards, ..world() }).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    let there = running.events(BASELINE + 3).await.len();

    upstream.world().policies.clear();
    upstream.world().reports.clear();
    let gone_at = Timestamp::now();
    upstream.world().cards.remove(2);
    running.another_round().await;
    assert_eq!(running.store.last_sequence().0, there as u64, "one absence says nothing");
    let removed = running.full_events(there + 1).await.split_off(there);
    assert_eq!(
        (removed[0].event_type, removed[0].subject.to_string()),
        (EventType::CardRemoved, "card/102".to_owned())
    );
    assert!(removed[0].detection.not_before <= Some(gone_at), "it went after the last read that showed it");
    assert_eq!(removed[0].data.object["cardName"], "Visa");

    assert_eq!(running.metric("expensewire_quarantined_scopes", &[]), 1.0, "the policies");
    running.another_round().await;
    assert_eq!(running.store.last_sequence().0, there as u64 + 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_read_holds_no_other_back_and_is_not_removed() {
    let (upstream, directory) = (Upstream::start(world()).await, TempDir::new().unwrap());
    upstream.world().policies.extend([("C0FFEE0000000001", "Three"), ("C0FFEE0000000002", "Four")]);
    upstream.world().refused_policies.insert(OTHER_POLICY);
    upstream.world().garbled_policies.insert("C0FFEE0000000002");
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    let events = running.events(BASELINE).await;
    assert_eq!(events.iter().filter(|event| event.starts_with("policy.snapshot")).count(), 2);
    assert_eq!(running.metric("expensewire_unreadable_policies", &[]), 2.0);

    let asked = |upstream: &Upstream| upstream.world().arrived.iter().filter(|job| *job == "policy").count();
    let (before, reads) = (asked(&upstream), running.reads("policies", "complete"));
    running.until_metric(|running| running.reads("policies", "complete") >= reads + 2.0).await;
    let more_reads = running.reads("policies", "complete") - reads;
    assert!(asked(&upstream) - before <= more_reads as usize + 1, "they are left out of the batch for a while");
    assert_eq!(running.store.last_sequence().0, BASELINE as u64);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reach_that_was_widened_shows_snapshots_not_news() {
    let (upstream, directory) = (Upstream::start(world()).await, TempDir::new().unwrap());
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
    let (upstream, directory) = (Upstream::start(world()).await, TempDir::new().unwrap());
    let running = start(&directory, vec![]);
    let run = |second: poller::AccountConfig| {
        let accounts = vec![account(&upstream), second];
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let (sender, _) = tokio::sync::watch::channel(Vec::new());
        poller::run(accounts, running.store.clone(), metrics, sender, tokio_util::sync::CancellationToken::new())
    };
    let renamed = poller::AccountConfig { name: "other".parse().unwrap(), ..account(&upstream) };
    assert!(matches!(run(renamed).await, Err(PollerError::SamePair { .. })));
    let mut same_name = account(&upstream);
    same_name.credentials.partner_user_id = "aa_other".into();
    assert!(matches!(run(same_name).await, Err(PollerError::SameName { .. })));
    assert!(upstream.world().arrived.is_empty(), "nothing was sent");
    running.stop().await;
}
