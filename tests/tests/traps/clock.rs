//! The server's clock and zone are not ours.

use expensify_sim::{Burst, Change, Settings, SimConfig, Trigger};
use jiff::SignedDuration;

use crate::world::{World, company, line, lines};

/// A company on a server with another clock: what is made there now is told, and nothing else.
async fn is_told_whatever_the_clock_says(settings: Settings) {
    let mut world = World::start(SimConfig { settings, ..company() }).await;
    let mark = world.mark();
    let created = world.change(&Trigger::any(Change::Created));
    let expenses = created.detail["lines"].as_array().unwrap().len() as u64;
    let told = world.told(mark, 1 + expenses).await;
    assert_eq!(
        format!("{} {}", told[0].event_type.as_str(), told[0].subject),
        format!("report.created {}", created.entity)
    );
    let id = created.entity.split_once('/').unwrap().1;
    for change in [Change::Submitted, Change::Approved] {
        let mark = world.mark();
        world.change(&Trigger::report(change, id));
        world.told(mark, 1).await;
    }
    let mark = world.mark();
    let steps = [Change::Unapproved, Change::Approved, Change::Reimbursed].map(|change| Trigger::report(change, id));
    world.sim.burst(&Burst::of(steps.to_vec())).unwrap();
    world.told(mark, 3).await;
    world.read_all().await;
    let told = world.since(mark).await;
    let types: Vec<_> = told.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(
        types,
        ["report.unapproved", "report.approved", "report.reimbursed"],
        "{settings:?}: {:?}",
        lines(&told)
    );
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_most_of_a_day_ahead_or_behind_hides_nothing() {
    for hours in [-20, 20] {
        let clock_skew_s = SignedDuration::from_hours(hours).as_secs();
        is_told_whatever_the_clock_says(Settings { clock_skew_s, ..Settings::default() }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_writes_its_own_zone_hides_nothing_and_doubles_nothing() {
    for hours in [-8, 9] {
        is_told_whatever_the_clock_says(Settings { zone_s: hours * 3_600, ..Settings::default() }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_while_we_watch_says_nothing_and_removes_nothing() {
    let mut world = World::start(company()).await;
    let mark = world.mark();
    for hours in [26, -26, 0] {
        let clock_skew_s = SignedDuration::from_hours(hours).as_secs();
        let no_date_header = hours == -26;
        world.sim.set_settings(Settings { clock_skew_s, no_date_header, ..Settings::default() }).unwrap();
        world.read_all().await;
        world.read_all().await;
    }
    assert_eq!(world.since(mark).await.iter().map(line).collect::<Vec<_>>(), [""; 0]);
    world.stopped().await;
}
