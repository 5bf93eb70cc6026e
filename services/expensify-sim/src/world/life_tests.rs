use super::super::By;
use super::super::hidden::Hide;
use super::*;
use crate::config::Quiet;
use crate::journal::Change;
use crate::settings::Mix;
use crate::tenant::seed::{Sizes, tenant};
use jiff::Timestamp;
use rand::SeedableRng;
use std::collections::BTreeMap;
use std::time::Duration;

fn world(seed: u64, now: &str, quiet_s: u64) -> World {
    let sizes = Sizes { reports: 200, policies: 3, cards: 20, ..Sizes::default() };
    let tenant = tenant(seed, sizes, "acme.example", now.parse().unwrap());
    World::new(tenant, seed, Quiet::all(Duration::from_secs(quiet_s)))
}

fn lived(world: &mut World, now: &str, steps: u64) -> Vec<Record> {
    lived_with(world, Mix::default(), now, steps)
}

fn lived_with(world: &mut World, mix: Mix, now: &str, steps: u64) -> Vec<Record> {
    let mut rng = StdRng::seed_from_u64(1);
    let start: Timestamp = now.parse().unwrap();
    let moment = |step: u64| {
        let since_start = Duration::from_secs(2 * step);
        {
            let at = start + since_start;
            Moment { at, server: at, since_start, by: By::Life }
        }
    };
    (0..steps).filter_map(|step| world.live(&mut rng, mix, moment(step))).collect()
}

const NOW: &str = "2026-04-02T09:14:00Z";

fn told(records: &[Record]) -> Vec<(String, Change)> {
    records.iter().map(|record| (record.entity.clone(), record.change)).collect()
}

#[test]
fn the_choice_depends_on_the_seed_and_not_on_the_date() {
    let one = lived(&mut world(3, NOW, 30), NOW, 500);
    let later = lived(&mut world(3, "2027-01-31T23:59:59Z", 30), "2027-01-31T23:59:59Z", 500);
    assert_eq!(told(&one), told(&later));
    assert_ne!(told(&one), told(&lived(&mut world(4, NOW, 30), NOW, 500)));
}

#[test]
fn an_entity_is_left_alone_for_its_quiet_time() {
    let mut world = world(3, NOW, 30);
    let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
    for record in lived(&mut world, NOW, 1_000) {
        if let Some(before) = last.insert(record.entity.clone(), record.at) {
            assert!(record.at.as_second() - before.as_second() >= 30, "{record:?}");
        }
    }
}

#[test]
fn most_changes_are_to_reports_and_every_kind_of_change_happens() {
    let records = lived(&mut world(3, NOW, 30), NOW, 3_000);
    let share =
        |kind: &str| records.iter().filter(|record| record.entity.starts_with(kind)).count() * 100 / records.len();
    assert!((80..=90).contains(&share("report/")), "{}", share("report/"));
    assert!((7..=13).contains(&share("policy/")), "{}", share("policy/"));
    assert!((3..=8).contains(&share("card/")), "{}", share("card/"));
    for change in [
        Change::Created,
        Change::Submitted,
        Change::Approved,
        Change::Reimbursed,
        Change::Archived,
        Change::Reopened,
        Change::Unapproved,
        Change::Updated,
        Change::Changed,
        Change::Added,
        Change::Removed,
    ] {
        assert!(records.iter().any(|record| record.change == change), "{change:?}");
    }
    assert_eq!(records.len(), 3_000, "a change at every step");
}

#[test]
fn a_kind_without_a_share_is_not_changed_even_when_nothing_else_can_be() {
    let sizes = Sizes { reports: 20, policies: 3, ..Sizes::default() };
    let tenant = tenant(1, sizes, "acme.example", NOW.parse().unwrap());
    let mut world = World::new(tenant, 1, Quiet::all(Duration::ZERO));
    assert!(
        lived_with(&mut world, Mix { reports: 0, policies: 0, cards: 1 }, NOW, 50).is_empty(),
        "there are no cards"
    );
    assert_eq!(lived_with(&mut world, Mix { reports: 0, policies: 1, cards: 1 }, NOW, 5).len(), 5);
    assert!(lived_with(&mut world, Mix { reports: 0, policies: 0, cards: 0 }, NOW, 5).is_empty());
}

#[test]
fn what_is_hidden_is_left_alone() {
    let mut world = world(3, NOW, 0);
    let kinds = [EntityKind::Report, EntityKind::Policy, EntityKind::Card];
    let hidden: Vec<String> = kinds.into_iter().flat_map(|kind| world.hide(&Hide::count(kind, 2)).unwrap()).collect();
    for record in lived(&mut world, NOW, 1_500) {
        assert!(hidden.iter().all(|id| !record.entity.ends_with(&format!("/{id}"))), "{record:?}");
    }
}

#[test]
fn an_empty_tenant_has_no_life() {
    let sizes = Sizes::default();
    let tenant = tenant(1, sizes, "acme.example", NOW.parse().unwrap());
    let mut world = World::new(tenant, 1, Quiet::all(Duration::ZERO));
    assert!(lived(&mut world, NOW, 50).is_empty());
}

#[test]
fn seeded_reports_never_come_from_the_future_and_dates_follow_the_state() {
    let world = world(8, NOW, 0);
    let now: Timestamp = NOW.parse().unwrap();
    for report in world.tenant.reports.values() {
        let dates = [Some(report.created), report.submitted, report.approved, report.reimbursed];
        let set: Vec<Timestamp> = dates.into_iter().flatten().collect();
        assert!(set.is_sorted() && set.last().is_some_and(|last| *last < now), "{report:?}");
        assert_eq!(report.reimbursed.is_some(), report.state == State::Reimbursed);
        assert_eq!(report.payment.is_some(), report.state == State::Reimbursed);
        assert!((1..=8).contains(&report.expenses.len()));
        assert!(report.actions.iter().map(|action| action.at).is_sorted());
    }
}

#[test]
fn an_edit_that_changes_nothing_leaves_no_record_and_no_history() {
    let mut world = world(3, NOW, 0);
    let number = *world.tenant.reports.keys().next().unwrap();
    let at = NOW.parse().unwrap();
    let moment = Moment { at, server: at, since_start: Duration::ZERO, by: By::Control };
    let before = world.tenant.reports[&number].actions.len();
    let same =
        world.edit_report(number, json!({}), "CHANGEFIELD", moment, |report| report.title = report.title.clone());
    assert!(same.is_err());
    assert_eq!(world.tenant.reports[&number].actions.len(), before);
    let card = *world.tenant.cards.keys().next().unwrap();
    assert!(world.edit_card(card, json!({}), moment, |_| ()).is_none());
    assert_eq!(world.journal.last(), 0);
}
