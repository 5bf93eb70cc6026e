//! What is missing: removed only when two reads by id have missed it, withheld when it is much, told when it is back.

use event_model::EventType;
use expensify_sim::{Change, EntityKind, Hide, SimConfig, Trigger};
use jiff::SignedDuration;
use poller::HandleError;

use crate::world::{World, company, names};

/// A removed report's line and those of its expenses.
fn removal(world: &World, id: &str) -> Vec<String> {
    let report = world.sim.report(id).unwrap();
    let expense =
        |line: &serde_json::Value| format!("expense.removed expense/{}", line["transactionID"].as_str().unwrap());
    let expenses = report["transactionList"].as_array().unwrap().iter().map(expense);
    [format!("report.removed report/{id}")].into_iter().chain(expenses).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_are_confirmed_by_id_in_one_batch_twice_and_what_is_back_is_created_again() {
    let mut world = World::start(company()).await;
    let open = world.reports_in("OPEN");
    let (one, other) = (&open[0], &open[1]);
    let (of_one, of_other) = (removal(&world, one), removal(&world, other));
    let (mark, exports) = (world.mark(), world.sim.exports(0).len() as u64);
    for id in [one, other] {
        world.change(&Trigger::report(Change::Removed, id));
    }
    world.assert_told_in_any_order(mark, [of_one.clone(), of_other].concat(), "each with its expenses").await;
    let by_id: Vec<_> = world.sim.exports(exports).into_iter().filter(|export| export.ids > 0).collect();
    assert!(by_id.iter().all(|export| export.ids == 2), "both in one request");
    assert!((2..=3).contains(&by_id.len()), "twice after the list of policies that clears them");
    let apart = by_id[by_id.len() - 1].read_at.duration_since(by_id[by_id.len() - 2].read_at);
    assert!(apart >= SignedDuration::from_millis(9_500), "{apart}");

    let mark = world.mark();
    world.change(&Trigger::report(Change::Created, one));
    let created = |line: &String| line.replace("removed", "added").replace("report.added", "report.created");
    let back = of_one.iter().map(created).collect();
    world.assert_told_in_any_order(mark, back, "it is there again, with its expenses and no step").await;
    assert_eq!(world.since(mark).await[0].revision.0, 3, "the same report, not another of its name");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_disappearance_is_withheld_and_what_is_back_was_never_gone() {
    let mut world = World::start(SimConfig { reports: 60, ..company() }).await;
    let mark = world.mark();
    world.sim.hide(&Hide::count(EntityKind::Report, 25)).unwrap();
    let lost = world.until("loss", |status| !status.lost.is_empty()).await.lost;
    assert_eq!((lost[0].scope.as_str(), lost[0].missing, lost[0].of), ("reports", Some(25), Some(60)));
    world.read_all().await;
    assert_eq!(names(&world.since(mark).await), ["account.access_changed account/acme"]);
    world.sim.show(None);
    world.until("return", |status| status.lost.is_empty()).await;
    world.read_all().await;
    let told = names(&world.since(mark).await);
    assert_eq!(told, ["account.access_changed account/acme"; 2], "once each way, and nothing else");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_releases_what_is_withheld_up_to_a_ceiling() {
    let mut world = World::start(SimConfig { reports: 40, cards: 0, ..company() }).await;
    let mark = world.mark();
    let hidden = world.sim.hide(&Hide::count(EntityKind::Report, 14)).unwrap();
    world.until("loss", |status| !status.lost.is_empty()).await;
    let refused = world.release("reports", 13).await.unwrap_err();
    assert_eq!(refused, HandleError::OverCeiling { missing: 14, ceiling: 13 });
    world.read_all().await;
    assert_eq!(world.since(mark).await.len(), 1, "the loss, and no removal");
    world.release("reports", 14).await.unwrap();
    let removed = |events: &[event_model::Event]| {
        let removed = events.iter().filter(|event| event.event_type == EventType::ReportRemoved);
        removed.map(|event| event.subject.id.clone()).collect::<Vec<_>>()
    };
    let mut told = world.since(mark).await;
    while removed(&told).len() < hidden.len() {
        told = world.told(mark, told.len() as u64 + 1).await;
    }
    world.read_all().await;
    let mut gone = removed(&world.since(mark).await);
    gone.sort();
    let mut wanted = hidden;
    wanted.sort();
    assert_eq!(gone, wanted);
    let access =
        world.since(mark).await.iter().filter(|event| event.event_type == EventType::AccountAccessChanged).count();
    assert_eq!(access, 2, "lost, and what is left is all in sight");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_reports_are_so_many_of_so_many() {
    let mut world = World::start(SimConfig { reports: 15, cards: 0, ..company() }).await;
    world.sim.hide(&Hide::all(EntityKind::Report)).unwrap();
    let lost = world.until("loss", |status| !status.lost.is_empty()).await.lost;
    assert_eq!((lost[0].missing, lost[0].of), (Some(15), Some(15)));
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_scope_is_too_much_however_small_it_is() {
    let mut world = World::start(SimConfig { reports: 4, cards: 2, ..company() }).await;
    let mark = world.mark();
    for kind in [EntityKind::Report, EntityKind::Card, EntityKind::Policy] {
        world.sim.hide(&Hide::all(kind)).unwrap();
    }
    let all =
        world.until("losses", |status| status.lost.iter().any(|lost| lost.scope == "cards:acme.example")).await.lost;
    let cards = all.iter().find(|lost| lost.scope == "cards:acme.example").unwrap();
    assert_eq!((cards.missing, cards.of), (Some(2), Some(2)));
    world.read_all().await;
    let told = names(&world.since(mark).await);
    assert!(told.iter().all(|line| line.starts_with("account.access_changed")), "{told:?}");
    world.sim.show(None);
    world.until("return", |status| status.lost.is_empty()).await;
    world.read_all().await;
    let told = names(&world.since(mark).await);
    assert!(told.iter().all(|line| line.starts_with("account.access_changed")), "{told:?}");
    world.stopped().await;
}
