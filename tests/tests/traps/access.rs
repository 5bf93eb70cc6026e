//! A role or a domain is lost and regained: nothing is removed, one event each way, and on return the difference to what was
//! known.

use event_model::{Event, EventType};
use expensify_sim::{AccessChange, Change, DomainAccess, Edit, LostPolicy, Role, Settings, SimConfig, Trigger};

use crate::world::{World, company, edit, line, lines};

/// The scopes that an access event says are lost.
fn lost(event: &Event) -> Vec<&str> {
    assert_eq!(event.event_type, EventType::AccountAccessChanged, "{}", line(event));
    event.data.object["lost"].as_array().unwrap().iter().map(|lost| lost["scope"].as_str().unwrap()).collect()
}

fn role(world: &World, policy: &str, role: Role) {
    world.sim.change_access(&AccessChange::Policy { id: policy.to_owned(), role }).unwrap();
}

/// A role is lost in one of the ways in which the upstream can say so, things change unseen, and it is regained.
async fn a_role_is_lost_and_regained(answer: LostPolicy, lower: Role) {
    let settings = Settings { lost_policy: answer, ..Settings::default() };
    let mut world = World::start(SimConfig { settings, ..company() }).await;
    let reports = world.reports_in("OPEN");
    let of = |id: &String| world.sim.report(id).unwrap()["policyID"].as_str().unwrap().to_owned();
    let report = reports[0].clone();
    let policy = of(&report);
    let elsewhere = reports.iter().find(|id| of(id) != policy).unwrap().clone();
    let mark = world.mark();
    let scope = format!("policy/{policy}");

    role(&world, &policy, lower);
    world.until("loss", |status| status.lost.iter().any(|lost| lost.scope == scope)).await;
    world.change(&edit(&report, Edit::Title("Unseen".into())));
    world.change(&Trigger::policy(Change::Changed, &policy));
    world.change(&edit(&elsewhere, Edit::Title("Seen".into())));
    world.told(mark, 2).await;
    world.read_all().await;
    let told = world.since(mark).await;
    assert_eq!(lost(&told[0]), [scope.as_str()]);
    let seen = format!("report.updated report/{elsewhere} reportName");
    assert_eq!(lines(&told[1..]), [seen], "only what is in sight: {answer:?} {lower:?}");

    role(&world, &policy, Role::Admin);
    world.told(mark, 5).await;
    world.read_all().await;
    let back = world.since(mark).await.split_off(2);
    let (access, rest): (Vec<Event>, Vec<Event>) =
        back.into_iter().partition(|event| event.event_type == EventType::AccountAccessChanged);
    assert_eq!(access.iter().map(|event| lost(event).len()).collect::<Vec<_>>(), [0], "once back");
    let rest = lines(&rest);
    assert_eq!(rest.len(), 2, "the difference to what was known and no more: {rest:?}");
    assert!(rest.iter().any(|line| line.starts_with(&format!("policy.changed policy/{policy} "))), "{rest:?}");
    assert!(rest.contains(&format!("report.updated report/{report} reportName")), "{rest:?}");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_role_takes_nothing_away() {
    a_role_is_lost_and_regained(LostPolicy::Forbidden, Role::User).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_gone_takes_nothing_away_when_the_upstream_forbids() {
    a_role_is_lost_and_regained(LostPolicy::Forbidden, Role::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_gone_takes_nothing_away_when_the_upstream_says_not_found_or_nothing() {
    a_role_is_lost_and_regained(LostPolicy::NotFound, Role::None).await;
    a_role_is_lost_and_regained(LostPolicy::Omitted, Role::None).await;
}

/// The cards of a domain, refused or answered with none.
async fn a_domain_is_lost_and_regained(answer: DomainAccess) {
    let mut world = World::start(company()).await;
    let mark = world.mark();
    world.sim.change_access(&AccessChange::Domain(answer)).unwrap();
    while world.since(mark).await.is_empty() {
        // A refusal that is repeated backs off: somebody asks again.
        let failing = |status: &event_model::status::AccountStatus| {
            !status.lost.is_empty()
                || status.watches.iter().any(|watch| watch.name.starts_with("cards") && watch.failures > 0)
        };
        world.until("refusal", failing).await;
        world.refresh().await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let card =
        world.change(&Trigger { entity: Some(expensify_sim::EntityKind::Card), ..Trigger::any(Change::Changed) });
    let gone = world.change(&Trigger { entity: Some(expensify_sim::EntityKind::Card), ..Trigger::any(Change::Added) });
    let report = world.reports_in("OPEN").remove(0);
    world.change(&edit(&report, Edit::Title("Marker".into())));
    world.told(mark, 2).await;
    let told = world.since(mark).await;
    assert_eq!(lost(&told[0]), ["cards:acme.example"]);
    assert_eq!(lines(&told[1..]), [format!("report.updated report/{report} reportName")]);

    world.sim.change_access(&AccessChange::Domain(DomainAccess::Held)).unwrap();
    world.told(mark, 5).await;
    world.read_all().await;
    let back = world.since(mark).await.split_off(2);
    let mut told: Vec<String> =
        back.iter().map(|event| format!("{} {}", event.event_type.as_str(), event.subject)).collect();
    told.sort();
    let mut wanted = vec![
        "account.access_changed account/acme".to_owned(),
        format!("card.added {}", gone.entity),
        format!("card.changed {}", card.entity),
    ];
    wanted.sort();
    assert_eq!(told, wanted);
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_is_refused_loses_no_card() {
    a_domain_is_lost_and_regained(DomainAccess::Refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_answers_with_nothing_loses_no_card() {
    a_domain_is_lost_and_regained(DomainAccess::Empty).await;
}
