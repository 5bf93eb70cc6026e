//! Reports that leave what a read shows without being gone, and reads that overlap.

use expensify_sim::{Dates, Edit, Fault, Faults, SimConfig};
use jiff::{SignedDuration, Timestamp};

use crate::world::{ALWAYS, World, company, edit, line, lines};

fn days_ago(days: i64) -> Option<Timestamp> {
    Some(Timestamp::now() - SignedDuration::from_hours(24 * days))
}

/// What an edit of a report's dates to so many days ago says.
fn aged(days: i64) -> Edit {
    Edit::Dates(Dates { created: days_ago(days), submitted: days_ago(days - 1), ..Dates::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ages_out_of_the_window_is_not_gone_and_what_still_moves_is_watched_on() {
    let mut world = World::start(company()).await;
    let (moving, paid) = (world.reports_in("SUBMITTED").remove(0), world.reports_in("REIMBURSED").remove(0));
    let mark = world.mark();
    for report in [&moving, &paid] {
        world.change(&edit(report, aged(700)));
    }
    let left = |report: &String| format!("report.updated report/{report} created,submitted");
    world.assert_told_in_any_order(mark, [&moving, &paid].map(left).to_vec(), "they are elsewhere, not gone").await;
    let mark = world.mark();
    world.change(&edit(&moving, Edit::Title("Late".into())));
    world.assert_told(mark, &[format!("report.updated report/{moving} reportName")], "no export reaches it").await;
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_from_one_window_to_another_is_told_as_that_and_only_once() {
    let mut world = World::with_history(SimConfig { old_reports: 6, ..company() }, 500).await;
    let report = world.reports_in("APPROVED").remove(0);
    let mark = world.mark();
    world.change(&edit(&report, aged(420)));
    world.assert_told(mark, &[format!("report.updated report/{report} created,submitted")], "into an old window").await;
    let mark = world.mark();
    world.change(&edit(&report, aged(3)));
    world.assert_told(mark, &[format!("report.updated report/{report} created,submitted")], "and back").await;
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_every_state_or_its_policy_is_not_gone() {
    let mut world = World::start(company()).await;
    let (strange, mover) = (world.reports_in("SUBMITTED").remove(0), world.reports_in("OPEN").remove(0));
    let mark = world.mark();
    world.change(&edit(&strange, Edit::Status("Escalated".into())));
    world.told(mark, 1).await;
    world.read_all().await;
    let told = world.since(mark).await;
    assert_eq!(lines(&told), [format!("report.updated report/{strange} state,stateNum")], "no filter keeps it");
    assert_eq!(told[0].data.object["state"], "ESCALATED", "an unknown state is kept as it came");
    assert!(world.notices("unknown state ESCALATED"), "and a person is told of it: {:?}", world.status().notices);
    let mark = world.mark();
    world.change(&edit(&strange, Edit::Status(String::new())));
    world.assert_told(mark, &[format!("report.submitted report/{strange} state,stateNum")], "in a known state").await;

    let mark = world.mark();
    let before = world.sim.report(&mover).unwrap();
    let lines_of = before["transactionList"].as_array().unwrap().len();
    let other = world.sim.access().policies.into_keys().find(|id| before["policyID"] != id.as_str()).unwrap();
    world.change(&edit(&mover, Edit::MoveTo(other)));
    world.told(mark, 1 + lines_of as u64).await;
    world.read_all().await;
    let told = world.since(mark).await;
    assert_eq!(told.len(), 1 + lines_of, "{:?}", lines(&told));
    assert!(
        line(&told[0]).starts_with(&format!("report.updated report/{mover} ")) && line(&told[0]).contains("policyID")
    );
    assert!(
        told[1..].iter().all(|event| line(event).starts_with("expense.updated") && event.data.changed == ["policyID"])
    );
    world.stopped().await;
}

/// An export is rendered and answers late; meanwhile the report changes and is read by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_observation_never_overwrites_a_newer_one() {
    let mut world = World::start(company()).await;
    let report = world.reports_in("OPEN").remove(0);
    let mark = world.mark();
    world.faults(Faults { slow_export: Fault::times(1), slow_export_ms: 2_500, ..Faults::default() });
    world.until_struck("slow_export").await;
    world.change(&edit(&report, Edit::Title("Newer".into())));
    world.refresh_report(&report).await;
    let told = world.told(mark, 1).await;
    let slow = world.sim.exports(0).into_iter().rev().find(|export| export.rows > 1).unwrap();
    assert!(slow.answered_at.is_none(), "the older one is still to come");
    assert_eq!(lines(&told), [format!("report.updated report/{report} reportName")]);
    world.read_all().await;
    assert_eq!(world.since(mark).await.len(), 1, "neither back to the older nor there again");
    world.stopped().await;
}

/// The same with rows that come in any order and twice, while life goes on.
#[tokio::test(flavor = "multi_thread")]
async fn slow_exports_that_overlap_tell_each_change_once_and_in_order() {
    let mut world = World::with_history(SimConfig { old_reports: 4, ..company() }, 500).await;
    let report = world.reports_in("OPEN").remove(0);
    let mark = world.mark();
    world.faults(Faults {
        slow_export: Fault::chance(0.6),
        slow_export_ms: 400,
        reordered_rows: ALWAYS,
        duplicate_rows: ALWAYS,
        ..Faults::default()
    });
    for n in 1..=4_u64 {
        world.change(&edit(&report, Edit::Title(format!("Title {n}"))));
        world.refresh_report(&report).await;
        world.told(mark, n).await;
    }
    world.read_all().await;
    let titles: Vec<_> = world.since(mark).await.iter().map(|event| event.data.object["reportName"].clone()).collect();
    assert_eq!(titles, ["Title 1", "Title 2", "Title 3", "Title 4"]);
    world.stopped().await;
}
