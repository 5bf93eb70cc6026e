//! What is missing, and what cannot be read.

use event_model::EventType;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::{
    harness::{account, baselined, start},
    upstream::{BASELINE, OTHER_POLICY, Upstream, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_takes_two_complete_reads_and_a_mass_disappearance_is_withheld() {
    let cards = (0..4).map(|n| (100 + n, "Visa")).collect();
    let (upstream, directory) = (Upstream::start(World { cards, ..World::small() }).await, TempDir::new().unwrap());
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    let there = running.events(BASELINE + 3).await.len();

    upstream.world().refused_policies.insert(OTHER_POLICY);
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

    upstream.world().policies.clear();
    running.until_metric(|running| running.metric("expensewire_quarantined_scopes", &[]) == 1.0).await;
    running.another_round().await;
    let said = running.events(there + 2).await.split_off(there + 1);
    assert_eq!(
        said,
        ["account.access_changed account/acme"],
        "neither the unreadable policy, nor all policies at once"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_read_holds_no_other_back_and_is_not_removed() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
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
async fn a_policy_that_was_never_read_has_its_first_sight_when_it_is() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    upstream.world().policies.push(("C0FFEE0000000002", "Four"));
    upstream.world().garbled_policies.insert("C0FFEE0000000002");
    let mut running = start(&directory, vec![account(&upstream)]);
    running.until(baselined).await;
    running.another_round().await;
    running.stop().await;

    upstream.world().garbled_policies.clear();
    let running = start(&directory, vec![account(&upstream)]);
    let events = running.events(BASELINE + 1).await;
    assert_eq!(events[BASELINE], "policy.snapshot policy/C0FFEE0000000002");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_two_domains_list_is_told_once() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let mut account = account(&upstream);
    account.domains.push("second.example".to_owned());
    let mut running = start(&directory, vec![account]);
    running.until(baselined).await;
    // The second domain's own scope, and nothing else.
    running.events(BASELINE + 1).await;
    running.another_round().await;
    assert_eq!(running.store.last_sequence().0, BASELINE as u64 + 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_in_which_no_policy_can_be_read_has_failed() {
    let (upstream, directory) = (Upstream::start(World::small()).await, TempDir::new().unwrap());
    let all: Vec<_> = upstream.world().policies.iter().map(|(id, _)| *id).collect();
    upstream.world().refused_policies.extend(all);
    let mut running = start(&directory, vec![account(&upstream)]);
    let failed = |status: &event_model::status::AccountStatus| {
        status.watches.iter().any(|watch| watch.name == "policies" && watch.failures > 0)
    };
    let status = running.until(failed).await;
    assert!(status.last_error.is_some_and(|error| error.watch == "policies"));
    assert_eq!(running.reads("policies", "complete"), 0.0);
    running.stop().await;
}
