//! What the upstream tells that nobody here knew, what moves without meaning, and a field that our template did not have.

use event_model::{EventDraft, EventType};
use event_store::TableName;
use expensify_sim::{Change, Edit, EntityKind, Fault, Faults, Settings, Trigger};
use serde_json::Value;

use crate::world::{ALWAYS, DOMAIN, World, company, edit, lines};

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_the_upstream_tells_now_is_kept_reported_and_no_change() {
    let mut world = World::start(company()).await;
    let mark = world.mark();
    world.faults(Faults { extra_field: ALWAYS, ..Faults::default() });
    world.read_all().await;
    let told = world.since(mark).await;
    assert!(told.iter().all(|event| event.event_type.is_snapshot()), "{:?}", lines(&told));
    assert_eq!(told.len(), 2 + 6, "each policy and card, once: {:?}", lines(&told));
    let kept = |event: &event_model::Event| {
        event.data.object.get("cardProgram").or(event.data.object.get("autoReporting"))
            == Some(&Value::from("as always"))
    };
    assert!(told.iter().all(kept), "nothing is lost");
    assert!(world.notices("cardProgram") && world.notices("autoReporting"), "{:?}", world.status().notices);
    let (mark, mut turns) = (world.mark(), Vec::new());
    for turn in 0..8 {
        let extra_field = if turn % 2 == 0 { Fault::default() } else { ALWAYS };
        world.faults(Faults { extra_field, ..Faults::default() });
        world.read_all().await;
        turns.push(world.since(mark).await.len());
    }
    let told = world.since(mark).await;
    assert!(told.iter().all(|event| event.event_type.is_snapshot()), "it comes and goes: {:?}", lines(&told));
    assert_eq!(turns[3..], [turns[3]; 5], "then it is set aside");
    assert!(world.notices("cardProgram moves at nearly every read"), "{:?}", world.status().notices);
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_moves_at_every_poll_is_set_aside_with_a_notice() {
    let mut world = World::start(company()).await;
    world.faults(Faults { volatile_field: ALWAYS, ..Faults::default() });
    let cards = format!("cards:{DOMAIN}");
    let aside = |status: &event_model::status::AccountStatus| {
        status.watches.iter().any(|watch| watch.name == cards && watch.set_aside == ["lastSeen"])
    };
    world.until("path set aside", aside).await;
    assert!(world.notices("lastSeen"), "{:?}", world.status().notices);
    let quiet = world.mark();
    world.read_all().await;
    world.read_all().await;
    let told = lines(&world.since(quiet).await);
    assert!(!told.iter().any(|line| line.starts_with("card.")), "it makes no event: {told:?}");
    let mark = world.mark();
    let card = world.change(&Trigger { entity: Some(EntityKind::Card), ..Trigger::any(Change::Changed) });
    while !world.since(mark).await.iter().any(|event| event.event_type == EventType::CardChanged) {
        world.told(mark, world.since(mark).await.len() as u64 + 1).await;
    }
    world.read_all().await;
    let told: Vec<_> =
        world.since(mark).await.into_iter().filter(|event| event.event_type == EventType::CardChanged).collect();
    assert_eq!(told.len(), 1, "{:?}", lines(&told));
    assert_eq!(told[0].subject.to_string(), card.entity);
    assert!(!told[0].data.changed.contains(&"lastSeen".to_owned()));
    assert!(told[0].data.object["lastSeen"].is_string(), "the next event carries it");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_cards_last_import_is_no_change() {
    let mut world = World::start(company()).await;
    let mark = world.mark();
    for hours in 1..=3 {
        world.sim.set_settings(Settings { clock_skew_s: hours * 3_600, ..Settings::default() }).unwrap();
        world.read_all().await;
    }
    assert_eq!(lines(&world.since(mark).await), [""; 0]);
    world.stopped().await;
}

/// The log of software whose template did not ask for a field of reports and one of their expenses.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_new_in_our_template_is_a_new_baseline_and_no_flood() {
    let world = World::start(company()).await;
    let account = world.status().name;
    let as_before = async |store: &event_store::EventStore| {
        let reports = store.entities(&account, event_model::EntityKind::Report).await.unwrap();
        let mut drafts: Vec<EventDraft> = Vec::new();
        for (id, state) in reports {
            let stored = store.read_after(event_model::Sequence(state.sequence.0 - 1), 1).await.unwrap();
            let mut event: event_model::Event = serde_json::from_slice(&stored[0].body).unwrap();
            assert_eq!(event.subject.id, id);
            event.data.object.as_object_mut().unwrap().remove("managerEmail");
            for line in event.data.object["expenses"].as_array_mut().unwrap() {
                line.as_object_mut().unwrap().remove("mcc");
            }
            drafts.push(EventDraft {
                event_type: EventType::ReportSnapshot,
                timestamp: event.timestamp,
                account: event.account,
                subject: event.subject,
                revision: event_model::Revision(state.revision.0 + 1),
                actor: None,
                data: event.data,
                detection: event.detection,
            });
        }
        store.append(drafts).await.unwrap();
        let watches = store.table::<Value>(TableName::Watches);
        watches.delete("acme/reports", event_store::Durability::Durable).await.unwrap();
    };
    let mut world = world.restarted(as_before).await;
    let told = world.since(event_model::Sequence::START).await;
    let news: Vec<_> = told.iter().rev().take_while(|event| event.revision.0 == 3).collect();
    assert_eq!(news.len(), 24, "each report once: {:?}", lines(&told[told.len() - 30..]));
    assert!(
        news.iter()
            .all(|event| event.event_type == EventType::ReportSnapshot
                && event.data.object.get("managerEmail").is_some())
    );
    let mark = world.mark();
    let report = world.reports_in("OPEN").remove(0);
    world.change(&edit(&report, Edit::Title("Told as ever".into())));
    world.assert_told(mark, &[format!("report.updated report/{report} reportName")], "a change is one").await;
    world.stopped().await;
}
