//! An account with nothing in it, and ids that differ in nothing but the case of a letter.

use expensify_sim::{Change, Edit, SimConfig, Trigger};

use crate::world::{World, company, edit, lines};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_nothing_in_it_is_watched_like_any_other() {
    let mut world = World::start(SimConfig { reports: 0, policies: 0, cards: 0, ..company() }).await;
    let start = event_model::Sequence::START;
    let mut told = lines(&world.since(start).await);
    told.sort();
    let wanted = ["cards:acme.example", "policies", "reports"].map(|scope| format!("scope.snapshot scope/{scope}"));
    assert_eq!(told, wanted);
    world.read_all().await;
    assert_eq!(world.since(start).await.len(), 3, "nothing is lost, nothing withheld");
    assert!(world.status().last_error.is_none() && world.status().lost.is_empty());

    let mark = world.mark();
    let policy =
        world.change(&Trigger { entity: Some(expensify_sim::EntityKind::Policy), ..Trigger::any(Change::Created) });
    world.assert_told(mark, &[format!("policy.created {}", policy.entity)], "the first policy is news").await;
    let mark = world.mark();
    let report = world.change(&Trigger::any(Change::Created));
    let expenses = report.detail["lines"].as_array().unwrap().len();
    world.told(mark, 1 + expenses as u64).await;
    world.read_all().await;
    let told = lines(&world.since(mark).await);
    assert_eq!((told.len(), told[0].as_str()), (1 + expenses, format!("report.created {}", report.entity).as_str()));
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_collide_in_case_are_two_reports() {
    let mut world = World::start(SimConfig { case_twins: 3, ..company() }).await;
    let all: Vec<String> = world.sim.reports().into_iter().map(|report| report.id).collect();
    let collides = |id: &&String| all.iter().any(|other| other != *id && other.eq_ignore_ascii_case(id));
    let twins: Vec<&String> = all.iter().filter(collides).collect();
    assert!(twins.len() >= 6);
    for id in twins {
        let mark = world.mark();
        world.change(&edit(id, Edit::Title(format!("Only {id}"))));
        world.assert_told(mark, &[format!("report.updated report/{id} reportName")], "the other is another").await;
    }
    let has_none = |id: &String| !all.iter().any(|other| other != id && other.eq_ignore_ascii_case(id));
    let one = world.reports_in("OPEN").into_iter().find(has_none).unwrap();
    let mark = world.mark();
    let twin = world.change(&Trigger::any(Change::Created).with(Edit::TwinOf(one.clone())));
    let told = world.told(mark, 1).await;
    assert_eq!(
        format!("{} {}", told[0].event_type.as_str(), told[0].subject),
        format!("report.created {}", twin.entity)
    );
    assert!(twin.entity.eq_ignore_ascii_case(&format!("report/{one}")) && twin.entity != format!("report/{one}"));
    world.stopped().await;
}
